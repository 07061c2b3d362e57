"""Inputs as adapters see them: named parts of a file, folder or archive, readable within limits and never beyond.

Nothing is ever written where an archive says. What exceeds a limit is an error that names the part.
"""

import contextlib
import functools
import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from licet.ingest.archives import (
    DECOMPRESSORS,
    Limits,
    Meter,
    MeteredPart,
    in_order,
    inner_name,
    is_tar,
    not_a_file,
    printable,
    shown,
    spooled,
    tar_parts,
    too_many,
    zip_parts,
)
from licet.model.errors import InputError

__all__ = ["Limits", "Opened", "Part", "open_input"]

_UNREAD = {
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "RAR",
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PACKED_SUFFIXES = (".gz", ".bz2")


class Part(Protocol):
    """One named piece of an input."""

    @property
    def name(self) -> str:
        """Path inside the input with `/`, never absolute, never with `..`."""

    @property
    def size(self) -> int:
        """Bytes as the archive states them."""

    def open(self) -> BinaryIO:
        """Open for reading from the beginning; reading beyond a limit raises InputError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An input: its own name without folders, and its parts sorted by name; a single file is its own one part."""

    name: str
    parts: tuple[Part, ...]
    limits: Limits = field(default_factory=Limits)

    def matching(self, pattern: str) -> tuple[Part, ...]:
        """Give parts whose path ends in the pattern (`data/tweets*.js`), in whatever folder the export lies."""
        shape = _shape(pattern)
        return tuple(part for part in self.parts if shape.search(part.name))

    def head(self, part: Part, size: int = 65_536) -> bytes:
        """Give the first bytes of a part."""
        with part.open() as stream:
            return stream.read(size)


@contextlib.contextmanager
def open_input(path: Path, limits: Limits | None = None) -> Iterator[Opened]:
    """Open a file (also .gz and .bz2), a folder, a zip or a tar (also .gz and .bz2), by what it holds.

    Archives inside an archive are parts like any other and are never opened.

    Raises:
        InputError: it cannot be read, names a path outside itself, or exceeds a limit.
    """
    bounds = limits or Limits()
    # A link that the caller names is the caller's wish; links inside an input are not.
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:
        raise _unreadable(path) from error
    with _folder(real, bounds) if real.is_dir() else _file(real, bounds) as parts:
        yield Opened(name=printable(real.name), parts=parts, limits=bounds)


@functools.lru_cache
def _shape(pattern: str) -> re.Pattern[str]:
    wild = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(rf"(?:^|/){wild}\Z")


@contextlib.contextmanager
def _file(path: Path, limits: Limits) -> Iterator[tuple[MeteredPart, ...]]:
    """List the parts of a file by its first bytes."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(_raw(path))
        head = raw.read(512)
        packed = _packed(path, head, limits)
        if packed and is_tar(_head(packed)):
            raw, packed = stack.enter_context(spooled(packed)), None
            yield stack.enter_context(tar_parts(raw, path.name, limits))
        elif packed:
            yield (packed,)
        elif is_tar(head):
            yield stack.enter_context(tar_parts(raw, path.name, limits))
        elif head.startswith(_ZIP):
            yield stack.enter_context(zip_parts(raw, path.name, limits))
        else:
            yield (_file_part(path, printable(path.name), Meter(limits)),)


def _packed(path: Path, head: bytes, limits: Limits) -> MeteredPart | None:
    """Give a compressed file as a part under its own name without the suffix."""
    for magic, kind in _UNREAD.items():
        if head.startswith(magic):
            raise InputError(f"{shown(path.name)} is packed with {kind}, which is not read", "unpack it first")
    for magic, decompressed in DECOMPRESSORS.items():
        if head.startswith(magic):
            name = printable(path.stem if path.suffix.lower() in _PACKED_SUFFIXES else path.name)
            size = path.stat().st_size
            return MeteredPart(name, size, functools.partial(decompressed, path), Meter(limits), packed=size)
    return None


def _head(part: MeteredPart) -> bytes:
    with part.open() as stream:
        return stream.read(512)


@contextlib.contextmanager
def _folder(path: Path, limits: Limits) -> Iterator[tuple[MeteredPart, ...]]:
    """List the files of a folder and its folders."""
    meter = Meter(limits)
    parts: list[MeteredPart] = []
    for count, (found, name) in enumerate(_walk(path, limits), start=1):
        if count > limits.parts:
            raise too_many(limits.parts)
        if name:
            parts.append(_file_part(found, name, meter))
    yield in_order(parts)


def _walk(path: Path, limits: Limits) -> Iterator[tuple[Path, str]]:
    """Find files with their names inside the folder, and folders with none; links are refused, never followed."""
    waiting = [(path, "")]
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = os.scandir(folder)
        except OSError as error:
            raise _unreadable(folder) from error
        with entries:
            for entry in entries:
                name = inner_name(f"{above}{entry.name}", limits)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), f"{name}/"))
                yield Path(entry.path), "" if entry.is_dir(follow_symlinks=False) else name


def _file_part(path: Path, name: str, meter: Meter) -> MeteredPart:
    seen = _stated(path)

    def opener() -> BinaryIO:
        raw = _raw(path)
        now = os.fstat(raw.fileno())
        if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino):
            raw.close()
            raise InputError(f"{shown(name)} was replaced while it was read", "try again")
        return cast("BinaryIO", raw)

    return MeteredPart(name, seen.st_size, opener, meter)


def _stated(path: Path) -> os.stat_result:
    """Look at a plain file without following a link."""
    try:
        stated = path.lstat()
    except OSError as error:
        raise _unreadable(path) from error
    if not stat.S_ISREG(stated.st_mode):
        raise not_a_file(path.name)
    return stated


def _raw(path: Path) -> io.FileIO:
    """Open a plain file; a pipe would keep us waiting, so it is looked at first."""
    _stated(path)
    try:
        return io.FileIO(path)
    except OSError as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> InputError:
    return InputError(f"{shown(path.name)} cannot be read", "check that it is there, and who may read it")
