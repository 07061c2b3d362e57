"""Bring every license's shared tables up to the newest fact: one pass a batch, however many members it holds."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from licet.model.licenses import License
from licet.model.records import Table
from licet.policy.notice import digest
from licet.recall.remove import remove
from licet.recall.trace import Fallen, Span, trace
from licet.store import asof, parties
from licet.store.database import lease, reading, transaction
from licet.store.facts import last_seq, newest_withdrawal
from licet.store.house import House
from licet.store.shared import CommitFacts, Snapshot, reconcile, version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a license's shared tables are behind: nothing up to `checked`, something up to `newest`."""

    license_id: str
    checked: int
    newest: int


def lagging(conn: Connection) -> list[Lag]:
    """Give the licenses whose shared tables may hold something withdrawn; a license never built has none."""
    newest = newest_withdrawal(conn)
    found = [(license_.license_id, parties.checked_seq(conn, license_.license_id)) for license_ in _licenses(conn)]
    return [Lag(license_id=name, checked=seq, newest=newest) for name, seq in found if 0 <= seq < newest]


def _licenses(conn: Connection) -> list[License]:
    return [license_ for license_, _ in asof.licenses_as_of(conn, last_seq(conn))]


def catch_up(house: House, now: datetime, grace_s: float = 0.0) -> int:
    """Take everything withdrawn so far out of every license's shared tables; return how many rows went.

    One license's failure does not keep the others waiting: the first error is raised when all were tried.
    A license built under another notice than the one in force stays as it is, hence refused, until built again.
    """
    with reading(house.database) as conn:
        behind = lagging(conn)
    rows, errors = 0, []
    for lag in behind:
        try:
            rows += catch_up_license(house, lag.license_id, now, grace_s)
        except Exception as error:  # noqa: BLE001 # raised below, after the others had their turn
            errors.append(error)
    if errors:
        raise errors[0]
    return rows


def catch_up_license(house: House, license_id: str, now: datetime, grace_s: float = 0.0) -> int:
    """Take everything withdrawn so far out of one license's shared tables; return how many rows went.

    Killed at any instant, it leaves tables that are whole: a commit lists only files that are on disk, and the
    watermark moves after the commits. Whoever runs next writes down what was committed and goes on.
    """
    with lease(house.database, f"license {license_id}"):
        with reading(house.database) as conn:
            upto = last_seq(conn)
            after = parties.checked_seq(conn, license_id)
            license_, _ = asof.license_as_of(conn, license_id, upto)
        if after < 0 or after >= upto:
            return 0
        snapshots = _snapshots(house, license_)
        with transaction(house.database) as conn:
            _write_down(conn, license_, snapshots)
        with reading(house.database) as conn:
            notice = asof.notice_in_force(conn, upto, now)
            changes = asof.changes_between(conn, after, upto)
            if notice is None or _built_otherwise(snapshots, digest(notice)):
                return 0
            fallen = trace(conn, house, license_, changes, Span(after=after, upto=upto, notice=notice, now=now))
        rows, fresh = _remove_all(house, license_, snapshots, fallen, upto)
        with transaction(house.database) as conn:
            _write_down(conn, license_, fresh)
            parties.set_checked_seq(conn, license_id, upto)
        for table in fresh:
            house.shared.sweep(license_id, table, grace_s, now)
        return rows


def tidy(house: House, license_id: str, now: datetime, grace_s: float = 0.0) -> int:
    """Write down versions committed before a crash and delete files that no version lists; return how many files."""
    with lease(house.database, f"license {license_id}"):
        with transaction(house.database) as conn:
            license_, _ = asof.license_as_of(conn, license_id, last_seq(conn))
            reconcile(conn, house.shared, license_)
        return sum(house.shared.sweep(license_id, table, grace_s, now) for table in license_.tables)


def _snapshots(house: House, license_: License) -> dict[Table, Snapshot]:
    found = {table: house.shared.snapshot(license_.license_id, table) for table in license_.tables}
    return {table: snapshot for table, snapshot in found.items() if snapshot is not None}


def _write_down(conn: Connection, license_: License, snapshots: dict[Table, Snapshot]) -> None:
    for table, snapshot in snapshots.items():
        parties.record_version(conn, version_of(license_.license_id, table, snapshot), snapshot.facts.excluded)


def _built_otherwise(snapshots: dict[Table, Snapshot], in_force: str) -> bool:
    return any(snapshot.facts.policy_digest != in_force for snapshot in snapshots.values())


def _remove_all(
    house: House, license_: License, snapshots: dict[Table, Snapshot], fallen: dict[Table, Fallen], upto: int
) -> tuple[int, dict[Table, Snapshot]]:
    """Give the rows that went and the new version of every table that lost some."""
    rows, fresh = 0, {}
    for table, snapshot in snapshots.items():
        if not fallen[table]:
            continue
        folder = house.shared.folder(license_.license_id, table)
        change = remove(folder, table, snapshot, fallen[table], house.engine)
        if not change.remove:
            continue
        facts = CommitFacts(
            as_of_seq=upto,
            policy_digest=snapshot.facts.policy_digest,
            buckets=snapshot.facts.buckets,
            cause="recall",
            excluded={},
        )
        fresh[table] = house.shared.commit(license_, table, change.add, change.remove, facts)
        _make_last(folder / "_delta_log", fresh[table].version)
        rows += change.rows
    return rows, fresh


def _make_last(log: Path, version: int) -> None:
    """Bring a commit to the disk before anything builds on it: a power cut must not bring removed rows back."""
    for path in (log / f"{version:020d}.json", log):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
