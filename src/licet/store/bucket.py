"""A bucket of an S3-compatible store: the few requests that an outlet makes of it.

Region, endpoint and credentials come from the environment (`AWS_…`), as for a lake on an object store. What the store
says of an error is never repeated but for its code: it names objects, and whoever knows a name knows half of an
address.
"""

import contextlib
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from licet.model.errors import IntegrityError, Unavailable, UsageError

Method: TypeAlias = Literal["GET", "PUT", "DELETE"]

ONE_PUT: Final = 64 * 2**20
"""Bytes up to which a file goes up whole: of one killed on its way nothing is left, while parts stay in the store."""
PART: Final = 16 * 2**20
"""Bytes of a part of a larger file."""
ASKING_S: Final = 5
"""Seconds that a question may take, and is asked again for."""
SENDING_S: Final = 120
"""Seconds that a file, or a part of one, may take on its way up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A prefix of a bucket; every key is relative to it."""

    asking: S3Store
    """For questions, which are short."""
    sending: S3Store
    """For uploads, which may take long."""

    @classmethod
    def open(cls, url: str) -> Self:
        """Give the bucket at `s3://bucket/prefix`; nothing is asked of it yet.

        Raises:
            UsageError: the URL names no bucket.
        """
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise UsageError("an outlet's URL cannot be read", "write s3://bucket/prefix")
        prefix = parts.path.strip("/")
        return cls(
            asking=_store(parts.netloc, prefix, ASKING_S, retries=2), sending=_store(parts.netloc, prefix, SENDING_S)
        )

    def listing(self, prefix: str) -> dict[str, int]:
        """Give the keys below a prefix, each with its object's bytes.

        Raises:
            Unavailable: the store does not answer, or refuses.
        """
        with _asked():
            return {each["path"]: each["size"] for chunk in obstore.list(self.asking, prefix) for each in chunk}

    def size(self, key: str) -> int | None:
        """Give an object's bytes, or None if there is no such object.

        Raises:
            Unavailable: the store does not answer, or refuses.
        """
        with _asked():
            try:
                return int(obstore.head(self.asking, key)["size"])
            except FileNotFoundError:
                return None

    def put(self, key: str, path: Path, size: int) -> None:
        """Copy a local file of a known size to the store, and see that it came there whole.

        Raises:
            FileNotFoundError: there is no such local file.
            IntegrityError: it has another size.
            Unavailable: the store does not answer, or refuses, or keeps something else.
            UsageError: the store keeps versions of objects.
        """
        with _mapped(path, size) as data, _asked():
            done = obstore.put(self.sending, key, data, use_multipart=size > ONE_PUT, chunk_size=PART)
            kept = obstore.head(self.asking, key)
        if (done["version"] or "null") != "null":
            raise versioned()
        if (kept["size"], kept["e_tag"]) != (size, done["e_tag"]):
            raise Unavailable("the object store keeps something else than it was given", "query the table again")

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are passed over.

        Raises:
            Unavailable: the store does not answer, or refuses.
        """
        if keys:
            with _asked():
                obstore.delete(self.asking, keys)

    def sign(self, keys: Sequence[str], seconds: int, method: Method = "GET") -> list[str]:
        """Give an address of each object that opens it for so many seconds, to whoever holds it.

        Raises:
            Unavailable: there are no credentials to sign with.
        """
        if not keys:
            return []
        with _asked():
            return list(obstore.sign(self.asking, method, keys, timedelta(seconds=seconds)))


def _store(bucket: str, prefix: str, timeout_s: int, retries: int = 1) -> S3Store:
    # The one variable of a lake on an object store that this library does not read by itself.
    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true", "yes"}
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"allow_http": plain, "timeout": f"{timeout_s}s", "connect_timeout": "3s"},
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=2 * timeout_s)},
    )


def versioned() -> UsageError:
    """Give the refusal of a bucket that keeps what is deleted."""
    return UsageError(
        "the outlet's bucket keeps, or once kept, versions of objects, so nothing deleted is gone",
        "use a bucket that never had versioning",
    )


@contextlib.contextmanager
def _asked() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        code = re.search(r"<Code>(\w{1,40})</Code>", str(error))
        why = f" ({code[1]})" if code else ""
        raise Unavailable(f"the object store does not do what it was asked{why}", "try again in a moment") from None


@contextlib.contextmanager
def _mapped(path: Path, size: int) -> Iterator[memoryview]:
    """Give a local file's bytes without holding them."""
    with path.open("rb") as handle:
        if os.fstat(handle.fileno()).st_size != size or not size:
            raise IntegrityError("a shared file has not the size that its table states", "build the license again")
        # Files are only ever unlinked, never cut or rewritten, so the map stays whole while it is read.
        mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    yield memoryview(mapped)
