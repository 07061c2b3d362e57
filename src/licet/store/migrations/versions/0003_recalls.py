"""Recalls as debts: what left, who was told, who attested, who was suspended; compliance jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0003_recalls"
down_revision = "0002_sharing"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "recall",
        sa.Column("recall_id", sa.String(length=96), nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("as_of_seq", sa.BigInteger(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("recall_id"),
    )
    op.create_index("recall_license", "recall", ["license_id", "as_of_seq"], unique=False)
    op.create_index("recall_state", "recall", ["state", "due_us"], unique=False)
    op.create_table(
        "departure",
        sa.Column("recall_id", sa.String(length=96), nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("recall_id", "record_table", "version"),
    )
    op.create_table(
        "recall_step",
        sa.Column("recall_id", sa.String(length=96), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=255), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recall_id", "n"),
    )
    op.create_table(
        "recall_notice",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("notice_id", sa.String(length=64), nullable=False),
        sa.Column("recall_id", sa.String(length=96), nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("read_us", sa.BigInteger(), nullable=False),
        sa.Column("taken_us", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_us", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_by", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("notice_id"),
        sa.UniqueConstraint("recall_id"),
    )
    op.create_index("recall_notice_feed", "recall_notice", ["recipient_id", "n"], unique=False)
    op.create_index("recall_notice_next", "recall_notice", ["next_us"], unique=False)
    op.create_table(
        "webhook",
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recipient_id"),
    )
    op.create_table(
        "attestation_key",
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recipient_id", "key_id"),
    )
    op.create_table(
        "attestation",
        sa.Column("recall_id", sa.String(length=96), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("judged_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recall_id", "digest"),
    )
    op.create_index("attestation_verdict", "attestation", ["verdict"], unique=False)
    op.create_table(
        "suspension",
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recalls", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("license_id", "seq"),
    )
    op.create_index("suspension_until", "suspension", ["until_seq"], unique=False)
    op.create_table(
        "compliance_job",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("upload_expires_us", sa.BigInteger(), nullable=False),
        sa.Column("download_expires_us", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_us", sa.BigInteger(), nullable=True),
        sa.Column("upload", sa.String(length=64), nullable=False),
        sa.Column("settled_seq", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("compliance_job_pending", "compliance_job", ["ended_us", "uploaded_us"], unique=False)
    op.create_index("compliance_job_recipient", "compliance_job", ["recipient_id", "created_us"], unique=False)
