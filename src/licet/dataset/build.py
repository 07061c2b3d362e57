"""Build a license's shared tables: eligible, redact, package, for each of its tables; then write the versions down."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq
from sqlalchemy import Connection

from licet.dataset import package, redact
from licet.dataset.members import write_members
from licet.model.errors import Refused
from licet.model.licenses import License
from licet.model.members import UNKNOWN_REGION
from licet.model.records import Table
from licet.model.schemas import LAKE, shared_schema
from licet.policy.compile import compile_rules
from licet.policy.deadlines import due_by
from licet.policy.decide import Terms
from licet.policy.notice import Notice, digest
from licet.store import asof, everyone, parties
from licet.store.database import lease, reading, transaction
from licet.store.eligible import Eligible, eligible
from licet.store.engine import Run, Source, SqlEngine
from licet.store.facts import last_seq
from licet.store.house import House
from licet.store.meter import measure_leaving
from licet.store.parcels import Parcel
from licet.store.shared import CommitFacts, Snapshot, reconcile, version_of

CHANNEL = "third_party"
"""A license hands data to somebody else."""

ANY_AGE = float("-inf")
"""Under the lease nobody else writes, so a file that no version lists is an orphan, whatever a clock says."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltTable:
    """One table as built: its new version, rows that went out, rows that stayed out by reason, and files."""

    table: Table
    version: int
    rows: int
    excluded: dict[str, int]
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a build goes by, as of one number; members and fallen records are Parquet files."""

    license_: License
    seq: int
    notice: Notice | None
    terms: Terms
    members: Path
    fallen: Path | None
    """None where nothing was deleted, edited or hidden."""

    @property
    def policy_digest(self) -> str:
        """Name the rules in force; empty where there are none."""
        return "" if self.notice is None else digest(self.notice)


def build(
    house: House,
    license_id: str,
    now: datetime,
    progress: Progress = lambda _: None,
    engine: SqlEngine | None = None,
) -> list[BuiltTable]:
    """Build every table of a license as of now, and make each its current version; `engine` is the house's own if None.

    Raises:
        NotFound: no such license.
        Refused: the license is not active, or now is outside its term.
        IntegrityError: written rows differ from counted ones; the version before stays current.
        Unavailable: the outlet's store does not answer; the versions are committed, and whoever runs next goes on.
    """
    with lease(house.database, f"license {license_id}"):
        progress("facts")
        with house.engine.folder(f"build-{license_id}") as scratch:
            facts = _facts(house, license_id, now, scratch)
            _tidy(house, facts.license_, now)
            built = []
            snapshots = []
            for table in facts.license_.tables:
                one, snapshot = _build_table(house, engine or house.engine, facts, table, progress)
                built.append(one)
                snapshots.append((table, snapshot))
        if house.outlet is not None:
            # Before the watermark moves: of what was handed out before, nothing that left may be fetched after it.
            house.outlet.clear(license_id, now)
        _write_down(house, facts, snapshots)
    if house.outlet is not None:
        progress("copy")
        house.outlet.fill(license_id, now)
    return built


def _facts(house: House, license_id: str, now: datetime, scratch: Path) -> Facts:
    with reading(house.database) as conn:
        seq = last_seq(conn)
        license_ = _active(conn, license_id, seq, now)
        notice = asof.notice_in_force(conn, seq, now)
        key = asof.license_key(conn, license_id)
    version = "" if notice is None else notice.version
    members = scratch / "members.parquet"
    asking = (house.database, house.engine, seq)
    with everyone.every_subject(*asking, license_.purpose, license_.recipient_id, version) as subjects:
        write_members(subjects, key, members)
    with everyone.every_fallen(*asking) as records:
        fallen = _kept(records, scratch / "fallen.parquet")
    terms = Terms(purpose=license_.purpose, channel=CHANNEL, recipient_id=license_.recipient_id, at=now)
    return Facts(license_=license_, seq=seq, notice=notice, terms=terms, members=members, fallen=fallen)


def _active(conn: Connection, license_id: str, seq: int, now: datetime) -> License:
    license_, state = asof.license_as_of(conn, license_id, seq)
    if state != "active":
        raise Refused(f"license `{license_id}` is {state}", "nothing is built for it until it is active")
    if not license_.starts <= now < license_.ends:
        raise Refused(f"license `{license_id}` is outside its term", "grant a license whose term includes today")
    return license_


def _kept(records: pa.RecordBatchReader, target: Path) -> Path | None:
    """Write records to a Parquet file, if there are any."""
    rows = 0
    with pq.ParquetWriter(target, records.schema, compression="lz4") as writer:
        for batch in records:
            writer.write_batch(batch)
            rows += batch.num_rows
    return target if rows else None


def _tidy(house: House, license_: License, now: datetime) -> None:
    """Write down versions that a killed build or recall committed, and delete files that no version lists."""
    with transaction(house.database) as conn:
        reconcile(conn, house.shared, license_)
    for table in license_.tables:
        measure_leaving(house, license_.license_id, table, now)
        house.shared.sweep(license_.license_id, table, ANY_AGE, now)


def _build_table(
    house: House, engine: SqlEngine, facts: Facts, table: Table, progress: Progress
) -> tuple[BuiltTable, Snapshot]:
    sources = _sources(house, facts, table)
    compiled = compile_rules(facts.notice, facts.terms, table)
    rows = eligible(facts.license_, table, compiled, facts.seq, any_fallen=facts.fallen is not None)
    with engine.run(sources) as run:
        progress(f"{table}: eligible")
        counted = _counted(run, rows)
        count = sum(counted.regions.values())
        buckets = package.buckets_for(count)
        progress(f"{table}: redact and write")
        parcels = _written(house, run, facts.license_, rows, buckets) if count else []
    progress(f"{table}: commit")
    commit = CommitFacts(
        as_of_seq=facts.seq,
        policy_digest=facts.policy_digest,
        buckets=buckets,
        cause="build",
        excluded=counted.excluded,
        regions=counted.regions,
        due=due_by(facts.license_, facts.notice, facts.terms.at, [UNKNOWN_REGION]).isoformat(),
    )
    snapshot = package.publish(house, facts.license_, table, parcels, commit, count)
    one = BuiltTable(table=table, version=snapshot.version, rows=count, excluded=counted.excluded, files=len(parcels))
    return one, snapshot


def _sources(house: House, facts: Facts, table: Table) -> Mapping[str, Source]:
    delta = house.lake.open(table)
    empty = delta is None or not delta.file_uris()
    records = LAKE[table].empty_table() if delta is None or empty else delta
    sources: dict[str, Source] = {"members": facts.members, str(table): records}
    return sources if facts.fallen is None else {**sources, "fallen": facts.fallen}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """The rows that may go out, by the region of their author or actor, and the others by reason."""

    regions: dict[str, int]
    excluded: dict[str, int]


def _counted(run: Run, rows: Eligible) -> _Counted:
    regions: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    for outcome, region, n in run.fetch(rows.counts()):
        reason = rows.reason(int(str(outcome)))
        if reason is None:
            regions[str(region)] += int(str(n))
        else:
            excluded[reason] += int(str(n))
    return _Counted(regions=dict(sorted(regions.items())), excluded=dict(sorted(excluded.items())))


def _written(house: House, run: Run, license_: License, rows: Eligible, buckets: int) -> list[Parcel]:
    linked = redact.linked(rows, license_)
    if linked:
        run.define("linked", linked)
    return run.write(
        redact.redacted(rows, license_, buckets),
        package.ORDER,
        house.shared.folder(license_.license_id, rows.table),
        shared_schema(license_, rows.table),
    )


def _write_down(house: House, facts: Facts, snapshots: list[tuple[Table, Snapshot]]) -> None:
    """Write the versions down, and only then state that all the license's tables hold nothing withdrawn."""
    license_id = facts.license_.license_id
    with transaction(house.database) as conn:
        for table, snapshot in snapshots:
            parties.record_version(conn, version_of(license_id, table, snapshot), snapshot.facts.excluded)
        parties.set_checked_seq(conn, license_id, facts.seq)
