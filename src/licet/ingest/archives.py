"""Parts of archives and compressed files, read within limits; an archive's names are never used as paths.

Headers lie: bytes are counted as they come out, never taken from what a header states.
"""

import bz2
import contextlib
import gzip
import io
import itertools
import lzma
import re
import shutil
import stat
import struct
import sys
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from licet.model.errors import InputError, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an input may at most be: bytes in all, bytes out per byte in, parts, depth of folders, bytes of a value."""

    total_bytes: int = 64 * 2**30
    ratio: int = 200
    parts: int = 200_000
    depth: int = 32
    value_bytes: int = 64 * 2**20


DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)
"""What the libraries raise, by experience and by their sources, when an archive is damaged or forged."""

DECOMPRESSORS: dict[bytes, Callable[[Path], BinaryIO]] = {
    b"\x1f\x8b": lambda path: cast("BinaryIO", gzip.GzipFile(path)),
    b"BZh": lambda path: cast("BinaryIO", bz2.BZ2File(path)),
}
"""How a compressed file is read, by its first bytes."""

_RATIO_COUNTS_FROM = 2**20
_LONGEST_NAME = 4096
_LONGEST_HEADER = 2**20
_BYTES_PER_ENTRY = 1024
_LOCAL_HEADER = 30
_ENTRY = b"PK\x01\x02"
_DRIVE = re.compile(r"[A-Za-z]:")
_NO_REAL_EXPORT = "no real export has that: check where it comes from"
_UNPACK = "unpack it with another program and give the folder"


class Meter:
    """Count what comes out of one input, each byte once however often it is read."""

    def __init__(self, limits: Limits) -> None:
        """Begin at zero."""
        self.limits = limits
        self._out = 0

    def add(self, size: int) -> None:
        """Count bytes that came out for the first time."""
        self._out += size
        if self._out > self.limits.total_bytes:
            raise InputError(
                f"the input holds more than {self.limits.total_bytes} bytes", "split it, or raise the limit"
            )


class MeteredPart:
    """A part whose bytes are counted; `packed` is how many it takes up, or None where it is not compressed."""

    __slots__ = ("_meter", "_opener", "_packed", "_reached", "name", "size")

    def __init__(
        self, name: str, size: int, opener: Callable[[], BinaryIO], meter: Meter, packed: int | None = None
    ) -> None:
        """Keep how to open it; nothing is read yet."""
        self.name = name
        self.size = size
        self._opener = opener
        self._meter = meter
        self._packed = packed
        self._reached = 0

    def open(self) -> BinaryIO:
        """Open for reading from the beginning; reading beyond a limit raises InputError."""
        with damage_named(self.name):
            inner = self._opener()
        return cast("BinaryIO", io.BufferedReader(_Counted(inner, self), 2**16))

    def reached(self, position: int) -> None:
        """Take note that a reader got this far.

        Raises:
            InputError: that is beyond a limit.
        """
        if position <= self._reached:
            return
        self._meter.add(position - self._reached)
        self._reached = position
        ratio = self._meter.limits.ratio
        if self._packed is not None and position > max(_RATIO_COUNTS_FROM, ratio * self._packed):
            raise InputError(f"{shown(self.name)} unpacks to more than {ratio} times its size", _NO_REAL_EXPORT)


class _Counted(io.RawIOBase):
    """A reader that tells its part how far it got and speaks of damage as InputError."""

    def __init__(self, inner: BinaryIO, part: MeteredPart) -> None:
        self._inner = inner
        self._part = part
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override] # only BufferedReader calls
        with damage_named(self._part.name):
            data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        self._part.reached(self._position)
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


@contextlib.contextmanager
def damage_named(name: str) -> Iterator[None]:
    """Turn what the libraries raise on damage into an InputError that names the part."""
    try:
        yield
    except DAMAGE as error:
        raise InputError(f"{shown(name)} is damaged or cannot be read", "fetch it again, or leave it out") from error


def shown(name: str) -> str:
    """Give a name fit for a message: its last step, short and printable; folders may carry people's names."""
    return "".join(each if each.isprintable() else "?" for each in name.rstrip("/").rpartition("/")[2])[-80:] or "?"


