"""Write what adapters yield, batch by batch: at least once, and idempotent, hence exactly once."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter

import pyarrow as pa
from sqlalchemy import Connection, Engine

from licet.ingest.marks import Mark
from licet.model.members import AccountChange, AccountStatus, Member, MemberId, Protection, SettingChange
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, Skipped, Table, interaction_key
from licet.model.schemas import LAKE
from licet.store.asof import changes_between, subjects, superseded_ids
from licet.store.database import lease, reading, transaction
from licet.store.facts import (
    last_seq,
    load_cursor,
    record_account_changes,
    record_deletions,
    record_hidings,
    record_members,
    record_settings,
    save_cursor,
    set_aside,
)
from licet.store.lake import Lake

BATCH = 50_000
"""Inputs written in one step."""

_CLOSE = 100
"""Edits no further apart than this are asked for together."""

_NOT_KEPT = frozenset({"not_a_record"})
"""Reasons that are counted only: nothing of a member's was set aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What one run stored.

    `counts` has what was new by kind (tables' names, `members`, `account_changes`, `settings`, `deletions`,
    `hidden_or_shown`); `skipped` what was set aside by reason; `duplicates` the records that were there already.
    """

    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    duplicates: int


@dataclass(slots=True)
class _Batch:
    """Inputs that wait to be written; later ones about the same thing have replaced earlier ones."""

    size: int = 0
    cursor: str = ""
    began: float = field(default_factory=time.monotonic)
    members: dict[MemberId, Member] = field(default_factory=dict)
    account_changes: list[AccountChange] = field(default_factory=list)
    settings: list[SettingChange] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    hidings: list[Hiding] = field(default_factory=list)
    edits: dict[tuple[Table, str], str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    records: dict[Table, dict[str, Post | Interaction]] = field(default_factory=lambda: {table: {} for table in Table})
    repeated: int = 0

    def add(self, item: Ingested) -> None:
        """Take one input."""
        self.size += 1
        if isinstance(item, Post | Interaction):
            self._record(item)
        elif isinstance(item, Member):
            old = self.members.get(item.member_id)
            self.members[item.member_id] = _over(old, item) if old else item
        elif isinstance(item, Deletion):
            self._deletion(item)
        elif isinstance(item, Hiding):
            self.hidings.append(item)
        elif isinstance(item, AccountChange):
            self.account_changes.append(item)
        elif isinstance(item, SettingChange):
            self.settings.append(item)
        else:
            self.skipped.append(item)

    def _record(self, record: Post | Interaction) -> None:
        table = Table.POSTS if isinstance(record, Post) else record.table
        self.repeated += _name(record) in self.records[table]
        self.records[table][_name(record)] = record

    def _deletion(self, deletion: Deletion) -> None:
        self.deletions.append(deletion)
        if deletion.superseded:
            # The words before the edit are in this very batch: they must not arrive under the edit's number.
            self.records[deletion.table].pop(deletion.record_id, None)
            self.edits[deletion.table, deletion.record_id] = deletion.revision


def ingest(  # noqa: PLR0913 - four things to join, three knobs with defaults
    engine: Engine,
    lake: Lake,
    source: str,
    records: Iterable[Ingested | Mark],
    *,
    batch: int = BATCH,
    seconds: float = 5.0,
    progress: Callable[[int], None] = lambda _: None,
) -> IngestReport:
    """Store what an adapter yields; killed at any moment and run again, it ends in the same state.

    A stream with marks is written at a mark: when the batch is full or `seconds` old, or when the stream is quiet.
    `progress` is told the number of inputs stored so far, after each batch.
    """
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    pending, done, marked = _Batch(), 0, False
    for item in records:
        if isinstance(item, Mark):
            marked = True
            pending.cursor = item.cursor
            due = item.quiet or time.monotonic() - pending.began >= seconds
        else:
            pending.add(item)
            due = False
        # An edit and the record that follows it belong to one batch, or the new words could not be told from the old.
        whole = isinstance(item, Mark) or not (marked or (isinstance(item, Deletion) and item.superseded))
        full = pending.size >= batch and whole
        if pending.size and (due or full):
            done += _write(engine, lake, source, pending, counts, skipped)
            progress(done)
            pending = _Batch()
    if pending.size:
        done += _write(engine, lake, source, pending, counts, skipped)
        progress(done)
    duplicates = counts.pop("duplicates", 0)
    return IngestReport(counts=dict(counts), skipped=dict(skipped), duplicates=duplicates)


def resume_from(engine: Engine, source: str) -> int | None:
    """Give the time in microseconds up to which a stream was stored, or None if it never was."""
    with reading(engine) as conn:
        cursor = load_cursor(conn, source)
    return int(cursor) if cursor.isdecimal() else None


def _write(engine: Engine, lake: Lake, source: str, batch: _Batch, counts: Counter[str], skipped: Counter[str]) -> int:
    """Write one batch: deletions, then rows, then the other facts together with the cursor."""
    at = datetime.now(UTC)
    with lease(engine, "ingest"):
        if batch.deletions or batch.hidings:
            with transaction(engine) as conn:
                counts["deletions"] += record_deletions(conn, batch.deletions, at)
                counts["hidden_or_shown"] += record_hidings(conn, batch.hidings, at)
        for table, records in batch.records.items():
            if records:
                new = _append(engine, lake, table, batch)
                counts[table] += new
                counts["duplicates"] += len(records) - new
        with transaction(engine) as conn:
            counts["members"] += record_members(conn, _introductions(conn, batch.members), at)
            counts["account_changes"] += record_account_changes(conn, batch.account_changes, at)
            reached = last_seq(conn)
            record_settings(conn, batch.settings, at)
            counts["settings"] += last_seq(conn) - reached
            set_aside(conn, source, [s for s in batch.skipped if s.reason not in _NOT_KEPT])
            if batch.cursor:
                save_cursor(conn, source, batch.cursor)
        for table, records in batch.records.items():
            if records:
                lake.tidy(table)
    counts["duplicates"] += batch.repeated
    skipped.update(s.reason for s in batch.skipped)
    return batch.size


def _append(engine: Engine, lake: Lake, table: Table, batch: _Batch) -> int:
    records = batch.records[table]
    with reading(engine) as conn:
        seq = last_seq(conn)
        edited = superseded_ids(conn, table, list(records))
        stale = _stale(conn, table, edited, batch.edits)
    rows = [record for name, record in records.items() if name not in stale]
    return lake.append(table, _rows(table, rows), seq, edited) if rows else 0


def _stale(
    conn: Connection, table: Table, edited: Mapping[str, int], edits: Mapping[tuple[Table, str], str]
) -> set[str]:
    """Give the edited records whose newest edit did not come with them in this batch, by the numbers of their edits.

    Such a record is a repetition of its older words: they stay withdrawn.
    """
    came = {name: edits[table, name] for name in edited if (table, name) in edits}
    newest: dict[str, str] = {}
    for first, last in _runs(edited[name] for name in came):
        deletions = changes_between(conn, first - 1, last).deletions
        newest |= {edit.record_id: edit.revision for edit in deletions if edit.superseded and edit.table is table}
    return {name for name in edited if name not in came or came[name] != newest.get(name)}


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Give the first and last of numbers that lie close together: those of one batch, read at one go."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and number - runs[-1][1] <= _CLOSE:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _introductions(conn: Connection, members: Mapping[MemberId, Member]) -> list[Member]:
    """Give members' states such that seeing an account never reopens one that is known to be closed or protected."""
    states = subjects(conn, last_seq(conn), "", "", "", list(members)) if members else None
    known = {row["member_id"]: row for row in states.to_pylist()} if states is not None else {}
    return [_closed_stays(member, known.get(member_id)) for member_id, member in members.items()]


