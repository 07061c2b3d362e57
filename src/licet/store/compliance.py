"""Compliance jobs as facts, the private folder of what was uploaded and answered, and what left since a moment.

What an uploaded id came to is found by `store.compliance_results`.
"""

import contextlib
import json
import os
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from licet.model.errors import NotFound
from licet.model.licenses import RecipientId
from licet.model.records import Table
from licet.protocol.compliance import Job, JobType, Status
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.credentials import Holder, networks_of
from licet.store.facts import micros, newest_withdrawal
from licet.store.house import House
from licet.store.shared import KEYS_FOLDER, SharedTables

UPLOAD_FOR: Final = timedelta(minutes=15)
"""How long a job waits for its ids."""
DOWNLOAD_FOR: Final = timedelta(days=7)
"""How long after its creation a job's result is kept."""
LISTED_FOR: Final = timedelta(days=14)
"""How long after its creation a job is listed."""
MOST_LISTED: Final = 1000
STRAY_S: Final = 24 * 3600
"""Age in seconds at which an upload that no job names is none that is still coming in."""

_FIRST_ID: Final = 10**18
_IDS: Final = 8 * 10**18
_IDS_SUFFIX: Final = ".ids"


def open_job(conn: Connection, recipient_id: str, type_: JobType, name: str, now: datetime) -> Job:
    """Create a job that waits for its ids; its id has nineteen digits and tells nothing."""
    job = Job(
        job_id=_FIRST_ID + secrets.randbelow(_IDS),
        recipient_id=RecipientId(recipient_id),
        type=type_,
        name=name,
        created=now,
        upload_expires=now + UPLOAD_FOR,
        download_expires=now + DOWNLOAD_FOR,
    )
    row = {"job_id": job.job_id, "recipient_id": recipient_id, "type": str(type_), "name": name}
    times = {"created_us": now, "upload_expires_us": job.upload_expires, "download_expires_us": job.download_expires}
    conn.execute(insert(t.compliance_job).values(**row, **{key: micros(at) for key, at in times.items()}))
    return job


def job_of(conn: Connection, job_id: int) -> Job:
    """Give a job.

    Raises:
        NotFound: there is none of that id.
    """
    row = conn.execute(select(t.compliance_job).where(t.compliance_job.c.job_id == job_id)).first()
    if row is None:
        raise NotFound(f"Could not find compliance job with id: [{job_id}]")
    return _job(row)


def jobs_of(
    conn: Connection, recipient_id: str, type_: JobType, now: datetime, status: Status | None = None
) -> list[Job]:
    """Give a recipient's jobs of one type, of one status or of all, newest first; old ones are not listed."""
    c = t.compliance_job.c
    which = [c.recipient_id == recipient_id, c.type == str(type_), c.created_us > micros(now - LISTED_FOR)]
    if status is not None:
        which += _standing(status, now)
    query = select(t.compliance_job).where(*which).order_by(c.created_us.desc(), c.job_id.desc())
    return [_job(row) for row in conn.execute(query.limit(MOST_LISTED))]


def unfinished(conn: Connection, recipient_id: str, now: datetime) -> int:
    """Count a recipient's jobs that wait for their ids or for their result."""
    c = t.compliance_job.c
    counts = (
        select(func.count()).where(c.recipient_id == recipient_id, *_standing(status, now))
        for status in (Status.CREATED, Status.IN_PROGRESS)
    )
    return sum(int(conn.execute(query).scalar_one()) for query in counts)


def _standing(status: Status, now: datetime) -> list[ColumnElement[bool]]:
    """Say in SQL what `Job.status` says."""
    c, us = t.compliance_job.c, micros(now)
    done = [c.ended_us.is_not(None), c.error == ""]
    meanings: Mapping[Status, list[ColumnElement[bool]]] = {
        Status.CREATED: [c.uploaded_us.is_(None), c.upload_expires_us > us],
        Status.IN_PROGRESS: [c.uploaded_us.is_not(None), c.ended_us.is_(None)],
        Status.FAILED: [c.ended_us.is_not(None), c.error != ""],
        Status.COMPLETE: [*done, c.download_expires_us > us],
        Status.EXPIRED: [
            (c.uploaded_us.is_(None) & (c.upload_expires_us <= us))
            | (done[0] & done[1] & (c.download_expires_us <= us))
        ],
    }
    return meanings[status]


