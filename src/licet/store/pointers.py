"""Which files of a shared table may point to a member or a post: 32 bits of each name, in memory only.

Without it one opt-out would read the linking columns of every file. It is derived from files that never change, is
lost with the process, and stands nowhere on disk, so that nothing of who left outlives the files themselves.
"""

import bisect
import sys
import threading
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

MOST_BYTES = 256 * 1024 * 1024
"""Memory that may be used; the files beyond it are read at each recall."""

_DIGITS = 8


class Pointers:
    """What the rows of each file point to, by the first 32 bits of the pseudonyms; threads may share it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Know nothing yet."""
        self._most = most_bytes
        self._used = 0
        self._lock = threading.Lock()
        self._files: dict[Path, dict[str, memoryview]] = {}

    def unknown(self, folder: Path, names: Iterable[str]) -> list[str]:
        """Give the files of which nothing is known, as long as there is room to learn."""
        known = self._files.get(folder, {})
        return [name for name in names if name not in known] if self._used < self._most else []

    def learn(self, folder: Path, found: Mapping[str, bytes]) -> None:
        """Note what files point to (see `prints`)."""
        with self._lock:
            known = self._files.setdefault(folder, {})
            for name, data in found.items():
                if name not in known and self._used + len(data) <= self._most:
                    known[name] = memoryview(data).cast("I")
                    self._used += len(data)

    def forget_others(self, folder: Path, names: Collection[str]) -> None:
        """Keep only what is known of the files named."""
        with self._lock:
            known = self._files.get(folder, {})
            for name in known.keys() - names:
                self._used -= known.pop(name).nbytes

    def may_point(self, folder: Path, names: Iterable[str], wanted: Iterable[str]) -> list[str]:
        """Give the files that point to one of the pseudonyms wanted, and those of which nothing is known."""
        known = self._files.get(folder, {})
        sought = sorted({_number(pseudonym) for pseudonym in wanted})
        return [name for name in names if name not in known or _any_in(known[name], sought)]


def _any_in(prints_: memoryview, sought: list[int]) -> bool:
    """Tell whether two sorted lists share a number, looking each of the shorter up in the longer."""
    short, long = (sought, prints_) if len(sought) < len(prints_) else (prints_, sought)
    for number in short:
        at = bisect.bisect_left(long, number)
        if at < len(long) and long[at] == number:
            return True
    return False


def _number(pseudonym: str) -> int:
    return int.from_bytes(bytes.fromhex(pseudonym[:_DIGITS]), sys.byteorder)


def prints(columns: Iterable[pa.ChunkedArray]) -> bytes:
    """Give the first 32 bits of every pseudonym in some columns, each once, sorted, as native 32-bit integers."""
    parts = [_numbers(chunk) for column in columns for chunk in column.chunks]
    numbers = pc.unique(pa.concat_arrays([pa.array([], pa.uint32()), *parts]))
    ordered = numbers.take(pc.sort_indices(numbers))
    return b"" if not len(ordered) else ordered.buffers()[1].to_pybytes()[: 4 * len(ordered)]


def _numbers(pseudonyms: pa.Array) -> pa.Array:
    heads = pc.utf8_slice_codeunits(pc.drop_null(pseudonyms), 0, _DIGITS)
    if not len(heads):
        return pa.array([], pa.uint32())
    digits = heads.buffers()[2].to_pybytes()[: _DIGITS * len(heads)]
    data = pa.py_buffer(bytes.fromhex(digits.decode("ascii")))
    return pa.Array.from_buffers(pa.uint32(), len(heads), [None, data])
