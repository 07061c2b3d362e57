"""The SQL tables of the ledger: plans, counted deliveries, and the journal, to which closed months only ever add."""

from sqlalchemy import BigInteger, Column, Date, Index, Integer, String, Table, Text

from licet.store.tables import metadata

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

ledger_terms = Table(
    "ledger_terms",
    metadata,
    Column("n", _NUMBER, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("member_ppm", Integer, nullable=False),
    Column("payment_days", Integer, nullable=False),
    Column("seller", Text, nullable=False),
    Column("basis", String(16), nullable=False),
)

license_plan = Table(
    "license_plan",
    metadata,
    Column("n", _NUMBER, primary_key=True),
    Column("license_id", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Index("license_plan_license", "license_id", "at_us"),
)

metered_file = Table(
    "metered_file",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("record_table", String(16), primary_key=True),
    Column("file", String(255), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False, unique=True),
    Column("lines", String(255), nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
"""What a delivered file holds; `lines` names the Parquet file that has its rows by member under its random `number`.

Where the file was lost before it was counted, `lines` is empty.
"""

usage_line = Table(
    "usage_line",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("record_table", String(16), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("file", String(255), primary_key=True),
    Column("month", String(7), nullable=False),
    Column("recipient_id", String(64), nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Index("usage_line_month", "license_id", "record_table", "month", "file"),
)
"""Every file of a version that was ever counted, once: the key is what makes sure of that."""

usage_month = Table(
    "usage_month",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("record_table", String(16), primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("billed_rows", BigInteger, nullable=False),
    Column("billed_tokens", BigInteger, nullable=False),
)
"""What the lines of a closed month came to."""

ledger_month = Table(
    "ledger_month",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("currency", String(3), nullable=False),
    Column("closed_us", BigInteger, nullable=False),
    Column("swept_id", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)
"""A closed month; up to `swept_id` every delivery had been committed and counted."""

ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    Column("transaction_id", String(160), primary_key=True),
    Column("month", String(7), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("license_id", String(64), nullable=False),
    Column("narration", String(255), nullable=False),
    Index("ledger_transaction_month", "month", "transaction_id"),
)

ledger_posting = Table(
    "ledger_posting",
    metadata,
    Column("transaction_id", String(160), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("account", String(160), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Index("ledger_posting_account", "account"),
)

invoice = Table(
    "invoice",
    metadata,
    Column("number", String(96), primary_key=True),
    Column("recipient_id", String(64), nullable=False),
    Column("recipient_name", String(255), nullable=False),
    Column("month", String(7), nullable=False),
    Column("issued_us", BigInteger, nullable=False),
    Column("due", Date, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("seller", Text, nullable=False),
    Column("lines", Text, nullable=False),
    Column("net_micros", BigInteger, nullable=False),
    Column("tax_micros", BigInteger, nullable=False),
    Index("invoice_recipient", "recipient_id", "month"),
)

statement = Table(
    "statement",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("license_id", String(64), primary_key=True),
    Column("recipient_id", String(64), nullable=False),
    Column("file", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("members", BigInteger, nullable=False),
    Column("micros", BigInteger, nullable=False),
)
"""What members earned by a license in a month: a Parquet file of pseudonyms, and what it sums to."""

recall_credit = Table(
    "recall_credit",
    metadata,
    Column("recall_id", String(96), primary_key=True),
    Column("record_table", String(16), primary_key=True),
    Column("license_id", String(64), nullable=False),
    Column("month", String(7), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("micros", BigInteger, nullable=False),
)

correction = Table(
    "correction",
    metadata,
    Column("n", _NUMBER, primary_key=True),
    Column("license_id", String(64), nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("reason", String(255), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("month", String(7), nullable=False, default=""),
)
"""A correction of a closed month; `month` is the one it was booked in, empty until then."""

payout_run = Table(
    "payout_run",
    metadata,
    Column("payout_id", String(64), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
)

payout = Table(
    "payout",
    metadata,
    Column("payout_id", String(64), primary_key=True),
    Column("member_id", String(255), primary_key=True),
    Column("micros", BigInteger, nullable=False),
    Index("payout_member", "member_id"),
)
"""What a member is paid in a run; without the run's own row it was never finished and counts for nothing."""

member_values = Table(
    "member_values",
    metadata,
    Column("n", _NUMBER, primary_key=True),
    Column("license_id", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("file", String(255), nullable=False),
    Index("member_values_license", "license_id", "at_us"),
)
"""Which Parquet file has what members' data were found to be worth, as a basis for sharing."""

billing_details = Table(
    "billing_details",
    metadata,
    Column("n", _NUMBER, primary_key=True),
    Column("party", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("extra", Text, nullable=False),
    Column("postcode", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("country", String(2), nullable=False),
    Column("vat_id", String(16), nullable=False),
    Column("legal_id", Text, nullable=False),
    Column("untaxed", String(16), nullable=False),
    Index("billing_details_party", "party", "n"),
)
"""What invoices say of a recipient, or of the operator where `party` is empty; the newest of a party holds."""
