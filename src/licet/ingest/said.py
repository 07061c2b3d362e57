"""What one run has said already, within bounded memory."""

from collections.abc import Hashable

LIMIT = 500_000
"""How much is remembered; beyond it the run forgets all and says it again, which changes nothing."""


class Said:
    """Remember what was said, so that a member is introduced once a run and not once a record."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Remember up to `limit` things."""
        self._limit = limit
        self._said: set[Hashable] = set()

    def first(self, what: Hashable) -> bool:
        """Tell whether `what` is said for the first time, and remember it."""
        if what in self._said:
            return False
        if len(self._said) >= self._limit:
            self._said.clear()
        self._said.add(what)
        return True
