"""Whether `licet ingest jetstream` keeps up with a live stream: lag, memory and CPU over a minute of it.

    python bench/jetstream_live.py [events a second] [seconds] [stored before]

Three processes: this one reads the cursor that ingest keeps and compares it with the clock; a websocket server plays
generated events at a steady pace, in the form of `/subscribe`, each stamped with the moment when it was due; the real
command follows it into an empty house, or into one whose lake holds so many records already. At the end the lake is
compared with what was sent up to the cursor.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pyarrow as pa
from deltalake import write_deltalake
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from licet.ingest.jetstream import read_lines
from licet.model.records import Ingested, Interaction, Post, Table
from licet.model.schemas import LAKE
from licet.store.house import open_house

RATE, SECONDS, BEFORE = 5_000, 60, 0
SPARE = 1.2
"""How many more events are made than are due: the command runs a little longer than it says."""
LOOK = 0.1
"""Seconds between two looks at the cursor."""
_UNWANTED = '"collection":"app.bsky.graph.follow"'
_STEP = 250_000
_FILLING = """
    SELECT 'did:plc:' || substr(md5((i % 1000003)::VARCHAR), 1, 24) AS actor_id,
      'at://did:plc:' || substr(md5((i % 700001)::VARCHAR), 1, 24) || '/app.bsky.feed.post/' || i AS post_id,
      'did:plc:' || substr(md5((i % 700001)::VARCHAR), 1, 24) AS post_author_id,
      TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_milliseconds(i) AS created_at,
      'at://did:plc:' || substr(md5((i % 1000003)::VARCHAR), 1, 24) || '/app.bsky.feed.like/' || i AS interaction_id,
      'bluesky' AS platform, 1::BIGINT AS seq
    FROM range({start}, {end}) AS t(i)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the stream in two pieces, between which its time goes."""

    head: str
    tail: str

    def at(self, time_us: int) -> str:
        """Write the event as of a moment."""
        return f"{self.head}{time_us}{self.tail}"


def events(path: Path) -> list[Event]:
    """Read the sample; what a server leaves out for us is not there."""
    found = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if _UNWANTED not in line:
                head, name, rest = line.rstrip("\n").partition('"time_us":')
                found.append(Event(head=head + name, tail=rest[rest.index(",") :]))
    return found


class Player:
    """Plays events, each at its own moment counted from the first connection; a cursor goes back to where it says."""

    def __init__(self, found: list[Event], rate: int) -> None:
        """Begin when somebody connects."""
        self.found, self.rate = found, rate
        self.begun = 0
        self.sent = 0
        self.connections = 0

    def play(self, socket: ServerConnection) -> None:
        """Send until the events or the connection end."""
        assert socket.request is not None
        self.connections += 1
        self.begun = self.begun or time.time_ns() // 1000
        cursor = int(parse_qs(urlsplit(socket.request.path).query).get("cursor", ["0"])[0])
        number = max(0, (cursor - self.begun) * self.rate // 1_000_000)
        with contextlib.suppress(ConnectionClosed):
            for number in range(number, len(self.found)):  # noqa: B020 - goes on where the cursor says
                due = self.begun + number * 1_000_000 // self.rate
                if (early := due - time.time_ns() // 1000) > 0:
                    time.sleep(early / 1_000_000)
                socket.send(self.found[number].at(due))
                self.sent = max(self.sent, number + 1)
            socket.recv()


def run_server(path: Path, rate: int) -> None:
    """Serve until standard input closes, then tell what was sent."""
    player = Player(events(path), rate)
    # Jetstream offers no compression of websockets, only its own.
    server = serve(player.play, "127.0.0.1", 0, compression=None)
    print(server.socket.getsockname()[1], flush=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    sys.stdin.read()
    server.shutdown()
    thread.join()
    cpu = sum(os.times()[:2])
    print(json.dumps({**{k: getattr(player, k) for k in ("begun", "sent", "connections")}, "cpu_s": cpu}), flush=True)


def fill(home: Path, likes: int) -> None:
    """Fill the lake with likes of long ago, as one bulk import leaves them."""
    reader = pa.RecordBatchReader.from_batches(LAKE[Table.LIKES], _filling(likes))
    write_deltalake(open_house(home).lake.url + f"/{Table.LIKES}", reader)


def _filling(likes: int) -> Iterator[pa.RecordBatch]:
    schema = LAKE[Table.LIKES]
    columns = ", ".join(schema.names)
    with duckdb.connect(config={"threads": 2}) as session:
        session.execute("SET TimeZone = 'UTC'")
        for start in range(0, likes, _STEP):
            query = _FILLING.format(start=start, end=min(likes, start + _STEP))
            yield from session.sql(f"SELECT {columns} FROM ({query})").to_arrow_table().cast(schema).to_batches()


class Watch:
    """Reads the cursor over and over, and keeps how far it was behind the clock."""

    def __init__(self, database: Path) -> None:
        """Begin at once."""
        self._database = database
        self._stop = threading.Event()
        self.lags: list[float] = []
        self.sizes: list[int] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            with contextlib.suppress(sqlite3.Error), contextlib.closing(self._connect()) as conn:
                for (cursor,) in conn.execute("SELECT cursor FROM ingest_cursor"):
                    self.lags.append(time.time() - int(cursor) / 1_000_000)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)

    def end(self) -> list[float]:
        """Stop, and give the lags in seconds."""
        self._stop.set()
        self._thread.join()
        return self.lags


def follow(home: Path, port: int, seconds: int) -> dict[str, Any]:
    """Run the command; give what it printed, the CPU seconds it used, its memory, and the lags seen meanwhile."""
    url = f"ws://127.0.0.1:{port}/subscribe"
    licet = str(Path(sys.executable).with_name("licet"))
    command = [licet, "--home", str(home), "--json", "ingest", "jetstream", "--url", url, "--for", f"{seconds}s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watch = Watch(home / "licet.db")
    assert process.stdout is not None
    printed = process.stdout.read()
    lags = watch.end()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    return {"report": json.loads(printed), "cpu_s": cpu, "peak_mb": peak, "lags": lags}


def expected(path: Path, told: dict[str, int], rate: int, cursor: int) -> Counter[str]:
    """Count the records that were sent up to the cursor."""
    upto = (cursor - told["begun"]) * rate // 1_000_000 + 1
    lines = (event.at(told["begun"] + n * 1_000_000 // rate) for n, event in enumerate(events(path)[:upto]))
    records = {_key(record): _table(record) for record in read_lines(lines) if isinstance(record, Post | Interaction)}
    return Counter(records.values())


def _table(record: Ingested) -> str:
    return str(record.table) if isinstance(record, Interaction) else str(Table.POSTS)


def _key(record: Post | Interaction) -> str:
    return record.post_id if isinstance(record, Post) else record.interaction_id


def stored(home: Path) -> tuple[Counter[str], int, int]:
    """Count the lake's records by table, its files, and the cursor."""
    house = open_house(home)
    counts: Counter[str] = Counter()
    files = 0
    for table in Table:
        delta = house.lake.open(table)
        if delta is not None:
            counts[str(table)] = sum(pa.table(delta.get_add_actions(flatten=True)).column("num_records").to_pylist())
            files += len(delta.file_uris())
    with house.database.begin() as conn:
        cursor = conn.exec_driver_sql("SELECT cursor FROM ingest_cursor").scalar_one()
    house.database.dispose()
    return counts, files, int(cursor)


