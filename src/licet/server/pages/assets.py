"""The few files that pages need, each under an address that names its content, so that a browser keeps it for good."""

import functools
import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request, Response

from licet.server.errors import missing

TYPES: Final = {
    "htmx-2.0.11.min.js": "text/javascript; charset=utf-8",
    "licet.css": "text/css; charset=utf-8",
    "licet.svg": "image/svg+xml",
}
_DIGITS: Final = 16

router = APIRouter(prefix="/assets", include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file's content, the same compressed, and the digits that name it."""

    content: bytes
    compressed: bytes
    digest: str


@functools.cache
def asset(name: str) -> Asset:
    """Give a file.

    Raises:
        WireError: 404, there is none of that name.
    """
    if name not in TYPES:
        raise missing("no such file")
    content = (resources.files("licet.server.pages") / "assets" / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
    return Asset(content=content, compressed=gzip.compress(content, mtime=0), digest=digest)


def address(name: str) -> str:
    """Give the path of a file."""
    return f"/assets/{asset(name).digest}/{name}"


@router.get("/{digest}/{name}")
def get_asset(request: Request, digest: str, name: str) -> Response:
    """Give a file, compressed where the browser takes that."""
    found = asset(name)
    if digest != found.digest:
        raise missing("no such file")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    headers["Vary"] = "Accept-Encoding"
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, headers=headers, media_type=TYPES[name])
    return Response(found.content, headers=headers, media_type=TYPES[name])
