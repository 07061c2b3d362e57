"""Put every request of recipients, and of strangers at their doors, on record, without a wait for the record.

A request takes a place in a bounded queue before anything else happens; its record is committed with others by one
thread. Where no place is left the request is refused: data handed out without a record could never be accounted for,
while a refused client comes back. Members' pages are not recorded: their choices are facts of their own, and a full
queue must not keep anybody from opting out.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

from fastapi import Request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from licet.model.errors import Unavailable
from licet.server.errors import answer
from licet.server.limits import network_of
from licet.store.audit import AuditEntry, record_requests
from licet.store.database import transaction

BATCH: Final = 500
"""Records of one commit, at most."""
LINGER_S: Final = 0.1
"""Seconds for which records gather; what a killed server may forget."""
RETRY_S: Final = 0.5
STOP_S: Final = 10.0
"""Seconds that a stop may take, in which whatever is still being answered is waited for."""

log = logging.getLogger(__name__)


class Trail:
    """The queue of records and the thread that commits them in batches."""

    def __init__(self, database: Engine, capacity: int) -> None:
        """Write to a database; hold at most `capacity` requests whose record is not committed."""
        self._database = database
        self._capacity = capacity
        self._promised = 0
        self._kept: deque[AuditEntry] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._refusing = False
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write everything that was promised, and end."""
        with self._changed:
            self._deadline = time.monotonic() + STOP_S
            self._changed.notify_all()
        self._thread.join(2 * STOP_S)
        if self._promised:
            log.error("%d audit records were not written", self._promised)

    def promise(self) -> bool:
        """Take a place for a record that will be handed in; False if there is none."""
        with self._changed:
            full = self._promised >= self._capacity
            self._promised += not full
            news, self._refusing = full and not self._refusing, full
        if news:
            log.error("the audit queue is full: requests are refused until it drains")
        return not full

    def hand_in(self, entry: AuditEntry) -> None:
        """Hand in a record that has its place."""
        with self._changed:
            self._kept.append(entry)
            # While records gather the thread sleeps on, and finds this one when it wakes.
            if len(self._kept) in {1, BATCH}:
                self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._write(batch)
            with self._changed:
                self._promised -= len(batch)

    def _next_batch(self) -> list[AuditEntry]:
        """Wait for records and for company to them; none at the end."""
        with self._changed:
            while not self._kept and not self._is_over():
                self._changed.wait(None if self._deadline is None else RETRY_S)
            self._changed.wait_for(lambda: self._deadline is not None or len(self._kept) >= BATCH, LINGER_S)
            return [self._kept.popleft() for _ in range(min(BATCH, len(self._kept)))]

    def _is_over(self) -> bool:
        if self._deadline is None:
            return False
        return not self._promised or time.monotonic() > self._deadline

    def _write(self, batch: list[AuditEntry]) -> None:
        while True:
            try:
                with transaction(self._database) as conn:
                    record_requests(conn, batch)
            except SQLAlchemyError as error:
                log.error("audit records wait for the database: %s", type(error).__name__)  # noqa: TRY400 # no traceback
                if self._gives_up():
                    return
            else:
                return

    def _gives_up(self) -> bool:
        with self._changed:
            self._changed.wait(RETRY_S)
            return self._deadline is not None and time.monotonic() > self._deadline


class Recording:
    """What is learned of one request while it is answered."""

    def __init__(self, scope: Scope, at: datetime, trail: Trail, send: Send) -> None:
        """Begin with a request that came at an instant."""
        self._scope = scope
        self._at = at
        self._begun = time.perf_counter_ns()
        self._trail = trail
        self._send = send
        self._promised = False
        self._bytes = 0
        # An error that nothing caught is answered further out.
        self._status = 500

    def promise(self) -> None:
        """Make sure that this request will be on record.

        Raises:
            Unavailable: it could not be.
        """
        if not self._promised and not self._trail.promise():
            raise Unavailable("requests cannot be recorded now", "try again in a moment")
        self._promised = True

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body" and self._scope["method"] != "HEAD":  # whose body is not sent
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def end(self) -> None:
        """Hand in the record, if one was promised."""
        if self._promised:
            self._trail.hand_in(self._entry())

    def _entry(self) -> AuditEntry:
        scope = self._scope
        client, params = scope.get("client"), scope.get("path_params", {})
        holder = scope["state"].get("holder")
        return AuditEntry(
            at=self._at,
            recipient_id=holder.recipient_id if holder else "",
            credential_id=holder.credential_id if holder else "",
            method=scope["method"],
            route=_template(scope),
            license_id=params.get("share") or params.get("license_id", ""),
            record_table=params.get("table", ""),
            status=self._status,
            bytes=self._bytes,
            duration_us=(time.perf_counter_ns() - self._begun) // 1000,
            network=network_of(client[0] if client else "", 24, 48),
        )


def recording_of(request: Request) -> Recording:
    """Give the recording of a request."""
    found: Recording = request.state.recording
    return found


def _template(scope: Scope) -> str:
    """Give the matched route's whole template; of a router within a router the route itself knows only its end."""
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return str(getattr(route, "path", ""))


class Audited:
    """Wraps an app so that requests are on record or refused: all under `prefix`, and elsewhere a recipient's."""

    def __init__(self, app: ASGIApp, trail: Trail, clock: Callable[[], datetime], prefix: str) -> None:
        """Wrap an app; whatever learns elsewhere that a recipient asks, calls `promise` of the state's recording."""
        self._app = app
        self._trail = trail
        self._clock = clock
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        recording = Recording(scope, self._clock(), self._trail, send)
        scope.setdefault("state", {})["recording"] = recording
        try:
            if f"{scope['path']}/".startswith(f"{self._prefix}/"):
                recording.promise()
        except Unavailable as error:
            headers = {"Retry-After": str(error.retry_after)}
            await answer(503, "TEMPORARILY_UNAVAILABLE", str(error), headers)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, recording.send)
        finally:
            recording.end()
