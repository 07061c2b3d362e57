"""Sign what a bearer may show later: a file's address, a page's end, a session, a form. HMAC-SHA-256 in hexadecimal.

Hexadecimal, because clients rewrite other characters of a query; the parameter is named `X-Amz-Signature`, because
the Rust reader of Delta Sharing clients takes an address as signed only under a name that it knows.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

SIGNATURE: Final = "X-Amz-Signature"
"""The query parameter that holds a file address's signature."""
EXPIRES: Final = "expires"
"""The query parameter that holds a file address's expiry, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClaim:
    """The right to fetch one file, as offered for one version, until `expires` (seconds since 1970)."""

    license_id: str
    table: str
    version: int
    file: str
    expires: int


def _mac(secret: bytes, use: str, parts: list[str | int]) -> str:
    # The use stands inside what is signed, so that a signature for one use opens nothing of another.
    said = json.dumps([use, *parts], separators=(",", ":"), ensure_ascii=True)
    return hmac.digest(secret, said.encode(), "sha256").hex()


def file_signature(secret: bytes, claim: FileClaim) -> str:
    """Give the signature of a claim, 64 hexadecimal digits."""
    parts: list[str | int] = [claim.license_id, claim.table, claim.version, claim.file, claim.expires]
    return _mac(secret, "file", parts)


def file_path(secret: bytes, claim: FileClaim) -> str:
    """Give the signed path and query of a file, below the sharing prefix and without a leading slash."""
    parts = (claim.license_id, claim.table, str(claim.version), claim.file)
    path = "/".join(quote(part, safe="") for part in parts)
    return f"files/{path}?{EXPIRES}={claim.expires}&{SIGNATURE}={file_signature(secret, claim)}"


def is_signed(secret: bytes, claim: FileClaim, signature: str) -> bool:
    """Tell whether a claim carries its own signature; takes the same time for every wrong one."""
    return hmac.compare_digest(file_signature(secret, claim).encode(), signature.encode())


def seal(secret: bytes, use: str, said: Mapping[str, str | int]) -> str:
    """Give a token that holds values, readable by anybody and signed for one use."""
    text = json.dumps(said, separators=(",", ":"), sort_keys=True)
    body = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{body}.{_mac(secret, use, [text])}"


def opened(secret: bytes, use: str, token: str) -> dict[str, Any] | None:
    """Give what a token holds, or None if it is malformed, forged, or was given for another use."""
    body, _, signature = token.partition(".")
    try:
        text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()
    except ValueError:
        return None
    if not signature.isascii() or not hmac.compare_digest(_mac(secret, use, [text]), signature):
        return None
    said: dict[str, Any] = json.loads(text)
    return said


def form_token(secret: bytes, session: str) -> str:
    """Give what a form carries to show that it comes from a page of this session, 64 hexadecimal digits."""
    return _mac(secret, "form", [session])


def is_form_token(secret: bytes, session: str, token: str) -> bool:
    """Tell whether a form carries its session's token; takes the same time for every wrong one."""
    return hmac.compare_digest(form_token(secret, session).encode(), token.encode())
