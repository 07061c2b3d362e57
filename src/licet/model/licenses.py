"""Recipients, licenses, versions and deliveries."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from licet.model.records import Table

RecipientId = NewType("RecipientId", str)
LicenseId = NewType("LicenseId", str)

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
