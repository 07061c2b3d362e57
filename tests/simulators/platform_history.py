"""A platform with a year behind it: members and posts made up from a seed, choices day by day, licenses, recalls."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from licet.cli.community import Community
from licet.dataset.build import build
from licet.ingest.mapping import parse_mapping
from licet.ingest.tabular import read_table
from licet.ingest.write import ingest
from licet.ledger.close import close
from licet.model.billing import BillingDetails, Untaxed
from licet.model.licenses import COLUMNS, Delivery, License, LicenseId, Party, RecipientId
from licet.model.members import Choice, MemberId, SettingChange
from licet.model.money import LedgerTerms
from licet.model.records import Table
from licet.policy.notice import digest, parse_notice
from licet.protocol.attestation import Done, Statement, key_id_of, public_bytes, read_attestation, sign
from licet.protocol.attestation import canonical as canonical_bytes
from licet.recall.attest import judge_all
from licet.recall.catch_up import catch_up
from licet.recall.chase import chase
from licet.store import asof, attestations, books, facts, parties, recall_notices
from licet.store import tables as t
from licet.store.billing import OPERATOR, set_billing
from licet.store.database import reading, transaction
from licet.store.house import House
from licet.store.lifecycle import Actor, offer
from licet.store.publication import publish
from licet.store.recalls import recalls_of

PURPOSE = "third_party_training"
NOTICE = (resources.files("licet.policy") / "notices" / "x-2024-11-15.toml").read_text("utf-8")
ADA, GRACE = "demo:ada", "demo:grace"
PUBLISHED = datetime(2024, 10, 16, 9, tzinfo=UTC)
NOW = datetime(2025, 9, 22, 10, 30, tzinfo=UTC)


@dataclass(kw_only=True)
class Platform:
    """The house, what time it is there, and what its people hold."""

    house: House
    now: datetime = PUBLISHED
    tokens: dict[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def clock(self) -> datetime:
        """Give the platform's time."""
        return self.now

    def say(self, changes: Sequence[tuple[str, Choice, str]], source: str = "member") -> None:
        """Let members choose: id, choice, recipient."""
        made = [
            SettingChange(member_id=MemberId(m), purpose=PURPOSE, choice=c, recipient_id=r, source=source)
            for m, c, r in changes
        ]
        with transaction(self.house.database) as conn:
            facts.record_settings(conn, made, self.now)

    def grant(self, license_id: str, recipient_id: str, tables: Sequence[Table], state: str = "active") -> None:
        """Grant a license for two years."""
        license_ = License(
            license_id=LicenseId(license_id),
            recipient_id=RecipientId(recipient_id),
            purpose=PURPOSE,
            tables=tuple(tables),
            columns=tuple(dict.fromkeys(name for table in tables for name in COLUMNS[table])),
            langs=(),
            created_from=datetime(2020, 1, 1, tzinfo=UTC),
            created_until=datetime(2030, 1, 1, tzinfo=UTC),
            starts=self.now,
            ends=self.now + timedelta(days=730),
            recall_within_hours=72,
        )
        operator = Actor(party=Party.OPERATOR, name="developer")
        with transaction(self.house.database) as conn:
            if state == "offered":
                offer(conn, license_, operator, self.now)
            else:
                facts.grant_license(conn, license_, license_id.encode().ljust(32, b"k"), self.now)

    def fetch(self, license_id: str, recipient_id: str) -> None:
        """Have every file of a license's current versions fetched."""
        with transaction(self.house.database) as conn:
            for table in Table:
                snapshot = self.house.shared.snapshot(license_id, table)
                for file in snapshot.files if snapshot else ():
                    delivery = Delivery(
                        recipient_id=RecipientId(recipient_id),
                        license_id=LicenseId(license_id),
                        table=table,
                        version=snapshot.version if snapshot else 0,
                        file=file.name,
                        bytes=file.size,
                        at=self.now,
                    )
                    parties.record_delivery(conn, delivery)

    def build(self, license_id: str) -> None:
        """Build a license's tables."""
        build(self.house, license_id, self.now)
        self._set_back()

    def recall(self) -> None:
        """Take out what was withdrawn, and send notices of it."""
        catch_up(self.house, self.now)
        self._set_back()
        chase(self.house, self.now)

    def _set_back(self) -> None:
        """Date versions by the platform's time: the store takes the machine's."""
        at = facts.micros(self.now)
        with transaction(self.house.database) as conn:
            for table, column in ((t.shared_version, "at_us"), (t.recall, "opened_us"), (t.recall_step, "at_us")):
                conn.execute(update(table).where(table.c[column] > at).values({column: at}))

    def attest(self, license_id: str) -> None:
        """Have a recipient acknowledge and attest everything it owes."""
        with transaction(self.house.database) as conn:
            for recall in recalls_of(conn, license_id):
                if recall_notices.notice_of(conn, recall.recall_id) is None:
                    continue
                recall_notices.acknowledge(conn, recall.recall_id, recall_notices.ENDPOINT, self.now)
                versions: dict[str, int] = {}
                for each in recall.departures:
                    versions[each.table] = max(each.version, versions.get(each.table, 0))
                statement = Statement(
                    recall_id=recall.recall_id,
                    license_id=license_id,
                    versions=versions,
                    models=(),
                    done=(Done.DELETED,),
                    issued_at=self.now,
                    key_id=key_id_of(public_bytes(self.key)),
                )
                attestations.receive(
                    conn, recall, read_attestation(canonical_bytes(sign(statement, self.key))), self.now
                )
        judge_all(self.house, self.now)
        chase(self.house, self.now)


