"""Take rows whose keys left out of Parquet files: the file gets a new content under its old name, the old bytes go.

Keys are read so many at a time, and files one row group at a time, so memory stays bounded however many rows left.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from licet.cli.sync_folder import FRESH, sync_folder
from licet.model.errors import InputError
from licet.model.licenses import KEYS
from licet.model.records import Table

KEYS_AT_ONCE = 500_000
"""Keys that are looked for at once, some hundred bytes each."""
LINKS = ("in_reply_to", "quote_of")
"""Columns of posts that name another post."""
POST = "post_id"
CHANGE = "_change_type"

Mask: TypeAlias = pa.ChunkedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Some keys of rows that left: the columns that make a key, and its values joined."""

    columns: tuple[str, ...]
    values: pa.Array
    posts: pa.Array
    """Posts that nothing may link to any more; empty for interactions."""

    @classmethod
    def of(cls, columns: Sequence[str], rows: pa.Table) -> "Keys":
        """Give the keys that rows name."""
        posts = pa.array([], pa.string())
        if set(columns) == set(KEYS[Table.POSTS]):
            posts = rows[POST].cast(pa.string()).combine_chunks()
        return cls(columns=tuple(columns), values=joined(rows, columns), posts=posts)

    def left(self, rows: pa.Table) -> Mask:
        """Tell of each row whether it left."""
        return pc.is_in(joined(rows, self.columns), value_set=self.values, skip_nulls=True)

    def without(self, values: pa.Array) -> "Keys":
        """Give the keys whose joined values are not among some others."""
        stays = pc.invert(pc.is_in(self.values, value_set=values))
        posts = self.posts.filter(stays) if len(self.posts) else self.posts
        return Keys(columns=self.columns, values=self.values.filter(stays), posts=posts)

    def links(self, schema: pa.Schema) -> tuple[str, ...]:
        """Give the columns that may name a post that left."""
        return tuple(name for name in LINKS if name in schema.names) if len(self.posts) else ()


