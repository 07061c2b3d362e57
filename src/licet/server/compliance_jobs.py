"""The routes of X's compliance jobs: create one, send its ids, watch it, fetch which of them have to go."""

import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from licet.model.errors import InputError, NotFound, Refused, Unavailable
from licet.model.licenses import License
from licet.protocol import compliance as wire
from licet.protocol.compliance import PREFIX, Job, JobType, Status, Transfer
from licet.protocol.urls import EXPIRES, SIGNATURE
from licet.server.access import AsRecipient, admit, failed
from licet.server.compliance import ProblemRoute, answer, one_of, read_object, require_known
from licet.server.desk import AtDesk, Desk
from licet.server.errors import WireError
from licet.store import compliance as store
from licet.store import compliance_results
from licet.store.asof import licenses_as_of
from licet.store.compliance import Pending, Upload
from licet.store.database import lease, reading, transaction
from licet.store.facts import last_seq
from licet.store.parties import checked_seq

UPLOAD_BYTES: Final = 512 * 1024 * 1024
"""Bytes of ids that a job takes: about 13 million decimal ones."""
MOST_UNFINISHED: Final = 20
"""Jobs of one recipient that wait for ids or results at a moment."""
WRITTEN: Final = 1 << 20
"""Bytes of an upload that are gathered before they go to the disk."""
ESTIMATE: Final = timedelta(seconds=5)
"""When to ask again for a job; clients wait a minute where they are not told."""
NDJSON: Final = "application/x-ndjson; charset=utf-8"
LEASE: Final = "compliance jobs"
SETTLE_FOR: Final = timedelta(minutes=15)
"""How long after its upload a job waits for the recall of what was withdrawn before."""
LOOK_S: Final = 0.2
"""Seconds between two looks at whether that is done."""
RETRY_S: Final = 1.0
IDLE_S: Final = 10.0
"""Seconds after which jobs are looked for that another process left behind."""
SWEEP_S: Final = 60.0
"""Seconds between two sweeps of what expired, where no job makes one sooner."""
TRIES: Final = 3
STOP_S: Final = 10.0
_KNOWN: Final = {"type", "name", "resumable"}
_FIELDS: Final = "compliance_job.fields"

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    worker = JobWorker(app.state.desk)
    app.state.compliance_worker = worker
    worker.start()
    try:
        yield
    finally:
        await run_in_threadpool(worker.stop)


router = APIRouter(tags=["compliance"], route_class=ProblemRoute, lifespan=_lifespan)


async def _body(request: Request) -> dict[str, object]:
    return await read_object(request)


@router.post(PREFIX)
def create_job(
    request: Request, desk: AtDesk, who: AsRecipient, said: Annotated[dict[str, object], Depends(_body)]
) -> Response:
    """Create a job; its answer says where to send ids to, without a token."""
    fields = _wanted(request, {_FIELDS})
    type_, name = _read_wish(said)
    now = desk.now()
    with transaction(desk.house.database) as conn:
        if store.unfinished(conn, who, now) >= MOST_UNFINISHED:
            detail = f"{MOST_UNFINISHED} jobs wait for their ids or results: try again when one is done"
            raise WireError(429, "RESOURCE_EXHAUSTED", detail, {"Retry-After": "60"})
        job = store.open_job(conn, who, type_, name, now)
    return answer({"data": wire.chosen(_shown(request, desk, job), fields)})


def _read_wish(said: dict[str, object]) -> tuple[JobType, str]:
    if unknown := set(said) - _KNOWN:
        raise InputError(f"$.{min(unknown)[:64]}: is not defined in the schema")
    type_, name, resumable = said.get("type"), said.get("name", ""), said.get("resumable", False)
    if not isinstance(type_, str) or type_ not in set(JobType):
        raise InputError("$.type: is not one of [tweets,users]")
    if not isinstance(name, str) or len(name) > wire.MOST_NAME or "\x00" in name:
        raise InputError(f"$.name: is not text of at most {wire.MOST_NAME} characters")
    if resumable is not False:
        raise InputError("$.resumable: only false is supported", "send the ids in one request")
    return JobType(type_), name


def _wanted(request: Request, known: set[str]) -> frozenset[str]:
    require_known(request, known)
    said = request.query_params.get(_FIELDS, "")
    fields = frozenset(said.split(",")) if said else frozenset()
    if unknown := fields - set(wire.JOB_FIELDS):
        listed = ",".join(wire.JOB_FIELDS)
        raise InputError(f"The `{_FIELDS}` query parameter value [{min(unknown)[:64]}] is not one of [{listed}]")
    return fields


