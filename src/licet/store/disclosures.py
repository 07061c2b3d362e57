"""Who has a member's data: what each license shares of theirs now, what was fetched, and what left with which recall.

Of an interaction the rows counted are the member's own; those in which somebody else liked or shared a post of theirs
fall with them too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, func, select, union

from licet.model.licenses import License
from licet.model.recalls import Recall, State
from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_of, member_secrets
from licet.store import tables as t
from licet.store.asof import instant, license_key, licenses_as_of
from licet.store.database import reading
from licet.store.facts import last_seq
from licet.store.house import House
from licet.store.keys import REASON
from licet.store.parties import recipient_name
from licet.store.recalls import recalls_named, steps
from licet.store.shared import KEYS_FOLDER, SharedTables, Snapshot

OWNER: Final = {Table.POSTS: "author_id"} | dict.fromkeys((Table.LIKES, Table.BOOKMARKS, Table.REPOSTS), "actor_id")
"""The column that names whose record it is."""
NEWEST: Final = 40
"""Recalls of a license that are looked through for single records of a member, besides those of their own changes."""
_KEY_FILES: Final = "keys-%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A member's own rows in one shared table now, and when files of that table were fetched; None means never."""

    table: Table
    rows: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """Rows of a member that left with a recall: how many by table, why, and the recall's steps so far."""

    recall: Recall
    rows: Mapping[str, int]
    reasons: tuple[str, ...]
    steps: tuple[tuple[State, str, datetime], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What one license shares, and shared, of a member."""

    license: License
    state: str
    recipient: str
    held: tuple[Held, ...]
    taken_back: tuple[TakenBack, ...]

    @property
    def rows(self) -> int:
        """Give how many rows of the member are shared now."""
        return sum(each.rows for each in self.held)

    @property
    def fetched(self) -> bool:
        """Tell whether the recipient ever fetched a table that this is about."""
        return any(each.last is not None for each in self.held)


def disclosures(house: House, member_id: str) -> list[Disclosure]:
    """Give what every license shares and shared of a member, by license."""
    with reading(house.database) as conn:
        licenses = licenses_as_of(conn, last_seq(conn))
        return [_disclosure(conn, house.shared, license_, state, member_id) for license_, state in licenses]


def _disclosure(conn: Connection, shared: SharedTables, license_: License, state: str, member_id: str) -> Disclosure:
    pseudonym, _ = member_secrets(license_key(conn, license_.license_id), member_id)
    fetched = _fetched(conn, license_.license_id)
    held = tuple(
        Held(
            table=table,
            rows=_rows(shared, license_.license_id, table, pseudonym),
            first=fetched.get(str(table), (None, None))[0],
            last=fetched.get(str(table), (None, None))[1],
        )
        for table in license_.tables
    )
    return Disclosure(
        license=license_,
        state=state,
        recipient=recipient_name(conn, license_.recipient_id) or license_.recipient_id,
        held=held,
        taken_back=tuple(_taken_back(conn, shared, license_, member_id, pseudonym)),
    )


def _fetched(conn: Connection, license_id: str) -> dict[str, tuple[datetime, datetime]]:
    """Give, by table, when a file with content was fetched first and last.

    Any such file counts, for what an older one held cannot be told once its bytes are gone.
    """
    c = t.delivery.c
    query = select(c.record_table, func.min(c.at_us), func.max(c.at_us))
    query = query.where(c.license_id == license_id, c.bytes > 0, c.file.not_like(_KEY_FILES)).group_by(c.record_table)
    return {row[0]: (instant(row[1]), instant(row[2])) for row in conn.execute(query)}


def _rows(shared: SharedTables, license_id: str, table: Table, pseudonym: str) -> int:
    """Count a member's own rows in the current version; they all lie in the files of one bucket."""
    snapshot = shared.snapshot(license_id, table)
    if snapshot is None or not snapshot.facts.buckets:
        return 0
    folder = shared.folder(license_id, table)
    return sum(_count(folder / name, OWNER[table], pseudonym) for name in _bucket_files(snapshot, pseudonym))


def _bucket_files(snapshot: Snapshot, pseudonym: str) -> Iterator[str]:
    bucket = bucket_of(pseudonym, snapshot.facts.buckets)
    return (file.name for file in snapshot.files if file.bucket == bucket)


def _count(path: Path, column: str, pseudonym: str) -> int:
    try:
        with pq.ParquetFile(path) as parquet:
            found = (pc.sum(pc.equal(batch.column(0), pseudonym)) for batch in parquet.iter_batches(columns=[column]))
            return sum(each.as_py() or 0 for each in found)
    except FileNotFoundError:
        # A recall rewrote it meanwhile: the member may be what it took out.
        return 0


def _taken_back(
    conn: Connection, shared: SharedTables, license_: License, member_id: str, pseudonym: str
) -> Iterator[TakenBack]:
    for recall in recalls_named(conn, _candidates(conn, license_.license_id, member_id)):
        rows: dict[str, int] = {}
        reasons: set[str] = set()
        for departure in recall.departures:
            folder = shared.folder(license_.license_id, departure.table) / KEYS_FOLDER
            for file in departure.keys:
                count, why = _left(folder / file.name, departure.table, pseudonym)
                reasons |= why
                if count:
                    rows[departure.table] = rows.get(departure.table, 0) + count
        if rows:
            told = tuple(steps(conn, recall.recall_id))
            yield TakenBack(recall=recall, rows=rows, reasons=tuple(sorted(reasons)), steps=told)


def _candidates(conn: Connection, license_id: str, member_id: str) -> list[str]:
    """Give the recalls with which a change of the member or of the rules took effect, and the newest, newest first."""
    s, m, n, c = t.setting_fact.c, t.member_fact.c, t.notice_fact.c, t.recall.c
    changes = union(
        select(s.seq).where(s.member_id == member_id), select(m.seq).where(m.member_id == member_id), select(n.seq)
    )
    wanted: set[int] = set()
    for seq in conn.execute(changes).scalars().all():
        first = select(func.min(c.as_of_seq)).where(c.license_id == license_id, c.as_of_seq >= seq)
        wanted |= {int(each) for each in conn.execute(first).scalars() if each is not None}
    newest = select(c.as_of_seq).where(c.license_id == license_id).order_by(c.as_of_seq.desc()).limit(NEWEST)
    wanted |= set(conn.execute(newest).scalars())
    named = select(c.recall_id).where(c.license_id == license_id, c.as_of_seq.in_(wanted))
    return list(conn.execute(named.order_by(c.as_of_seq.desc(), c.recall_id)).scalars())


def _left(path: Path, table: Table, pseudonym: str) -> tuple[int, set[str]]:
    """Count the rows of a file of keys that are a member's own, and give why they left."""
    count, why = 0, set()
    try:
        with pq.ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(columns=[OWNER[table], REASON]):
                own = batch.column(1).filter(pc.equal(batch.column(0), pseudonym))
                count += len(own)
                why |= set(own.unique().to_pylist())
    except FileNotFoundError:
        return 0, set()
    return count, why
