"""CPU and memory of a build against the least that any build must do.

    python bench/build.py [posts] [--keep FOLDER]

The floor copies the delivered columns of the permitted rows from Parquet to Parquet with the same engine. Each part
runs in a process of its own under a memory limit of 1 GB, and prints CPU seconds (user and system, all threads,
without imports) and its peak resident memory. Generated posts: about 120 characters, a Zipf-like choice of authors
among posts / 10 members, of whom 4 in 10 opted out.
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import write_deltalake

import licet.policy
from licet.dataset.build import build
from licet.model.licenses import License, LicenseId, RecipientId
from licet.model.members import AccountStatus, AgeBand, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import Table
from licet.model.schemas import LAKE
from licet.policy.notice import digest, parse_notice
from licet.store.database import transaction
from licet.store.engine import LocalEngine, parquet
from licet.store.facts import grant_license, publish_notice, record_members, record_settings
from licet.store.house import open_house

NOW = datetime(2025, 3, 1, tzinfo=UTC)
CHUNK = 1_000_000
OUT_OF_TEN = 4
LICENSE = License(
    license_id=LicenseId("bench"),
    recipient_id=RecipientId("acme"),
    purpose="third_party_training",
    tables=(Table.POSTS,),
    columns=("text", "lang", "created_at"),
    langs=(),
    created_from=datetime(2020, 1, 1, tzinfo=UTC),
    created_until=datetime(2026, 1, 1, tzinfo=UTC),
    starts=datetime(2025, 1, 1, tzinfo=UTC),
    ends=datetime(2026, 1, 1, tzinfo=UTC),
    recall_within_hours=24,
)


def prepare(folder: Path, posts: int) -> None:
    """Fill a house with members, choices and posts."""
    house = open_house(folder)
    text = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")
    notice = parse_notice(text, "notice")
    members = posts // 10
    with transaction(house.database) as conn:
        publish_notice(conn, notice.version, digest(notice), notice.effective, text, NOW)
        grant_license(conn, LICENSE, bytes(range(32)), NOW)
        for start in range(0, members, CHUNK // 10):
            numbers = range(start, min(members, start + CHUNK // 10))
            record_members(conn, [_member(n) for n in numbers], NOW)
            record_settings(conn, [_opt_out(n) for n in numbers if n % 10 < OUT_OF_TEN], NOW)
    schema = LAKE[Table.POSTS]
    reader = pa.RecordBatchReader.from_batches(schema, _posts(posts, members, schema))
    write_deltalake(str(folder / "lake" / "posts"), reader)


def _member(n: int) -> Member:
    return Member(
        member_id=MemberId(f"x:{n:09d}"),
        platform="x",
        region="US",
        age_band=AgeBand.ADULT,
        protection=Protection.OPEN,
        status=AccountStatus.ACTIVE,
    )


def _opt_out(n: int) -> SettingChange:
    return SettingChange(member_id=MemberId(f"x:{n:09d}"), purpose=LICENSE.purpose, choice=Choice.DENY)


def _posts(posts: int, members: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Make posts; multiplying by a large odd number scatters the opted-out over the authors."""
    words = "list_value('data','people','today','never','model','coffee','music','train','river','window','answer')"
    sentence = " || ' ' || ".join(f"{words}[1 + (hash(i * 31 + {n}) % 11)::INTEGER]" for n in range(18))
    author = f"(pow({members}, (hash(i) % 1000003) / 1000003.0)::BIGINT * 7919 % {members})"
    for start in range(0, posts, CHUNK):
        query = f"""
            SELECT 'x:' || lpad(i::VARCHAR, 19, '1') AS post_id,
              'x:' || lpad({author}::VARCHAR, 9, '0') AS author_id,
              TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(i % 30000000) AS created_at,
              {sentence} || CASE WHEN i % 5 = 0 THEN ' @somebody' ELSE '' END AS text,
              CASE WHEN i % 3 = 0 THEN 'de' ELSE 'en' END AS lang, '' AS in_reply_to, '' AS quote_of,
              'public' AS visibility, 'x' AS platform, 1::BIGINT AS seq
            FROM range({start}, {min(posts, start + CHUNK)}) AS t(i)"""
        with duckdb.connect(config={"threads": 2}) as session:
            session.execute("SET TimeZone = 'UTC'")
            yield from session.sql(query).to_arrow_table().cast(schema).to_batches()


def run_build(folder: Path) -> dict[str, object]:
    """Build, and give CPU seconds by step."""
    house = open_house(folder)
    marks: list[tuple[str, float]] = []
    built = build(house, LICENSE.license_id, NOW, lambda step: marks.append((step, time.process_time())))
    marks.append(("end", time.process_time()))
    steps = {name: round(after - at, 2) for (name, at), (_, after) in itertools.pairwise(marks)}
    return {"rows": built[0].rows, "files": built[0].files, "steps": steps}


def run_floor(folder: Path) -> dict[str, object]:
    """Copy the delivered columns of the permitted rows, which were set aside before, Parquet to Parquet."""
    columns = ", ".join(LICENSE.columns_of(Table.POSTS))
    with LocalEngine(scratch=folder / "scratch").session() as session:
        source = parquet([str(folder / "permitted.parquet")])
        target = folder / "floor.parquet"
        session.execute(f"COPY (SELECT {columns} FROM {source}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    return {}


def set_aside(folder: Path) -> dict[str, object]:
    """Write the permitted rows, with every column of the lake, where the floor reads them."""
    lake = open_house(folder).lake
    with LocalEngine(scratch=folder / "scratch").session() as session:
        rows = lake.relation(session, Table.POSTS)
        kept = f"SELECT * FROM {rows} WHERE CAST(substr(author_id, 11, 1) AS INTEGER) >= {OUT_OF_TEN}"
        target = folder / "permitted.parquet"
        session.execute(f"COPY ({kept}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    return {}


PARTS = {"set_aside": set_aside, "floor": run_floor, "build": run_build}


def measured(part: str, folder: Path) -> dict[str, object]:
    """Run one part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, str(folder)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: list[str]) -> None:
    """Prepare, measure floor and build, print."""
    if arguments[:1] == ["--part"]:
        imported = time.process_time()
        result = PARTS[arguments[1]](Path(arguments[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        cpu = {"cpu_s": round(time.process_time() - imported, 2), "peak_mb": peak}
        print(json.dumps({**result, **cpu}))
        return
    posts = int(arguments[0]) if arguments else 10_000_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments[2]) if arguments[1:2] == ["--keep"] else Path(temporary)
        if not (folder / "permitted.parquet").exists():
            prepare(folder, posts)
            measured("set_aside", folder)
        floor, built = measured("floor", folder), measured("build", folder)
        print(f"posts {posts:,}")
        print(f"floor {floor}")
        print(f"build {built}")
        print(f"build / floor {float(str(built['cpu_s'])) / float(str(floor['cpu_s'])):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
