"""A served house: a notice, two recipients, a license with two tables, reached over real HTTP."""

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn

from licet.model.licenses import COLUMNS, KEYS, License, LicenseId, RecipientId
from licet.model.members import Member, MemberId
from licet.model.records import Table
from licet.model.schemas import shared_schema
from licet.policy.notice import digest, parse_notice
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import facts, parties
from licet.store.database import reading, transaction
from licet.store.house import House
from licet.store.keys import KeyWriter
from licet.store.parcels import file_name
from licet.store.shared import CommitFacts, DataFile, Snapshot, version_of

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
DUE = (NOW + timedelta(hours=24)).isoformat()
SECRET = b"0123456789abcdef0123456789abcdef"
PURPOSE = "third_party_training"
NOTICE = """
version = "one"
title = "Sharing"
published = 2024-10-16
settings_open = 2024-10-16
effective = 2024-11-15
text = "We may share."

[purposes.third_party_training]
default = "allow"
gpc = true
on = "Others may train."
off = "Others may not."

[purposes.first_party_training]
default = "allow"
gpc = false
on = "We may train."
off = "We may not."

[[rules]]
code = "opted_out"
effect = "deny"
sentence = "The member opted out."
law = "GDPR Art. 21"
when = { setting = "deny" }

[[rules]]
code = "by_default"
effect = "permit"
sentence = "The member was informed."
law = "GDPR Art. 6"
when = { setting = "none", default = "allow" }
"""


@dataclass(slots=True)
class Scene:
    """A house and what a test does to it."""

    house: House
    license: License
    token: str
    now: datetime = NOW
    options: dict[str, object] = field(default_factory=dict)

    def clock(self) -> datetime:
        return self.now

    def publish(self, version: str, effective: datetime) -> str:
        """Publish the notice again under another name."""
        day = effective.date().isoformat()
        text = NOTICE.replace('"one"', f'"{version}"').replace("effective = 2024-11-15", f"effective = {day}")
        notice = parse_notice(text, version)
        with transaction(self.house.database) as conn:
            facts.publish_notice(conn, version, digest(notice), notice.effective, text, self.now)
        return digest(notice)

    def commit(self, rows: dict[int, int], table: Table = Table.POSTS, license_: License | None = None) -> Snapshot:
        """Commit a version with so many rows in each bucket, in place of the version before, and move the watermark."""
        license_ = license_ or self.license
        shared = self.house.shared
        before = shared.snapshot(license_.license_id, table)
        folder = shared.folder(license_.license_id, table)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = [_write(folder, license_, table, bucket, count) for bucket, count in rows.items()]
        with reading(self.house.database) as conn:
            seq = facts.last_seq(conn)
        stated = CommitFacts(
            as_of_seq=seq, policy_digest=digest(parse_notice(NOTICE, "one")), buckets=4, cause="build", excluded={}
        )
        snapshot = shared.commit(license_, table, fresh, before.files if before else (), stated)
        self.checked(seq, license_)
        return snapshot

    def recall(self, left: dict[int, int], table: Table = Table.POSTS) -> Snapshot:
        """Commit a version in which some buckets have so many rows left, with the keys of the others, and note it."""
        shared, license_ = self.house.shared, self.license
        before = shared.snapshot(license_.license_id, table)
        assert before is not None
        self.noted(table, before)
        folder = shared.folder(license_.license_id, table)
        old = [file for file in before.files if file.bucket in left]
        with KeyWriter(folder, KEYS[table], before.version + 1) as keys:
            for file in old:
                gone = pq.read_table(folder / file.name).slice(left[file.bucket])
                keys.add(gone, pa.repeat(pa.scalar("opted_out"), gone.num_rows))
        fresh = [_write(folder, license_, table, bucket, count) for bucket, count in left.items() if count]
        with reading(self.house.database) as conn:
            seq = facts.last_seq(conn)
        stated = replace(
            before.facts, as_of_seq=seq, cause="recall", keys=() if keys.file is None else (keys.file,), due=DUE
        )
        snapshot = shared.commit(license_, table, fresh, old, stated)
        self.noted(table, snapshot)
        self.checked(seq)
        return snapshot

    def noted(self, table: Table, snapshot: Snapshot) -> None:
        """Write a version down."""
        with transaction(self.house.database) as conn:
            parties.record_version(conn, version_of(self.license.license_id, table, snapshot), {})

    def checked(self, seq: int, license_: License | None = None) -> None:
        with transaction(self.house.database) as conn:
            parties.set_checked_seq(conn, (license_ or self.license).license_id, seq)

    def withdraw(self, member_id: str = "x:1") -> int:
        """Close an account: a withdrawal that no recall has handled yet."""
        with transaction(self.house.database) as conn:
            return facts.take(conn, f"test {member_id}", 1, self.now, withdraws=True)

    def change(self, state: str) -> None:
        with transaction(self.house.database) as conn:
            facts.change_license(conn, self.license, state, self.now)
        with reading(self.house.database) as conn:
            seq = facts.last_seq(conn)
        self.checked(seq)


