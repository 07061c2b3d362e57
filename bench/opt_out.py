"""How long an opt-out takes to be no longer offered, beside the bare rewriting that it cannot do without.

`python bench/opt_out.py [rows] [buckets]` makes a shared table of posts, then prints times, CPU times and ratios.
The table lies in memory or on disk wherever TMPDIR says. The floors bring nothing to the disk (no fsync), decide
nothing and commit nothing. The posts link to posts of nobody, so no file but the member's own has to be written.
"""

import hashlib
import shutil
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import licet.policy
from licet.model.licenses import COLUMNS, License, LicenseId, RecipientId
from licet.model.members import AccountStatus, AgeBand, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import Table
from licet.model.schemas import shared_schema
from licet.policy.notice import digest, parse_notice
from licet.protocol.pseudonyms import bucket_of, member_secrets
from licet.recall.catch_up import catch_up
from licet.store import facts, parties
from licet.store.database import transaction
from licet.store.engine import quoted
from licet.store.house import House, open_house
from licet.store.parcels import write_parcels
from licet.store.shared import CommitFacts, DataFile, Snapshot

NOW = datetime(2025, 3, 1, tzinfo=UTC)
KEY = bytes(range(32))
POSTS_EACH = 10
LICENSE = License(
    license_id=LicenseId("acme"),
    recipient_id=RecipientId("acme"),
    purpose="third_party_training",
    tables=(Table.POSTS,),
    columns=COLUMNS[Table.POSTS],
    langs=(),
    created_from=datetime(2020, 1, 1, tzinfo=UTC),
    created_until=datetime(2030, 1, 1, tzinfo=UTC),
    starts=datetime(2024, 1, 1, tzinfo=UTC),
    ends=datetime(2030, 1, 1, tzinfo=UTC),
    recall_within_hours=48,
)
WORDS = [
    "the",
    "a",
    "of",
    "coffee",
    "train",
    "rain",
    "night",
    "data",
    "music",
    "city",
    "people",
    "light",
    "garden",
    "river",
    "street",
    "morning",
]


def main() -> None:
    """Make the table, take out one member, then 10,000, and print the ratios."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    buckets = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    home = Path(tempfile.mkdtemp(prefix="licet-bench-"))
    try:
        house = open_house(home)
        members = [f"x:{n}" for n in range(rows // POSTS_EACH)]
        begin(house, members)
        snapshot = share(house, members, buckets)
        print(f"{snapshot.rows:,} posts of {len(members):,} members in {len(snapshot.files)} files")
        one_member(house, members, snapshot)
        many_members(house, members)
    finally:
        shutil.rmtree(home)


def begin(house: House, members: list[str]) -> None:
    """Publish the notice, grant the license, and record the members who will leave: no other is looked at."""
    text = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")
    notice = parse_notice(text, "notice")
    known = (
        Member(
            member_id=MemberId(name),
            platform="x",
            region="US",
            age_band=AgeBand.ADULT,
            protection=Protection.OPEN,
            status=AccountStatus.ACTIVE,
        )
        for name in leavers(members)
    )
    with transaction(house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, text, NOW)
        parties.add_recipient(conn, LICENSE.recipient_id, "Acme", NOW)
        facts.grant_license(conn, LICENSE, KEY, NOW)
        facts.record_members(conn, known, NOW)


def leavers(members: list[str]) -> list[str]:
    """Give the members who will opt out: five alone, then up to 10,000 at once, from all over the table."""
    rest = sorted(members[10:], key=lambda name: hashlib.sha256(name.encode()).digest())
    return members[:5] + rest[: min(10_000, len(members) // 20)]


def share(house: House, members: list[str], buckets: int) -> Snapshot:
    """Write every member's posts into the license's shared table, as a build lays them out."""
    folder = house.shared.folder(LICENSE.license_id, Table.POSTS)
    schema = shared_schema(LICENSE, Table.POSTS)
    with house.engine.session() as session:
        names = sorted((bucket_of(name, buckets), name) for name in (member_secrets(KEY, m)[0] for m in members))
        columns = [pa.array([bucket for bucket, _ in names], pa.int32()), pa.array([name for _, name in names])]
        session.register("people", pa.table(columns, names=["bucket", "author_id"]))
        links = [
            f"CASE WHEN hash(i, {n}) % 10 < {share} THEN substr(md5('p' || hash(i, {n})), 1, 32) END"
            for n, share in ((1, 3), (2, 1))
        ]
        words = " || ' ' || ".join(
            f"words[CAST(1 + hash(i, {n}) % {len(WORDS)} AS BIGINT)] || hash(i, {n}) % 997" for n in range(10, 24)
        )
        session.execute("SET preserve_insertion_order = true")
        reader = session.sql(
            f"""SELECT bucket, author_id, md5(author_id || i) AS post_id, TIMESTAMPTZ '2025-01-01' AS created_at,
                {words} AS text, 'en' AS lang, {links[0]} AS in_reply_to, {links[1]} AS quote_of
            FROM (SELECT *, [{", ".join(map(quoted, WORDS))}] AS words, row_number() OVER () AS i
                  FROM (SELECT people.* FROM people, range({POSTS_EACH})) ORDER BY bucket, author_id)"""
        ).to_arrow_reader(50_000)
        parcels = list(write_parcels(reader, folder, schema))
    with transaction(house.database) as conn:
        seq = facts.last_seq(conn)
    text = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")
    stated = CommitFacts(
        as_of_seq=seq, policy_digest=digest(parse_notice(text, "n")), buckets=buckets, cause="build", excluded={}
    )
    files = [DataFile(name=parcel.name, size=parcel.size, rows=parcel.rows) for parcel in parcels]
    snapshot = house.shared.commit(LICENSE, Table.POSTS, files, (), stated)
    with transaction(house.database) as conn:
        parties.set_checked_seq(conn, LICENSE.license_id, seq)
    return snapshot


class Clock:
    """Seconds that passed, and seconds of CPU that this process used, since it was made."""

    def __init__(self) -> None:
        """Begin."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Give both."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu


