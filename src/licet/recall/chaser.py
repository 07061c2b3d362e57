"""Two threads that chase recalls: one judges attestations and moves states, the other speaks to webhooks.

A webhook that takes its time must not keep a reinstatement waiting.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from licet.model.errors import LicetError
from licet.recall.attest import judge_all
from licet.recall.chase import HORIZON_S, Chased, chase
from licet.recall.courier import Courier
from licet.recall.notices import Sent, send_all
from licet.store.house import House

_log = logging.getLogger("licet.recall")

LOOK_S: Final = 0.5
"""Seconds between two chases, and between two looks for notices that are due; as long as one takes, if that is more."""
SLOWEST_S: Final = 60.0
"""The longest pause after a failure, in seconds."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chasing:
    """How a house's recalls are chased."""

    house: House
    base: str = ""
    """The server's address as recipients know it."""
    horizon_s: int = HORIZON_S
    """How long a file's address works, in seconds."""
    clock: Callable[[], datetime] = _utc_now
    courier: Courier = field(default_factory=Courier)

    def look(self) -> Chased:
        """Judge what was attested, then move every recall as far as the facts carry it."""
        judge_all(self.house, self.clock())
        return chase(self.house, self.clock(), self.base, self.horizon_s)

    def send(self) -> Sent:
        """Send the notices that are due."""
        return send_all(self.house, self.clock, self.courier)

    def once(self) -> tuple[Chased, Sent]:
        """Do everything once: make notices, send them, and note what came of it."""
        first, sent, second = self.look(), self.send(), self.look()
        names = Chased.__slots__
        return Chased(**{name: getattr(first, name) + getattr(second, name) for name in names}), sent


class Chaser:
    """Chases until it is stopped; failures are logged without personal data and tried again, ever more slowly."""

    def __init__(self, chasing: Chasing) -> None:
        """Prepare the threads."""
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(what, work), name=f"licet-{what}", daemon=True)
            for what, work in (("chase", chasing.look), ("notices", chasing.send))
        ]

    def start(self) -> None:
        """Start; what a killed predecessor left undone is done first."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Stop after the turn at hand, waiting at most `timeout` seconds for each thread."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _run(self, what: str, work: Callable[[], object]) -> None:
        failures = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                work()
                failures = 0
                pause = max(LOOK_S, time.monotonic() - begun)
            except Exception as error:  # noqa: BLE001 # the thread outlives every failure
                _log.error("%s failed: %s", what, error if isinstance(error, LicetError) else type(error).__name__)
                failures += 1
                pause = LOOK_S * 2 ** min(failures, 10)
            self._stop.wait(min(pause, SLOWEST_S))
