"""Files that are there whole or not at all: written aside, brought to the disk, then renamed."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from licet.model.errors import Unavailable

FRESH = ".new"
"""How names of files end that are written to take another's place."""


def write_durably(path: Path, body: bytes) -> None:
    """Put a file's new content in place of the old at one moment; it is on the disk on return."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}{FRESH}")
    with fresh.open("wb") as handle:
        handle.write(body)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Delete a file, if it is there; its name is gone from the disk on return."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_object(folder: Path, body: bytes, suffix: str) -> str:
    """Keep bytes under the name of their SHA-256 and give that name; what is there already is not written again."""
    name = hashlib.sha256(body).hexdigest() + suffix
    if not (folder / name).exists():
        write_durably(folder / name, body)
    return name


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; a killed process lets go by itself.

    Raises:
        Unavailable: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another `licet train` is at work in `{folder}`", "wait until it is done") from error
        yield
