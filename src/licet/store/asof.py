"""State as of a sequence number: members, settings, notices, licenses, and what changed between two numbers."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy import Table as SqlTable

from licet.model.errors import NotFound
from licet.model.licenses import License, LicenseId, RecipientId
from licet.model.members import EVERY_RECIPIENT, AccountStatus, AgeBand, Member, MemberId, Protection
from licet.model.records import Deletion, Table
from licet.model.schemas import SUBJECTS
from licet.policy.notice import Notice, parse_notice
from licet.store import tables as t
from licet.store.facts import CHUNK, micros

FETCH = 50_000
"""Rows taken from the database at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What may take rows away between two numbers: members' states and settings, and records deleted or hidden."""

    member_ids: frozenset[str]
    deletions: tuple[Deletion, ...]


def instant(us: int) -> datetime:
    """Give microseconds since 1970 as an aware instant."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def _holds(table: SqlTable, seq: int) -> ColumnElement[bool]:
    return and_(table.c.seq <= seq, table.c.until_seq > seq)


def member_as_of(conn: Connection, member_id: str, seq: int) -> Member | None:
    """Give a member's state as of `seq`, or None if nothing was known of them then."""
    c = t.member_fact.c
    row = conn.execute(select(t.member_fact).where(c.member_id == member_id, _holds(t.member_fact, seq))).first()
    if row is None:
        return None
    return Member(
        member_id=MemberId(row.member_id),
        platform=row.platform,
        region=row.region,
        age_band=AgeBand(row.age_band),
        protection=Protection(row.protection),
        status=AccountStatus(row.status),
    )


def setting_as_of(
    conn: Connection, member_id: str, purpose: str, seq: int, recipient_id: str = EVERY_RECIPIENT
) -> tuple[str, str]:
    """Give a member's own position and its source: (`allow` | `deny` | `none`, source or empty)."""
    rows = _setting_rows(conn, purpose, seq, recipient_id, [member_id])
    return _positions(rows).get(member_id, ("none", ""))


def _setting_rows(
    conn: Connection, purpose: str, seq: int, recipient_id: str, member_ids: Sequence[str] | None
) -> Iterable[Any]:
    return _rows(conn, choices(seq, purpose, recipient_id), t.setting_fact.c.member_id, member_ids)


def choices(seq: int, purpose: str, recipient_id: str) -> Select[Any]:
    """Query the choices standing as of `seq` that bear on a purpose and a recipient."""
    c = t.setting_fact.c
    bears = or_(c.recipient_id == EVERY_RECIPIENT, c.recipient_id == recipient_id)
    query = select(c.member_id, c.recipient_id, c.choice, c.source, c.seq)
    return query.where(c.purpose == purpose, bears, _holds(t.setting_fact, seq))


def member_states(seq: int) -> Select[Any]:
    """Query members' states as of `seq`, as far as decisions look at them."""
    c = t.member_fact.c
    return select(c.member_id, c.region, c.age_band, c.protection, c.status).where(_holds(t.member_fact, seq))


def showings(seq: int, notice_version: str) -> Select[Any]:
    """Query when members were shown a notice, as known at `seq`."""
    c = t.shown_fact.c
    return select(c.member_id, c.at_us).where(c.notice_version == notice_version, c.seq <= seq)


def fallen_records(seq: int) -> CompoundSelect[Any]:
    """Query the records deleted, edited or hidden at `seq`: table, id, and the number before which rows fall."""
    c, h = t.deletion_fact.c, t.hiding_fact.c
    forever: ColumnElement[int] = literal_column(str(t.OPEN), BigInteger)
    before = case((c.superseded, c.seq), else_=forever).label("before_seq")
    gone = select(c.record_table, c.record_id, before).where(c.seq <= seq)
    hidden = select(h.record_table, h.record_id, forever.label("before_seq")).where(
        h.hidden, _holds(t.hiding_fact, seq)
    )
    return union_all(gone, hidden)


