"""The transparency log as files: tiles, bundles, and the newest checkpoint; a file is whole or not there."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from licet.tlog.tiles import WIDTH, Tile

CHECKPOINT: Final = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFiles:
    """The folder that holds a log, laid out as it is served."""

    root: Path

    def read(self, tile: Tile) -> bytes:
        """Give what a tile holds; of an unfinished one that was finished since, the part that was asked for.

        Raises:
            FileNotFoundError: it is not there.
        """
        try:
            return (self.root / tile.path).read_bytes()
        except FileNotFoundError:
            if tile.width == WIDTH or tile.level < 0:
                raise
            whole = Tile(level=tile.level, place=tile.place)
            return (self.root / whole.path).read_bytes()[: tile.width * 32]

    def write(self, tile: Tile, body: bytes) -> None:
        """Write a tile or a bundle; it is on the disk on return."""
        self._put(self.root / tile.path, body)

    def drop_unfinished(self, tile: Tile) -> None:
        """Remove what was written of a finished tile while it grew."""
        shutil.rmtree(self.root / f"{tile.path}.p", ignore_errors=True)

    def checkpoint(self) -> bytes:
        """Give the newest checkpoint, empty if none was ever published."""
        with contextlib.suppress(FileNotFoundError):
            return (self.root / CHECKPOINT).read_bytes()
        return b""

    def publish(self, checkpoint: bytes) -> None:
        """Replace the newest checkpoint."""
        self._put(self.root / CHECKPOINT, checkpoint)

    def _put(self, path: Path, body: bytes) -> None:
        self._make(path.parent)
        fresh = path.with_name(f"{path.name}.tmp")
        with fresh.open("wb") as handle:
            handle.write(body)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
        _sync(path.parent)

    def _make(self, folder: Path) -> None:
        """Make a folder with those above it; their names are on the disk too."""
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
