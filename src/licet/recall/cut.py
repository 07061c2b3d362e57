"""What to leave out of a shared table, and the work on some of its files: the same on this machine and on a cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from licet.model.licenses import KEYS
from licet.model.recalls import KeyFile
from licet.model.records import Table
from licet.recall.trace import Fallen
from licet.store.keys import KeyWriter
from licet.store.parcels import Parcel, write_parcels
from licet.store.pointers import prints
from licet.store.shared import DataFile

LINKS = ("in_reply_to", "quote_of")
"""Columns of posts that name another post."""

TARGETS = ("post_author_id", "post_id")
"""Columns of interactions that name the target."""

GATHERED = 64 * 1024 * 1024
"""Bytes of rows that are judged at once: looking a list of ids up costs much once and little a row."""

Mask: TypeAlias = pa.ChunkedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Files that hold something that goes; of posts, which ones."""

    files: frozenset[str] = frozenset()
    posts: frozenset[str] = frozenset()


def _ids(values: Iterable[str]) -> pa.Array:
    return pa.array(sorted(values), pa.string())


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Files written anew, and the file of the keys that left, if any did."""

    parcels: list[Parcel]
    keys: KeyFile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What to leave out of every file of one table; plain values, so that it can travel to another process."""

    table: Table
    members: pa.Array
    posts: pa.Array
    pairs: pa.Array
    links: pa.Array = field(default_factory=lambda: _ids(()))
    """Posts that nothing may link to any more."""
    caused: pa.Array = field(default_factory=lambda: _ids(()))
    """What is named in `Fallen.causes`, and beside it why."""
    causes: pa.Array = field(default_factory=lambda: _ids(()))
    version: int = 0
    """The version with which it all goes."""

    @classmethod
    def of(cls, table: Table, fallen: Fallen, links: Iterable[str] = (), version: int = 0) -> Self:
        """Give the cut that takes out what has fallen."""
        pairs = (f"{actor} {post}" for actor, post in fallen.pairs)
        return cls(
            table=table,
            members=_ids(fallen.members),
            posts=_ids(fallen.posts),
            pairs=_ids(pairs),
            links=_ids(links),
            caused=pa.array(list(fallen.causes), pa.string()),
            causes=pa.array([str(cause) for cause in fallen.causes.values()], pa.string()),
            version=version,
        )

    def own(self, folder: Path, files: Sequence[DataFile]) -> Seen:
        """Look for rows that go with the member in whose bucket they lie."""
        who = "author_id" if self.table is Table.POSTS else "actor_id"
        return self._seen(folder, files, [who, "post_id"], self._goes_with_owner)

    def pointing(self, columns: Sequence[str], folder: Path, files: Sequence[DataFile]) -> Seen:
        """Look for rows that point to what goes."""
        test = self._points if self.table is Table.POSTS else self._goes_with_target
        return self._seen(folder, files, list(columns), test)

    def rewrite(self, folder: Path, files: Sequence[DataFile]) -> "Written":
        """Write files anew, in the same order, and bring them to the disk; a file left empty has no successor.

        The keys of the rows that go are written beside them.
        """
        schema = pq.read_schema(folder / files[0].name).remove_metadata()
        with KeyWriter(folder, KEYS[self.table], self.version) as keys:
            parcels = list(write_parcels(self._kept(folder, files, keys), folder, schema))
        return Written(parcels=parcels, keys=keys.file)

    def _kept(self, folder: Path, files: Sequence[DataFile], keys: KeyWriter) -> Iterator[pa.RecordBatch]:
        for rows in gathered("bucket", ((file.bucket, folder / file.name) for file in files)):
            gone = self._goes_with_owner(rows)
            if self.table is not Table.POSTS:
                gone = pc.or_(gone, self._goes_with_target(rows))
            leaving = rows.filter(gone)
            keys.add(leaving, self._why(leaving))
            yield from self._unlinked(rows.filter(pc.invert(gone))).to_batches()

    def _why(self, rows: pa.Table) -> pa.ChunkedArray:
        """Give of each row why it goes; where several things take it out, the member's own comes first."""
        if self.table is Table.POSTS:
            names = [rows["author_id"], rows["post_id"]]
        else:
            pair = pc.binary_join_element_wise(rows["actor_id"], rows["post_id"], " ")
            names = [rows["actor_id"], rows["post_author_id"], pair, rows["post_id"]]
        return pc.coalesce(*(self.causes.take(pc.index_in(name, self.caused).combine_chunks()) for name in names))

    def _seen(
        self, folder: Path, files: Sequence[DataFile], columns: list[str], test: Callable[[pa.Table], Mask]
    ) -> Seen:
        names: set[str] = set()
        posts: set[str] = set()
        for rows in gathered("file", enumerate(folder / file.name for file in files), columns):
            found = rows.filter(test(rows))
            names.update(files[n].name for n in pc.unique(found["file"]).to_pylist())
            posts.update(found["post_id"].to_pylist() if self.table is Table.POSTS and "post_id" in columns else ())
        return Seen(files=frozenset(names), posts=frozenset(posts))

    def _goes_with_owner(self, rows: pa.Table) -> Mask:
        if self.table is Table.POSTS:
            return _any(rows, (_in(rows["author_id"], self.members), _in(rows["post_id"], self.posts)))
        by_actor = _in(rows["actor_id"], self.members)
        if not len(self.pairs):
            return by_actor
        pair = pc.binary_join_element_wise(rows["actor_id"], rows["post_id"], " ")
        return pc.or_(by_actor, _in(pair, self.pairs))

    def _goes_with_target(self, rows: pa.Table) -> Mask:
        return _any(rows, (_in(rows["post_author_id"], self.members), _in(rows["post_id"], self.posts)))

    def _points(self, rows: pa.Table) -> Mask:
        return _any(rows, [_in(rows[name], self.links) for name in LINKS if name in rows.column_names])

    def _unlinked(self, rows: pa.Table) -> pa.Table:
        for name in LINKS if self.table is Table.POSTS and len(self.links) else ():
            if name in rows.column_names:
                at = rows.column_names.index(name)
                cut = _in(rows[name], self.links)
                values = pc.if_else(cut, pa.scalar(None, pa.string()), rows[name])
                rows = rows.set_column(at, rows.schema.field(name), values)
        return rows


def points_of(columns: Sequence[str], folder: Path, files: Sequence[DataFile]) -> dict[str, bytes]:
    """Give what the rows of each file point to (see `store.pointers`)."""
    found = {}
    for file in files:
        with pq.ParquetFile(folder / file.name) as parquet:
            found[file.name] = prints(parquet.read(columns=list(columns)).columns)
    return found


def gathered(label: str, numbered: Iterable[tuple[int, Path]], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Read files, so many rows at a time as fit `GATHERED`, each row labeled with its file's number."""
    waiting: list[pa.Table] = []
    size = 0
    for number, path in numbered:
        with pq.ParquetFile(path) as parquet:
            for group in range(parquet.num_row_groups):
                rows = parquet.read_row_group(group, columns=columns)
                waiting.append(rows.append_column(label, pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows)))
                size += rows.nbytes
                if size >= GATHERED:
                    yield pa.concat_tables(waiting)
                    waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _in(column: pa.ChunkedArray, wanted: pa.Array) -> Mask:
    return pc.is_in(column, value_set=wanted)


def _any(rows: pa.Table, masks: Iterable[Mask]) -> Mask:
    none = pa.chunked_array([pa.repeat(pa.scalar(False), rows.num_rows)])
    return reduce(pc.or_, masks, none)