def opt_out(house: House, names: list[str]) -> tuple[float, float]:
    """Acknowledge opt-outs, catch up, and give the seconds in between."""
    changes = [SettingChange(member_id=MemberId(n), purpose=LICENSE.purpose, choice=Choice.DENY) for n in names]
    with transaction(house.database) as conn:
        facts.record_settings(conn, changes, NOW)
    clock = Clock()
    rows = catch_up(house, NOW)
    took = clock.read()
    assert rows == len(names) * POSTS_EACH, rows
    return took


def one_member(house: House, members: list[str], snapshot: Snapshot) -> None:
    """Compare taking out one member with rewriting their file, medians of five."""
    folder = house.shared.folder(LICENSE.license_id, Table.POSTS)
    files = {file.bucket: file.name for file in snapshot.files}
    bare = []
    for name in members[5:10]:
        pseudonym = member_secrets(KEY, name)[0]
        source = folder / files[bucket_of(pseudonym, snapshot.facts.buckets)]
        clock = Clock()
        rows = pq.ParquetFile(source).read()
        copy = folder.parent / f"{uuid.uuid4().hex}.bare"
        pq.write_table(rows.filter(pc.not_equal(rows["author_id"], pseudonym)), copy, compression="zstd")
        bare.append(clock.read())
        copy.unlink()
    ours = [opt_out(house, [name]) for name in members[:5]]
    print(f"one member, the first since the process began: {ours[0][0]:.3f} s, {ours[0][1]:.3f} s CPU")
    report("one member", sorted(ours)[2], "bare rewrite of the member's file", sorted(bare)[2])


def many_members(house: House, members: list[str]) -> None:
    """Compare taking out 10,000 members at once with a bare copy of the table."""
    chosen = leavers(members)[5:]
    folder = house.shared.folder(LICENSE.license_id, Table.POSTS)
    target = folder.parent / "bare"
    target.mkdir()
    clock = Clock()
    for path in sorted(folder.glob("*.parquet")):
        pq.write_table(pq.ParquetFile(path).read(), target / path.name, compression="zstd")
    bare = clock.read()
    shutil.rmtree(target)
    report(f"{len(chosen):,} members in one batch", opt_out(house, chosen), "bare copy of the table", bare)


def report(what: str, ours: tuple[float, float], floor: str, bare: tuple[float, float]) -> None:
    """Print one comparison, by the clock and by CPU time."""
    for kind, mine, least in zip(("", " CPU"), ours, bare, strict=True):
        print(f"{what}: {mine:.3f} s{kind}; {floor}: {least:.3f} s{kind}; ratio {mine / least:.2f}")


if __name__ == "__main__":
    main()