def measure(folder: Path, rate: int, seconds: int, before: int) -> None:
    """Play, follow, compare, print."""
    path, home = folder / "events.jsonl", folder / "home"
    _sample(path, round(rate * seconds * SPARE))
    fill(home, before)
    command = [sys.executable, __file__, "--serve", str(path), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        followed = follow(home, int(server.stdout.readline()), seconds)
        server.stdin.close()
        told = json.loads(server.stdout.read())
    counts, files, cursor = stored(home)
    counts[str(Table.LIKES)] -= before
    due = expected(path, told, rate, cursor)
    _print(followed, told, before)
    reached = (cursor - told["begun"]) / 1_000_000
    print(f"cursor at the end: {reached:.1f} s of the stream; files in the lake: {files}")
    print(f"records up to it: {due.total():,} sent, {counts.total():,} stored: {'equal' if due == +counts else due}")


def _print(followed: dict[str, Any], told: dict[str, Any], before: int) -> None:
    lags, used = followed["lags"], f"CPU {followed['cpu_s']:.1f} s, peak memory {followed['peak_mb']:.0f} MB"
    print(f"events sent: {told['sent']:,} over {told['connections']} connection(s), {before:,} records stored before")
    print(f"lag behind the clock: greatest {max(lags):.1f} s, median {sorted(lags)[len(lags) // 2]:.1f} s")
    print(f"ingest used {used}; the server {told['cpu_s']:.1f} s")
    print(f"ingest told: {followed['report']}")


def _sample(path: Path, records: int) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "samples"))
    from jetstream import write  # noqa: PLC0415 - the samples are no package

    write(path, records)


def main(arguments: list[str]) -> None:
    """Serve, or measure."""
    if arguments[:1] == ["--serve"]:
        run_server(Path(arguments[1]), int(arguments[2]))
        return
    rate, seconds, before = [*map(int, arguments), *(RATE, SECONDS, BEFORE)[len(arguments) :]]
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), rate, seconds, before)


if __name__ == "__main__":
    main(sys.argv[1:])
