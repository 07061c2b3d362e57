"""A thread that takes withdrawn rows out of shared tables as soon as the withdrawal is known."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

from licet.model.errors import LicetError
from licet.recall.catch_up import Lag, catch_up_license, lagging, measure, prepare, tidy
from licet.store import asof
from licet.store.database import reading
from licet.store.facts import last_seq, newest_withdrawal
from licet.store.house import House

_log = logging.getLogger("licet.recall")

LOOK_S = 0.005
"""Seconds between two looks for a new withdrawal."""
SURVEY_S = 0.25
"""Seconds between two looks at every license's watermark: a build may end behind a withdrawal."""
TIDY_S = 60.0
"""Seconds between two sweeps of files that no version lists, when files that a build wrote are looked through too."""
SLOWEST_S = 5.0
"""The longest pause after a failure, in seconds."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Worker:
    """Catches up, one thread per license that lags: a long build of one keeps no other waiting.

    Errors are logged without personal data and tried again, ever more slowly.
    """

    def __init__(self, house: House, *, clock: Callable[[], datetime] = _utc_now, grace_s: float = 0.0) -> None:
        """Prepare a worker for a house; files that a version lost are deleted once older than `grace_s`."""
        self._house = house
        self._clock = clock
        self._grace_s = grace_s
        self._stop = threading.Event()
        self._busy: dict[str, threading.Thread] = {}
        self._stuck: dict[str, Lag] = {}
        self._thread = threading.Thread(target=self._run, name="licet-recall", daemon=True)

    def start(self) -> None:
        """Start; what a killed predecessor left is mended first."""
        self._thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Stop after the batches at hand, waiting at most `timeout` seconds for each."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        for thread in list(self._busy.values()):
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

    def _run(self) -> None:
        known, pause, surveyed, tidied = -1, LOOK_S, SURVEY_S, TIDY_S
        while not self._stop.wait(pause):
            surveyed, tidied = surveyed + pause, tidied + pause
            pause = LOOK_S
            try:
                if tidied >= TIDY_S:
                    tidied = 0.0
                    self._tidy_all()
                newest = self._newest()
                if newest != known or surveyed >= SURVEY_S:
                    known, surveyed = (newest if self._survey() else -1), 0.0
            except Exception as error:  # noqa: BLE001 # the thread outlives every failure
                _tell("looking for withdrawals", error)
                known, pause = -1, SLOWEST_S / 5

    def _newest(self) -> int:
        with reading(self._house.database) as conn:
            return newest_withdrawal(conn)

    def _tidy_all(self) -> None:
        with reading(self._house.database) as conn:
            names = [license_.license_id for license_, _ in asof.licenses_as_of(conn, last_seq(conn))]
        for name in names:
            self._begin(name, partial(self._tidy, name))
            # Beside the others, for it may take long and nobody waits for it.
            self._begin(f"measure {name}", partial(self._measure, name))

    def _tidy(self, name: str) -> None:
        try:
            tidy(self._house, name, self._clock(), self._grace_s)
            prepare(self._house, name)
        except Exception as error:  # noqa: BLE001 # tried again at the next turn
            _tell("sweeping", error)

    def _measure(self, name: str) -> None:
        try:
            measure(self._house, name, self._clock())
        except Exception as error:  # noqa: BLE001 # likewise
            _tell("measuring", error)

    def _survey(self) -> bool:
        """Set to work on every license that lags; tell whether all of them could be begun."""
        with reading(self._house.database) as conn:
            behind = lagging(conn, self._clock())
        moving = [lag for lag in behind if self._stuck.get(lag.license_id) != lag]
        begun = [self._begin(lag.license_id, partial(self._chase, lag)) for lag in moving]
        return all(begun)

    def _begin(self, name: str, work: Callable[[], None]) -> bool:
        running = self._busy.get(name)
        if running is not None and running.is_alive():
            return False
        self._busy[name] = threading.Thread(target=work, name="licet-recall-license", daemon=True)
        self._busy[name].start()
        return True

    def _chase(self, lag: Lag) -> None:
        """Catch up with one license until nothing is left, or nothing moves any more."""
        pause = LOOK_S
        while not self._stop.is_set():
            try:
                catch_up_license(self._house, lag.license_id, self._clock(), self._grace_s)
                with reading(self._house.database) as conn:
                    left = [other for other in lagging(conn, self._clock()) if other.license_id == lag.license_id]
            except Exception as error:  # noqa: BLE001 # tried again, ever more slowly
                _tell("recall", error)
                self._stop.wait(pause)
                pause = min(pause * 2, SLOWEST_S)
                continue
            if not left:
                return
            if left[0] == lag:
                self._stuck[lag.license_id] = lag
                return
            lag = left[0]


def _tell(what: str, error: Exception) -> None:
    """Log a failure; only our own errors are known to name nobody."""
    _log.error("%s failed: %s", what, error if isinstance(error, LicetError) else type(error).__name__)
