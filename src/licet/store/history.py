"""What became of a shared table, version by version: which keys left with each, and how far back a reader may begin.

A build replaces every file, so nothing before the newest one can be read step by step.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from licet.model.recalls import KeyFile
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import micros
from licet.store.shared import Snapshot

TICK = timedelta(milliseconds=1)
"""The least time between two versions, as readers are told it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version of a table, and the files of the keys of rows that left with it."""

    table: str
    version: int
    at: datetime
    keys: tuple[KeyFile, ...]


def since_build(conn: Connection, license_id: str, snapshot: Snapshot, table: str) -> tuple[Change, ...]:
    """Give a table's versions from the newest build to the snapshot's, oldest first, each later than the one before.

    Where the record of a version is lost, those that follow it are given: what was before cannot be told.
    """
    newest = Change(table=table, version=snapshot.version, at=snapshot.at, keys=snapshot.facts.keys)
    if snapshot.facts.cause == "build":
        return (newest,)
    c = t.shared_version.c
    same = (c.license_id == license_id, c.record_table == table, c.version < snapshot.version)
    built = select(func.max(c.version)).where(*same, c.cause == "build").scalar_subquery()
    query = select(c.version, c.at_us, c["keys"]).where(*same, c.version >= built).order_by(c.version)
    known = {row.version: row for row in conn.execute(query)}
    first = snapshot.version
    while first - 1 in known:
        first -= 1
    rows = (known[version] for version in range(first, snapshot.version))
    earlier = (_change(table, row.version, row.at_us, row.keys) for row in rows)
    return tuple(_in_time((*earlier, newest)))


def _change(table: str, version: int, at_us: int, keys: str) -> Change:
    return Change(table=table, version=version, at=instant(at_us), keys=tuple(_key_files(keys)))


def _key_files(text: str) -> Iterable[KeyFile]:
    return (KeyFile(name=name, size=size, rows=rows) for name, size, rows in json.loads(text))


def _in_time(changes: Iterable[Change]) -> Iterable[Change]:
    """Move versions whose clock did not go on to after the one before."""
    last: datetime | None = None
    for change in changes:
        later = change if last is None or change.at > last else replace(change, at=last + TICK)
        yield later
        last = later.at


def first_since(conn: Connection, license_id: str, table: str, at: datetime, before: int) -> int | None:
    """Give the first version below `before` that was committed at or after an instant, or None."""
    c = t.shared_version.c
    same = (c.license_id == license_id, c.record_table == table, c.version < before)
    found = conn.execute(select(func.min(c.version)).where(*same, c.at_us >= micros(at))).scalar_one_or_none()
    return None if found is None else int(found)


def key_file(conn: Connection, license_id: str, table: str, version: int, name: str) -> KeyFile | None:
    """Give the file of that name if it holds keys that left with a version which is written down."""
    c = t.shared_version.c
    same = (c.license_id == license_id, c.record_table == table, c.version == version)
    text = conn.execute(select(c["keys"]).where(*same)).scalar_one_or_none()
    return next((file for file in _key_files(text or "[]") if file.name == name), None)


def departed(conn: Connection, license_id: str) -> list[Change]:
    """Give every version of every table of a license with which rows left, in the order in which they did."""
    c = t.shared_version.c
    query = select(c.record_table, c.version, c.at_us, c["keys"]).where(c.license_id == license_id, c["keys"] != "[]")
    rows = conn.execute(query.order_by(c.as_of_seq, c.at_us, c.record_table, c.version))
    return [_change(row.record_table, row.version, row.at_us, row.keys) for row in rows]
