"""Arrow schemas of the lake and of a license's shared tables; times are UTC microseconds, ids are strings."""

import pyarrow as pa

from licet.model.licenses import KEYS, License
from licet.model.records import Table

INSTANT = pa.timestamp("us", tz="UTC")

_POSTS = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("author_id", pa.string(), nullable=False),
        pa.field("created_at", INSTANT, nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("in_reply_to", pa.string()),
        pa.field("quote_of", pa.string()),
        pa.field("visibility", pa.string(), nullable=False),
        pa.field("platform", pa.string(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
    ]
)
_INTERACTIONS = pa.schema(
    [
        pa.field("actor_id", pa.string(), nullable=False),
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("post_author_id", pa.string(), nullable=False),
        pa.field("created_at", INSTANT, nullable=False),
        pa.field("interaction_id", pa.string()),
        pa.field("platform", pa.string(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
    ]
)
LAKE: dict[Table, pa.Schema] = {
    Table.POSTS: _POSTS,
    Table.LIKES: _INTERACTIONS,
    Table.BOOKMARKS: _INTERACTIONS,
    Table.REPOSTS: _INTERACTIONS,
}

SUBJECTS = pa.schema(
    [
        pa.field("member_id", pa.string(), nullable=False),
        pa.field("region", pa.string(), nullable=False),
        pa.field("age_band", pa.string(), nullable=False),
        pa.field("protection", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("setting", pa.string(), nullable=False),
        pa.field("setting_source", pa.string(), nullable=False),
        pa.field("shown_at", INSTANT),
    ]
)
"""Members as a decision sees them for one purpose and recipient; `setting` is `allow`, `deny` or `none`."""


REMOVALS = pa.schema(
    [
        pa.field("record_table", pa.string(), nullable=False),
        pa.field("post_id", pa.string()),
        pa.field("author_id", pa.string()),
        pa.field("actor_id", pa.string()),
        pa.field("post_author_id", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("removed_at", INSTANT, nullable=False),
    ]
)
"""The keys of rows that left a license's shared tables: from which, with which of its versions, when and why.

Keys that the table does not have are null.
"""


def shared_schema(license_: License, table: Table) -> pa.Schema:
    """Give the schema of one shared table: keys are never null, all else may be, so that key-only removals work."""
    fields = {field.name: field for field in LAKE[table]}
    keys = set(KEYS[table])
    return pa.schema([fields[name].with_nullable(name not in keys) for name in license_.columns_of(table)])
