"""What a model keeps of one record: its encoded integers, computed once, added once and taken away as they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from licet.model.errors import IntegrityError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Row:
    """One record as a learner sees it."""

    member: str
    record: str
    label: int
    """Index in the frozen list of labels; 0 where there are none."""
    payload: bytes
    """What the learner's `encode` gave for the text."""

    @property
    def key(self) -> tuple[str, str]:
        """Give the member and the record."""
        return self.member, self.record


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """Give rows in the one order of their keys.

    Raises:
        IntegrityError: two rows are of one record.
    """
    found = sorted(rows, key=lambda row: row.key)
    if len({row.record for row in found}) != len(found):
        raise IntegrityError("a record stands twice among the examples", "give each record once")
    return found


def members_of(rows: Sequence[Row]) -> int:
    """Count the members of rows."""
    return len({row.member for row in rows})
