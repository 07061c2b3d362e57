"""How long an opt-out takes to become a debt of every recipient that had the rows.

`python bench/fan_out.py` builds two houses in a folder below TMPDIR, lets members opt out while the recall worker and
the chaser run as they do in `licet serve`, and prints seconds from the acknowledgement of the last opt-out until the
rows are out of every shared table, and until every notice of recall is queued (in the feed, and due at the webhook).
"""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

import licet.policy
from licet.dataset.build import build
from licet.model.licenses import COLUMNS, Delivery, License, LicenseId, RecipientId
from licet.model.members import AccountStatus, AgeBand, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import Table
from licet.model.schemas import LAKE
from licet.policy.notice import digest, parse_notice
from licet.recall.chaser import Chaser, Chasing
from licet.recall.worker import Worker
from licet.store import facts, parties, recall_notices, recalls
from licet.store.database import reading, transaction
from licet.store.house import House, open_house

NOW = datetime(2025, 3, 1, tzinfo=UTC)
POSTS_EACH = 5
SETTINGS_AT_ONCE = 100
"""Opt-outs acknowledged in one transaction."""


def main() -> None:
    """Measure one opt-out to a hundred recipients, and ten thousand to ten."""
    fan_out(recipients=100, members=2_000, leave=1)
    fan_out(recipients=10, members=20_000, leave=10_000)


def license_of(n: int) -> License:
    """Give the n-th recipient's license."""
    return License(
        license_id=LicenseId(f"license-{n}"),
        recipient_id=RecipientId(f"recipient-{n}"),
        purpose="third_party_training",
        tables=(Table.POSTS,),
        columns=COLUMNS[Table.POSTS],
        langs=(),
        created_from=datetime(2020, 1, 1, tzinfo=UTC),
        created_until=datetime(2030, 1, 1, tzinfo=UTC),
        starts=datetime(2024, 12, 1, tzinfo=UTC),
        ends=datetime(2030, 1, 1, tzinfo=UTC),
        recall_within_hours=24,
    )


def furnish(house: House, names: list[str], licenses: list[License]) -> None:
    """Ingest members and posts, grant and build the licenses, and let each recipient fetch a file."""
    text = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")
    notice = parse_notice(text, "notice")
    known = [
        Member(
            member_id=MemberId(name),
            platform="x",
            region="US",
            age_band=AgeBand.ADULT,
            protection=Protection.OPEN,
            status=AccountStatus.ACTIVE,
        )
        for name in names
    ]
    with transaction(house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, text, NOW)
        facts.record_members(conn, known, NOW)
        for n, granted in enumerate(licenses):
            parties.add_recipient(conn, granted.recipient_id, granted.recipient_id, NOW)
            facts.grant_license(conn, granted, n.to_bytes(32), NOW)
        seq = facts.last_seq(conn)
    house.lake.append(Table.POSTS, posts(names), seq)
    for granted in licenses:
        build(house, granted.license_id, NOW)
        with transaction(house.database) as conn:
            parties.record_delivery(conn, fetched(granted))


def posts(names: list[str]) -> pa.Table:
    """Give every member's posts."""
    authors = [name for name in names for _ in range(POSTS_EACH)]
    columns = {
        "post_id": [f"p:{n}" for n in range(len(authors))],
        "author_id": authors,
        "created_at": [NOW - timedelta(days=9)] * len(authors),
        "text": [f"post number {n}, about nothing much" for n in range(len(authors))],
        "lang": ["en"] * len(authors),
        "in_reply_to": [""] * len(authors),
        "quote_of": [""] * len(authors),
        "visibility": ["public"] * len(authors),
        "platform": ["x"] * len(authors),
    }
    schema = pa.schema([field for field in LAKE[Table.POSTS] if field.name in columns])
    return pa.table({field.name: columns[field.name] for field in schema}, schema=schema)


def fetched(granted: License) -> Delivery:
    """Give the delivery of a file of the first version."""
    return Delivery(
        recipient_id=granted.recipient_id,
        license_id=granted.license_id,
        table=Table.POSTS,
        version=0,
        file="bucket-00000-any.parquet",
        bytes=1,
        at=NOW,
    )


def fan_out(recipients: int, members: int, leave: int) -> None:
    """Let so many members opt out of what so many recipients have."""
    names = [f"x:{n}" for n in range(members)]
    licenses = [license_of(n) for n in range(recipients)]
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        house = open_house(Path(folder) / "home")
        furnish(house, names, licenses)
        with Worker(house, clock=lambda: NOW), Chaser(Chasing(house=house, clock=lambda: NOW)):
            time.sleep(2)  # the worker learns at start what files point to
            begun = time.perf_counter()
            opt_out(house, names[:leave])
            acknowledged = time.perf_counter()
            until(lambda: behind(house, licenses) == 0)
            out = time.perf_counter()
            until(lambda: unqueued(house) == 0)
            queued = time.perf_counter()
        count, rows = owed(house)
        house.database.dispose()
    print(f"{leave:,} opt-outs, {recipients} recipients, {members * POSTS_EACH:,} posts each")
    print(f"  acknowledged in {acknowledged - begun:.2f} s ({leave / (acknowledged - begun):,.0f}/s)")
    print(f"  then out of every table after {out - acknowledged:.2f} s, {rows:,} rows")
    print(f"  and every notice queued after {queued - acknowledged:.2f} s, {count:,} recalls")
    assert rows == recipients * leave * POSTS_EACH, rows


def opt_out(house: House, names: list[str]) -> None:
    """Acknowledge opt-outs, some at a time."""
    for start in range(0, len(names), SETTINGS_AT_ONCE):
        some = names[start : start + SETTINGS_AT_ONCE]
        purpose = "third_party_training"
        changes = [SettingChange(member_id=MemberId(name), purpose=purpose, choice=Choice.DENY) for name in some]
        with transaction(house.database) as conn:
            facts.record_settings(conn, changes, NOW)


def until(done: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not done():
        time.sleep(0.005)


def behind(house: House, licenses: list[License]) -> int:
    """Count the licenses whose tables may still hold something withdrawn."""
    with reading(house.database) as conn:
        newest = facts.newest_withdrawal(conn)
        return sum(parties.checked_seq(conn, each.license_id) < newest for each in licenses)


def unqueued(house: House) -> int:
    """Count the recalls without a notice."""
    with reading(house.database) as conn:
        told = recall_notices.notices(conn)
        return sum(each.recall_id not in told for each in recalls.recalls_of(conn))


def owed(house: House) -> tuple[int, int]:
    """Count the recalls, and the rows that left with them."""
    with reading(house.database) as conn:
        found = recalls.recalls_of(conn)
    return len(found), sum(departure.rows for each in found for departure in each.departures)


if __name__ == "__main__":
    main()
