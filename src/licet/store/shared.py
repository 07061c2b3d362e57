"""A license's shared tables: Delta tables of permitted rows. The Delta commit is the truth; SQL is derived from it.

Statistics hold numbers of rows only and commits name no predicate, so nothing of a member stays in the log.
"""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions
from sqlalchemy import Connection

from licet.model.errors import IntegrityError
from licet.model.licenses import License, LicenseId, SharedVersion
from licet.model.records import Table
from licet.model.schemas import shared_schema
from licet.store import parties
from licet.store.lake import refuse_soft_deletes


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One Parquet file of a shared table: its name in the table's folder, bytes and rows."""

    name: str
    size: int
    rows: int

    @property
    def bucket(self) -> int:
        """Give the bucket whose members' own rows this file holds."""
        return int(self.name.split("-")[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """What a commit of a shared table states about itself, in its commit info."""

    as_of_seq: int
    policy_digest: str
    buckets: int
    cause: str
    """`build` or `recall`."""
    excluded: dict[str, int]
    """Rows left out, by reason; a recall repeats none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The current version of a shared table as its Delta log tells it."""

    version: int
    table_id: str
    schema_string: str
    files: tuple[DataFile, ...]
    facts: CommitFacts
    at: datetime

    @property
    def rows(self) -> int:
        """Give the number of rows of the version."""
        return sum(file.rows for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTables:
    """The folder that holds every license's shared tables, `root/<license>/<table>`."""

    root: Path

    def folder(self, license_id: str, table: Table) -> Path:
        """Give the folder of a table's files."""
        return self.root / license_id / str(table)

    def latest_version(self, license_id: str, table: Table) -> int:
        """Give the newest version, -1 if there is none, by listing the log (cheap)."""
        log = self.folder(license_id, table) / "_delta_log"
        if not log.is_dir():
            return -1
        return max((int(path.stem) for path in log.glob("*.json") if path.stem.isdigit()), default=-1)

    def snapshot(self, license_id: str, table: Table) -> Snapshot | None:
        """Read the current version, or None if the table was never built.

        Raises:
            IntegrityError: the newest commit was not made by licet.
        """
        folder = self.folder(license_id, table)
        if not DeltaTable.is_deltatable(str(folder)):
            return None
        delta = DeltaTable(str(folder))
        refuse_soft_deletes(delta)
        info = delta.history(1)[0]
        if "licet" not in info:
            raise IntegrityError(f"table `{license_id}/{table}` holds a foreign commit", "rebuild it: `licet build`")
        actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        files = tuple(DataFile(name=a["path"], size=a["size_bytes"], rows=a["num_records"]) for a in actions)
        return Snapshot(
            version=delta.version(),
            table_id=str(delta.metadata().id),
            schema_string=delta.schema().to_json(),
            files=tuple(sorted(files, key=lambda file: file.name)),
            facts=CommitFacts(**json.loads(info["licet"])),
            at=datetime.fromtimestamp(info["timestamp"] / 1000, UTC),
        )

    def commit(
        self, license_: License, table: Table, add: Sequence[DataFile], remove: Sequence[DataFile], facts: CommitFacts
    ) -> Snapshot:
        """Commit files already in the table's folder as a new version, taking others out; hold the license's lease."""
        folder = self.folder(license_.license_id, table)
        folder.mkdir(parents=True, exist_ok=True)
        schema = Schema.from_arrow(shared_schema(license_, table))
        stated = json.dumps({name: getattr(facts, name) for name in CommitFacts.__slots__}, sort_keys=True)
        properties = CommitProperties(custom_metadata={"licet": stated}, max_commit_retries=0)
        now = int(datetime.now(UTC).timestamp() * 1000)
        adds = [_add(file, now) for file in add]
        if DeltaTable.is_deltatable(str(folder)):
            gone = [_remove(file, now) for file in remove]
            DeltaTable(str(folder)).create_write_transaction(
                [*adds, *gone], "append", schema, commit_properties=properties
            )
        else:
            create_table_with_add_actions(
                str(folder),
                schema,
                adds,
                configuration={"delta.dataSkippingNumIndexedCols": "0"},
                commit_properties=properties,
            )
        for file in remove:
            with contextlib.suppress(FileNotFoundError):
                os.utime(folder / file.name)  # the grace period of its bytes begins now
        snapshot = self.snapshot(license_.license_id, table)
        if snapshot is None:
            raise IntegrityError("a commit just made cannot be read", "check the disk, then run the command again")
        return snapshot

    def sweep(self, license_id: str, table: Table, grace_s: float, now: datetime) -> int:
        """Delete data files that the current version does not list, `grace_s` after they were last; return how many.

        Hold the license's lease: a build's fresh files are not listed until its commit.
        """
        snapshot = self.snapshot(license_id, table)
        live = {file.name for file in snapshot.files} if snapshot else set()
        gone = 0
        for path in self.folder(license_id, table).glob("**/*.parquet"):
            if "_delta_log" in path.parts or path.name in live:
                continue
            if now.timestamp() - path.stat().st_mtime >= grace_s:
                path.unlink(missing_ok=True)
                gone += 1
        return gone


def _add(file: DataFile, now: int) -> AddAction:
    stats = json.dumps({"numRecords": file.rows})
    return AddAction(file.name, file.size, {}, now, data_change=True, stats=stats)


def _remove(file: DataFile, now: int) -> RemoveAction:
    return RemoveAction(path=file.name, deletion_timestamp=now, data_change=True, size=file.size)


def reconcile(conn: Connection, shared: SharedTables, license_: License) -> None:
    """Bring the SQL rows up to what the Delta logs say: versions committed before a crash are written down."""
    for table in license_.tables:
        snapshot = shared.snapshot(license_.license_id, table)
        if snapshot is not None:
            parties.record_version(conn, version_of(license_.license_id, table, snapshot), snapshot.facts.excluded)


def version_of(license_id: LicenseId, table: Table, snapshot: Snapshot) -> SharedVersion:
    """Give the fact that a snapshot's commit states."""
    return SharedVersion(
        license_id=license_id,
        table=table,
        version=snapshot.version,
        as_of_seq=snapshot.facts.as_of_seq,
        policy_digest=snapshot.facts.policy_digest,
        cause=snapshot.facts.cause,
        rows=snapshot.rows,
        at=snapshot.at,
    )
