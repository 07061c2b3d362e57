"""Bring every license's shared tables up to the newest fact: one pass a batch, however many members it holds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from licet.model.licenses import License
from licet.model.records import Table
from licet.policy.deadlines import due_by
from licet.policy.notice import digest
from licet.recall.remove import Rewritten, Shelf, remove, warm
from licet.recall.retire import is_left, is_over, retire
from licet.recall.trace import Records, Span, trace
from licet.store import asof, parties
from licet.store.database import lease, reading, transaction
from licet.store.engine import SqlEngine
from licet.store.facts import last_seq, newest_withdrawal
from licet.store.house import House
from licet.store.meter import measure_delivered, measure_leaving
from licet.store.shared import Snapshot, reconcile, version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a license's shared tables are behind: nothing up to `checked`, something up to `newest`, or its end."""

    license_id: str
    checked: int
    newest: int


def lagging(conn: Connection, now: datetime) -> list[Lag]:
    """Give the licenses whose shared tables may hold something withdrawn; a license never built has none.

    What a license that is over still shares counts as withdrawn.
    """
    newest, found = newest_withdrawal(conn), []
    for license_, state in asof.licenses_as_of(conn, last_seq(conn)):
        seq = parties.checked_seq(conn, license_.license_id)
        if 0 <= seq < newest or (seq >= 0 and is_over(license_, state, now) and is_left(conn, license_)):
            found.append(Lag(license_id=license_.license_id, checked=seq, newest=newest))
    return found


def catch_up(house: House, now: datetime, grace_s: float = 0.0, engine: SqlEngine | None = None) -> int:
    """Take everything withdrawn so far out of every license's shared tables; return how many rows went.

    `engine` is the house's own if None.
    One license's failure does not keep the others waiting: the first error is raised when all were tried.
    A license built under another notice than the one in force stays as it is, hence refused, until built again.
    """
    with reading(house.database) as conn:
        behind = lagging(conn, now)
    rows, errors = 0, []
    for lag in behind:
        try:
            rows += catch_up_license(house, lag.license_id, now, grace_s, engine)
        except Exception as error:  # noqa: BLE001 # raised below, after the others had their turn
            errors.append(error)
    if errors:
        raise errors[0]
    return rows


def catch_up_license(
    house: House, license_id: str, now: datetime, grace_s: float = 0.0, engine: SqlEngine | None = None
) -> int:
    """Take everything withdrawn so far out of one license's shared tables; return how many rows went.

    Killed at any instant, it leaves tables that are whole: a commit lists only files that are on disk, and the
    watermark moves after the commits, and after an outlet has lost what they left out. Whoever runs next writes down
    what was committed and goes on.
    """
    with lease(house.database, f"license {license_id}"):
        with reading(house.database) as conn:
            upto = last_seq(conn)
            after = parties.checked_seq(conn, license_id)
            license_, state = asof.license_as_of(conn, license_id, upto)
        over = is_over(license_, state, now)
        if after < 0 or (after >= upto and not over):
            return 0
        snapshots = _snapshots(house, license_)
        with transaction(house.database) as conn:
            _write_down(conn, license_, snapshots)
        shelves = {table: _shelf(house, license_, table, snapshot, engine) for table, snapshot in snapshots.items()}
        leaving = _ended(license_, shelves, now) if over else _withdrawn(house, license_, shelves, (after, upto), now)
        if leaving is None:
            _clear(house, license_id, now)
            return 0
        rows, fresh = _commit_all(house, license_, shelves, leaving, upto)
        _clear(house, license_id, now)
        with transaction(house.database) as conn:
            _write_down(conn, license_, fresh)
            parties.set_checked_seq(conn, license_id, upto)
        for table in fresh:
            measure_leaving(house, license_id, table, now)
            house.shared.sweep(license_id, table, grace_s, now)
        return rows


def _clear(house: House, license_id: str, now: datetime) -> None:
    """Delete from the outlet, if there is one, what may no longer be fetched: nobody asks us about it there."""
    if house.outlet is not None:
        house.outlet.clear(license_id, now)


def prepare(house: House, license_id: str) -> None:
    """Learn what a license's shared files point to, so that an opt-out need not wait for it; holds no lease."""
    with reading(house.database) as conn:
        license_, _ = asof.license_as_of(conn, license_id, last_seq(conn))
    for table, snapshot in _snapshots(house, license_).items():
        warm(_shelf(house, license_, table, snapshot, None))


