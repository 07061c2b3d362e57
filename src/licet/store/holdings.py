"""Which records the lake's files hold: a sorted list of numbers on this machine for each file, 64 bits a record.

Without them every batch of new records would be compared with the whole lake. Equal numbers make a candidate only:
whoever finds one compares the records themselves. They are derived from files that never change, so none is ever
stale; one that is missing is made again.
"""

import bisect
import contextlib
import hashlib
import itertools
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

_FORMAT = b"numbers1"
_WIDTH = 8
_DENSE = 4
"""Where a list is at most so many times as long as the other, it is gone through as a whole."""
_UNFINISHED = ".new"
_LONG_AGO = 3600.0
_making = itertools.count()


def number(columns: Sequence[str], name: str) -> str:
    """Give the SQL expression of a record's number: `columns` make it the same record, `name` is what it is called.

    Most platforms' ids begin with their time. So those made within seconds of each other agree in the first half of
    their last part, and here in the first 24 bits: their numbers lie together, and a batch of new records is told from
    a file of older ones in a few steps.
    """
    last = f"split_part({name}, '/', -1)"
    near = f"hash(left({last}, length({last}) // 2)) & {2**24 - 1}::UBIGINT"
    # By way of MD5, for DuckDB's hash alone gives many pairs of like texts one number.
    own = f"hash(md5(concat_ws(' ', {', '.join(columns)}))) & {2**40 - 1}::UBIGINT"
    return f"((({near}) << 40) | ({own}))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The numbers of one table's files in a folder of this machine; several processes may share it."""

    folder: Path

    def unknown(self, files: Iterable[str]) -> list[str]:
        """Give the files whose numbers are not here."""
        here = self._here()
        return [file for file in files if _name(file) not in here]

    def learn(self, file: str, numbers: pa.RecordBatchReader) -> None:
        """Keep a file's numbers: one column of sorted 64-bit integers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f"{os.getpid()}-{next(_making)}{_UNFINISHED}"
        with fresh.open("wb") as target:
            target.write(_FORMAT)
            for batch in numbers:
                target.write(_plain(batch.column(0)))
            target.flush()
            # Whole or not there: numbers lost in a power cut would let a record in twice.
            os.fsync(target.fileno())
        fresh.replace(self.folder / _name(file))

    def may_hold(self, files: Iterable[str], sought: Sequence[int]) -> list[str]:
        """Give the files that have one of the sorted numbers sought, and those whose numbers are not here."""
        return [file for file in files if self._may_hold(self.folder / _name(file), sought)]

    def forget_others(self, files: Iterable[str]) -> None:
        """Remove the numbers of all files but those named, and what killed processes left half-made."""
        for name in self._here() - {_name(file) for file in files}:
            (self.folder / name).unlink(missing_ok=True)
        for path in self.folder.glob(f"*{_UNFINISHED}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LONG_AGO:
                    path.unlink()

    def _here(self) -> set[str]:
        with contextlib.suppress(FileNotFoundError):
            return {name for name in os.listdir(self.folder) if not name.endswith(_UNFINISHED)}  # noqa: PTH208 # many
        return set()

    def _may_hold(self, path: Path, sought: Sequence[int]) -> bool:
        try:
            data = memoryview(pa.memory_map(str(path)).read_buffer())
        except FileNotFoundError:
            return True
        return data[:_WIDTH] != _FORMAT or share_one(data[_WIDTH:].cast("Q"), sought)


def share_one(numbers: Sequence[int], sought: Sequence[int]) -> bool:
    """Tell whether two sorted lists have a number in common; a long one is looked at only near what is sought."""
    waiting = [(0, len(numbers), 0, len(sought))]
    while waiting:
        low, high, first, last = waiting.pop()
        if low >= high or first >= last:
            continue
        if high - low <= _DENSE * (last - first):
            if not set(sought[first:last]).isdisjoint(numbers[low:high]):
                return True
            continue
        middle = (first + last) // 2
        at = bisect.bisect_left(numbers, sought[middle], low, high)
        if at < high and numbers[at] == sought[middle]:
            return True
        waiting += (low, at, first, middle), (at, high, middle + 1, last)
    return False


def folder_of(scratch: Path, place: str) -> Path:
    """Give the folder for the numbers of a table at a place; another version of DuckDB may number otherwise."""
    digest = hashlib.sha256(f"{duckdb.__version__} {place}".encode()).hexdigest()
    return scratch / "holdings" / digest[:32]


def _name(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()[:32]


def _plain(numbers: pa.UInt64Array) -> memoryview:
    if not len(numbers):
        return memoryview(b"")
    start = numbers.offset * _WIDTH
    return memoryview(numbers.buffers()[1])[start : start + len(numbers) * _WIDTH]
