"""The lines of a table's answer, in both formats: plain, or as actions of a Delta log for the client to write down."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from licet.protocol.sharing import Format

Line = dict[str, Any]

_DELTA_PROTOCOL: Final = {"minReaderVersion": 1, "minWriterVersion": 4}
"""The lowest versions that know a change data feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the metadata line says of a table at one version; `size` is in bytes, None where it is not known."""

    table_id: str
    schema_string: str
    feed: bool
    """Whether the table has a change data feed."""
    version: int
    files: int | None = None
    size: int | None = None


class Kind(StrEnum):
    """What a line says of a file."""

    FILE = "file"
    """It is part of the version."""
    ADD = "add"
    """Its rows came with its version."""
    CDF = "cdf"
    """It says itself, in `_change_type`, what happened to its rows."""
    REMOVE = "remove"
    """Rows with its keys left with its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A file as it is offered: its address, which ends at `expires` (seconds since 1970), its bytes and rows."""

    url: str
    identity: str
    size: int
    rows: int
    expires: int
    at: datetime
    """When its version was committed."""
    version: int | None = None
    """The version to be stated; None where the reader did not ask for one."""


def protocol_line(answered: Format) -> Line:
    """Give the protocol line: any reader can read."""
    if answered == "delta":
        return {"protocol": {"deltaProtocol": dict(_DELTA_PROTOCOL)}}
    return {"protocol": {"minReaderVersion": 1}}


def metadata_line(answered: Format, head: Head) -> Line:
    """Give the metadata line."""
    sizes = {} if head.size is None else {"size": head.size, "numFiles": head.files}
    said: Line = {"id": head.table_id, "format": {"provider": "parquet"}, "schemaString": head.schema_string}
    said["partitionColumns"] = []
    if answered == "delta":
        said["format"] = {"provider": "parquet", "options": {}}
        # Readers of this format look for the table property of a Delta table.
        said["configuration"] = {"delta.enableChangeDataFeed": "true"} if head.feed else {}
        return {"metaData": {"version": head.version, **sizes, "deltaMetadata": said}}
    said["configuration"] = {"enableChangeDataFeed": "true"} if head.feed else {}
    return {"metaData": {**said, "version": head.version, **sizes}}


def file_line(answered: Format, kind: Kind, link: Link) -> Line:
    """Give a file's line; statistics state rows only."""
    return _action(kind, link) if answered == "delta" else _plain(kind, link)


def _plain(kind: Kind, link: Link) -> Line:
    said: Line = {"url": link.url, "id": link.identity, "partitionValues": {}, "size": link.size}
    if kind in {Kind.FILE, Kind.ADD}:
        said["stats"] = _stats(link)
    if kind is not Kind.FILE:
        said["timestamp"] = _ms(link.at)
    if link.version is not None:
        said["version"] = link.version
    return {str(kind): said | {"expirationTimestamp": link.expires * 1000}}


def _action(kind: Kind, link: Link) -> Line:
    action: Line = {"path": link.url, "partitionValues": {}, "size": link.size, "dataChange": kind is not Kind.CDF}
    if kind in {Kind.FILE, Kind.ADD}:
        action |= {"modificationTime": _ms(link.at), "stats": _stats(link)}
    name = {Kind.CDF: "cdc", Kind.REMOVE: "remove"}.get(kind, "add")
    said: Line = {"id": link.identity, "deltaSingleAction": {name: action}}
    if link.version is not None:
        said |= {"version": link.version, "timestamp": _ms(link.at)}
    return {"file": said | {"expirationTimestamp": link.expires * 1000}}


def _stats(link: Link) -> str:
    return json.dumps({"numRecords": link.rows}, separators=(",", ":"))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def end_line(expires: int, next_page: str = "", refresh: str = "") -> Line:
    """Give the last line, with the tokens that there are; `expires` is in seconds since 1970."""
    tokens = {"nextPageToken": next_page, "refreshToken": refresh}
    said: Line = {name: token for name, token in tokens.items() if token}
    return {"endStreamAction": said | {"minUrlExpirationTimestamp": expires * 1000}}