def _closed_stays(member: Member, state: Mapping[str, str] | None) -> Member:
    if state is None:
        return member
    status, protection = member.status, member.protection
    if status is AccountStatus.ACTIVE and state["status"] != AccountStatus.UNKNOWN:
        status = AccountStatus.UNKNOWN
    if protection is Protection.OPEN and state["protection"] != Protection.UNKNOWN:
        protection = Protection.UNKNOWN
    return replace(member, status=status, protection=protection)


def _over(old: Member, new: Member) -> Member:
    """Lay what a later introduction knows over an earlier one; unknown leaves as it was, closed stays closed."""
    fields = ("region", "age_band", "protection", "status")
    new = _closed_stays(new, {name: getattr(old, name) for name in fields})
    known = {name: getattr(new, name) for name in fields if getattr(new, name) != "unknown"}
    return replace(old, **known)


def _name(record: Post | Interaction) -> str:
    """Give the name by which a deletion would know the record."""
    if isinstance(record, Post):
        return record.post_id
    return record.interaction_id or interaction_key(record.actor_id, record.post_id)


def _rows(table: Table, records: list[Post | Interaction]) -> pa.Table:
    """Give records as an Arrow table with the lake's columns, `seq` left out; empty references become null."""
    schema = pa.schema([column for column in LAKE[table] if column.name != "seq"])
    arrays = []
    for column in schema:
        values = map(attrgetter(column.name), records)
        arrays.append(pa.array([value or None for value in values] if column.nullable else list(values), column.type))
    return pa.Table.from_arrays(arrays, schema=schema)
