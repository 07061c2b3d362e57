"""A house with licenses whose tables lose rows: versions, key files, deliveries and what recipients do, as facts."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from clock import Clock
from recipient import Recipient

from licet.model.licenses import COLUMNS, KEYS, Delivery, License, LicenseId, RecipientId, SharedVersion
from licet.model.recalls import Recall, State
from licet.model.records import Table
from licet.protocol.attestation import canonical, read_attestation
from licet.recall.chaser import Chasing
from licet.recall.courier import Courier
from licet.store import asof, attestations, facts, parties, recall_notices, recalls, webhooks
from licet.store.database import reading, transaction
from licet.store.house import House, open_house
from licet.store.keys import KeyWriter

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def license_(name: str, recipient_id: str) -> License:
    """Give a license over posts and likes, with a day to follow recalls."""
    return License(
        license_id=LicenseId(name),
        recipient_id=RecipientId(recipient_id),
        purpose="third_party_training",
        tables=(Table.POSTS, Table.LIKES),
        columns=COLUMNS[Table.POSTS],
        langs=(),
        created_from=datetime(2020, 1, 1, tzinfo=UTC),
        created_until=datetime(2050, 1, 1, tzinfo=UTC),
        starts=BEGIN,
        ends=datetime(2050, 1, 1, tzinfo=UTC),
        recall_within_hours=24,
    )


@dataclass
class Debts:
    """What happens to licenses, one fact after the other."""

    house: House
    clock: Clock = field(default_factory=Clock)
    courier: Courier = field(default_factory=Courier)
    versions: dict[tuple[str, Table], int] = field(default_factory=dict)

    def license(self, name: str = "acme-1", recipient_id: str = "acme") -> License:
        """Grant a license, to a recipient that is registered if need be; each table has one version."""
        granted = license_(name, recipient_id)
        with transaction(self.house.database) as conn:
            if parties.recipient_name(conn, recipient_id) is None:
                parties.add_recipient(conn, recipient_id, recipient_id, self.clock())
            seq = facts.grant_license(conn, granted, name.encode().ljust(32, b"."), self.clock())
            for table in granted.tables:
                self._record(conn, name, table, seq, {})
        return granted

    def withdraw(
        self, name: str = "acme-1", *tables: Table, due: datetime | None = None, causes: Mapping[str, int] | None = None
    ) -> str:
        """Take rows out of tables with new versions, by cause, and give the recall's name."""
        counts = causes or {"opted_out": 2}
        with transaction(self.house.database) as conn:
            seq = facts.take(conn, "test", 1, self.clock(), withdraws=True)
            for table in tables or (Table.POSTS,):
                self._record(conn, name, table, seq, counts, due or self.clock() + timedelta(days=1))
        with reading(self.house.database) as conn:
            return recalls.recalls_of(conn, name)[-1].recall_id

    def _record(
        self,
        conn: Any,  # noqa: ANN401 # a Connection
        name: str,
        table: Table,
        seq: int,
        counts: Mapping[str, int],
        due: datetime | None = None,
    ) -> None:
        number = self.versions.get((name, table), -1) + 1
        self.versions[name, table] = number
        version = SharedVersion(
            license_id=LicenseId(name),
            table=table,
            version=number,
            as_of_seq=seq,
            policy_digest="d",
            cause="recall" if counts else "build",
            rows=10,
            at=self.clock(),
            keys=self._keys(name, table, number, counts),
            due=due,
        )
        parties.record_version(conn, version, {})

    def _keys(
        self, name: str, table: Table, number: int, counts: Mapping[str, int]
    ) -> tuple[tuple[str, int, int], ...]:
        with KeyWriter(self.house.shared.folder(name, table), KEYS[table], number) as writer:
            for cause, count in counts.items():
                rows = {key: [f"{key}-{number}-{n}" for n in range(count)] for key in KEYS[table]}
                writer.add(pa.table(rows), pa.array([cause] * count))
        return () if writer.file is None else ((writer.file.name, writer.file.size, writer.file.rows),)

    def deliver(self, name: str = "acme-1", table: Table = Table.POSTS, version: int = 0, file: str = "") -> None:
        """Let the recipient fetch a file of a version."""
        with reading(self.house.database) as conn:
            found, _ = asof.license_as_of(conn, name, facts.last_seq(conn))
        delivery = Delivery(
            recipient_id=found.recipient_id,
            license_id=found.license_id,
            table=table,
            version=version,
            file=file or "bucket-00001-abc.parquet",
            bytes=100,
            at=self.clock(),
        )
        with transaction(self.house.database) as conn:
            parties.record_delivery(conn, delivery)

    def fetch_keys(self, recall_id: str) -> None:
        """Let the recipient fetch every file of keys of a recall."""
        recall = self.recall(recall_id)
        for departure in recall.departures:
            for each in departure.keys:
                self.deliver(recall.license_id, departure.table, departure.version, each.name)

    def read_feed(self, recipient_id: str = "acme", after: int = 0) -> int:
        """Let a recipient read its feed after a place; give the new place."""
        with transaction(self.house.database) as conn:
            recall_notices.pass_over(conn, recipient_id, after, self.clock())
            found = recall_notices.feed(conn, recipient_id, after, 1000)
            recall_notices.mark_read(conn, [each.n for each in found], self.clock())
        return found[-1].n if found else after

    def hook(self, recipient: Recipient, recipient_id: str = "acme", path: str = "") -> None:
        """Send a recipient's notices to its server."""
        with transaction(self.house.database) as conn:
            url = recipient.url + path
            secret = webhooks.set_webhook(conn, recipient_id, url, self.clock(), private=True)
        recipient.secrets[path and "/hooks" + path] = secret

    def register(self, recipient: Recipient, recipient_id: str = "acme") -> None:
        """Register a recipient's public key."""
        with transaction(self.house.database) as conn:
            attestations.register_key(conn, recipient_id, recipient.public_key, self.clock())

    def attest(self, recipient: Recipient, recall_id: str) -> None:
        """Hand in a recipient's attestation of a recall."""
        recall = self.recall(recall_id)
        said = {"recall_id": recall_id, "license_id": recall.license_id}
        tables = [{"table": str(each.table), "version": each.version} for each in recall.departures]
        signed = read_attestation(canonical(recipient.attest({**said, "tables": tables}, self.clock())))
        with transaction(self.house.database) as conn:
            if not attestations.claim_of(conn, recall, signed).on_record:
                attestations.receive(conn, recall, signed, self.clock())

    @property
    def chasing(self) -> Chasing:
        """Give how this house is chased."""
        return Chasing(house=self.house, base="https://data.example", clock=self.clock, courier=self.courier)

    def chase(self) -> None:
        """Do everything once."""
        self.chasing.once()

    def recall(self, recall_id: str) -> Recall:
        """Give a recall."""
        with reading(self.house.database) as conn:
            return recalls.recall_of(conn, recall_id)

    def state(self, recall_id: str) -> State:
        """Give a recall's state."""
        return self.recall(recall_id).state

    def steps(self, recall_id: str) -> list[tuple[str, str]]:
        """Give a recall's steps: state and detail."""
        with reading(self.house.database) as conn:
            return [(str(state), detail) for state, detail, _ in recalls.steps(conn, recall_id)]

    def license_state(self, name: str = "acme-1") -> str:
        """Give a license's state."""
        with reading(self.house.database) as conn:
            return asof.license_as_of(conn, name, facts.last_seq(conn))[1]

    def change(self, state: str, name: str = "acme-1") -> None:
        """Let the operator change a license's state."""
        with transaction(self.house.database) as conn:
            found, _ = asof.license_as_of(conn, name, facts.last_seq(conn))
            facts.change_license(conn, found, state, self.clock())

    def copied(self, home: Path) -> "Debts":
        """Give the same house on SQLite at another place."""
        self.house.database.dispose()
        shutil.copytree(self.house.shared.root.parent, home)
        clock = Clock(self.clock.now)
        return Debts(house=open_house(home), clock=clock, courier=self.courier, versions=dict(self.versions))
