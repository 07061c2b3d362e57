"""Recipients, licenses, versions and deliveries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from licet.model.errors import InputError
from licet.model.records import Table

RecipientId = NewType("RecipientId", str)
LicenseId = NewType("LicenseId", str)

_LICENSE_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""It names a share, a folder and accounts, and stands in addresses."""


def license_id_of(said: str) -> LicenseId:
    """Read a license's id.

    Raises:
        InputError: it cannot be one.
    """
    if not _LICENSE_ID.fullmatch(said):
        raise InputError(
            f"`{said}` cannot be a license's id", "use at most 64 letters of ASCII, digits and underscores"
        )
    return LicenseId(said)


COLUMNS: dict[Table, tuple[str, ...]] = {
    Table.POSTS: ("post_id", "author_id", "created_at", "text", "lang", "in_reply_to", "quote_of"),
    Table.LIKES: ("actor_id", "post_id", "post_author_id", "created_at"),
    Table.BOOKMARKS: ("actor_id", "post_id", "post_author_id", "created_at"),
    Table.REPOSTS: ("actor_id", "post_id", "post_author_id", "created_at"),
}
"""What a license may cover, in delivery order; ids are always pseudonyms there."""

KEYS: dict[Table, tuple[str, ...]] = {
    Table.POSTS: ("post_id", "author_id"),
    Table.LIKES: ("actor_id", "post_id", "post_author_id"),
    Table.BOOKMARKS: ("actor_id", "post_id", "post_author_id"),
    Table.REPOSTS: ("actor_id", "post_id", "post_author_id"),
}
"""Columns that no license can leave out: recall finds a member's rows by them."""


class LicenseState(StrEnum):
    """Where an agreement stands; only under an active one anything is built or handed out."""

    OFFERED = "offered"
    """The operator proposes the terms."""
    AGREED = "agreed"
    """The recipient accepts them."""
    COUNTERSIGNED = "countersigned"
    """The operator confirms the acceptance."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Party(StrEnum):
    """The two sides of a license."""

    OPERATOR = "operator"
    RECIPIENT = "recipient"


MOVES: Final[Mapping[Party, Mapping[LicenseState, tuple[LicenseState, ...]]]] = {
    Party.RECIPIENT: {LicenseState.OFFERED: (LicenseState.AGREED, LicenseState.ENDED)},
    Party.OPERATOR: {
        LicenseState.OFFERED: (LicenseState.ENDED,),
        LicenseState.AGREED: (LicenseState.COUNTERSIGNED, LicenseState.ENDED),
        LicenseState.COUNTERSIGNED: (LicenseState.ACTIVE, LicenseState.ENDED),
        LicenseState.ACTIVE: (LicenseState.SUSPENDED, LicenseState.ENDED),
        LicenseState.SUSPENDED: (LicenseState.ACTIVE, LicenseState.ENDED),
    },
}
"""Where each side may take a license from each state; an ended one stays ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """The agreement between operator and recipient; `ends` is exclusive; recall duty in hours."""

    license_id: LicenseId
    recipient_id: RecipientId
    purpose: str
    tables: tuple[Table, ...]
    columns: tuple[str, ...]
    """Column names shared over all tables; the keys are always there."""
    langs: tuple[str, ...]
    """Only posts in these languages; empty means every language."""
    created_from: datetime
    created_until: datetime
    starts: datetime
    ends: datetime
    recall_within_hours: int

    def columns_of(self, table: Table) -> tuple[str, ...]:
        """Give the columns of one table that this license covers, in delivery order."""
        wanted = set(self.columns) | set(KEYS[table])
        return tuple(name for name in COLUMNS[table] if name in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedVersion:
    """One committed version of a license's table: no row in it was withdrawn at or before `as_of_seq`."""

    license_id: LicenseId
    table: Table
    version: int
    as_of_seq: int
    policy_digest: str
    cause: str
    """`build` or `recall`."""
    rows: int
    at: datetime
    keys: tuple[tuple[str, int, int], ...] = ()
    """Files of the keys of rows that left with it: name, bytes, rows."""
    due: datetime | None = None
    """By when a recipient has to follow; None where nothing left."""
    regions: Mapping[str, int] = field(default_factory=dict)
    """Of a build: its rows by the region of their author or actor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A recipient fetched bytes of one file of one version."""

    recipient_id: RecipientId
    license_id: LicenseId
    table: Table
    version: int
    file: str
    bytes: int
    at: datetime
