"""Draft notices that operators try out: kept in this process, and counted one after another beside the requests."""

import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from licet.policy.notice import Notice
from licet.store.asof import licenses_as_of, notice_in_force
from licet.store.database import reading
from licet.store.facts import last_seq
from licet.store.house import House
from licet.store.what_if import Drafted, LicenseShift, what_if

MOST: Final = 20
"""Drafts kept; beyond, the oldest is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft, as it was written and as it was read, what it is compared with, and what was counted or will be."""

    draft_id: str
    source: str
    drafted: Drafted
    shifts: "Future[Sequence[LicenseShift]]"

    @property
    def notice(self) -> Notice:
        """Give the draft itself."""
        return self.drafted.after


class Drafts:
    """The drafts of one server process, and the one thread that counts what they would change."""

    def __init__(self, house: House) -> None:
        """Count in a house."""
        self._house = house
        self._kept: dict[str, Draft] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "what-if")

    def take(self, source: str, notice: Notice, now: datetime) -> Draft:
        """Take a draft, and begin to count what it would change once it is in force."""
        at = max(now, notice.effective)
        with reading(self._house.database) as conn:
            seq = last_seq(conn)
            drafted = Drafted(before=notice_in_force(conn, seq, at), after=notice, at=at, seq=seq)
            licenses = [each for each, state in licenses_as_of(conn, seq) if state == "active"]

        def count() -> Sequence[LicenseShift]:
            return [what_if(self._house, license_, drafted) for license_ in licenses]

        fresh = Draft(draft_id=secrets.token_hex(8), source=source, drafted=drafted, shifts=self._thread.submit(count))
        with self._lock:
            self._kept[fresh.draft_id] = fresh
            if len(self._kept) > MOST:
                self._kept.pop(next(iter(self._kept))).shifts.cancel()
        return fresh

    def get(self, draft_id: str) -> Draft | None:
        """Give a draft, or None if it was forgotten."""
        with self._lock:
            return self._kept.get(draft_id)

    def stop(self) -> None:
        """Count no further."""
        self._thread.shutdown(cancel_futures=True)