def _ingest(house: House, folder: Path, members: int, posts: int) -> tuple[str, ...]:
    Community(seed=11, members=members, posts=posts).write(folder)
    state = {"age_band": "adult", "protection": "open", "status": "active"}
    for path in folder.glob("*.jsonl"):
        text = path.read_text("utf-8").replace("m00000", "ada").replace("m00001", "grace")
        rows = [json.loads(line) for line in text.splitlines()]
        for row in rows if path.stem == "members" else ():
            row.update(state | {"region": "US"} if row["member_id"] in {"ada", "grace"} else {})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for mapping in sorted(folder.glob("*.toml"), key=lambda path: (path.stem != "members", path.name)):
        parsed = parse_mapping(mapping.read_text("utf-8"), mapping.name)
        ingest(house.database, house.lake, f"made up:{mapping.stem}", read_table(mapping.with_suffix(".jsonl"), parsed))
    with reading(house.database) as conn:
        table = asof.subjects(conn, facts.last_seq(conn), PURPOSE, "", "")
    return tuple(table.column("member_id").to_pylist())


def live(house: House, folder: Path, members: int = 240, posts: int = 900) -> Platform:
    """Let a platform live for a year, with so many members and posts."""
    platform = Platform(house=house)
    chance = random.Random(5)  # noqa: S311 # a reproducible year, no secret
    notice = parse_notice(NOTICE, "x.toml")
    with transaction(house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, NOTICE, platform.now)
    platform.members = _ingest(house, folder, members, posts)
    others = [name for name in platform.members if name not in {ADA, GRACE}]
    chance.shuffle(others)
    with transaction(house.database) as conn:
        for recipient_id, name in (("acme", "Acme AI"), ("nordlys", "Nordlys Research"), ("vela", "Vela Robotics")):
            parties.add_recipient(conn, recipient_id, name, platform.now)
            platform.tokens[recipient_id] = parties.issue_token(conn, recipient_id, NOW + timedelta(days=60))
        attestations.register_key(conn, "acme", public_bytes(platform.key), platform.now)
    for day in range(0, 341, 10):
        platform.now = PUBLISHED + timedelta(days=day, hours=chance.randrange(12))
        count = max(1, round(members * (0.012 if day < 60 else 0.004)))
        platform.say([(others.pop(), Choice.DENY, "") for _ in range(min(count, len(others)))])
        _events(platform, day)
    platform.now = NOW
    _close(platform)
    publish(house, NOW, "data.example/log")
    return platform


PLAN = """
name = "posts and more"
currency = "USD"
fee = "250"
[[charge]]
tables = ["posts", "likes", "bookmarks", "reposts"]
per_thousand = "40"
"""


SELLER = BillingDetails(
    name="The Platform SA",
    street="1 Road",
    extra="",
    postcode="75001",
    city="Paris",
    country="FR",
    vat_id="FR23334175221",
    legal_id="",
    untaxed=Untaxed.UNSAID,
)
ACME = replace(SELLER, name="Acme AI GmbH", city="Berlin", country="DE", vat_id="DE136695976")
ACME = replace(ACME, street="Weg 1", postcode="10115", untaxed=Untaxed.REVERSE_CHARGE)


def _close(platform: Platform) -> None:
    """Price the licenses, say who bills Acme, close every month that is over, and pay out."""
    terms = LedgerTerms(currency="USD", member_ppm=500_000, payment_days=30, seller="The Platform", basis="rows")
    with transaction(platform.house.database) as conn:
        books.set_terms(conn, terms, PUBLISHED)
        set_billing(conn, OPERATOR, SELLER, PUBLISHED)
        set_billing(conn, "acme", ACME, PUBLISHED)
        books.set_plan(conn, "acme_2024", PLAN, PUBLISHED)
        books.set_plan(conn, "nordlys_posts", PLAN, PUBLISHED)
    close(platform.house, platform.now)


_WITH_ACME = {40, 90, 150, 220, 290}
_RECALLED = {60, 90, 120, 150, 180, 200, 210, 220, 240, 270, 290, 300}


def _events(platform: Platform, day: int) -> None:
    _licensed(platform, day)
    if day == 90:
        platform.say([(GRACE, Choice.DENY, "")])
    if day == 200:
        platform.say([(ADA, Choice.DENY, "nordlys"), (GRACE, Choice.ALLOW, "acme")])
    if day in _WITH_ACME:
        platform.build("acme_2024")
    if day in {150, 260}:
        platform.build("nordlys_posts")
    if day in _RECALLED:
        platform.recall()
        platform.now += timedelta(hours=9)
        platform.attest("acme_2024")
    if day in _WITH_ACME:
        platform.fetch("acme_2024", "acme")
    if day == 340:
        platform.now = NOW - timedelta(hours=30)
        platform.recall()


def _licensed(platform: Platform, day: int) -> None:
    if day == 40:
        platform.grant("acme_2024", "acme", tuple(Table))
    if day == 150:
        platform.grant("nordlys_posts", "nordlys", (Table.POSTS,))
    if day == 320:
        platform.grant("vela_2025", "vela", (Table.POSTS, Table.LIKES), "offered")
