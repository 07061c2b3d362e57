"""The SQL tables: facts are appended; `until_seq` closes the state that a newer fact replaced."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

OPEN = 2**62
"""The `until_seq` of a state that still holds."""

metadata = MetaData()

sequence = Table(
    "sequence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

fact = Table(
    "fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("withdraws", Boolean, nullable=False),
    Index("fact_withdraws", "withdraws", "seq"),
)

member_fact = Table(
    "member_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("until_seq", BigInteger, nullable=False, default=OPEN),
    Column("member_id", String(255), nullable=False),
    Column("platform", String(64), nullable=False),
    Column("region", String(16), nullable=False),
    Column("age_band", String(16), nullable=False),
    Column("protection", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Index("member_fact_member", "member_id", "until_seq"),
)

setting_fact = Table(
    "setting_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("until_seq", BigInteger, nullable=False, default=OPEN),
    Column("member_id", String(255), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("recipient_id", String(64), nullable=False),
    Column("choice", String(8), nullable=False),
    Column("source", String(16), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("setting_fact_member", "member_id", "purpose", "recipient_id", "until_seq"),
)

shown_fact = Table(
    "shown_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("member_id", String(255), nullable=False),
    Column("notice_version", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    UniqueConstraint("member_id", "notice_version"),
)

deletion_fact = Table(
    "deletion_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("record_table", String(16), nullable=False),
    Column("record_id", String(1024), nullable=False),
    Column("member_id", String(255), nullable=False),
    Column("superseded", Boolean, nullable=False),
    Column("revision", String(255), nullable=False),
    UniqueConstraint("record_table", "record_id", "superseded", "revision"),
)

hiding_fact = Table(
    "hiding_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("until_seq", BigInteger, nullable=False, default=OPEN),
    Column("record_table", String(16), nullable=False),
    Column("record_id", String(1024), nullable=False),
    Column("member_id", String(255), nullable=False),
    Column("cause", String(255), nullable=False),
    Column("hidden", Boolean, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("hiding_fact_record", "record_table", "record_id", "cause", "until_seq"),
)

account_time = Table(
    "account_time",
    metadata,
    Column("member_id", String(255), primary_key=True),
    Column("status_us", BigInteger, nullable=False),
    Column("protection_us", BigInteger, nullable=False),
)

notice_fact = Table(
    "notice_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("version", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("effective_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
)

license_fact = Table(
    "license_fact",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("until_seq", BigInteger, nullable=False, default=OPEN),
    Column("license_id", String(64), nullable=False),
    Column("recipient_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("terms", Text, nullable=False),
    Index("license_fact_license", "license_id", "until_seq"),
)

license_step = Table(
    "license_step",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("party", String(16), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("terms_digest", String(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

license_key = Table(
    "license_key",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

recipient = Table(
    "recipient",
    metadata,
    Column("recipient_id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger, nullable=False, default=0),
    Column("networks", Text, nullable=False, default=""),
)

credential = Table(
    "credential",
    metadata,
    Column("credential_id", String(64), primary_key=True),
    Column("recipient_id", String(64), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("expires_us", BigInteger, nullable=False),
    Index("credential_recipient", "recipient_id", "expires_us"),
)

access_token = Table(
    "access_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("credential_id", String(64), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("access_token_expires", "expires_us"),
)

audit_request = Table(
    "audit_request",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("recipient_id", String(64), nullable=False),
    Column("credential_id", String(64), nullable=False),
    Column("method", String(16), nullable=False),
    Column("route", String(255), nullable=False),
    Column("license_id", String(64), nullable=False),
    Column("record_table", String(16), nullable=False),
    Column("status", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("network", String(64), nullable=False),
    Index("audit_request_at", "at_us"),
    Index("audit_request_recipient", "recipient_id", "at_us"),
)

shared_version = Table(
    "shared_version",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("record_table", String(16), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("as_of_seq", BigInteger, nullable=False),
    Column("policy_digest", String(64), nullable=False),
    Column("cause", String(16), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("excluded", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("keys", Text, nullable=False),
    Column("regions", Text, nullable=False, default="{}"),
)

recall = Table(
    "recall",
    metadata,
    Column("recall_id", String(96), primary_key=True),
    Column("license_id", String(64), nullable=False),
    Column("recipient_id", String(64), nullable=False),
    Column("as_of_seq", BigInteger, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("watched", Boolean, nullable=False),
    Index("recall_license", "license_id", "as_of_seq"),
    Index("recall_state", "state", "due_us"),
    Index("recall_watched", "watched", "state"),
)

departure = Table(
    "departure",
    metadata,
    Column("recall_id", String(96), primary_key=True),
    Column("record_table", String(16), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("keys", Text, nullable=False),
)

recall_step = Table(
    "recall_step",
    metadata,
    Column("recall_id", String(96), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("detail", String(255), nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

recall_notice = Table(
    "recall_notice",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("notice_id", String(64), nullable=False, unique=True),
    Column("recall_id", String(96), nullable=False, unique=True),
    Column("license_id", String(64), nullable=False),
    Column("recipient_id", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("read_us", BigInteger, nullable=False, default=0),
    Column("taken_us", BigInteger, nullable=False, default=0),
    Column("acknowledged_us", BigInteger, nullable=False, default=0),
    Column("acknowledged_by", String(16), nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_us", BigInteger, nullable=False),
    Column("last_status", Integer, nullable=False, default=0),
    Column("last_error", String(64), nullable=False, default=""),
    Index("recall_notice_feed", "recipient_id", "n"),
    Index("recall_notice_next", "next_us"),
)

webhook = Table(
    "webhook",
    metadata,
    Column("recipient_id", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", String(128), nullable=False),
    Column("private", Boolean, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

attestation_key = Table(
    "attestation_key",
    metadata,
    Column("recipient_id", String(64), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger, nullable=False, default=0),
)

attestation = Table(
    "attestation",
    metadata,
    Column("recall_id", String(96), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("recipient_id", String(64), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("statement", Text, nullable=False),
    Column("signature", String(128), nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("verdict", String(32), nullable=False),
    Column("judged_us", BigInteger, nullable=False, default=0),
    Index("attestation_verdict", "verdict"),
)

suspension = Table(
    "suspension",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("recalls", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("until_seq", BigInteger, nullable=False, default=OPEN),
    Index("suspension_until", "until_seq"),
)

compliance_job = Table(
    "compliance_job",
    metadata,
    Column("job_id", BigInteger, primary_key=True, autoincrement=False),
    Column("recipient_id", String(64), nullable=False),
    Column("type", String(8), nullable=False),
    Column("name", String(64), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("upload_expires_us", BigInteger, nullable=False),
    Column("download_expires_us", BigInteger, nullable=False),
    Column("uploaded_us", BigInteger),
    Column("upload", String(64), nullable=False, default=""),
    Column("settled_seq", BigInteger, nullable=False, default=0),
    Column("ended_us", BigInteger),
    Column("error", String(255), nullable=False, default=""),
    Index("compliance_job_recipient", "recipient_id", "created_us"),
    Index("compliance_job_pending", "ended_us", "uploaded_us"),
)

watermark = Table(
    "watermark",
    metadata,
    Column("license_id", String(64), primary_key=True),
    Column("checked_seq", BigInteger, nullable=False),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("recipient_id", String(64), nullable=False),
    Column("license_id", String(64), nullable=False),
    Column("record_table", String(16), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("file", String(255), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("delivery_license", "license_id", "record_table", "version"),
    Index("delivery_file", "file"),
)

ingest_cursor = Table(
    "ingest_cursor",
    metadata,
    Column("source", String(255), primary_key=True),
    Column("cursor", String(255), nullable=False),
)

set_aside = Table(
    "set_aside",
    metadata,
    Column("source", String(255), primary_key=True),
    Column("place", String(255), primary_key=True),
    Column("reason", String(64), primary_key=True),
)

secret = Table(
    "secret",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