def joined(rows: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Give the values of some columns of each row as one text; null where one of them is null."""
    parts = [rows[name].cast(pa.string()).combine_chunks() for name in columns]
    return pc.binary_join_element_wise(*parts, "\x1f")


def key_columns(table: str, names: Sequence[str]) -> tuple[str, ...]:
    """Give the columns that make a table's keys, of those in a file of keys."""
    if table in set(Table):
        return KEYS[Table(table)]
    return tuple(name for name in names if not name.startswith("_"))


def read_keys(paths: Iterable[Path], table: str) -> Iterator[Keys]:
    """Read files of the keys of rows that left a table, so many at a time.

    Raises:
        InputError: a file is none of that table's keys.
    """
    for path in paths:
        with _opened(path) as file:
            columns = key_columns(table, file.schema_arrow.names)
            if not columns or not {*columns, CHANGE} <= set(file.schema_arrow.names):
                raise InputError(f"the keys that left `{table}` cannot be read", "ask the operator")
            for batch in file.iter_batches(KEYS_AT_ONCE, columns=[*columns, CHANGE]):
                rows = pa.Table.from_batches([batch])
                rows = rows.filter(pc.equal(rows[CHANGE], "delete"))
                if rows.num_rows:
                    yield Keys.of(columns, rows)


def read_removals(paths: Iterable[Path], table: str, first: int) -> Iterator[Keys]:
    """Read, from files of a share's table of removals, the keys that left a table with version `first` or later.

    Raises:
        InputError: a file is none of removals.
    """
    columns = key_columns(table, ())
    for rows in _removed(paths, table, columns) if columns else ():
        some = rows.filter(pc.greater_equal(rows["version"], first))
        if some.num_rows:
            yield Keys.of(columns, some)


def last_removal(paths: Iterable[Path], table: str) -> int:
    """Give the last version of a table with which rows left; -1 if none did.

    Raises:
        InputError: a file is none of removals.
    """
    return max((pc.max(rows["version"]).as_py() for rows in _removed(paths, table, ())), default=-1)


def _removed(paths: Iterable[Path], table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    for path in paths:
        with _opened(path) as file:
            wanted = [*columns, "record_table", "version"]
            if not set(wanted) <= set(file.schema_arrow.names):
                raise InputError("the share's table of removals cannot be read", "ask the operator")
            for batch in file.iter_batches(KEYS_AT_ONCE, columns=wanted):
                rows = pa.Table.from_batches([batch])
                rows = rows.filter(pc.equal(rows["record_table"], table))
                if rows.num_rows:
                    yield rows


def has_keys(path: Path, columns: Sequence[str]) -> bool:
    """Tell whether a Parquet file has all the columns that make a key.

    Raises:
        InputError: it is no Parquet file.
    """
    with _opened(path) as file:
        return set(columns) <= set(file.schema_arrow.names)


def count_rows(path: Path) -> int:
    """Give how many rows a file's footer states.

    Raises:
        InputError: it is no Parquet file.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def still_there(paths: Iterable[Path], keys: Keys) -> pa.Array:
    """Give those of some keys, joined, whose rows are in files."""
    found = [pa.array([], pa.string())]
    for path in paths:
        with _opened(path) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=list(keys.columns))
                found.append(joined(rows.filter(keys.left(rows)), keys.columns))
    return pc.unique(pa.chunked_array(found).combine_chunks())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """What was taken out of a file: rows, and links to posts that left."""

    rows: int = 0
    links: int = 0

    def __bool__(self) -> bool:
        """Tell whether anything was."""
        return bool(self.rows or self.links)

    def __add__(self, other: "Scrubbed") -> "Scrubbed":
        """Add up."""
        return Scrubbed(rows=self.rows + other.rows, links=self.links + other.links)


def scrub(path: Path, keys: Keys) -> Scrubbed:
    """Take the rows that left out of a file, and links to posts that left; a file without any stays as it is.

    Raises:
        InputError: it is no Parquet file.
    """
    _fresh(path).unlink(missing_ok=True)  # what a killed run left may hold rows that leave now
    with _opened(path) as file:
        if not _is_hit(file, keys):
            return Scrubbed()
        try:
            done = _rewrite(file, keys, _fresh(path))
            _put_in_place(path)
        finally:
            _fresh(path).unlink(missing_ok=True)
    sync_folder(path.parent)
    return done


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"`{path}` is no Parquet file that can be read", "delete it, or register another") from error


def _fresh(path: Path) -> Path:
    return path.with_name(f".{path.name}{FRESH}")


def _is_hit(file: pq.ParquetFile, keys: Keys) -> bool:
    links = keys.links(file.schema_arrow)
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, columns=[*keys.columns, *links])
        if pc.any(keys.left(rows)).as_py() or any(_cut(rows, name, keys)[1] for name in links):
            return True
    return False


def _cut(rows: pa.Table, name: str, keys: Keys) -> tuple[pa.Table, int]:
    """Make links to posts that left null; tell how many there were."""
    gone = pc.is_in(rows[name].cast(pa.string()), value_set=keys.posts, skip_nulls=True)
    count = int(pc.sum(gone).as_py() or 0)
    if not count:
        return rows, 0
    values = pc.if_else(gone, pa.scalar(None, rows[name].type), rows[name])
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), values), count


def _rewrite(file: pq.ParquetFile, keys: Keys, fresh: Path) -> Scrubbed:
    done = Scrubbed()
    with fresh.open("wb") as handle, pq.ParquetWriter(handle, file.schema_arrow, compression=_codecs(file)) as writer:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group)
            kept = rows.filter(pc.invert(keys.left(rows)))
            cut = 0
            for name in keys.links(kept.schema):
                kept, links = _cut(kept, name, keys)
                cut += links
            if kept.num_rows:
                writer.write_table(kept, row_group_size=kept.num_rows)
            done += Scrubbed(rows=rows.num_rows - kept.num_rows, links=cut)
    return done


def _codecs(file: pq.ParquetFile) -> dict[str, str] | str:
    """Give each column's compression, as the file has it."""
    if not file.num_row_groups:
        return "zstd"
    group = file.metadata.row_group(0)
    chunks = [group.column(n) for n in range(group.num_columns)]
    return {
        chunk.path_in_schema: "NONE" if chunk.compression == "UNCOMPRESSED" else chunk.compression for chunk in chunks
    }


def _put_in_place(path: Path) -> None:
    fresh = _fresh(path)
    shutil.copymode(path, fresh)
    handle = os.open(fresh, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    fresh.replace(path)
