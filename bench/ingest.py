"""How fast every form of input is read and stored, and its CPU time against the least that any reader must do.

    python bench/ingest.py [records] [form ...]

The floor parses the same bytes and does nothing with them: `json.loads` of each line or document, `csv.reader`, or
libipld for AT Protocol's binary forms. Each part runs in a process of its own: the floor and the adapter in turns,
ten times at most or for three seconds, of which the best counts; then reading and storing once, into an empty house
on SQLite with a lake in a folder. Rates are records of the sample a second: of CPU time (user and system, all
threads, without imports) for reading, by the clock for storing.
"""

import csv
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libipld

from licet.ingest.formats import Told, recognize
from licet.ingest.opened import Opened, open_input
from licet.ingest.write import ingest
from licet.model.records import Ingested
from licet.store.house import open_house

RECORDS = 20_000
ROUNDS, SECONDS = 10, 3.0
_SAMPLES = Path(__file__).parent / "samples"


def json_lines(source: Opened) -> Iterator[object]:
    """Parse each line of every part as JSON."""
    for part in source.parts:
        with part.open() as lines:
            yield from map(json.loads, lines)


def json_documents(source: Opened) -> Iterator[object]:
    """Parse every part as one JSON document, after whatever assignment stands before it."""
    for part in source.parts:
        with part.open() as whole:
            text = whole.read()
        yield json.loads(text.partition(b"=")[2] if part.name.endswith(".js") else text)


def csv_rows(source: Opened) -> Iterator[object]:
    """Split every part into rows."""
    for part in source.parts:
        with part.open() as file:
            yield from csv.reader(line.decode() for line in file)


def car_file(source: Opened) -> Iterator[object]:
    """Decode every block of a repository."""
    for part in source.parts:
        with part.open() as whole:
            yield libipld.decode_car(whole.read())


def frames(source: Opened) -> Iterator[object]:
    """Decode every frame of a recorded stream, and the blocks that each carries."""
    for part in source.parts:
        with part.open() as recording:
            while size := recording.read(4):
                header, body = libipld.decode_dag_cbor_multi(recording.read(int.from_bytes(size, "little")))
                yield header, libipld.decode_car(body["blocks"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form of input: its sample, its floor, and the target where it comes one record after another."""

    sample: str
    floor: Callable[[Opened], Iterable[object]]
    target: float = 0.0


FORMS = {
    "jetstream": Form(sample="jetstream", floor=json_lines, target=3.0),
    "x-api": Form(sample="x_api", floor=json_lines, target=3.0),
    "x-compliance": Form(sample="x_compliance", floor=json_lines, target=3.0),
    "x-v1": Form(sample="x_v1", floor=json_lines, target=3.0),
    "activitypub": Form(sample="activitypub", floor=json_lines, target=3.0),
    "linkedin-export": Form(sample="linkedin", floor=csv_rows, target=3.0),
    "x-export": Form(sample="x_export", floor=json_documents),
    "mastodon-export": Form(sample="mastodon", floor=json_documents),
    "facebook-export": Form(sample="facebook", floor=json_documents),
    "instagram-export": Form(sample="instagram", floor=json_documents),
    "at-repo": Form(sample="bluesky_repo", floor=car_file),
    "at-firehose": Form(sample="at_firehose", floor=frames),
}


def read(path: Path, name: str) -> Iterator[Ingested]:
    """Read a sample as `licet ingest` does."""
    with open_input(path) as source:
        yield from recognize(source, name).read(source, Told())


def consumed(values: Iterable[object]) -> float:
    """Take everything, and give the CPU seconds that it took."""
    begun = time.process_time()
    deque(values, maxlen=0)
    return time.process_time() - begun


def run_read(path: Path, name: str) -> dict[str, float]:
    """Read with the floor and with the adapter in turns; give the best CPU seconds of each."""
    floors, reads = [], []
    end = time.monotonic() + SECONDS
    while len(reads) < ROUNDS and (not reads or time.monotonic() < end):
        with open_input(path) as source:
            floors.append(consumed(FORMS[name].floor(source)))
        reads.append(consumed(read(path, name)))
    return {"floor_s": min(floors), "read_s": min(reads)}


def run_store(path: Path, name: str) -> dict[str, float]:
    """Read and store into an empty house; give seconds by the clock and of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder))
        cpu, clock = time.process_time(), time.monotonic()
        report = ingest(house.database, house.lake, name, read(path, name))
        spent = {"clock_s": time.monotonic() - clock, "cpu_s": time.process_time() - cpu}
        house.database.dispose()
    return {**spent, "stored": sum(report.counts.values()), "set_aside": sum(report.skipped.values())}


PARTS = {"read": run_read, "store": run_store}


def measured(part: str, path: Path, name: str) -> dict[str, float]:
    """Run one part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, str(path), name]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, records: int) -> str:
    """Write a sample, measure it, and give its line of the table."""
    form = FORMS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sample-{form.sample}"
        importlib.import_module(form.sample).write(path, records)
        taken, kept = measured("read", path, name), measured("store", path, name)
    ratio = taken["read_s"] / taken["floor_s"]
    verdict = "" if not form.target else "reached" if ratio <= form.target else "missed"
    return (
        f"{name:18}{records / taken['floor_s']:>12,.0f}{records / taken['read_s']:>12,.0f}{ratio:>8.2f} {verdict:8}"
        f"{records / kept['clock_s']:>11,.0f}{kept['cpu_s']:>8.2f}{kept['stored']:>9,.0f}{kept['set_aside']:>10,.0f}"
        f"{kept['peak_mb']:>9,.0f}"
    )


def main(arguments: list[str]) -> None:
    """Measure every form, or those named, and print a table."""
    if arguments[:1] == ["--part"]:
        result = PARTS[arguments[1]](Path(arguments[2]), arguments[3])
        print(json.dumps({**result, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    sys.path.insert(0, str(_SAMPLES))
    records = int(arguments[0]) if arguments else RECORDS
    print(f"{records:,} records of each form")
    print(
        f"{'form':18}{'floor/s':>12}{'read/s':>12}{'read/floor':>8} {'target':8}{'stored/s':>9}"
        f"{'CPU s':>8}{'stored':>9}{'set aside':>10}{'peak MB':>9}"
    )
    for name in arguments[1:] or FORMS:
        print(row(name, records), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