def _shown(request: Request, desk: Desk, job: Job) -> dict[str, object]:
    base = desk.options.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    until = {Transfer.UPLOAD: job.upload_expires, Transfer.DOWNLOAD: job.download_expires}
    urls = {each: base + wire.transfer_path(desk.options.secret, each, job.job_id, at) for each, at in until.items()}
    now = desk.now()
    return wire.job_object(job, job.status(now), urls, now + ESTIMATE)


@router.get(PREFIX)
def list_jobs(request: Request, desk: AtDesk, who: AsRecipient) -> Response:
    """List the caller's jobs of one type, newest first."""
    fields = _wanted(request, {"type", "status", _FIELDS})
    type_ = JobType(one_of(request, "type", set(JobType)))
    listed = set(Status) - {Status.EXPIRED}
    status = Status(one_of(request, "status", listed)) if "status" in request.query_params else None
    with reading(desk.house.database) as conn:
        jobs = store.jobs_of(conn, who, type_, desk.now(), status)
    shown = [wire.chosen(_shown(request, desk, job), fields) for job in jobs]
    return answer({"data": shown, "meta": {"result_count": len(shown)}})


@router.get(PREFIX + "/{job_id}")
def get_job(request: Request, desk: AtDesk, who: AsRecipient, job_id: str) -> Response:
    """Give one job of the caller."""
    fields = _wanted(request, {_FIELDS})
    with reading(desk.house.database) as conn:
        job = store.job_of(conn, wire.read_job_id(job_id))
    if job.recipient_id != who:
        raise NotFound(f"Could not find compliance job with id: [{job.job_id}]")
    return answer({"data": wire.chosen(_shown(request, desk, job), fields)})


def _opened(request: Request, desk: Desk, job_id: str, transfer: Transfer) -> Job:
    """Give the job that a signed address names, if it may still be used.

    Raises:
        Refused: it is not signed by us, is over, was given out before access was revoked, or is used from elsewhere.
        WireError: 429, the recipient asks too much.
    """
    said = request.query_params
    expires = int(said[EXPIRES]) if said.get(EXPIRES, "").isdecimal() and len(said[EXPIRES]) < 12 else 0  # noqa: PLR2004
    number = wire.read_job_id(job_id)
    if not wire.is_signed(desk.options.secret, transfer, number, expires, said.get(SIGNATURE, "")):
        raise failed(request, desk, Refused("the address is not signed by this server", "ask for the job again"))
    with reading(desk.house.database) as conn:
        job = store.job_of(conn, number)
        holder = store.holder_of(conn, job)
    admit(request, desk, holder)
    desk.limits.requests.take(holder.recipient_id)
    if job.created <= holder.revoked:
        raise Refused("the address was given out before access was revoked", "create another job")
    if expires <= desk.now().timestamp():
        raise Refused("the address has expired", "create another job")
    return job


@router.put(PREFIX + "/{job_id}/upload")
async def put_ids(request: Request, desk: AtDesk, job_id: str) -> Response:
    """Take a job's ids, one a line; the answer is given once they are on the disk."""
    job = await run_in_threadpool(_opened, request, desk, job_id, Transfer.UPLOAD)
    if job.uploaded is not None:
        raise _twice()
    if int(request.headers.get("content-length", 0)) > UPLOAD_BYTES:
        raise _too_large()
    upload = await run_in_threadpool(Upload.open, desk.house, job.job_id)
    try:
        await _receive(request, upload)
        await run_in_threadpool(_begin, desk, job, upload)
    finally:
        await run_in_threadpool(upload.close)
    worker: JobWorker = request.app.state.compliance_worker
    worker.wake()
    return Response()


async def _receive(request: Request, upload: Upload) -> None:
    waiting = bytearray()
    async for part in request.stream():
        waiting += part
        if upload.size + len(waiting) > UPLOAD_BYTES:
            raise _too_large()
        if len(waiting) >= WRITTEN:
            await run_in_threadpool(upload.write, bytes(waiting))
            waiting.clear()
    await run_in_threadpool(upload.write, bytes(waiting))


def _too_large() -> WireError:
    return WireError(413, "MALFORMED_REQUEST", f"more than {UPLOAD_BYTES} bytes of ids: spread them over several jobs")


def _twice() -> WireError:
    return WireError(409, "INVALID_PARAMETER_VALUE", "this job has its ids: create another job")


def _begin(desk: Desk, job: Job, upload: Upload) -> None:
    name = upload.keep()
    with transaction(desk.house.database) as conn:
        upload.kept = store.begin(conn, job.job_id, name, desk.now())
    if not upload.kept:
        raise _twice()


