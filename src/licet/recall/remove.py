"""Rewrite the files of a shared table that hold what has to go, and no other file."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from licet.model.recalls import KeyFile
from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_of
from licet.recall.cut import LINKS, TARGETS, Cut, points_of
from licet.recall.trace import Fallen
from licet.store.engine import SqlEngine
from licet.store.pointers import Pointers
from licet.store.shared import DataFile, Snapshot

Done = TypeVar("Done")

PART = 16
"""Files that one thread or task takes at a time, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """Files that take the place of others; `rows` is how many rows went."""

    add: tuple[DataFile, ...] = ()
    remove: tuple[DataFile, ...] = ()
    rows: int = 0
    keys: tuple[KeyFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A version of one shared table, where its files lie, who does the work, and what is known of its pointers.

    Without `pointers` the linking columns of every file are read.
    """

    folder: Path
    table: Table
    snapshot: Snapshot
    engine: SqlEngine
    pointers: Pointers | None = None

    @property
    def pointing(self) -> tuple[str, ...]:
        """Give the columns that name another row's post or its author."""
        columns = LINKS if self.table is Table.POSTS else TARGETS
        return tuple(name for name in columns if f'"{name}"' in self.snapshot.schema_string)


def remove(shelf: Shelf, fallen: Fallen) -> Rewritten:
    """Write the affected files of a version anew without what has to go; the new files are on disk, not committed."""
    own = _own_files(shelf.snapshot, fallen.owners)
    seen = _spread(shelf, Cut.of(shelf.table, fallen).own, own)
    affected = {name for part in seen for name in part.files}
    posts = fallen.posts.union(*(part.posts for part in seen))
    cut = Cut.of(shelf.table, fallen, links=posts, version=shelf.snapshot.version + 1)
    sought = posts if shelf.table is Table.POSTS else fallen.members | fallen.posts
    if sought and shelf.pointing:
        others = [file for file in shelf.snapshot.files if file.name not in affected]
        pointing = _spread(shelf, partial(cut.pointing, shelf.pointing), _narrowed(shelf, others, sought))
        affected |= {name for part in pointing for name in part.files}
    old = [file for file in shelf.snapshot.files if file.name in affected]
    done = _spread(shelf, cut.rewrite, old)
    new = [parcel for part in done for parcel in part.parcels]
    rows = sum(file.rows for file in old) - sum(file.rows for file in new)
    add = tuple(DataFile(name=parcel.name, size=parcel.size, rows=parcel.rows) for parcel in new)
    keys = tuple(part.keys for part in done if part.keys is not None)
    return Rewritten(add=add, remove=tuple(old), rows=rows, keys=keys)


def warm(shelf: Shelf) -> None:
    """Learn what the files of a version point to, so that the next recall need not read them."""
    if shelf.pointers is None or not shelf.pointing:
        return
    names = {file.name for file in shelf.snapshot.files}
    shelf.pointers.forget_others(shelf.folder, names)
    unknown = set(shelf.pointers.unknown(shelf.folder, names))
    files = [file for file in shelf.snapshot.files if file.name in unknown]
    for found in _spread(shelf, partial(points_of, shelf.pointing), files):
        shelf.pointers.learn(shelf.folder, found)


def _narrowed(shelf: Shelf, files: Sequence[DataFile], sought: Collection[str]) -> list[DataFile]:
    """Leave out files that surely point to nothing sought."""
    if shelf.pointers is None or not files:
        return list(files)
    warm(shelf)
    may = set(shelf.pointers.may_point(shelf.folder, [file.name for file in files], sought))
    return [file for file in files if file.name in may]


def _own_files(snapshot: Snapshot, owners: Iterable[str]) -> list[DataFile]:
    buckets = {bucket_of(owner, snapshot.facts.buckets) for owner in owners}
    return [file for file in snapshot.files if file.bucket in buckets]


def _spread(shelf: Shelf, work: Callable[[Path, Sequence[DataFile]], Done], files: Sequence[DataFile]) -> list[Done]:
    """Do work on files, some at a time: few enough to keep every worker busy, many enough to share what each costs."""
    size = max(1, min(PART, len(files) // 8))
    parts = [files[start : start + size] for start in range(0, len(files), size)]
    return shelf.engine.spread(partial(work, shelf.folder), parts)
