"""Tell how much of an input was read, while it is read."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

from licet.ingest.opened import Opened, Part

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BUFFER = 1 << 20


def watched(source: Opened, told: Callable[[int], None]) -> Opened:
    """Give the same input, which tells after each reading how many bytes came for the first time."""
    return replace(source, parts=tuple(_Watched(part, told) for part in source.parts))


class _Watched:
    """A part that tells how much further it was read than ever before; many adapters read a part twice."""

    __slots__ = ("_part", "_reached", "_told", "name", "size")

    def __init__(self, part: Part, told: Callable[[int], None]) -> None:
        self._part = part
        self._told = told
        self._reached = 0
        self.name = part.name
        self.size = part.size

    def open(self) -> BinaryIO:
        """Open the part."""
        return cast("BinaryIO", io.BufferedReader(_Counted(self._part.open(), self), _BUFFER))

    def reached(self, position: int) -> None:
        """Take note that a reader got this far."""
        if position > self._reached:
            self._told(position - self._reached)
            self._reached = position


class _Counted(io.RawIOBase):
    def __init__(self, stream: BinaryIO, part: _Watched) -> None:
        super().__init__()
        self._stream = stream
        self._part = part
        self._position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: "Buffer") -> int:
        """Read into a buffer, and tell how far."""
        view = memoryview(buffer)
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        self._part.reached(self._position)
        return len(data)

    def close(self) -> None:
        """Close the part's own stream too."""
        self._stream.close()
        super().close()
