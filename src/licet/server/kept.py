"""Answers that are kept for a moment, so that whoever asks again is not made to wait for ten thousand signatures.

An answer is looked for after everything that may refuse it was checked, under a name that holds all that it follows
from, the table's version above all: what left since is in no answer that is found.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import Response

MOST_BYTES: Final = 64 << 20
"""Bytes of all answers that are kept; beyond, the one longest unasked is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    made: datetime
    response: Response


class Kept:
    """Answers made lately."""

    def __init__(self, lasting: timedelta) -> None:
        """Keep each answer for a while after it was made."""
        self._lasting = lasting
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._bytes = 0

    def find(self, name: Hashable, now: datetime) -> Response | None:
        """Give the answer of a name, None if there is none, or if it was made too long ago or after now."""
        with self._lock:
            found = self._answers.get(name)
            if found is None or not timedelta() <= now - found.made < self._lasting:
                return None
            self._answers.move_to_end(name)
            return found.response

    def answer(self, name: Hashable, now: datetime, make: Callable[[], Response]) -> Response:
        """Give the answer of a name, made now if there is none."""
        found = self.find(name, now)
        if found is not None:
            return found
        response = make()
        with self._lock:
            self._forget(name)
            self._answers[name] = _Answer(made=now, response=response)
            self._bytes += len(response.body)
            while self._bytes > MOST_BYTES:
                self._forget(next(iter(self._answers)))
        return response

    def _forget(self, name: Hashable) -> None:
        found = self._answers.pop(name, None)
        if found is not None:
            self._bytes -= len(found.response.body)
