"""Where recipients fetch files: at this server, or at an outlet by addresses that the object store itself checks."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Protocol

from fastapi.concurrency import run_in_threadpool

from licet.model.errors import LicetError, Unavailable, UsageError
from licet.model.licenses import Delivery, License
from licet.model.records import Table
from licet.protocol.sharing import REMOVALS
from licet.protocol.urls import FileClaim, file_path
from licet.store.asof import licenses_as_of
from licet.store.database import reading, transaction
from licet.store.facts import last_seq
from licet.store.house import House
from licet.store.outlet import Outlet
from licet.store.parties import record_deliveries

LONGEST_S: Final = 7 * 24 * 3600
"""For longer no object store signs an address, in seconds."""
LOOK_S: Final = 1.0
"""Seconds between two looks for what no recall tells of: revoked access, a term's end, rules that take effect."""
SWEEP_S: Final = 60.0
"""Seconds between two listings of everything in the outlet."""
AGAIN_S: Final = 0.005
"""Seconds between two looks at an outlet that somebody waits for."""
COPYING: Final = 2
"""Licenses whose files go up at the same moment without anybody having asked for them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file whose address is to be given out, and its bytes."""

    claim: FileClaim
    size: int


class Addresses(Protocol):
    """Gives out addresses of files."""

    are_free: ClassVar[bool]
    """Whether giving an address out is no delivery yet, so that it may be given out again unseen."""

    async def settle(self, license_id: str) -> None:
        """Wait until what a license's tables hold can be fetched, and nothing that left them."""

    def give(self, license_: License, wanted: Sequence[Wanted], base: str) -> list[str]:
        """Give an address for each file of one license; `base` is this server's sharing address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAddresses:
    """Addresses at this server, which checks each of them again when it is used."""

    secret: bytes
    are_free: ClassVar[bool] = True

    async def settle(self, license_id: str) -> None:
        """Wait for nothing: files are there before their version is."""

    def give(self, _license: License, wanted: Sequence[Wanted], base: str) -> list[str]:
        """Give addresses signed by this server; a delivery is recorded when one is used."""
        return [f"{base}/{file_path(self.secret, each.claim)}" for each in wanted]


def addresses_of(
    house: House, secret: bytes, horizon_s: int, wait_s: float, clock: Callable[[], datetime]
) -> Addresses:
    """Give what gives out a house's addresses.

    Raises:
        UsageError: no object store signs addresses that work for `horizon_s` seconds.
    """
    if house.outlet is None:
        return OwnAddresses(secret=secret)
    return OutletAddresses(house, house.outlet, horizon_s, wait_s, clock)


class OutletAddresses:
    """Addresses at an object store; giving one out counts as a delivery of the whole file."""

    are_free: ClassVar[bool] = False

    def __init__(
        self, house: House, outlet: Outlet, horizon_s: int, wait_s: float, clock: Callable[[], datetime]
    ) -> None:
        """Give addresses that work for `horizon_s` seconds; wait at most `wait_s` seconds for a copy.

        Raises:
            UsageError: no object store signs addresses for so long.
        """
        if horizon_s > LONGEST_S:
            raise UsageError(f"no object store signs an address for {horizon_s} s", f"choose {LONGEST_S} s or less")
        self._house = house
        self._outlet = outlet
        self._wait_s = wait_s
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def settle(self, license_id: str) -> None:
        """Wait until the outlet holds what a license's tables hold, and nothing that left them.

        Waiting holds no thread, and all who wait for one license share one look at the store.

        Raises:
            Unavailable: the store does not answer, or the copy is not made in time.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._wait_s
        while not await run_in_threadpool(self._outlet.is_settled, license_id, self._clock()):
            task = self._settling(license_id)
            await asyncio.wait({task}, timeout=max(0, deadline - clock()))
            if not task.done() or clock() > deadline:
                raise Unavailable("the table is being copied to the object store", "try again in a moment")
            task.result()
            await asyncio.sleep(AGAIN_S)

    def _settling(self, license_id: str) -> asyncio.Task[None]:
        task = self._tasks.get(license_id)
        if task is None or task.done():
            work = run_in_threadpool(self._outlet.settle, license_id, self._clock())
            task = self._tasks[license_id] = asyncio.create_task(work)
            # Whoever waited may have gone before it fails.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def give(self, license_: License, wanted: Sequence[Wanted], base: str) -> list[str]:  # noqa: ARG002 # the store has its own
        """Give presigned addresses, after recording the deliveries that they may become.

        Raises:
            Unavailable: one of the files is no longer offered, or the store does not answer.
        """
        now = self._clock()
        given = self._outlet.addresses([each.claim for each in wanted], now)
        with transaction(self._house.database) as conn:
            record_deliveries(conn, [_delivery(license_, each, now) for each in wanted if _counts(each)])
        return given


def _counts(wanted: Wanted) -> bool:
    # Nothing of what a license covers is in its removals.
    return wanted.claim.table != REMOVALS


def _delivery(license_: License, wanted: Wanted, now: datetime) -> Delivery:
    return Delivery(
        recipient_id=license_.recipient_id,
        license_id=license_.license_id,
        table=Table(wanted.claim.table),
        version=wanted.claim.version,
        file=wanted.claim.file,
        bytes=wanted.size,
        at=now,
    )


class OutletWorker:
    """A thread that keeps every license's objects as they should be, asked or not.

    Recalls and builds delete by themselves what they take out. This one sees to all else by which something stops
    being offered, to recalls and builds run by whoever knows of no outlet, to strays of killed processes, and it
    copies new files so that the first query need not wait for them.
    """

    def __init__(self, house: House, outlet: Outlet, clock: Callable[[], datetime]) -> None:
        """Prepare a worker for a house and its outlet."""
        self._house = house
        self._outlet = outlet
        self._clock = clock
        self._stop = threading.Event()
        self._copying: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._run, name="licet-outlet", daemon=True)

    def start(self) -> None:
        """Begin; strays of a killed predecessor are deleted first."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the deletion at hand; what is being copied is left to whoever comes next."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        swept = SWEEP_S
        while not self._stop.wait(LOOK_S):
            swept += LOOK_S
            anew, swept = swept >= SWEEP_S, swept % SWEEP_S
            try:
                for name in self._licenses():
                    self._look(name, anew=anew)
            except Exception as error:  # noqa: BLE001 # the thread outlives every failure
                _tell(error)

    def _licenses(self) -> list[str]:
        with reading(self._house.database) as conn:
            return [license_.license_id for license_, _ in licenses_as_of(conn, last_seq(conn))]

    def _look(self, name: str, *, anew: bool) -> None:
        try:
            if anew or not self._outlet.is_clear(name, self._clock()):
                self._outlet.clear(name, self._clock(), anew=anew)
            if not self._outlet.is_full(name):
                self._copy(name)
        except Exception as error:  # noqa: BLE001 # the others have their turn
            _tell(error)

    def _copy(self, name: str) -> None:
        self._copying = {each: thread for each, thread in self._copying.items() if thread.is_alive()}
        if name not in self._copying and len(self._copying) < COPYING:
            thread = threading.Thread(target=self._fill, args=(name,), name="licet-outlet-copy", daemon=True)
            self._copying[name] = thread
            thread.start()

    def _fill(self, name: str) -> None:
        try:
            self._outlet.fill(name, self._clock())
        except Exception as error:  # noqa: BLE001 # tried again at the next look
            _tell(error)


def _tell(error: Exception) -> None:
    """Log a failure; only our own errors are known to name no object."""
    log.error("the outlet: %s", error if isinstance(error, LicetError) else type(error).__name__)
