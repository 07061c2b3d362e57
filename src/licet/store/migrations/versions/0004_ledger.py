"""Plans, metered files, months, postings, invoices and payouts."""

import sqlalchemy as sa
from alembic import op

revision = "0004_ledger"
down_revision = "0003_recalls"

# Only an INTEGER names the row itself in SQLite.
_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "ledger_terms",
        sa.Column("n", _ROWID, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("member_ppm", sa.Integer(), nullable=False),
        sa.Column("payment_days", sa.Integer(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "license_plan",
        sa.Column("n", _ROWID, nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("license_plan_license", "license_plan", ["license_id", "at_us"], unique=False)
    op.create_table(
        "metered_file",
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.String(length=255), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("license_id", "record_table", "file"),
        sa.UniqueConstraint("number"),
    )
    op.create_table(
        "usage_line",
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("license_id", "record_table", "version", "file"),
    )
    op.create_index("usage_line_month", "usage_line", ["license_id", "record_table", "month", "file"], unique=False)
    op.create_table(
        "usage_month",
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("billed_rows", sa.BigInteger(), nullable=False),
        sa.Column("billed_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("license_id", "month", "record_table"),
    )
    op.create_table(
        "ledger_month",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=False),
        sa.Column("swept_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("month"),
    )
    op.create_table(
        "ledger_transaction",
        sa.Column("transaction_id", sa.String(length=160), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("narration", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id"),
    )
    op.create_index("ledger_transaction_month", "ledger_transaction", ["month", "transaction_id"], unique=False)
    op.create_table(
        "ledger_posting",
        sa.Column("transaction_id", sa.String(length=160), nullable=False),
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=160), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", "n"),
    )
    op.create_index("ledger_posting_account", "ledger_posting", ["account"], unique=False)
    op.create_table(
        "invoice",
        sa.Column("number", sa.String(length=96), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("recipient_name", sa.String(length=255), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("issued_us", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("net_micros", sa.BigInteger(), nullable=False),
        sa.Column("tax_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("invoice_recipient", "invoice", ["recipient_id", "month"], unique=False)
    op.create_table(
        "statement",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("members", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("month", "license_id"),
    )
    op.create_table(
        "recall_credit",
        sa.Column("recall_id", sa.String(length=96), nullable=False),
        sa.Column("record_table", sa.String(length=16), nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recall_id", "record_table"),
    )
    op.create_table(
        "correction",
        sa.Column("n", _ROWID, nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "payout_run",
        sa.Column("payout_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.PrimaryKeyConstraint("payout_id"),
    )
    op.create_table(
        "payout",
        sa.Column("payout_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=255), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("payout_id", "member_id"),
    )
    op.create_index("payout_member", "payout", ["member_id"], unique=False)
    op.create_table(
        "member_values",
        sa.Column("n", _ROWID, nullable=False),
        sa.Column("license_id", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("member_values_license", "member_values", ["license_id", "at_us"], unique=False)
    op.create_table(
        "billing_details",
        sa.Column("n", _ROWID, nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("street", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("postcode", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("vat_id", sa.String(length=16), nullable=False),
        sa.Column("legal_id", sa.Text(), nullable=False),
        sa.Column("untaxed", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("billing_details_party", "billing_details", ["party", "n"], unique=False)
