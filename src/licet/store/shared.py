"""A license's shared tables: Delta tables of permitted rows. The Delta commit is the truth; SQL is derived from it.

Statistics hold numbers of rows only and commits name no predicate, so nothing of a member stays in the log.
"""

import contextlib
import json
import os
import uuid
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions
from sqlalchemy import Connection

from licet.model.errors import IntegrityError
from licet.model.licenses import License, LicenseId, SharedVersion
from licet.model.recalls import KeyFile
from licet.model.records import Table
from licet.model.schemas import shared_schema
from licet.store import parties
from licet.store.lake import refuse_soft_deletes
from licet.store.pointers import Pointers

KEYS_FOLDER = "_keys"
"""Where, in a table's folder, the keys of rows that left are kept; Delta readers pass over such a name."""


def key_file_name(version: int) -> str:
    """Give a fresh name for a file of the keys that leave with a version."""
    return f"keys-{version:012d}-{uuid.uuid4().hex}.parquet"


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
    regions: dict[str, int] = field(default_factory=dict)
    """Rows that a build let out, by the region of their author or actor; a recall tells none."""
    keys: tuple[KeyFile, ...] = ()
    """Files of the keys of rows that left with this version."""
    due: str = ""
    """By when a recipient has to follow (ISO 8601); empty where nothing left."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what a commit states."""
        stated = json.loads(text)
        keys = tuple(KeyFile(**key) for key in stated.pop("keys", ()))
        return cls(**stated, keys=keys)

    def stated(self) -> str:
        """Give what a commit states."""
        return json.dumps(asdict(self), sort_keys=True)


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
class _Kept:
    """A snapshot as it was read, what its commit's file looked like then, and the open table if there is one."""

    snapshot: Snapshot
    mark: tuple[int, ...]
    table: DeltaTable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTables:
    """The folder that holds every license's shared tables, `root/<license>/<table>`."""

    root: Path
    pointers: Pointers = field(default_factory=Pointers, init=False, repr=False, compare=False)
    _kept: dict[Path, _Kept] = field(default_factory=dict, init=False, repr=False, compare=False)

    def folder(self, license_id: str, table: Table) -> Path:
        """Give the folder of a table's files."""
        return self.root / license_id / str(table)

    def latest_version(self, license_id: str, table: Table) -> int:
        """Give the newest version, -1 if there is none, by listing the log (cheap)."""
        return max(_versions(self.folder(license_id, table) / "_delta_log"), default=-1)

    def is_newest(self, license_id: str, table: Table, version: int) -> bool:
        """Tell whether a version is there and the next one is not; versions follow each other without a gap."""
        log = self.folder(license_id, table) / "_delta_log"
        return (log / f"{version:020d}.json").exists() and not (log / f"{version + 1:020d}.json").exists()

    def snapshot(self, license_id: str, table: Table) -> Snapshot | None:
        """Read the current version, or None if the table was never built.

        Whoever read the version before reads only the commits since.

        Raises:
            IntegrityError: the newest commit was not made by licet.
        """
        folder = self.folder(license_id, table)
        version = self.latest_version(license_id, table)
        kept = self._kept.get(folder)
        if kept is not None and _mark(folder, kept.snapshot.version) == kept.mark:
            followed = _follow(kept.snapshot, folder, version)
            if followed is not None:
                self._keep(folder, followed, kept.table)
                return followed
        self._kept.pop(folder, None)
        if not DeltaTable.is_deltatable(str(folder)):
            return None
        delta = DeltaTable(str(folder))
        found = _read(delta, f"{license_id}/{table}")
        self._keep(folder, found, delta)
        return found

    def _keep(self, folder: Path, snapshot: Snapshot, table: DeltaTable | None) -> None:
        mark = _mark(folder, snapshot.version)
        if mark is not None:
            self._kept[folder] = _Kept(snapshot=snapshot, mark=mark, table=table)

    def _open(self, folder: Path, version: int) -> DeltaTable:
        """Give the open table at the version that a commit builds on."""
        kept = self._kept.get(folder)
        if kept is not None and kept.table is not None:
            if kept.table.version() != version:
                kept.table.update_incremental()
            if kept.table.version() == version:
                return kept.table
        return DeltaTable(str(folder))

    def commit(
        self, license_: License, table: Table, add: Sequence[DataFile], remove: Sequence[DataFile], facts: CommitFacts
    ) -> Snapshot:
        """Commit files already in the table's folder as a new version, taking others out; hold the license's lease.

        The commit is on the disk on return: a power cut must not bring back what it took out.
        """
        folder = self.folder(license_.license_id, table)
        folder.mkdir(parents=True, exist_ok=True)
        schema = Schema.from_arrow(shared_schema(license_, table))
        properties = CommitProperties(custom_metadata={"licet": facts.stated()}, max_commit_retries=0)
        now = int(datetime.now(UTC).timestamp() * 1000)
        adds = [_add(file, now) for file in add]
        earlier = self.snapshot(license_.license_id, table)
        if earlier is not None:
            actions: list[AddAction | RemoveAction] = [*adds, *(_remove(file, now) for file in remove)]
            delta = self._open(folder, earlier.version)
            delta.create_write_transaction(actions, "append", schema, commit_properties=properties)
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
        _make_last(folder / "_delta_log", snapshot.version)
        return snapshot

    def unlisted(self, license_id: str, table: Table) -> list[str]:
        """Give the names of the data files on the disk that the current version does not list."""
        snapshot = self.snapshot(license_id, table)
        live = {file.name for file in snapshot.files} if snapshot else set()
        return [path.name for path in _data_files(self.folder(license_id, table), live)]

    def sweep(self, license_id: str, table: Table, grace_s: float, now: datetime) -> int:
        """Delete data files that the current version does not list, `grace_s` after they were last; return how many.

        Hold the license's lease: a build's fresh files are not listed until its commit.
        """
        snapshot = self.snapshot(license_id, table)
        live = {file.name for file in snapshot.files} if snapshot else set()
        gone = _drop_stray_keys(self.folder(license_id, table), snapshot)
        for path in _data_files(self.folder(license_id, table), live):
            if now.timestamp() - path.stat().st_mtime >= grace_s:
                path.unlink(missing_ok=True)
                gone += 1
        return gone