def inner_name(name: str, limits: Limits) -> str:
    """Give a part's path inside its input.

    Raises:
        InputError: it leads outside, or is too deep or long.
    """
    steps = [step for step in name.split("/") if step not in {"", "."}]
    if name.startswith("/") or ".." in steps or not steps or _DRIVE.match(steps[0]) or set(name) & {"\\", "\0"}:
        raise InputError(f"the input names a part outside itself: {shown(name)}", _NO_REAL_EXPORT)
    if len(steps) > limits.depth + 1 or len(name) > _LONGEST_NAME:
        raise InputError(f"{shown(name)} lies more than {limits.depth} folders deep", "move it up")
    return printable("/".join(steps))


def printable(name: str) -> str:
    """Give a name that can be written as text: bytes that are no characters become marks."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def in_order(parts: Iterable[MeteredPart]) -> tuple[MeteredPart, ...]:
    """Sort parts by name.

    Raises:
        InputError: two have the same name, and nobody knows which one counts.
    """
    ordered = tuple(sorted(parts, key=lambda part: part.name))
    for one, next_one in itertools.pairwise(ordered):
        if one.name == next_one.name:
            raise InputError(f"two parts of the input have the same name: {shown(one.name)}", _NO_REAL_EXPORT)
    return ordered


def too_many(limit: int) -> InputError:
    """Give the error for an input of too many parts."""
    return InputError(f"the input holds more than {limit} parts", "split it, or raise the limit")


class _Wary(io.BufferedReader):
    """A file whose headers are read within an allowance: what they state is refused before it takes up memory."""

    allowance = sys.maxsize
    entries = sys.maxsize

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            here = self.tell()
            size = self.seek(0, io.SEEK_END) - here
            self.seek(here)
        self.allowance -= size
        if self.allowance < 0:
            raise InputError("the archive has a header of improper size", _NO_REAL_EXPORT)
        data = super().read(size)
        if self.entries < sys.maxsize and data.count(_ENTRY) > self.entries:
            raise too_many(self.entries)
        return data


@contextlib.contextmanager
def zip_parts(raw: io.FileIO, name: str, limits: Limits) -> Iterator[tuple[MeteredPart, ...]]:
    """List the parts of a zip; they can be opened until the end of the context.

    Raises:
        InputError: it is damaged, forged, or exceeds a limit.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_Wary(raw))
        file.allowance, file.entries = limits.parts * _BYTES_PER_ENTRY + 2**20, limits.parts
        with damage_named(name):
            archive = stack.enter_context(zipfile.ZipFile(file))
            entries = archive.infolist()
        file.allowance, file.entries = sys.maxsize, sys.maxsize
        _refuse_overlaps(entries, file.seek(0, io.SEEK_END))
        yield in_order(_zip_parts(archive, entries, Meter(limits)))


def _zip_parts(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], meter: Meter) -> Iterator[MeteredPart]:
    for entry in entries:
        # zipfile cuts the name at NUL; what was cut off may be what another program looks at.
        name = inner_name(entry.orig_filename, meter.limits)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or (entry.is_dir() and entry.file_size):
            raise not_a_file(name)
        if not entry.is_dir():
            yield MeteredPart(name, entry.file_size, _zip_opener(archive, entry), meter, entry.compress_size)


def _zip_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def opener() -> BinaryIO:
        if entry.flag_bits & 0x1:
            raise InputError(f"{shown(entry.filename)} is encrypted", _UNPACK)
        # The others are not unpacked piece by piece, so that a few bytes could take up any amount of memory.
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise InputError(f"{shown(entry.filename)} is compressed in a way that is not read", _UNPACK)
        return cast("BinaryIO", archive.open(entry))

    return opener


