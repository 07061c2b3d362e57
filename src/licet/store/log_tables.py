"""The SQL tables of the transparency log: entries, and what opens those that commit to members' choices."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, text

from licet.store.tables import metadata

log_entry = Table(
    "log_entry",
    metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("place", BigInteger, unique=True),
    Column("type", String(16), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Column("about", String(160), nullable=False, default=""),
    Index("log_entry_about", "about", sqlite_where=text("about <> ''"), postgresql_where=text("about <> ''")),
    Index("log_entry_waiting", "n", sqlite_where=text("place IS NULL"), postgresql_where=text("place IS NULL")),
)
"""Written with the fact that it is about; `place` is where it stands in the log, and NULL until it has one.

`about` names the recall that it is about, if it is about one.
"""

log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("origin", String(255), nullable=False),
    Column("placed", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
"""The log's name, how many entries have a place, and what its newest checkpoint signs."""

log_count = Table(
    "log_count",
    metadata,
    Column("type", String(16), primary_key=True),
    Column("entries", BigInteger, nullable=False),
)
"""How many entries of a type have a place."""

log_setting = Table(
    "log_setting",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("commitment", LargeBinary, nullable=False),
    Index("log_setting_entry", "n", "seq"),
)
"""By number of a choice, the entry that commits to it, and how."""

member_key = Table(
    "member_key",
    metadata,
    Column("member_id", String(255), primary_key=True),
    Column("key", LargeBinary, nullable=False),
)
"""What salts a member's choices; once it is destroyed nobody can tell from the log, or prove, what they chose."""
