"""The sequence, the facts, and what is kept beside them while reading sources."""

import sqlalchemy as sa
from alembic import op

revision = "0001_facts"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "sequence",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("withdraws", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("fact_withdraws", "fact", ["withdraws", "seq"], unique=False)
    op.create_table(
        "member_fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_seq", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=16), nullable=False),
        sa.Column("age_band", sa.String(length=16), nullable=False),
        sa.Column("protection", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("member_fact_member", "member_fact", ["member_id", "until_seq"], unique=False)
    op.create_table(
        "setting_fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_seq", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("choice", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(
        "setting_fact_member", "setting_fact", ["member_id", "purpose", "recipient_id", "until_seq"], unique=False
    )
    op.create_table(
        "shown_fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("notice_version", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("member_id", "notice_version"),
    )
    op.create_table(
        "deletion_fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("record_id", sa.String(length=1024), nullable=False),
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("record_table", "record_id", "superseded", "revision"),
    )
    op.create_table(
        "hiding_fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_seq", sa.BigInteger(), nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("record_id", sa.String(length=1024), nullable=False),
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("cause", sa.String(length=255), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index(
        "hiding_fact_record", "hiding_fact", ["record_table", "record_id", "cause", "until_seq"], unique=False
    )
    op.create_table(
        "account_time",
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("status_us", sa.BigInteger(), nullable=False),
        sa.Column("protection_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("member_id"),
    )
    op.create_table(
        "notice_fact",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("effective_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("version"),
    )
    op.create_table(
        "ingest_cursor",
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("cursor", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    op.create_table(
        "set_aside",
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("source", "place", "reason"),
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute(sa.text("INSERT INTO sequence (id, last) VALUES (1, 0)"))