def _job(row: Any) -> Job:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Job(
        job_id=row.job_id,
        recipient_id=RecipientId(row.recipient_id),
        type=JobType(row.type),
        name=row.name,
        created=instant(row.created_us),
        upload_expires=instant(row.upload_expires_us),
        download_expires=instant(row.download_expires_us),
        uploaded=None if row.uploaded_us is None else instant(row.uploaded_us),
        ended=None if row.ended_us is None else instant(row.ended_us),
        error=row.error,
    )


def begin(conn: Connection, job_id: int, upload: str, now: datetime) -> bool:
    """Note that a job's ids lie in the file `upload`; False if it had its ids before."""
    c = t.compliance_job.c
    values = {"uploaded_us": micros(now), "upload": upload, "settled_seq": newest_withdrawal(conn)}
    statement = update(t.compliance_job).where(c.job_id == job_id, c.uploaded_us.is_(None)).values(**values)
    return conn.execute(statement).rowcount == 1


def end(conn: Connection, job_id: int, now: datetime, error: str = "") -> None:
    """Note that a job has its result, or why it will have none; `error` names nobody."""
    values = {"ended_us": micros(now), "error": error[:255]}
    conn.execute(update(t.compliance_job).where(t.compliance_job.c.job_id == job_id).values(**values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A job with ids and without a result; whatever was withdrawn up to `settled_seq` has to be in that."""

    job: Job
    upload: str
    settled_seq: int


def pending(conn: Connection) -> list[Pending]:
    """Give the jobs to answer, of everybody, the first uploaded first."""
    c = t.compliance_job.c
    query = select(t.compliance_job).where(c.ended_us.is_(None), c.uploaded_us.is_not(None))
    rows = conn.execute(query.order_by(c.uploaded_us, c.job_id))
    return [Pending(job=_job(row), upload=row.upload, settled_seq=row.settled_seq) for row in rows]


def holder_of(conn: Connection, job: Job) -> Holder:
    """Give the recipient who may use a job's addresses, from where, and when all they held was last revoked."""
    query = select(t.recipient.c.revoked_us).where(t.recipient.c.recipient_id == job.recipient_id)
    return Holder(
        recipient_id=job.recipient_id,
        credential_id="",
        networks=networks_of(conn, job.recipient_id),
        revoked=instant(int(conn.execute(query).scalar_one())),
    )


def folder_of(house: House) -> Path:
    """Give the folder of uploads and results, which nobody else on the machine may read."""
    folder = house.shared.root.parent / "compliance"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def result_path(house: House, job_id: int) -> Path:
    """Give where a job's result lies once the job is complete."""
    return folder_of(house) / f"{job_id}.ndjson"


@dataclass(slots=True, kw_only=True)
class Upload:
    """Ids that are coming in; unless kept, nothing of them stays."""

    path: Path
    handle: BinaryIO
    size: int = 0
    kept: bool = False

    @classmethod
    def open(cls, house: House, job_id: int) -> Self:
        """Begin a file of its own: two who send ids at once do not mix."""
        path = folder_of(house) / f"{job_id}.{uuid.uuid4().hex}{_IDS_SUFFIX}"
        return cls(path=path, handle=path.open("xb"))

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.size += len(data)
        self.handle.write(data)

    def keep(self) -> str:
        """Bring the file to the disk, and give its name."""
        self.handle.flush()
        os.fsync(self.handle.fileno())
        sync_folder(self.path.parent)
        self.kept = True
        return self.path.name

    def close(self) -> None:
        """Close the file; it goes unless it was kept."""
        self.handle.close()
        if not self.kept:
            self.path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names of a folder's files durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(conn: Connection, house: House, now: datetime) -> int:
    """Delete results that expired, and files of which no job knows; return how many.

    Hold the lease of those who answer jobs: a result just made is in no job yet.
    """
    c = t.compliance_job.c
    wanted = {each.upload for each in pending(conn)}
    complete = select(c.job_id).where(*_standing(Status.COMPLETE, now))
    wanted |= {result_path(house, job_id).name for job_id in conn.execute(complete).scalars()}
    paths = [path for path in folder_of(house).iterdir() if path.name not in wanted]
    named = {int(path.name.partition(".")[0]) for path in paths if path.suffix == _IDS_SUFFIX}
    unsent = select(c.job_id).where(c.job_id.in_(named), c.uploaded_us.is_(None))
    coming = {str(job_id) for job_id in conn.execute(unsent).scalars()}
    gone = [path for path in paths if path.name.partition(".")[0] not in coming or not _is_fresh(path)]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _is_fresh(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime > time.time() - STRAY_S
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A version with which rows left a table, and the files of their keys."""

    license_id: str
    table: Table
    version: int
    as_of_seq: int
    before_seq: int
    """What the version before was as of: whatever took rows out came after it."""
    at: datetime
    built: bool
    """A build, which compares rows, not a recall, which knows of each why it goes."""
    keys: tuple[Path, ...]


@dataclass(slots=True, kw_only=True)
class Cursor:
    """How far each of a recipient's tables was looked at.

    Versions are counted, not timed: of two licenses, the one that committed first may be written down last.
    """

    recipient_id: str
    tables: tuple[Table, ...]
    since: datetime
    """Of a table not looked at before, what left from then on is news."""
    seen: dict[tuple[str, Table], int] = field(default_factory=dict)

    def advance(self, conn: Connection, shared: SharedTables) -> list[Left]:
        """Give what left since the look before, by time, license, table and version."""
        c = t.license_fact.c
        query = select(c.license_id).where(c.recipient_id == self.recipient_id, c.until_seq == t.OPEN)
        found: list[Left] = []
        for license_id in conn.execute(query).scalars():
            for table in self.tables:
                found += self._look(conn, shared, license_id, table)
        return sorted(found, key=lambda each: (each.at, each.license_id, each.table, each.version))

    def _look(self, conn: Connection, shared: SharedTables, license_id: str, table: Table) -> Iterable[Left]:
        c, place = t.shared_version.c, (license_id, table)
        which = [c.license_id == license_id, c.record_table == str(table)]
        if place in self.seen:
            new = c.version > self.seen[place]
        else:
            new = c.at_us >= micros(self.since)
            newest = select(func.coalesce(func.max(c.version), -1)).where(*which)
            self.seen[place] = int(conn.execute(newest).scalar_one())
        rows = conn.execute(select(t.shared_version).where(*which, new).order_by(c.version)).all()
        if rows:
            self.seen[place] = max(self.seen[place], rows[-1].version)
        return [_left(conn, shared, row) for row in rows if row.keys != "[]"]


def _left(conn: Connection, shared: SharedTables, row: Any) -> Left:  # noqa: ANN401 # SQLAlchemy rows have no type
    c = t.shared_version.c
    before = select(c.as_of_seq).where(
        c.license_id == row.license_id, c.record_table == row.record_table, c.version == row.version - 1
    )
    table = Table(row.record_table)
    folder = shared.folder(row.license_id, table) / KEYS_FOLDER
    return Left(
        license_id=row.license_id,
        table=table,
        version=row.version,
        as_of_seq=row.as_of_seq,
        before_seq=int(conn.execute(before).scalar_one_or_none() or 0),
        at=instant(row.at_us),
        built=row.cause == "build",
        keys=tuple(folder / name for name, _, _ in json.loads(row.keys)),
    )