def _write(folder: pathlib.Path, license_: License, table: Table, bucket: int, count: int) -> DataFile:
    schema = shared_schema(license_, table)
    columns = {
        name: [NOW] * count
        if pa.types.is_timestamp(schema.field(name).type)
        else [f"{name}-{bucket}-{n}" for n in range(count)]
        for name in schema.names
    }
    name = file_name(bucket)
    pq.write_table(pa.table(columns, schema=schema), folder / name, compression="zstd")
    return DataFile(name=name, size=(folder / name).stat().st_size, rows=count)


def make_license(license_id: str, recipient_id: str, tables: tuple[Table, ...] = (Table.POSTS, Table.LIKES)) -> License:
    return License(
        license_id=LicenseId(license_id),
        recipient_id=RecipientId(recipient_id),
        purpose=PURPOSE,
        tables=tables,
        columns=COLUMNS[Table.POSTS],
        langs=(),
        created_from=datetime(2000, 1, 1, tzinfo=UTC),
        created_until=datetime(2030, 1, 1, tzinfo=UTC),
        starts=NOW - timedelta(days=30),
        ends=NOW + timedelta(days=30),
        recall_within_hours=24,
    )


def grant(house: House, license_: License) -> None:
    with transaction(house.database) as conn:
        facts.grant_license(conn, license_, b"k" * 32, NOW)


def furnish(house: House) -> Scene:
    notice = parse_notice(NOTICE, "one")
    with transaction(house.database) as conn:
        facts.publish_notice(conn, "one", digest(notice), notice.effective, NOTICE, NOW)
        facts.record_members(conn, [Member(member_id=MemberId("x:1"), platform="x", region="US")], NOW)
        parties.add_recipient(conn, "acme", "Acme", NOW)
        parties.add_recipient(conn, "other", "Other", NOW)
        token = parties.issue_token(conn, "acme", NOW + timedelta(days=1))
    license_ = make_license("acme-2025", "acme")
    grant(house, license_)
    return Scene(house=house, license=license_, token=token)


@contextlib.contextmanager
def running(scene: Scene, **options: object) -> Iterator[str]:
    """Serve a scene on a free port and give the address."""
    chosen = {"secret": SECRET, "wait_s": 0.3, "development_sign_in": True, "clock": scene.clock} | options
    config = configure(scene.house, "127.0.0.1", 0, ServerOptions(**chosen))  # type: ignore[arg-type]
    config.log_level = "warning"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def scene(house: House) -> Scene:
    """A furnished house on SQLite with one version of the license's posts."""
    furnished = furnish(house)
    furnished.commit({0: 3, 1: 2})
    return furnished


@pytest.fixture
def address(scene: Scene) -> Iterator[str]:
    with running(scene) as url:
        yield url


@pytest.fixture
def serving() -> Callable[..., contextlib.AbstractContextManager[str]]:
    """Serve a scene with options of the test's own."""
    return running


@pytest.fixture
def recipient(scene: Scene, address: str) -> Iterator[httpx.Client]:
    """A recipient's plain HTTP client."""
    headers = {"Authorization": f"Bearer {scene.token}"}
    with httpx.Client(base_url=f"{address}/delta-sharing", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def member(address: str) -> Iterator[httpx.Client]:
    """A member who is signed in."""
    with httpx.Client(base_url=address, timeout=30) as client:
        client.post("/sign-in", json={"member_id": "x:1"}).raise_for_status()
        yield client


@pytest.fixture
def another_license(scene: Scene) -> License:
    """A license of another recipient."""
    license_ = make_license("other-2025", "other")
    grant(scene.house, license_)
    scene.commit({0: 1}, license_=license_)
    return license_


@pytest.fixture
def more_licenses(scene: Scene) -> list[str]:
    """Five more licenses of the same recipient."""
    names = [f"more-{n}" for n in range(5)]
    for name in names:
        grant(scene.house, make_license(name, "acme"))
    return names
