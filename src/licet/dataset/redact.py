"""Step 2, redact: what of a permitted row goes out, with every id replaced by its pseudonym and no mention left."""

from licet.model.licenses import License
from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_shift
from licet.store.eligible import Eligible

MENTION = "[@＠][A-Za-z0-9_]+((-+|[.@])[A-Za-z0-9_]+)*"  # noqa: RUF001 # people type the wide sign too
"""`@name`, `@name.example.org`, `@name@example.org` and mail addresses: means the same in RE2 and in Java."""

LINKS = ("in_reply_to", "quote_of")
"""Columns of a post that name another post."""


def post_pseudonym_sql(alias: str, post_id: str) -> str:
    """Give the SQL of `protocol.pseudonyms.post_pseudonym`, for the author joined as `alias`."""
    return f"SUBSTRING(SHA256({alias}.secret || {post_id}), 1, 32)"


def linked(rows: Eligible, license_: License) -> str:
    """Give the query of the permitted posts that other posts link to: (post_id, pseudonym); empty if not asked for."""
    wanted = [name for name in LINKS if name in license_.columns_of(rows.table)]
    if rows.table is not Table.POSTS or not wanted:
        return ""
    targets = " UNION ".join(f"SELECT {name} FROM {rows.table} WHERE {name} <> ''" for name in wanted)
    return (
        f"SELECT r.post_id, MIN({post_pseudonym_sql('a', 'r.post_id')}) AS pseudonym FROM {rows.source}"
        f" WHERE {rows.permitted} AND r.post_id IN ({targets}) GROUP BY r.post_id"
    )


def redacted(rows: Eligible, license_: License, buckets: int) -> str:
    """Give the query of a table's rows as they go out, with `bucket` and `spread`; it reads `linked` for links."""
    columns = license_.columns_of(rows.table)
    links = [name for name in LINKS if name in columns and rows.table is Table.POSTS]
    joins = "".join(f" LEFT JOIN linked AS {name}_post ON {name}_post.post_id = r.{name}" for name in links)
    selected = ", ".join(f"{_column(rows.table, name)} AS {name}" for name in columns)
    return (
        f"SELECT CAST(a.spread >> {bucket_shift(buckets)} AS INTEGER) AS bucket, a.spread AS spread, {selected}"
        f" FROM {rows.source}{joins} WHERE {rows.permitted}"
    )


def _column(table: Table, name: str) -> str:
    if name == "post_id":
        return post_pseudonym_sql("a" if table is Table.POSTS else "b", "r.post_id")
    if name in LINKS:
        return f"{name}_post.pseudonym"
    if name == "text":
        marked = "r.text LIKE '%@%' OR r.text LIKE '%＠%'"  # noqa: RUF001
        return f"CASE WHEN {marked} THEN REGEXP_REPLACE(r.text, '{MENTION}', '@user', 'g') ELSE r.text END"
    return {"author_id": "a.pseudonym", "actor_id": "a.pseudonym", "post_author_id": "b.pseudonym"}.get(
        name, f"r.{name}"
    )