def _refuse_overlaps(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse entries that share bytes: so ten megabytes are made to hold more than any disk."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    begins = [*(entry.header_offset for entry in ordered[1:]), size]
    for entry, next_begins in zip(ordered, begins, strict=False):
        if entry.header_offset + _LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size > next_begins:
            raise InputError(f"{shown(entry.filename)} overlaps another part of the archive", _NO_REAL_EXPORT)


def not_a_file(name: str) -> InputError:
    """Give the error for a link, a device or the like."""
    return InputError(f"{shown(name)} is a link or no plain file", f"leave it out; {_NO_REAL_EXPORT}")


def is_tar(head: bytes) -> bool:
    """Tell whether a file begins like a tar: its first header has the sum that it states."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "replace")
    except DAMAGE:
        return False
    return True


def spooled(packed: MeteredPart) -> io.FileIO:
    """Unpack into a private file without a name, which is gone when closed, even by a crash.

    Raises:
        InputError: it is damaged or exceeds a limit.
        Unavailable: there is no room.
    """
    with contextlib.ExitStack() as on_error:
        try:
            spool = on_error.enter_context(tempfile.TemporaryFile(buffering=0))
            with packed.open() as stream:
                shutil.copyfileobj(stream, spool, 2**18)
        except OSError as error:
            raise Unavailable("there is no room to unpack the input", "free some, or move TMPDIR") from error
        on_error.pop_all()
    return spool


@contextlib.contextmanager
def tar_parts(raw: io.FileIO, name: str, limits: Limits) -> Iterator[tuple[MeteredPart, ...]]:
    """List the parts of an uncompressed tar; they can be opened until the end of the context.

    Raises:
        InputError: it is damaged, forged, or exceeds a limit.
    """
    with _Wary(raw) as file:
        lock, meter = threading.Lock(), Meter(limits)
        parts = [
            MeteredPart(inside, size, _range_opener(raw, lock, start, size), meter)
            for inside, start, size in _tar_members(file, name, limits)
        ]
        yield in_order(parts)


def _tar_members(file: _Wary, name: str, limits: Limits) -> Iterator[tuple[str, int, int]]:
    file.seek(0)
    file.allowance = _LONGEST_HEADER
    with damage_named(name):
        archive = tarfile.TarFile(fileobj=file, encoding="utf-8", errors="replace")
    count = 0
    while member := _next(archive, file, name):
        count += 1
        if count > limits.parts:
            raise too_many(limits.parts)
        inside = "" if member.isdir() and member.name in {"", "."} else inner_name(member.name, limits)
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            raise not_a_file(inside)
        yield inside, member.offset_data, member.size


def _next(archive: tarfile.TarFile, file: _Wary, name: str) -> tarfile.TarInfo | None:
    """Read the next header; tarfile takes a damaged one for the end, so the end is looked at."""
    # What earlier headers left behind would add up.
    archive.members, archive.pax_headers = [], {}  # type: ignore[attr-defined]
    file.allowance = _LONGEST_HEADER
    with damage_named(name):
        member = archive.next()
        if member is None:
            file.seek(archive.offset)
            is_sound = file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
        else:
            # A negative size would lead back to an earlier header, without end.
            is_sound = member.size >= 0
        if not is_sound:
            raise ValueError(name)
    return member


def _range_opener(raw: io.FileIO, lock: threading.Lock, start: int, size: int) -> Callable[[], BinaryIO]:
    return lambda: cast("BinaryIO", _Range(raw, lock, start, size))


class _Range(io.RawIOBase):
    """A stretch of a file that others read too."""

    def __init__(self, raw: io.FileIO, lock: threading.Lock, start: int, size: int) -> None:
        self._raw = raw
        self._lock = lock
        self._at = start
        self._end = start + size

    def read(self, size: int = -1) -> bytes:
        wanted = min(size, self._end - self._at)
        with self._lock:
            self._raw.seek(self._at)
            data = self._raw.read(wanted)
        if wanted and not data:
            raise EOFError
        self._at += len(data)
        return data
