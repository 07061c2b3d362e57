"""Files that are there whole or not at all: written aside, brought to the disk, then renamed."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from licet.model.errors import Unavailable

FRESH: Final = ".new"
"""How names of files end that are written to take another's place."""
OWNER: Final = 0o600
"""What members wrote, and what was learned from it, is read by the owner of the file alone."""


def write_durably(path: Path, body: bytes, mode: int = OWNER) -> None:
    """Put a file's new content in place of the old at one moment; it is on the disk on return.

    Only its owner may read it, unless `mode` says otherwise.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}{FRESH}")
    fresh.unlink(missing_ok=True)  # what a killed run left may have been readable by others
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as handle:  # noqa: PTH123 # a mode at creation
        handle.write(body)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Delete a file, if it is there; its name is gone from the disk on return."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_all_durably(paths: Iterable[Path]) -> None:
    """Delete files, those that are there; their names are gone from the disk on return."""
    found = list(paths)
    for path in found:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in found}:
        sync_folder(folder)


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
    with locked(folder / "lock", fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """Hold a file of locks, alone (`LOCK_EX`) or among others (`LOCK_SH`), without waiting for it.

    Raises:
        Unavailable: another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, OWNER)
    try:
        _lock(handle, kind, path.parent)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, kind: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Unavailable(f"another `licet train` is at work in `{folder}`", "wait until it is done") from error
