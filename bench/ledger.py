"""Closing a month against bare group-bys of the same data in the same engines.

    python bench/ledger.py [lines] [members] [deliveries]

Two parts, each beside its floor. *Earnings*: `lines` rows of (file, member, rows) become what each of `members` earned
in micro-units that sum to the amount, as a sealed statement on the disk; the floor is a bare group-by of the same
Parquet files in DuckDB, with the same settings, whose rows are fetched and dropped. *Counting*: `deliveries` recorded
fetches, each file fetched five times, become usage lines; the floor is a bare group-by of the same table in SQLite.
Then the whole close of that month is timed as one. CPU seconds of this process (user and system, all threads).
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pyarrow import parquet as pq
from sqlalchemy import text

from licet.ledger.close import close, write_earnings
from licet.ledger.journal import Pool
from licet.model.licenses import License, LicenseId, RecipientId
from licet.model.money import LedgerTerms, Month
from licet.model.records import Table
from licet.store import books, deliveries, facts, ledger_tables, parties, tables
from licet.store.database import reading, transaction
from licet.store.engine import BATCH, parquet
from licet.store.house import House, open_house
from licet.store.meter import LINES
from licet.store.statements import ledger_folder

START = datetime(2025, 3, 1, tzinfo=UTC)
AFTER = datetime(2025, 4, 20, tzinfo=UTC)
MARCH = Month(year=2025, month=3)
SIDECARS = 10
"""Parquet files that the lines lie in."""
FETCHES = 5
PLAN = 'name = "p"\ncurrency = "USD"\nfee = "100000"\n[[charge]]\nper_thousand = "5"\n'


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Give CPU and wall seconds of some work."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def prepare(folder: Path, lines: int, members: int, fetched: int) -> tuple[House, list[tuple[int, str, int]]]:
    """Make a house with a license, its files' lines by member, and deliveries of these files."""
    house = open_house(folder)
    license_ = License(
        license_id=LicenseId("bench"),
        recipient_id=RecipientId("acme"),
        purpose="third_party_training",
        tables=(Table.POSTS,),
        columns=("text",),
        langs=(),
        created_from=START,
        created_until=AFTER,
        starts=START,
        ends=datetime(2026, 3, 1, tzinfo=UTC),
        recall_within_hours=24,
    )
    terms = LedgerTerms(currency="USD", member_ppm=500_000, payment_days=30, seller="", basis="rows")
    with transaction(house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", START)
        facts.grant_license(conn, license_, b"k" * 32, START)
        books.set_plan(conn, "bench", PLAN, START)
        books.set_terms(conn, terms, START)
    files = fetched // FETCHES
    write_lines(house, lines, members, files)
    numbers = [(n, f"lines-{n % SIDECARS}.parquet", 1) for n in range(files)]
    with transaction(house.database) as conn:
        conn.execute(text(measured(files)), {"rows": lines // files})
        conn.execute(text(fetches(files)), {"at": facts.micros(START)})
    return house, numbers


def write_lines(house: House, lines: int, members: int, files: int) -> None:
    """Write (number, pseudonym, rows, tokens): members in turn, so that each file holds a run of them."""
    folder = ledger_folder(house.shared, "bench")
    folder.mkdir(parents=True)
    each = lines // SIDECARS
    with house.engine.session() as session:
        for place in range(SIDECARS):
            query = f"""
                SELECT ({place} + {SIDECARS} * (i // {max(1, lines // files)}) % {files})::BIGINT AS number,
                  md5(((i * {SIDECARS} + {place}) % {members})::VARCHAR) AS pseudonym,
                  (1 + hash(i) % 40)::BIGINT AS rows, 0::BIGINT AS tokens
                FROM range({each}) AS t(i)"""
            table = session.sql(query).to_arrow_table().cast(LINES)
            pq.write_table(table, folder / f"lines-{place}.parquet", compression="zstd")


def measured(files: int) -> str:
    """Give the SQL that writes down what each file holds."""
    return f"""
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {files - 1})
        INSERT INTO metered_file (license_id, record_table, file, rows, tokens, number, lines, at_us)
        SELECT 'bench', 'posts', printf('bucket-%05d-%032d.parquet', i % 4096, i), :rows, 0, i,
          printf('lines-%d.parquet', i % {SIDECARS}), 0
        FROM n"""


def fetches(files: int) -> str:
    """Give the SQL that records every file's fetches."""
    return f"""
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {files * FETCHES - 1})
        INSERT INTO delivery (recipient_id, license_id, record_table, version, file, bytes, at_us)
        SELECT 'acme', 'bench', 'posts', 0,
          printf('bucket-%05d-%032d.parquet', (i % {files}) % 4096, i % {files}), 1000, :at + i
        FROM n"""


def bare_lines(house: House) -> None:
    """Group the lines by member, and drop what comes out."""
    paths = [str(path) for path in sorted(ledger_folder(house.shared, "bench").glob("lines-*"))]
    with house.engine.session() as session:
        query = f"SELECT pseudonym, SUM(rows) AS rows FROM {parquet(paths)} GROUP BY pseudonym"
        for batch in session.sql(query).to_arrow_reader(BATCH):
            assert batch.num_rows


def bare_deliveries(house: House) -> None:
    """Group the deliveries by file of a version, and drop what comes out."""
    query = "SELECT license_id, record_table, version, file, MIN(at_us) FROM delivery GROUP BY 1, 2, 3, 4"
    with reading(house.database) as conn:
        for _ in conn.execute(text(query)).partitions(10_000):
            pass


def count(house: House) -> None:
    """Count deliveries for March."""
    with reading(house.database) as conn:
        span = deliveries.span_of(conn, MARCH, AFTER)
    for _ in deliveries.count(house.database, MARCH, span):
        pass


def main(arguments: list[str]) -> None:
    """Measure, and print one JSON object."""
    given = [int(each) for each in arguments]
    lines, members, fetched = given + [1_000_000, 100_000, 50_000][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        house, numbers = prepare(Path(folder), lines, members, fetched)
        pool = Pool(new=10**11, distributed=10**11, waiting_before=0, waiting_after=0)
        floor = min(spent(lambda: bare_lines(house)) for _ in range(2))
        ours = min(spent(lambda: write_earnings(house, "bench", MARCH, numbers, pool)) for _ in range(2))
        bare = min(spent(lambda: bare_deliveries(house)) for _ in range(2))
        counted = spent(lambda: count(house))
        with transaction(house.database) as conn:
            conn.execute(ledger_tables.usage_line.delete())
        whole = spent(lambda: close(house, AFTER, MARCH))
        with reading(house.database) as conn:
            ((_, _, statement),) = books.statements_of(conn)
            assert conn.execute(tables.delivery.select().limit(1)).first()
        result = {
            "lines": lines,
            "members": statement.members,
            "deliveries": fetched,
            "earnings_cpu_s": round(ours[0], 2),
            "earnings_floor_cpu_s": round(floor[0], 2),
            "earnings_ratio": round(ours[0] / floor[0], 2),
            "counting_cpu_s": round(counted[0], 2),
            "counting_floor_cpu_s": round(bare[0], 2),
            "counting_ratio": round(counted[0] / bare[0], 2),
            "close_cpu_s": round(whole[0], 2),
            "close_wall_s": round(whole[1], 2),
            "close_ratio": round(whole[0] / (floor[0] + bare[0]), 2),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    print(json.dumps(result, indent=2))
    print(
        f"earnings {result['earnings_ratio']} x, counting {result['counting_ratio']} x, close {result['close_ratio']} x"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
