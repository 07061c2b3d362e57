"""The transparency log: publishing entries and verifying them, against hashing the leaves alone.

    python bench/log.py [--entries 1000000]

CPU seconds of one process. The floor is one SHA-256 over each entry, which any such log must at least do.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from licet.protocol.leaves import entry_of
from licet.protocol.log_claims import Claims
from licet.store.database import reading, transaction
from licet.store.house import House, open_house
from licet.store.leaves import note_each
from licet.store.log_proofs import verifier_of
from licet.store.publication import publish
from licet.tlog.checkpoints import opened_checkpoint
from licet.tlog.following import entries_of
from licet.tlog.merkle import leaf_hash
from licet.tlog.tiles import Edge, grow

NOW = datetime(2025, 3, 1, tzinfo=UTC)
TOGETHER = 50_000


def said(n: int) -> dict[str, str | int]:
    """Give what a delivery's entry says."""
    file = f"b{n % 256:03}-{n:032x}.parquet"
    return {"recipient": "acme", "license": "acme_1", "table": "posts", "version": n // 1000, "file": file, "bytes": n}


def spent(work: Callable[[], object]) -> float:
    """Give the CPU seconds that work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def written(house: House, count: int) -> None:
    """Write entries as facts do, many to a transaction."""
    for start in range(0, count, TOGETHER):
        with transaction(house.database) as conn:
            note_each(conn, "delivery", [(n, said(n)) for n in range(start, min(start + TOGETHER, count))])


def verified(house: House, *, claims: bool) -> None:
    """Read the whole log as an auditor does; with what its entries claim, or only what is signed."""
    with reading(house.database) as conn:
        verifier = verifier_of(conn)
    checkpoint, found, place = opened_checkpoint(house.log.checkpoint(), verifier), Claims(), 0
    for entries in entries_of(checkpoint, lambda tile: (house.log.root / tile.path).read_bytes()):
        for n, entry in enumerate(entries, place):
            if claims:
                found.take(n, entry)
        place += len(entries)
    assert place == checkpoint.size


def main() -> None:
    """Print ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    count = parser.parse_args().entries
    entries = [entry_of("delivery", {**said(n), "at": "2025-03-01T00:00:00.000000Z"}) for n in range(count)]
    floor = spent(lambda: [leaf_hash(entry) for entry in entries])
    print(f"{count:,} entries of {sum(map(len, entries)) / count:.0f} bytes; hashing them: {floor:.2f} s")
    leaves = [leaf_hash(entry) for entry in entries]
    tree = spent(lambda: grow(Edge(), leaves)) + floor
    print(f"hashes and tiles, in memory      {tree:7.2f} s  {tree / floor:5.2f} x")
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder))
        writing = spent(lambda: written(house, count))
        print(f"written beside facts (SQLite)    {writing:7.2f} s  {writing / floor:5.2f} x")
        for name, work in (
            ("published: places, tiles, disk", lambda: publish(house, NOW)),
            ("verified: every entry, signed", lambda: verified(house, claims=False)),
            ("audited: and what they claim", lambda: verified(house, claims=True)),
        ):
            took = spent(work)
            print(f"{name:32} {took:7.2f} s  {took / floor:5.2f} x")


if __name__ == "__main__":
    main()
