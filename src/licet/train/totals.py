"""Integer sufficient statistics: sums of whole numbers, so that taking away is exact and no order matters."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import InputError, IntegrityError

Integers: TypeAlias = NDArray[np.int64]
Seen: TypeAlias = NDArray[np.int32]

ROOM: Final = 2**62
"""No entry may exceed this, so that the sum of two is a 64-bit integer or wraps to one that is too large."""
_TOO_LARGE: Final = ("a sum leaves the range in which integers are exact", "split the data over several models")
_NOT_THERE: Final = ("what is taken away was never added", "restore the store from before and forget once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A sparse table: sorted distinct keys, and how often each was seen, which is never zero.

    Counts take 32 bits, for forgetting is as fast as a table is copied; a count beyond them is refused.
    """

    keys: Integers
    counts: Seen

    @classmethod
    def of(cls, seen: Integers) -> "Counts":
        """Count how often each key was seen."""
        keys, counts = np.unique(seen, return_counts=True)
        return cls(keys=keys.astype(np.int64), counts=counts.astype(np.int32))

    def plus(self, more: "Counts") -> "Counts":
        """Add the counts of another table.

        Raises:
            IntegrityError: a key was seen too often.
        """
        at = np.searchsorted(self.keys, more.keys)
        known = self._holds(at, more.keys)
        counts = self.counts.copy()
        counts[at[known]] += more.counts[known]
        if (counts[at[known]] < 0).any():  # two positive numbers wrap to a negative one, if they wrap
            raise IntegrityError(*_TOO_LARGE)
        fresh = ~known
        if not fresh.any():
            return Counts(keys=self.keys, counts=counts)
        return Counts(
            keys=np.insert(self.keys, at[fresh], more.keys[fresh]),
            counts=np.insert(counts, at[fresh], more.counts[fresh]),
        )

    def minus(self, less: "Counts") -> "Counts":
        """Take the counts of another table away; keys that reach zero leave no trace.

        Raises:
            IntegrityError: a key is not there, or not so often.
        """
        at = np.searchsorted(self.keys, less.keys)
        if not self._holds(at, less.keys).all():
            raise IntegrityError(*_NOT_THERE)
        left = self.counts[at] - less.counts
        if (left < 0).any():
            raise IntegrityError(*_NOT_THERE)
        stays = left > 0
        gone = at[~stays]
        keep = np.ones(len(self.keys), dtype=bool)
        keep[gone] = False
        counts = self.counts[keep]
        counts[(at - np.cumsum(~stays))[stays]] = left[stays]
        return Counts(keys=self.keys[keep] if gone.size else self.keys, counts=counts)

    def _holds(self, at: NDArray[np.intp], keys: Integers) -> NDArray[np.bool_]:
        inside = at < len(self.keys)
        holds = np.zeros(len(keys), dtype=bool)
        holds[inside] = self.keys[at[inside]] == keys[inside]
        return holds


NOTHING: Final = Counts(keys=np.empty(0, np.int64), counts=np.empty(0, np.int32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Statistics by name: whole arrays, and sparse tables."""

    dense: Mapping[str, Integers] = field(default_factory=dict)
    sparse: Mapping[str, Counts] = field(default_factory=dict)

    def plus(self, more: "Totals") -> "Totals":
        """Add other statistics of the same names and shapes.

        Raises:
            IntegrityError: an entry would leave the range of exact arithmetic.
        """
        dense = {name: _within(self.dense[name] + more.dense[name]) for name in self.dense}
        return Totals(dense=dense, sparse={name: self.sparse[name].plus(more.sparse[name]) for name in self.sparse})

    def minus(self, less: "Totals") -> "Totals":
        """Take other statistics away.

        Raises:
            IntegrityError: they were never added.
        """
        dense = {name: _within(self.dense[name] - less.dense[name]) for name in self.dense}
        return Totals(dense=dense, sparse={name: self.sparse[name].minus(less.sparse[name]) for name in self.sparse})

    def arrays(self) -> dict[str, Integers | Seen]:
        """Give all arrays by name, in one order, with their bytes in one order."""
        found: dict[str, Integers | Seen] = dict(self.dense)
        for name, table in self.sparse.items():
            found |= {f"{name}.keys": table.keys, f"{name}.counts": table.counts}
        return {name: np.ascontiguousarray(found[name], dtype=_kind(name)) for name in sorted(found)}

    def digest(self) -> str:
        """Give the SHA-256, in hexadecimal, of the names, shapes and values: equal statistics, equal digest."""
        return arrays_digest(self.arrays())

    def dump(self) -> bytes:
        """Give the statistics as an NPZ archive of integers, byte for byte the same for equal statistics."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **self.arrays())
        return stream.getvalue()


def arrays_digest(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Give the SHA-256, in hexadecimal, of named arrays: their names, kinds, shapes and values."""
    head = [[name, arrays[name].dtype.str, list(arrays[name].shape)] for name in sorted(arrays)]
    found = hashlib.sha256(json.dumps(head).encode())
    for name in sorted(arrays):
        found.update(np.ascontiguousarray(arrays[name]).data)
    return found.hexdigest()


def load_totals(body: bytes) -> Totals:
    """Read what `dump` wrote.

    Raises:
        InputError: it is no archive of integers.
    """
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError("these are no statistics", "fit the model again") from error
    if any(array.dtype != np.dtype(_kind(name)) for name, array in found.items()):
        raise InputError("statistics are integers of 64 bits, counts of 32, these are not", "fit the model again")
    tables = [name.removesuffix(".keys") for name in found if name.endswith(".keys")]
    return Totals(
        dense={name: array for name, array in found.items() if name.rpartition(".")[0] not in tables},
        sparse={name: Counts(keys=found[f"{name}.keys"], counts=found[f"{name}.counts"]) for name in tables},
    )


def _kind(name: str) -> str:
    return "<i4" if name.endswith(".counts") else "<i8"


def _within(array: Integers) -> Integers:
    if array.size and max(int(array.max()), -int(array.min())) > ROOM:
        raise IntegrityError(*_TOO_LARGE)
    return array
