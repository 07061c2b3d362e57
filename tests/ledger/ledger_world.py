"""A house with licenses whose shared files are written by hand, and short ways to deliver, price and close."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from licet.ledger.close import Closed, close
from licet.model.licenses import Delivery, License, LicenseId, RecipientId
from licet.model.money import LedgerTerms, Month
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.store import asof, books, facts, parties
from licet.store.database import reading, transaction
from licet.store.house import House

START = datetime(2025, 3, 1, tzinfo=UTC)
MARCH = Month(year=2025, month=3)
AFTER = datetime(2025, 4, 2, 12, tzinfo=UTC)
TERMS = LedgerTerms(currency="USD", member_ppm=500_000, payment_days=30, seller="The Platform\n1 Road", basis="rows")
PER_THOUSAND = 'name = "p"\ncurrency = "USD"\n[[charge]]\ntables = ["posts"]\nper_thousand = "5"\n'


def license_of(name: str, recipient: str = "acme") -> License:
    """Give a license of posts and likes for a year."""
    return License(
        license_id=LicenseId(name),
        recipient_id=RecipientId(recipient),
        purpose="third_party_training",
        tables=(Table.POSTS, Table.LIKES),
        columns=("text",),
        langs=(),
        created_from=datetime(2020, 1, 1, tzinfo=UTC),
        created_until=datetime(2026, 1, 1, tzinfo=UTC),
        starts=START,
        ends=datetime(2026, 3, 1, tzinfo=UTC),
        recall_within_hours=24,
    )


@dataclass(frozen=True, slots=True)
class Books:
    """A house and short ways to fill its books."""

    house: House
    names: "itertools.count[int]" = field(default_factory=itertools.count)

    def license(self, name: str = "l1", plan: str = PER_THOUSAND, recipient: str = "acme") -> License:
        """Grant a license, and price it unless the plan is empty."""
        granted = license_of(name, recipient)
        with transaction(self.house.database) as conn:
            if parties.recipient_name(conn, recipient) is None:
                parties.add_recipient(conn, recipient, f"{recipient.title()} AI", START)
            facts.grant_license(conn, granted, name.encode().ljust(32, b"."), START)
            if plan:
                books.set_plan(conn, name, plan, START)
        return granted

    def terms(self, terms: LedgerTerms = TERMS) -> None:
        """Set the ledger's terms."""
        with transaction(self.house.database) as conn:
            books.set_terms(conn, terms, START)

    def file(
        self, rows: Mapping[str, int], license_id: str = "l1", table: Table = Table.POSTS, text: str = "a b"
    ) -> str:
        """Write a shared file with so many rows of each member, and give its name."""
        with reading(self.house.database) as conn:
            key = asof.license_key(conn, license_id)
        owners = [member_secrets(key, name)[0] for name, count in rows.items() for _ in range(count)]
        path = self.path(f"bucket-00000-{next(self.names):032}.parquet", license_id, table)
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {"author_id": owners, "text": [text] * len(owners)} if table is Table.POSTS else {"actor_id": owners}
        pq.write_table(pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns])), path)
        return path.name

    def path(self, name: str, license_id: str = "l1", table: Table = Table.POSTS) -> Path:
        """Give where a shared file lies."""
        return self.house.shared.folder(license_id, table) / name

    def deliver(
        self, name: str, at: datetime, version: int = 0, license_id: str = "l1", table: Table = Table.POSTS
    ) -> None:
        """Record that a file was fetched."""
        with reading(self.house.database) as conn:
            recipient = asof.license_as_of(conn, license_id, facts.last_seq(conn))[0].recipient_id
        one = Delivery(
            recipient_id=recipient,
            license_id=LicenseId(license_id),
            table=table,
            version=version,
            file=name,
            bytes=1,
            at=at,
        )
        with transaction(self.house.database) as conn:
            parties.record_delivery(conn, one)

    def close(self, now: datetime = AFTER, *, unpriced: bool = False) -> list[Closed]:
        """Close every month that is over."""
        return close(self.house, now, unpriced=unpriced)


def march(day: int) -> datetime:
    """Give noon of a day in March 2025; 32 is the first of April."""
    return datetime(2025, 3, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)