@router.api_route(PREFIX + "/{job_id}/download", methods=["GET", "HEAD"])
def get_result(request: Request, desk: AtDesk, job_id: str) -> Response:
    """Give the result of a job that is complete: a line for each id that has to go."""
    job = _opened(request, desk, job_id, Transfer.DOWNLOAD)
    status = job.status(desk.now())
    path = store.result_path(desk.house, job.job_id)
    if status is not Status.COMPLETE or not path.exists():
        raise NotFound(f"the job is {status} and has no result", "ask for the job until it is complete")
    headers = {"Cache-Control": "private, no-store", "Content-Disposition": f'attachment; filename="{path.name}"'}
    return FileResponse(path, headers=headers, media_type=NDJSON)


class _Stopped(Exception):
    """The server ends; the job is begun anew by whoever starts next."""


class JobWorker:
    """Answers jobs in a thread, one at a time in the whole house.

    A job in progress is a fact without an end. Whoever is killed at it leaves it so, and the lease free; the result
    is named only once it is whole, and the job's end written down only after that.
    """

    def __init__(self, desk: Desk) -> None:
        """Work for a desk."""
        self._desk = desk
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._tries: dict[int, int] = {}
        self._sweep = 0.0
        self._thread = threading.Thread(target=self._run, name="compliance", daemon=True)

    def start(self) -> None:
        """Begin to work, first at what was left behind."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a job has its ids."""
        self._changed.set()

    def stop(self) -> None:
        """End between two queries."""
        self._stopping.set()
        self._changed.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            self._changed.wait(pause)
            self._changed.clear()
            try:
                pause = LOOK_S if self._round() else IDLE_S
            except _Stopped:
                return
            except Exception as error:  # noqa: BLE001 # whatever it was, the jobs after it must not wait for ever
                log.error("compliance jobs wait: %s", type(error).__name__)  # noqa: TRY400 # no traceback: it may quote
                pause = RETRY_S

    def _round(self) -> bool:
        """Try every job that waits, and tell whether one still does."""
        house = self._desk.house
        with reading(house.database) as conn:
            if not store.pending(conn) and time.monotonic() < self._sweep:
                return False
        with lease(house.database, LEASE):
            with reading(house.database) as conn:
                waiting = store.pending(conn)
            left = [each for each in waiting if not self._finish(each)]
            if len(left) < len(waiting) or time.monotonic() >= self._sweep:
                with reading(house.database) as conn:
                    store.sweep(conn, house, self._desk.now())
                self._sweep = time.monotonic() + SWEEP_S
        return bool(left)

    def _finish(self, each: Pending) -> bool:
        """Answer a job if that is possible now, and tell whether it ended."""
        self._stop_if_asked()
        if not self._is_settled(each):
            if each.job.uploaded and self._desk.now() - each.job.uploaded <= SETTLE_FOR:
                return False
            return self._end(each, "rows are still being withdrawn: send the ids again later")
        try:
            self._answer(each)
        except InputError as error:
            return self._end(each, error.message)
        except _Stopped:
            raise
        except Exception as error:  # noqa: BLE001 # whatever it was, after some tries the job ends
            return self._failed(each, error)
        return self._end(each)

    def _answer(self, each: Pending) -> None:
        house, job = self._desk.house, each.job
        uploaded = store.folder_of(house) / each.upload
        target = store.result_path(house, job.job_id)
        asked = (house, job.recipient_id, job.type)
        compliance_results.answer(*asked, uploaded, target, self._stop_if_asked)

    def _failed(self, each: Pending, error: Exception) -> bool:
        self._tries[each.job.job_id] = self._tries.get(each.job.job_id, 0) + 1
        log.error("a compliance job failed: %s", type(error).__name__)
        if self._tries[each.job.job_id] < TRIES:
            raise error
        return self._end(each, "the job could not be answered: ask the operator")

    def _end(self, each: Pending, error: str = "") -> bool:
        with transaction(self._desk.house.database) as conn:
            store.end(conn, each.job.job_id, self._desk.now(), error)
        self._tries.pop(each.job.job_id, None)
        return True

    def _stop_if_asked(self) -> None:
        if self._stopping.is_set():
            raise _Stopped

    def _is_settled(self, each: Pending) -> bool:
        """Tell whether all that was withdrawn before the upload has left every license that recall can bring there."""
        with reading(self._desk.house.database) as conn:
            everyone = licenses_as_of(conn, last_seq(conn))
            mine = [license_ for license_, _ in everyone if license_.recipient_id == each.job.recipient_id]
            behind = [one for one in mine if 0 <= checked_seq(conn, one.license_id) < each.settled_seq]
        return all(self._awaits_build(license_) for license_ in behind)

    def _awaits_build(self, license_: License) -> bool:
        """Tell whether a license was built under other rules: recall leaves it alone, and nobody is served from it."""
        for table in license_.tables:
            snapshot = self._desk.house.shared.snapshot(license_.license_id, table)
            if snapshot is None:
                continue
            try:
                self._desk.require_current_rules(license_, snapshot)
            except Unavailable:
                return True
        return False
