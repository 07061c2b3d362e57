"""The audit trail: one row per request of a recipient, or of a stranger at the recipients' door."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from licet.model.records import Table
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.database import transaction
from licet.store.facts import micros

ERROR = 400
"""The first HTTP status of a refusal."""
PRUNED = 10_000
"""Rows that one transaction removes, so that members who change a setting meanwhile wait no longer than for those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One request: never a token, a query string or a member's id."""

    at: datetime
    recipient_id: str
    """Empty for a stranger."""
    credential_id: str
    """Which credential was used; empty for a stranger and for a file's signed address."""
    method: str
    route: str
    """The route's template, never the path; empty where there is no such route."""
    license_id: str
    """The share as asked; stored only where it names a license, in the license's own spelling."""
    record_table: str
    """The table as asked; stored only where there is such a table."""
    status: int
    bytes: int
    """Bytes of the answer's body."""
    duration_us: int
    network: str
    """The caller's address cut to /24 or /48; empty if unknown."""


def record_requests(conn: Connection, entries: Sequence[AuditEntry]) -> None:
    """Append entries; a share or table that does not exist is left out, for a path may hold anything."""
    known: dict[str, str] = {}
    if any(entry.license_id for entry in entries):
        # All of them, for what was asked must not become part of a query: a database may not even take it as text.
        query = select(t.license_fact.c.license_id).where(t.license_fact.c.until_seq == t.OPEN)
        known = {str(name).lower(): str(name) for name in conn.execute(query).scalars()}
    conn.execute(insert(t.audit_request), [_row(entry, known) for entry in entries])


def _row(entry: AuditEntry, licenses: dict[str, str]) -> dict[str, Any]:
    table = entry.record_table.lower()
    return {
        "at_us": micros(entry.at),
        "recipient_id": entry.recipient_id,
        "credential_id": entry.credential_id,
        "method": entry.method[:16],
        "route": entry.route[:255],
        "license_id": licenses.get(entry.license_id.lower(), ""),
        "record_table": table if table in set(Table) else "",
        "status": entry.status,
        "bytes": entry.bytes,
        "duration_us": entry.duration_us,
        "network": entry.network,
    }


def requests(conn: Connection, since: datetime, recipient_id: str = "", most: int = 1000) -> list[AuditEntry]:
    """Give the newest entries at or after an instant, oldest first; of one recipient, or of everybody."""
    c = t.audit_request.c
    query = select(t.audit_request).where(c.at_us >= micros(since))
    if recipient_id:
        query = query.where(c.recipient_id == recipient_id)
    newest = conn.execute(query.order_by(c.at_us.desc(), c.id.desc()).limit(most)).all()
    return [_entry(row) for row in reversed(newest)]


def _entry(row: Any) -> AuditEntry:  # noqa: ANN401 # SQLAlchemy rows have no static type
    said = dict(row._mapping)  # noqa: SLF001 # its name in SQLAlchemy's interface
    del said["id"]
    return AuditEntry(at=instant(said.pop("at_us")), **said)


def prune(database: Engine, before: datetime, most: int = PRUNED) -> Iterator[int]:
    """Remove entries before an instant, at most so many in a transaction; give how many each removed."""
    c = t.audit_request.c
    oldest = select(c.id).where(c.at_us < micros(before)).order_by(c.at_us).limit(most)
    while True:
        with transaction(database) as conn:
            gone = conn.execute(delete(t.audit_request).where(c.id.in_(oldest))).rowcount
        if not gone:
            return
        yield gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What entries are searched for: from an instant, before another, and by what; empty means any."""

    since: datetime
    until: datetime
    recipient_id: str = ""
    route: str = ""
    """A part of the route's template."""
    refused: bool = False
    """Only what was answered with an error."""


def search(conn: Connection, sought: Sought, most: int) -> list[AuditEntry]:
    """Give the newest entries that are searched for, newest first."""
    c = t.audit_request.c
    query = select(t.audit_request).where(c.at_us >= micros(sought.since), c.at_us < micros(sought.until))
    if sought.recipient_id:
        query = query.where(c.recipient_id == sought.recipient_id)
    if sought.route:
        query = query.where(c.route.contains(sought.route, autoescape=True))
    if sought.refused:
        query = query.where(c.status >= ERROR)
    return [_entry(row) for row in conn.execute(query.order_by(c.at_us.desc(), c.id.desc()).limit(most))]