def _rows(
    conn: Connection, query: Select[Any], key: ColumnElement[str], member_ids: Sequence[str] | None
) -> Iterable[Any]:
    for rows in _parts(conn, query, key, member_ids):
        yield from rows


def _parts(
    conn: Connection, query: Select[Any], key: ColumnElement[str], member_ids: Sequence[str] | None
) -> Iterable[Sequence[Any]]:
    if member_ids is None:
        yield from conn.execute(query.execution_options(yield_per=FETCH)).partitions()
        return
    for start in range(0, len(member_ids), CHUNK):
        yield conn.execute(query.where(key.in_(member_ids[start : start + CHUNK]))).all()


def _positions(rows: Iterable[Any]) -> dict[str, tuple[str, str]]:
    """Settle a general and a specific choice: any standing denial wins, unless a newer specific allow answers it."""
    settled: dict[str, tuple[str, str]] = {}
    denied: dict[str, int] = {}
    specific: list[tuple[str, str, str, int]] = []
    for member_id, recipient_id, choice, source, seq in rows:
        if recipient_id != EVERY_RECIPIENT:
            specific.append((member_id, choice, source, seq))
            continue
        settled[member_id] = (choice, source)
        if choice == "deny":
            denied[member_id] = seq
    for member_id, choice, source, seq in specific:
        if choice == "deny" or seq > denied.get(member_id, -1):
            settled[member_id] = (choice, source)
    return settled


def subjects(
    conn: Connection,
    seq: int,
    purpose: str,
    recipient_id: str,
    notice_version: str,
    member_ids: Sequence[str] | None = None,
) -> pa.Table:
    """Give members as a decision sees them as of `seq` (schema `SUBJECTS`), all of them or those named."""
    columns: list[list[str]] = [[], [], [], [], []]
    for rows in _parts(conn, member_states(seq), t.member_fact.c.member_id, member_ids):
        for column, values in zip(columns, zip(*rows, strict=True), strict=False):
            column.extend(values)
    positions = _positions(_setting_rows(conn, purpose, seq, recipient_id, member_ids))
    shown = _shown(conn, seq, notice_version, member_ids)
    none = ("none", "")
    chosen = [positions.get(member_id, none) for member_id in columns[0]]
    arrays = [*columns, [c for c, _ in chosen], [s for _, s in chosen], [shown.get(m) for m in columns[0]]]
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(arrays, SUBJECTS, strict=True)], schema=SUBJECTS
    )


def _shown(conn: Connection, seq: int, version: str, member_ids: Sequence[str] | None) -> dict[str, datetime]:
    rows = _rows(conn, showings(seq, version), t.shown_fact.c.member_id, member_ids)
    return {row.member_id: instant(row.at_us) for row in rows}


def notices_as_of(conn: Connection, seq: int) -> list[Notice]:
    """Give the notices published by `seq`, oldest first."""
    c = t.notice_fact.c
    query = select(c.source, c.version).where(c.seq <= seq).order_by(c.seq)
    return [_parsed(row.source, row.version) for row in conn.execute(query)]


def notice_in_force(conn: Connection, seq: int, at: datetime) -> Notice | None:
    """Give the notice in force at an instant, as known at `seq`; before any takes effect, the next one."""
    c = t.notice_fact.c
    rows = list(conn.execute(select(c.source, c.version, c.effective_us, c.seq).where(c.seq <= seq)))
    if not rows:
        return None
    begun = [row for row in rows if row.effective_us <= micros(at)]
    if begun:
        row = max(begun, key=lambda row: (row.effective_us, row.seq))
    else:
        row = min(rows, key=lambda row: (row.effective_us, -row.seq))
    return _parsed(row.source, row.version)


@lru_cache(maxsize=64)
def _parsed(source: str, version: str) -> Notice:
    return parse_notice(source, version)


