"""Recalls: what left a license's shared tables after somebody may have fetched it, and what became of the debt."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from licet.model.licenses import LicenseId, RecipientId
from licet.model.records import Table


class Cause(StrEnum):
    """Why a row left."""

    OPTED_OUT = "opted_out"
    PROTECTED = "protected"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    DELETED = "deleted"
    EDITED = "edited"
    RULES_CHANGED = "rules_changed"
    NO_LONGER_PERMITTED = "no_longer_permitted"
    LICENSE_ENDED = "license_ended"


class State(StrEnum):
    """What became of a recall; the order is that of a recipient who does as it should."""

    OPEN = "open"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    ATTESTED = "attested"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A Parquet file of the keys of rows that left, with `_change_type` (`delete`) and `_reason` (a `Cause`)."""

    name: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """The rows that left one table with one of its versions."""

    table: Table
    version: int
    keys: tuple[KeyFile, ...]

    @property
    def rows(self) -> int:
        """Give how many rows left."""
        return sum(file.rows for file in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What a license's recipient has to follow by `due`: all that left its tables as of one number."""

    recall_id: str
    license_id: LicenseId
    recipient_id: RecipientId
    as_of_seq: int
    opened: datetime
    due: datetime
    state: State
    departures: tuple[Departure, ...]
