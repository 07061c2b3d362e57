"""Recipients, versions and watermarks of licenses, deliveries, and the house's own secrets."""

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from licet.model.errors import UsageError
from licet.model.licenses import Delivery, LicenseId, SharedVersion
from licet.model.records import Table
from licet.protocol.attestation import Value
from licet.store import credentials, leaves, recalls
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import micros

issue_token = credentials.issue_token
"""Whoever registers a recipient mostly gives it a token next."""


def add_recipient(conn: Connection, recipient_id: str, name: str, at: datetime) -> None:
    """Register a recipient.

    Raises:
        UsageError: the id is taken.
    """
    if recipient_name(conn, recipient_id) is not None:
        raise UsageError(f"recipient `{recipient_id}` exists already", "choose another id")
    conn.execute(insert(t.recipient).values(recipient_id=recipient_id, name=name, at_us=micros(at)))


def recipient_name(conn: Connection, recipient_id: str) -> str | None:
    """Give a recipient's name, or None if there is no such recipient."""
    query = select(t.recipient.c.name).where(t.recipient.c.recipient_id == recipient_id)
    return conn.execute(query).scalar_one_or_none()


def recipients(conn: Connection) -> list[tuple[str, str]]:
    """Give every recipient's id and name."""
    query = select(t.recipient.c.recipient_id, t.recipient.c.name).order_by(t.recipient.c.recipient_id)
    return [(row[0], row[1]) for row in conn.execute(query)]


def house_secret(conn: Connection, name: str) -> bytes:
    """Give a 32-byte secret of the house, made on first use; the caller's transaction must write."""
    found = conn.execute(select(t.secret.c.value).where(t.secret.c.name == name)).scalar_one_or_none()
    if found is None:
        found = secrets.token_bytes(32)
        conn.execute(insert(t.secret).values(name=name, value=found))
    return bytes(found)


def record_version(conn: Connection, version: SharedVersion, excluded: Mapping[str, int]) -> None:
    """Write down a committed version (the Delta commit is the truth); a version already there stays."""
    c = t.shared_version.c
    same = (c.license_id == version.license_id, c.record_table == str(version.table), c.version == version.version)
    if conn.execute(select(c.version).where(*same)).first() is not None:
        return
    conn.execute(
        insert(t.shared_version).values(
            license_id=version.license_id,
            record_table=str(version.table),
            version=version.version,
            as_of_seq=version.as_of_seq,
            policy_digest=version.policy_digest,
            cause=version.cause,
            rows=version.rows,
            excluded=json.dumps(excluded, sort_keys=True),
            at_us=micros(version.at),
            keys=json.dumps(version.keys),
            regions=json.dumps(dict(version.regions), sort_keys=True),
        )
    )
    said: dict[str, Value] = {"license": version.license_id, "table": str(version.table), "version": version.version}
    said |= {"as_of_seq": version.as_of_seq, "policy": version.policy_digest, "cause": version.cause}
    # No rows: the difference between two versions would tell whose posts left, to whoever can count them.
    leaves.note(conn, "version", micros(version.at), said)
    if version.keys:
        recalls.owe(conn, version)


def versions(conn: Connection, license_id: str, table: Table) -> list[tuple[SharedVersion, dict[str, int]]]:
    """Give a table's versions, oldest first, each with its rows excluded by reason."""
    c = t.shared_version.c
    query = select(t.shared_version).where(c.license_id == license_id, c.record_table == str(table)).order_by(c.version)
    return [(_version(row), json.loads(row.excluded)) for row in conn.execute(query)]


def newest_rows(conn: Connection, license_id: str, table: Table) -> int:
    """Give the rows of a table's newest version; 0 if it was never built."""
    c = t.shared_version.c
    query = select(c.rows).where(c.license_id == license_id, c.record_table == str(table))
    return int(conn.execute(query.order_by(c.version.desc()).limit(1)).scalar_one_or_none() or 0)


def _version(row: Any) -> SharedVersion:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return SharedVersion(
        license_id=LicenseId(row.license_id),
        table=Table(row.record_table),
        version=row.version,
        as_of_seq=row.as_of_seq,
        policy_digest=row.policy_digest,
        cause=row.cause,
        rows=row.rows,
        at=instant(row.at_us),
        keys=tuple((name, size, rows) for name, size, rows in json.loads(row.keys)),
        regions=json.loads(row.regions),
    )


def checked_seq(conn: Connection, license_id: str) -> int:
    """Give the number up to which a license's shared tables are known to hold nothing withdrawn; -1 if never built."""
    query = select(t.watermark.c.checked_seq).where(t.watermark.c.license_id == license_id)
    found = conn.execute(query).scalar_one_or_none()
    return -1 if found is None else int(found)


def set_checked_seq(conn: Connection, license_id: str, seq: int) -> None:
    """State that a license's shared tables hold nothing withdrawn at or before `seq`; it never goes back."""
    known = checked_seq(conn, license_id)
    if known < 0:
        conn.execute(insert(t.watermark).values(license_id=license_id, checked_seq=seq))
    elif seq > known:
        conn.execute(update(t.watermark).where(t.watermark.c.license_id == license_id).values(checked_seq=seq))


def record_delivery(conn: Connection, delivery: Delivery) -> None:
    """Record that a recipient fetched bytes of a file."""
    record_deliveries(conn, [delivery])


def record_deliveries(conn: Connection, deliveries: Iterable[Delivery]) -> None:
    """Record deliveries, each with its entry in the log."""
    rows = [_delivery_row(each) for each in deliveries]
    if rows:
        conn.execute(insert(t.delivery), rows)
        leaves.note_each(conn, "delivery", [(row["at_us"], _delivery_said(row)) for row in rows])


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    return {
        "recipient_id": delivery.recipient_id,
        "license_id": delivery.license_id,
        "record_table": str(delivery.table),
        "version": delivery.version,
        "file": delivery.file,
        "bytes": delivery.bytes,
        "at_us": micros(delivery.at),
    }


def _delivery_said(row: Mapping[str, Any]) -> dict[str, Value]:
    said = {"recipient": row["recipient_id"], "license": row["license_id"], "table": row["record_table"]}
    return {**said, "version": row["version"], "file": row["file"], "bytes": row["bytes"]}


def delivered(conn: Connection, license_id: str) -> list[tuple[str, int, int, int]]:
    """Give what a license delivered: table, version, distinct files, bytes."""
    c = t.delivery.c
    columns = (c.record_table, c.version, func.count(c.file.distinct()), func.sum(c.bytes))
    query = select(*columns).where(c.license_id == license_id).group_by(c.record_table, c.version)
    return [(row[0], row[1], row[2], int(row[3])) for row in conn.execute(query.order_by(c.record_table, c.version))]