def license_as_of(conn: Connection, license_id: str, seq: int) -> tuple[License, str]:
    """Give a license and its state (`active`, `suspended`, `ended`).

    Raises:
        NotFound: no such license at that moment.
    """
    c = t.license_fact.c
    query = select(c.terms, c.state).where(c.license_id == license_id, _holds(t.license_fact, seq))
    row = conn.execute(query).first()
    if row is None:
        raise NotFound(f"no license `{license_id}`", "`licet license list` shows those there are")
    return _license(row.terms), row.state


def licenses_as_of(conn: Connection, seq: int) -> list[tuple[License, str]]:
    """Give every license and its state, oldest first."""
    c = t.license_fact.c
    query = select(c.terms, c.state).where(_holds(t.license_fact, seq)).order_by(c.license_id)
    return [(_license(row.terms), row.state) for row in conn.execute(query)]


def _license(terms: str) -> License:
    value = json.loads(terms)
    for name in ("created_from", "created_until", "starts", "ends"):
        value[name] = datetime.fromisoformat(value[name])
    value["tables"] = tuple(Table(name) for name in value["tables"])
    value |= {"columns": tuple(value["columns"]), "langs": tuple(value["langs"])}
    value |= {"license_id": LicenseId(value["license_id"]), "recipient_id": RecipientId(value["recipient_id"])}
    return License(**value)


def license_key(conn: Connection, license_id: str) -> bytes:
    """Give the key that makes a license's pseudonyms."""
    return bytes(conn.execute(select(t.license_key.c.key).where(t.license_key.c.license_id == license_id)).scalar_one())


def deletions_as_of(conn: Connection, seq: int, record_ids: Sequence[str] | None = None) -> pa.Table:
    """Give the rows of `fallen_records`, all of them or those of the records named."""
    fallen = fallen_records(seq).subquery()
    rows = list(_rows(conn, select(fallen), fallen.c.record_id, record_ids))
    schema = pa.schema([("record_table", pa.string()), ("record_id", pa.string()), ("before_seq", pa.int64())])
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema=schema
    )


def superseded_ids(conn: Connection, table: Table, record_ids: Sequence[str]) -> dict[str, int]:
    """Give, of the records named, those that were edited, with the number of their newest edit."""
    c = t.deletion_fact.c
    found: dict[str, int] = {}
    query = select(c.record_id, c.seq).where(c.record_table == str(table), c.superseded).order_by(c.seq)
    for row in _rows(conn, query, c.record_id, record_ids):
        found[row.record_id] = row.seq
    return found


def changes_between(conn: Connection, after: int, upto: int) -> Changes:
    """Give what may take rows away by facts numbered in (after, upto]."""
    members: set[str] = set()
    for table in (t.member_fact, t.setting_fact):
        query = select(table.c.member_id).where(table.c.seq > after, table.c.seq <= upto)
        members.update(row.member_id for row in conn.execute(query))
    c = t.deletion_fact.c
    rows = conn.execute(select(t.deletion_fact).where(c.seq > after, c.seq <= upto).order_by(c.seq))
    deletions = tuple(
        Deletion(
            table=Table(row.record_table),
            record_id=row.record_id,
            member_id=MemberId(row.member_id),
            superseded=row.superseded,
            revision=row.revision,
        )
        for row in rows
    )
    return Changes(member_ids=frozenset(members), deletions=(*deletions, *_hidden_between(conn, after, upto)))


def _hidden_between(conn: Connection, after: int, upto: int) -> Iterator[Deletion]:
    """Give the records that were hidden in between and are so still: until a build they are as good as deleted."""
    c = t.hiding_fact.c
    query = select(t.hiding_fact).where(c.hidden, c.seq > after, _holds(t.hiding_fact, upto)).order_by(c.seq)
    for row in conn.execute(query):
        yield Deletion(table=Table(row.record_table), record_id=row.record_id, member_id=MemberId(row.member_id))


def seq_at(conn: Connection, at: datetime) -> int:
    """Give the newest number taken by an instant."""
    query = select(func.coalesce(func.max(t.fact.c.seq), 0)).where(t.fact.c.at_us <= micros(at))
    return int(conn.execute(query).scalar_one())
