"""A clock that goes only when told to, forth and back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """Give the instant by calling it."""

    now: datetime = datetime(2025, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the instant."""
        return self.now

    def go(self, **by: float) -> datetime:
        """Move by days, hours, seconds; back where they are negative."""
        self.now += timedelta(**by)
        return self.now
