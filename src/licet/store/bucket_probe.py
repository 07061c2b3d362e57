"""Whether a bucket can be an outlet: what is deleted there must be gone, and addresses must open what they name.

The store is asked whether it keeps versions, and an object is put, read, deleted and asked for again the way a
recipient would: what a store does counts, whatever it says.
"""

import contextlib
import hashlib
import hmac
import os
import re
import uuid
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from licet.model.errors import Unavailable, UsageError
from licet.protocol.urls import SIGNATURE
from licet.store.bucket import Bucket, versioned

PROBE_S: Final = 60
"""Seconds for which a probe's addresses work."""
_UNKNOWN_QUESTION: Final = frozenset({405, 501})
"""How a store without versions answers who asks for their state."""


def require_forgetful(bucket: Bucket) -> None:
    """Refuse a bucket where something deleted might be kept, or where addresses do not work.

    Raises:
        UsageError: it has or had versioning, or must not be asked, or does something else than an outlet needs.
        Unavailable: the store does not answer.
    """
    key = f"probe-{uuid.uuid4().hex}"
    try:
        with httpx.Client(timeout=10) as client:
            _require_no_versions(client, bucket)
            _require_gone(client, bucket, key)
    except httpx.HTTPError as error:
        raise Unavailable("the object store cannot be reached", "check the AWS_… variables and the network") from error
    finally:
        with contextlib.suppress(Unavailable):
            bucket.delete([key])


def _require_gone(client: httpx.Client, bucket: Bucket, key: str) -> None:
    addresses = {method: bucket.sign([key], PROBE_S, method)[0] for method in ("PUT", "GET", "DELETE")}
    content = uuid.uuid4().bytes
    put = client.put(addresses["PUT"], content=content)
    read = client.get(addresses["GET"])
    deleted = client.delete(addresses["DELETE"])
    again = client.get(addresses["GET"])
    if not put.is_success or not read.is_success or read.content != content or not deleted.is_success:
        codes = ", ".join(str(answer.status_code) for answer in (put, read, deleted))
        raise UsageError(
            f"the outlet's bucket does not put, give and delete an object (it answers {codes})",
            "let these credentials put, get, list and delete objects below the prefix",
        )
    if "x-amz-delete-marker" in deleted.headers or put.headers.get("x-amz-version-id", "null") != "null":
        raise versioned()
    if again.status_code != httpx.codes.NOT_FOUND:
        raise UsageError(
            f"the outlet answers {again.status_code} to who asks for an object that was deleted",
            "let these credentials list the bucket, and put no cache before it",
        )


def _require_no_versions(client: httpx.Client, bucket: Bucket) -> None:
    """Ask for the bucket's state; where the key does not stand in the environment only the probe tells."""
    secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not secret:
        return
    above = (bucket.asking.prefix or "").strip("/")
    like = bucket.sign(["x"], PROBE_S)[0]
    answer = client.get(_versioning_address(like, len(above.split("/")) if above else 0, secret))
    if answer.status_code in _UNKNOWN_QUESTION:
        return
    if not answer.is_success:
        raise UsageError(
            f"the outlet's bucket does not tell whether it keeps versions (it answers {answer.status_code})",
            "name a bucket that there is, and let these credentials do s3:GetBucketVersioning",
        )
    if re.search(r"<Status>\s*\w", answer.text):
        raise versioned()


def _versioning_address(like: str, depth: int, secret: str) -> str:
    """Give the signed address of a bucket's versioning by that of an object, which lies `depth` folders deep in it.

    Signature Version 4, as AWS documents it for queries; all but the path and the question stay as they were.
    """
    parts = urlsplit(like)
    path = "/".join(parts.path.split("/")[: -1 - depth]) or "/"
    said = {key: value for key, value in parse_qsl(parts.query) if key != SIGNATURE} | {"versioning": ""}
    query = "&".join(f"{quote(key, safe='-_.~')}={quote(said[key], safe='-_.~')}" for key in sorted(said))
    request = "\n".join(("GET", path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"))
    scope = said["X-Amz-Credential"].split("/")[-4:]
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join((said["X-Amz-Algorithm"], said["X-Amz-Date"], "/".join(scope), digest))
    key = f"AWS4{secret}".encode()
    for each in (*scope, text):
        key = hmac.digest(key, each.encode(), "sha256")
    return f"{parts.scheme}://{parts.netloc}{path}?{query}&{SIGNATURE}={key.hex()}"
