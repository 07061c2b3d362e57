"""Copies that the recipient derived and registered: Parquet files that carry a table's key columns.

A file is remembered as it was once nothing that left was in it; changed by anybody since, it is searched anew for
everything that ever left.
"""

import glob
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

from licet.cli.sync_folder import write_json
from licet.cli.sync_rows import Keys, Scrubbed, has_keys, scrub
from licet.model.errors import InputError, UsageError
from licet.model.licenses import KEYS
from licet.model.records import Table
from licet.protocol.reading import TableName

STATE = "_licet.json"
_SPEC = re.compile(r"(?:([A-Za-z_]+)=)?(.+)", re.ASCII | re.DOTALL)

Mark: TypeAlias = tuple[int, int]
"""A file's bytes and the instant of its last change, in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pattern:
    """Files that were derived from one table, or, where `table` is empty, from any whose key columns they have."""

    table: str
    files: str
    """An absolute path in which `*` and `**` stand for names."""

    def __str__(self) -> str:
        """Give the pattern as it is written."""
        return f"{self.table}={self.files}" if self.table else self.files


def read_pattern(text: str) -> Pattern:
    """Read `GLOB` or `TABLE=GLOB`.

    Raises:
        UsageError: no such table has keys.
    """
    found = _SPEC.fullmatch(text)
    table, files = (found[1] or "", found[2]) if found else ("", text)
    if table and table not in set(Table):
        raise UsageError(f"`{table}` is no table with keys", f"choose from {', '.join(Table)}")
    return Pattern(table=table, files=str(Path(files).expanduser().absolute()))


@dataclass(slots=True, kw_only=True)
class Derived:
    """The patterns registered with one copy, and how each file was when nothing that left was in it."""

    root: Path
    patterns: tuple[Pattern, ...] = ()
    marks: dict[str, dict[str, Mark]] = field(default_factory=dict)
    """By table and path."""

    @classmethod
    def read(cls, root: Path) -> "Derived":
        """Read what is registered with a copy.

        Raises:
            InputError: that is written down, but cannot be read.
        """
        try:
            said = json.loads((root / STATE).read_text("utf-8"))
            marks = {
                table: {path: (int(mark[0]), int(mark[1])) for path, mark in files.items()}
                for table, files in said["marks"].items()
            }
            return cls(root=root, patterns=tuple(Pattern(**each) for each in said["also"]), marks=marks)
        except FileNotFoundError:
            return cls(root=root)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Forgetting which copies there are would leave rows in them.
            raise InputError(
                f"`{root / STATE}` cannot be read", "delete it and register derived copies again with --also"
            ) from error

    def register(self, fresh: Iterable[Pattern], forgotten: Iterable[Pattern]) -> None:
        """Register patterns and forget others.

        Raises:
            UsageError: what is to be forgotten was never registered.
        """
        gone = frozenset(forgotten)
        unknown = gone - set(self.patterns)
        if unknown:
            raise UsageError(f"`{min(unknown)}` is not registered", "`licet sync` lists what is")
        self.patterns = tuple(sorted({*self.patterns, *fresh} - gone))
        self.save()

    def save(self) -> None:
        """Write down what is registered."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(self.root / STATE, {"also": [asdict(each) for each in self.patterns], "marks": self.marks})

    def files(self, name: TableName) -> list[Path]:
        """Give the files derived from a table, each under its own name, without those of the copy itself.

        Raises:
            InputError: one of them is no Parquet file, or lacks the key columns though the table is named.
        """
        if name.table not in set(Table):
            return []
        columns = KEYS[Table(name.table)]
        own = self.root.resolve()
        found: set[Path] = set()
        for pattern in self.patterns:
            if pattern.table not in {"", name.table}:
                continue
            for path in _matches(pattern):
                if path.is_relative_to(own):
                    continue
                if has_keys(path, columns):
                    found.add(path)
                elif pattern.table:
                    raise InputError(f"`{path}` lacks key columns of {name.table}", f"keep {', '.join(columns)} in it")
        return sorted(found)

    def unmatched(self) -> list[Pattern]:
        """Give the patterns that no file matches."""
        return [pattern for pattern in self.patterns if not any(_matches(pattern))]

    def is_clean(self, name: TableName, path: Path) -> bool:
        """Tell whether a file is as it was when nothing that had left the table by then was in it."""
        return self.marks.get(str(name), {}).get(str(path)) == mark_of(path)

    def scrub(self, path: Path, keys: Keys) -> Scrubbed:
        """Take rows that left out of a file; what was clean for a table stays so, for rows only go."""
        clean = [table for table, files in self.marks.items() if files.get(str(path)) == mark_of(path)]
        done = scrub(path, keys)
        if done:
            for table in clean:
                self.marks[table][str(path)] = mark_of(path)
        return done

    def note_clean(self, name: TableName, path: Path, mark: Mark) -> None:
        """Note how a file was when nothing that had left the table was in it."""
        self.marks.setdefault(str(name), {})[str(path)] = mark

    def keep_only(self, name: TableName, paths: list[Path]) -> None:
        """Forget files of a table that are there no more."""
        there = {str(path) for path in paths}
        files = self.marks.get(str(name), {})
        self.marks[str(name)] = {path: mark for path, mark in files.items() if path in there}


def _matches(pattern: Pattern) -> Iterator[Path]:
    # A link is followed: putting a file in the place of the link would leave the old bytes where they are.
    found = (Path(each).resolve() for each in glob.iglob(pattern.files, recursive=True))  # noqa: PTH207 # absolute patterns
    return (path for path in found if path.is_file())


def mark_of(path: Path) -> Mark:
    """Tell a file's content from another, as far as its size and time do."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns
