"""Shapes of the Delta Sharing protocol: list items, pages, lines and the capabilities header."""

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from licet.model.errors import InputError

SCHEMA: Final = "licensed"
"""The one schema of every share."""
PAGE_LIMIT: Final = 500
"""Most items of one page, and their number where none is asked for."""

_IDS: Final = uuid.UUID("5f0c2b4e-0f0c-5a55-9d38-6c6963657400")

Item = dict[str, str]


def share_item(share: str) -> Item:
    """Give the list item of a share; its id follows from its name, so it never changes."""
    return {"name": share, "id": str(uuid.uuid5(_IDS, share))}


def schema_item(share: str) -> Item:
    """Give the list item of a share's one schema."""
    return {"name": SCHEMA, "share": share}


def table_item(share: str, table: str) -> Item:
    """Give the list item of a table; without access modes it is read by URL only."""
    ids = {"shareId": str(uuid.uuid5(_IDS, share)), "id": str(uuid.uuid5(_IDS, f"{share}/{table}"))}
    return {"share": share, "schema": SCHEMA, "name": table, **ids}


def page_size(text: str | None) -> int:
    """Read `maxResults`.

    Raises:
        InputError: it is no number, or out of range.
    """
    if text is None:
        return PAGE_LIMIT
    try:
        asked = int(text)
    except ValueError as error:
        raise InputError("expected a number but the string didn't have the appropriate format") from error
    if not 0 <= asked <= PAGE_LIMIT:
        raise InputError("Acceptable values of 'maxResults' are 0 to 500, inclusive. (Default: 500)")
    return asked


def page(items: Sequence[Item], listing: str, size: int, token: str | None) -> dict[str, Any]:
    """Cut one page out of a list; a token holds the last name shown, so new items shift nobody's pages.

    Raises:
        InputError: the token is malformed, or was given for another listing.
    """
    ordered = sorted(items, key=_key)
    after = _read_token(token, listing) if token else ""
    rest = [item for item in ordered if _key(item) > after]
    answer: dict[str, Any] = {"items": rest[:size]}
    if len(rest) > size:
        answer["nextPageToken"] = _write_token(listing, _key(rest[size - 1]) if size else after)
    return answer


def _key(item: Item) -> str:
    return item["name"].lower()


def _write_token(listing: str, after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([listing, after]).encode()).decode().rstrip("=")


def _read_token(token: str, listing: str) -> str:
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError) as error:
        raise InputError("invalid 'nextPageToken'") from error
    match value:
        case [str(of), str(after)] if of == listing:
            return after
    raise InputError("invalid 'nextPageToken'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a client said in `delta-sharing-capabilities`; formats are empty where it named none."""

    formats: frozenset[str] = field(default_factory=frozenset)
    end_stream: bool = False

    @property
    def parquet(self) -> bool:
        """Tell whether the client takes an answer in parquet format."""
        return not self.formats or "parquet" in self.formats

    def answer(self) -> str:
        """Give the header of an answer in parquet format."""
        return "responseformat=parquet" + (";includeendstreamaction=true" if self.end_stream else "")


def read_capabilities(header: str | None) -> Capabilities:
    """Read the capabilities header; keys and values count without regard to case, unknown ones not at all."""
    said: dict[str, frozenset[str]] = {}
    for part in (header or "").lower().split(";"):
        key, _, values = part.partition("=")
        said[key.strip()] = frozenset(value.strip() for value in values.split(",") if value.strip())
    return Capabilities(
        formats=said.get("responseformat", frozenset()),
        end_stream="true" in said.get("includeendstreamaction", frozenset()),
    )


def protocol_line() -> dict[str, Any]:
    """Give the protocol line: any reader can read."""
    return {"protocol": {"minReaderVersion": 1}}


def metadata_line(table_id: str, schema_string: str, version: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Give the metadata line of a version whose files have these sizes in bytes."""
    said = {
        "id": table_id,
        "format": {"provider": "parquet"},
        "schemaString": schema_string,
        "partitionColumns": [],
        "version": version,
        "size": sum(sizes),
        "numFiles": len(sizes),
    }
    return {"metaData": said}


def file_id(name: str, scheme: str = "parquet") -> str:
    """Give a file's stable id from its name: MD5 under `parquet`, SHA-256 under `delta`; it guards nothing."""
    if scheme == "delta":
        return hashlib.sha256(name.encode()).hexdigest()
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def file_line(url: str, identity: str, size: int, rows: int, expires: int) -> dict[str, Any]:
    """Give a file's line; statistics state rows only, `expires` is in seconds since 1970."""
    stats = json.dumps({"numRecords": rows}, separators=(",", ":"))
    said = {"url": url, "id": identity, "partitionValues": {}, "size": size, "stats": stats}
    return {"file": said | {"expirationTimestamp": expires * 1000}}


def end_line(expires: int) -> dict[str, Any]:
    """Give the last line for clients that asked for one; `expires` is in seconds since 1970."""
    return {"endStreamAction": {"minUrlExpirationTimestamp": expires * 1000}}


def ndjson(lines: Iterable[Mapping[str, Any]]) -> str:
    """Give lines of JSON, one object each."""
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
