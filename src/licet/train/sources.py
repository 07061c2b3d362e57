"""Read examples: from the folder that `licet sync` keeps, or from any Parquet file or folder by column names."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from licet.model.errors import InputError
from licet.train.examples import Example

AT_ONCE: Final = 10_000
_MANIFEST: Final = "_licet.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that hold an example; `label` is `""` where there is none."""

    member: str = "author_id"
    record: str = "post_id"
    text: str = "text"
    label: str = ""

    @property
    def names(self) -> list[str]:
        """Give the columns that are read."""
        return [name for name in (self.member, self.record, self.text, self.label) if name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file, a folder of files, or a folder of `licet sync`; labels may lie in a file of their own, by record."""

    path: Path
    columns: Columns
    labels: Path | None = None

    def examples(self) -> Iterator[Example]:
        """Give every row that has a text and, where labels are asked for, a label.

        Raises:
            InputError: a file cannot be read, lacks a column, or names no member or record.
        """
        labels = self._labels()
        for path in self.files():
            for batch in _batches(path, self._wanted()):
                yield from _examples(batch, self.columns, labels)

    def keys(self) -> Iterator[tuple[str, str]]:
        """Give every row's member and record.

        Raises:
            InputError: a file cannot be read, or lacks a column.
        """
        names = [self.columns.member, self.columns.record]
        for path in self.files():
            for batch in _batches(path, names):
                yield from zip(*(map(str, batch[name].to_pylist()) for name in names), strict=True)

    def files(self) -> list[Path]:
        """Give the files of posts, in order of their names.

        Raises:
            InputError: there are none.
        """
        found = [self.path] if self.path.is_file() else synced_files(self.path, "posts") or _visible(self.path)
        if not found:
            raise InputError(
                f"`{self.path}` holds no Parquet files of posts", "name the folder that `licet sync` keeps"
            )
        return found

    def count(self) -> int:
        """Give how many rows the files state."""
        return sum(int(_opened(path).metadata.num_rows) for path in self.files())

    def _wanted(self) -> list[str]:
        inside = Columns(member=self.columns.member, record=self.columns.record, text=self.columns.text)
        return inside.names if self.labels else self.columns.names

    def _labels(self) -> dict[str, str] | None:
        if self.labels is None:
            return None
        wanted = [self.columns.record, self.columns.label or "label"]
        rows = [row for batch in _batches(self.labels, wanted) for row in batch.to_pylist()]
        return {str(row[wanted[0]]): str(row[wanted[1]]) for row in rows}


def synced_files(root: Path, table: str) -> list[Path]:
    """Give the files of one table, of every share, in a folder that `licet sync` keeps; only those its manifest lists.

    Raises:
        InputError: a manifest cannot be read.
    """
    found: list[Path] = []
    for manifest in sorted(root.rglob(_MANIFEST)):
        if manifest.parent.name != table:
            continue
        try:
            ids = [str(file["file_id"]) for file in json.loads(manifest.read_text("utf-8"))["files"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"`{manifest}` cannot be read", "run `licet sync` again") from error
        found += [manifest.parent / f"licet-{file_id}.parquet" for file_id in sorted(ids)]
    return found


def removed_records(root: Path) -> frozenset[str]:
    """Give the posts that a share's table of removals names, in a folder that `licet sync` keeps.

    Raises:
        InputError: there is no such table.
    """
    files = synced_files(root, "removals")
    if not files:
        raise InputError(f"`{root}` holds no table of removals", "run `licet sync` first, or name --member or --record")
    found: set[str] = set()
    for path in files:
        for batch in _batches(path, ["record_table", "post_id"]):
            posts = batch.filter(pc.equal(batch["record_table"], "posts"))
            found.update(key for key in posts["post_id"].to_pylist() if key is not None)
    return frozenset(found)


def _visible(root: Path) -> list[Path]:
    found = (path for path in root.rglob("*.parquet") if not path.name.startswith(("_", ".")))
    return sorted(found)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"`{path}` is no Parquet file that can be read", "check the path") from error


def _batches(path: Path, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    file = _opened(path)
    missing = [name for name in wanted if name not in file.schema_arrow.names]
    if missing:
        raise InputError(f"`{path}` has no column `{missing[0]}`", "name columns: --columns member=…,record=…,text=…")
    yield from file.iter_batches(AT_ONCE, columns=wanted)


def _examples(batch: pa.RecordBatch, columns: Columns, labels: dict[str, str] | None) -> Iterator[Example]:
    for row in batch.to_pylist():
        member, record, text = (row[name] for name in (columns.member, columns.record, columns.text))
        if member is None or record is None:
            raise InputError("a row names no member or record and could never be forgotten", "leave it out")
        label = row.get(columns.label) if labels is None else labels.get(str(record))
        if text is None or (label is None and (columns.label or labels is not None)):
            continue
        yield Example(member=str(member), record=str(record), text=str(text), label=str(label or ""))
