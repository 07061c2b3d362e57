"""Shapes of the Delta Sharing protocol that surround a table's lines: list items, pages and the capabilities header."""

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import orjson

from licet.model.errors import InputError
from licet.model.licenses import License

SCHEMA: Final = "licensed"
"""The one schema of every share."""
REMOVALS: Final = "removals"
"""The table of every schema that lists the keys of rows that left the others."""
PAGE_LIMIT: Final = 500
"""Most items of one page, and their number where none is asked for."""

_IDS: Final = uuid.UUID("5f0c2b4e-0f0c-5a55-9d38-6c6963657400")

Item = dict[str, Any]
Format: TypeAlias = Literal["parquet", "delta"]
"""How a table's lines are written."""


def share_item(share: str, about: Mapping[str, Any] | None = None) -> Item:
    """Give the list item of a share, with what is said about it; its id follows from its name, so it never changes."""
    return {"name": share, "id": str(uuid.uuid5(_IDS, share)), **(about or {})}


def terms_of(license_: License, state: str) -> dict[str, Any]:
    """Give what a share says about its license: words to show, and the terms that a program may go by."""
    ends = f"{license_.ends.day} {license_.ends:%B %Y}"
    return {
        "displayName": f"{license_.license_id}: {license_.purpose}, until {ends}",
        "comment": (
            f"For {license_.purpose} only, until {ends}. The keys of rows that have to go, wherever they were copied "
            f"to, are in `{SCHEMA}.{REMOVALS}` and in each table's change data feed."
        ),
        "properties": {
            "purpose": license_.purpose,
            "starts": license_.starts.isoformat(),
            "ends": license_.ends.isoformat(),
            "recall_within_hours": str(license_.recall_within_hours),
            "state": state,
        },
    }


def schema_item(share: str) -> Item:
    """Give the list item of a share's one schema."""
    return {"name": SCHEMA, "share": share}


def table_item(share: str, table: str) -> Item:
    """Give the list item of a table; without access modes it is read by URL only."""
    ids = {"shareId": str(uuid.uuid5(_IDS, share)), "id": table_id(share, table)}
    return {"share": share, "schema": SCHEMA, "name": table, **ids}


def table_id(share: str, table: str) -> str:
    """Give the id by which a table is listed; it never changes."""
    return str(uuid.uuid5(_IDS, f"{share}/{table}"))


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
    return str(item["name"]).lower()


def _write_token(listing: str, after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([listing, after]).encode()).decode().rstrip("=")


def _read_token(token: str, listing: str) -> str:
    try:
        value = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
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
    asynchronous: bool = False

    @property
    def format(self) -> Format | None:
        """Give the format of the answer, parquet wherever the client takes it; None if it takes none that there is."""
        if not self.formats or "parquet" in self.formats:
            return "parquet"
        return "delta" if "delta" in self.formats else None

    def answer(self, answered: Format) -> str:
        """Give the header of an answer."""
        return f"responseformat={answered}" + (";includeendstreamaction=true" if self.end_stream else "")


def read_capabilities(header: str | None) -> Capabilities:
    """Read the capabilities header; keys and values count without regard to case, unknown ones not at all."""
    said: dict[str, frozenset[str]] = {}
    for part in (header or "").lower().split(";"):
        key, _, values = part.partition("=")
        said[key.strip()] = frozenset(value.strip() for value in values.split(",") if value.strip())
    return Capabilities(
        formats=said.get("responseformat", frozenset()),
        end_stream="true" in said.get("includeendstreamaction", frozenset()),
        asynchronous="true" in said.get("asyncquery", frozenset()),
    )


def file_id(name: str, scheme: Format = "parquet") -> str:
    """Give a file's stable id from its name: MD5 under `parquet`, SHA-256 under `delta`; it guards nothing."""
    if scheme == "delta":
        return hashlib.sha256(name.encode()).hexdigest()
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def ndjson(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Give lines of JSON, one object each."""
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
