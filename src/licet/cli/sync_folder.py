"""A local copy on the disk: one folder a table, a manifest in it, and names that say what is whole.

Every step can be killed: what a manifest notes is there with the bytes noted, or it is fetched again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from licet.model.errors import Unavailable
from licet.protocol.following import Copy, Held
from licet.protocol.reading import TableName

MANIFEST = "_licet.json"
"""Readers of Parquet folders (pandas, Spark, DuckDB) pass over names that begin with an underscore."""
FRESH = ".licet-new"
"""How names of files end that are written to take another's place."""
_PREFIX = "licet-"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFolder:
    """The folder of one table: its Parquet files, and what is on its way there."""

    path: Path

    @classmethod
    def of(cls, root: Path, name: TableName) -> "TableFolder":
        """Give a table's folder below the folder of a copy."""
        return cls(path=root.joinpath(*name.folders))

    @property
    def incoming(self) -> Path:
        """Give the folder of files that are being fetched."""
        return self.path / "_incoming"

    def make(self) -> None:
        """Make the folders, readable by their owner only."""
        for folder in (self.path, self.incoming):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def file(self, file_id: str) -> Path:
        """Give where a file of rows lies."""
        return self.path / f"{_PREFIX}{file_id}.parquet"

    def part(self, file_id: str) -> Path:
        """Give where a file lies while it is fetched."""
        return self.incoming / f"{file_id}.part"

    def present(self) -> dict[str, int]:
        """Give the bytes of each file of rows that lies here, by id."""
        found = {path.stem.removeprefix(_PREFIX): path for path in self.path.glob(f"{_PREFIX}*.parquet")}
        return {file_id: path.stat().st_size for file_id, path in sorted(found.items())}

    def strangers(self) -> list[str]:
        """Give the names of Parquet files that nobody fetched, but that a reader of the folder would read."""
        found = (path.name for path in self.path.glob("*.parquet") if not path.name.startswith(_PREFIX))
        return sorted(name for name in found if not name.startswith(("_", ".")))

    def copy(self) -> Copy | None:
        """Read the manifest; None where there is none, or none that can be read: then every file is fetched again."""
        try:
            said = json.loads((self.path / MANIFEST).read_text("utf-8"))
            files = tuple(Held(**file) for file in said["files"])
            return Copy(**{**said, "files": files})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def note(self, copy: Copy) -> None:
        """Write the manifest."""
        write_json(self.path / MANIFEST, asdict(copy))

    def staged(self) -> dict[str, Held]:
        """Give the files that were fetched whole and wait for the others; their names say their rows and digests."""
        found = {}
        for path in self.incoming.glob("*.whole"):
            file_id, rows, sha256, _ = path.name.split(".")
            found[file_id] = Held(file_id=file_id, size=path.stat().st_size, rows=int(rows), sha256=sha256)
        return found

    def whole(self, held: Held) -> Path:
        """Give where a file waits that was fetched whole."""
        return self.incoming / f"{held.file_id}.{held.rows}.{held.sha256}.whole"

    def stage(self, held: Held) -> None:
        """Say that a fetched file is whole; its bytes are on the disk already."""
        self.part(held.file_id).replace(self.whole(held))
        sync_folder(self.incoming)

    def forget_incoming(self, wanted: Iterable[str]) -> None:
        """Delete whatever is on its way but not wanted any more: it may hold rows that left."""
        kept = frozenset(wanted)
        stale = [path for path in self.incoming.glob("*") if path.name.split(".")[0] not in kept]
        # What a killed run was writing.
        stale += self.path.glob(f".{_PREFIX}*{FRESH}")
        for path in stale:
            path.unlink()
            sync_folder(path.parent)

    def switch(self, before: Copy | None, after: Copy, fetched: Mapping[str, Held], drop: Iterable[str]) -> None:
        """Make the staged files the copy's: old ones go first, so that no reader sees a row twice, or one that left."""
        files = (*(before.files if before else ()), *fetched.values())
        noted = {file.file_id: file for file in files}
        # Noted before they move, so that a kill between the two leaves nothing to fetch again.
        unknown = before is None or before.table_id != after.table_id
        since = Copy(table_id=after.table_id, version=-1, files=()) if before is None or unknown else before
        self.note(replace(since, files=tuple(noted.values())))
        for file_id in drop:
            self.file(file_id).unlink(missing_ok=True)
        sync_folder(self.path)
        for held in fetched.values():
            self.whole(held).replace(self.file(held.file_id))
        sync_folder(self.path)
        self.note(after)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Put a file's new content in place of the old at one moment; it is on the disk on return."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as handle:
        json.dump(value, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold a copy's folder for this process alone; a killed process lets go by itself.

    Raises:
        Unavailable: another process holds it.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / "_licet.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another `licet sync` is at work in `{root}`", "wait until it is done") from error
        yield