def measure(house: House, license_id: str, now: datetime) -> int:
    """Measure what of a license's shared files was delivered, so that no recall need do it; return how many files."""
    with reading(house.database) as conn:
        license_, _ = asof.license_as_of(conn, license_id, last_seq(conn))
    listed = ((table, [file.name for file in found.files]) for table, found in _snapshots(house, license_).items())
    return sum(measure_delivered(house, license_id, table, names, now) for table, names in listed)


def tidy(house: House, license_id: str, now: datetime, grace_s: float = 0.0) -> int:
    """Write down versions committed before a crash and delete files that no version lists; return how many files."""
    with lease(house.database, f"license {license_id}"):
        with transaction(house.database) as conn:
            license_, _ = asof.license_as_of(conn, license_id, last_seq(conn))
            reconcile(conn, house.shared, license_)
        for table in license_.tables:
            measure_leaving(house, license_id, table, now)
        return sum(house.shared.sweep(license_id, table, grace_s, now) for table in license_.tables)


def _snapshots(house: House, license_: License) -> dict[Table, Snapshot]:
    found = {table: house.shared.snapshot(license_.license_id, table) for table in license_.tables}
    return {table: snapshot for table, snapshot in found.items() if snapshot is not None}


def _write_down(conn: Connection, license_: License, snapshots: dict[Table, Snapshot]) -> None:
    for table, snapshot in snapshots.items():
        parties.record_version(conn, version_of(license_.license_id, table, snapshot), snapshot.facts.excluded)


def _built_otherwise(shelves: Mapping[Table, Shelf], in_force: str) -> bool:
    return any(shelf.snapshot.facts.policy_digest != in_force for shelf in shelves.values())


def _shelf(house: House, license_: License, table: Table, snapshot: Snapshot, engine: SqlEngine | None) -> Shelf:
    """Give a table's version with those who work on it; what this process knows of its files is of use only here."""
    return Shelf(
        folder=house.shared.folder(license_.license_id, table),
        table=table,
        snapshot=snapshot,
        engine=engine or house.engine,
        pointers=None if engine else house.shared.pointers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaving:
    """What leaves each table, and by when a recipient has to follow (ISO 8601)."""

    tables: Mapping[Table, Rewritten]
    due: str


def _ended(license_: License, shelves: Mapping[Table, Shelf], now: datetime) -> _Leaving:
    return _Leaving(
        tables={table: retire(shelf) for table, shelf in shelves.items()},
        due=due_by(license_, None, now, ()).isoformat(),
    )


def _withdrawn(
    house: House, license_: License, shelves: Mapping[Table, Shelf], span: tuple[int, int], now: datetime
) -> _Leaving | None:
    """Give what was withdrawn between two numbers; None where only a build can answer the rules now in force."""
    after, upto = span
    with reading(house.database) as conn:
        notice = asof.notice_in_force(conn, upto, now)
        changes = asof.changes_between(conn, after, upto)
        if notice is None or _built_otherwise(shelves, digest(notice)):
            return None
        engine = next((shelf.engine for shelf in shelves.values()), house.engine)
        found = trace(
            conn,
            Records(lake=house.lake, engine=engine),
            license_,
            changes,
            Span(after=after, upto=upto, notice=notice, now=now),
        )
    tables = {
        table: remove(shelf, found.tables[table]) if found.tables[table] else Rewritten()
        for table, shelf in shelves.items()
    }
    return _Leaving(tables=tables, due=due_by(license_, notice, now, found.regions).isoformat())


def _commit_all(
    house: House, license_: License, shelves: Mapping[Table, Shelf], leaving: _Leaving, upto: int
) -> tuple[int, dict[Table, Snapshot]]:
    """Give the rows that went and the new version of every table that lost some."""
    rows, fresh = 0, {}
    for table, shelf in shelves.items():
        change = leaving.tables[table]
        if not change.remove:
            continue
        stated = replace(
            shelf.snapshot.facts,
            as_of_seq=upto,
            cause="recall",
            excluded={},
            regions={},
            keys=change.keys,
            due=leaving.due,
        )
        fresh[table] = house.shared.commit(license_, table, change.add, change.remove, stated)
        rows += change.rows
    return rows, fresh