def _drop_stray_keys(folder: Path, snapshot: Snapshot | None) -> int:
    """Delete key files that were written for the newest version, or one after it, and that no commit names."""
    newest = -1 if snapshot is None else snapshot.version
    named = set() if snapshot is None else {key.name for key in snapshot.facts.keys}
    strays = [
        path
        for path in (folder / KEYS_FOLDER).glob("keys-*.parquet")
        if int(path.name.split("-")[1]) >= newest and path.name not in named
    ]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def _versions(log: Path) -> Iterator[int]:
    try:
        names = os.listdir(log)  # noqa: PTH208 # a log may hold thousands of commits, and a path object for each is slow
    except FileNotFoundError:
        return
    for name in names:
        stem, _, kind = name.partition(".")
        if kind == "json" and stem.isdigit():
            yield int(stem)


def _mark(folder: Path, version: int) -> tuple[int, ...] | None:
    """Tell a commit's file from another of the same name: a table may be removed and built anew."""
    try:
        found = (folder / "_delta_log" / f"{version:020d}.json").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(delta: DeltaTable, name: str) -> Snapshot:
    """Read a whole table's log."""
    refuse_soft_deletes(delta)
    info = next(iter(delta.history(1)), {})
    if "licet" not in info:
        raise IntegrityError(f"table `{name}` holds a foreign commit", "rebuild it: `licet build`")
    actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    files = (DataFile(name=a["path"], size=a["size_bytes"], rows=a["num_records"]) for a in actions)
    return Snapshot(
        version=delta.version(),
        table_id=str(delta.metadata().id),
        schema_string=delta.schema().to_json(),
        files=_in_order(files),
        facts=CommitFacts.read(info["licet"]),
        at=_instant(info),
    )


def _follow(snapshot: Snapshot, folder: Path, upto: int) -> Snapshot | None:
    """Give the snapshot after the commits since, or None where one of them is not as licet makes them."""
    for version in range(snapshot.version + 1, upto + 1):
        found = _after(snapshot, (folder / "_delta_log" / f"{version:020d}.json").read_bytes())
        if found is None:
            return None
        snapshot = found
    return snapshot if snapshot.version == upto else None


def _after(snapshot: Snapshot, commit: bytes) -> Snapshot | None:
    files = {file.name: file for file in snapshot.files}
    stated: dict[str, Any] = {}
    for line in commit.splitlines():
        ((kind, action),) = json.loads(line).items()
        if kind == "remove":
            files.pop(action["path"], None)
        elif kind == "add" and not action.get("deletionVector"):
            rows = json.loads(action["stats"])["numRecords"]
            files[action["path"]] = DataFile(name=action["path"], size=action["size"], rows=rows)
        elif kind == "commitInfo" and "licet" in action:
            stated = action
        else:
            return None
    if not stated:
        return None
    facts = CommitFacts.read(stated["licet"])
    version = snapshot.version + 1
    return replace(snapshot, version=version, files=_in_order(files.values()), facts=facts, at=_instant(stated))


def _in_order(files: Iterable[DataFile]) -> tuple[DataFile, ...]:
    return tuple(sorted(files, key=lambda file: file.name))


def _instant(info: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(info["timestamp"] / 1000, UTC)


def _data_files(folder: Path, but: Container[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in {"_delta_log", KEYS_FOLDER}]
        yield from (Path(place, name) for name in names if name not in but and name.endswith(".parquet"))


def _make_last(log: Path, version: int) -> None:
    """Bring a commit to the disk."""
    for path in (log / f"{version:020d}.json", log):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
        keys=tuple((key.name, key.size, key.rows) for key in snapshot.facts.keys),
        due=datetime.fromisoformat(snapshot.facts.due) if snapshot.facts.due else None,
        regions=snapshot.facts.regions,
    )
