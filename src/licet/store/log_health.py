"""How the transparency log does: what it holds, what waits, and whether disk, database and signature agree."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, func, select

from licet.model.errors import LicetError
from licet.store import log_tables as lt
from licet.store.asof import instant
from licet.store.house import House
from licet.store.log_files import LogFiles
from licet.store.log_proofs import published, verifier_of
from licet.store.publication import Head, head_of
from licet.tlog.notes import Verifier
from licet.tlog.tiles import edge_of

SLOW: Final = timedelta(minutes=1)
"""How long an entry may wait before the log counts as behind."""


class Health(StrEnum):
    """What there is to say of the log in a word."""

    GOOD = "good"
    NOT_BEGUN = "not_begun"
    BEHIND = "behind"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """The log at a moment; `trouble` says what is broken, and is empty otherwise."""

    health: Health
    origin: str
    key: str
    size: int
    root: bytes
    signed: datetime
    waiting: int
    waiting_since: datetime
    counts: tuple[tuple[str, int], ...]
    trouble: str


def state_of(conn: Connection, house: House, now: datetime) -> LogState:
    """Look at the log: its files are read where it grows, and the signature is checked."""
    head, verifier = head_of(conn), verifier_of(conn)
    e, c = lt.log_entry.c, lt.log_count.c
    waiting, since = conn.execute(select(func.count(), func.min(e.at_us)).where(e.place.is_(None))).one()
    oldest = instant(since) if waiting else now
    trouble = _trouble(house.log, head, verifier) if head and verifier else ""
    counts = conn.execute(select(c.type, c.entries).order_by(c.entries.desc(), c.type)).all()
    return LogState(
        health=_health(head, trouble, now - oldest),
        origin=head.origin if head else "",
        key=str(verifier or ""),
        size=head.size if head else 0,
        root=head.root if head else b"",
        signed=head.at if head else now,
        waiting=int(waiting) + (head.placed - head.size if head else 0),
        waiting_since=oldest,
        counts=tuple((row.type, row.entries) for row in counts),
        trouble=trouble,
    )


def _health(head: Head | None, trouble: str, late: timedelta) -> Health:
    if head is None:
        return Health.NOT_BEGUN
    if trouble:
        return Health.BROKEN
    return Health.BEHIND if late > SLOW else Health.GOOD


def _trouble(files: LogFiles, head: Head, verifier: Verifier) -> str:
    """Say what contradicts what: the signed checkpoint, the database, or the tiles that it signs."""
    try:
        public = published(files, verifier)
        if public is None:
            return "" if not head.size else "the published checkpoint is lost"
        if public.size > head.size or (public.size == head.size and public.root != head.root):
            return f"the published checkpoint has {public.size} entries, the database knows of {head.size}"
        if edge_of(public.size, files.read).root() != public.root:
            return "the tiles are not those that the checkpoint signs"
    except FileNotFoundError:
        return "a tile is lost"
    except LicetError as error:
        return error.message
    return ""
