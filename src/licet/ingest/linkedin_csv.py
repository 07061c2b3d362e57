"""Rows of a LinkedIn export: CSV with its own quirks, in bounded memory, one damaged row costing one row."""

import csv
import io
import operator
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import TextIO

from licet.ingest.opened import Opened, Part

LONGEST_ROW = 2**20
"""Characters of a row; LinkedIn's longest post has 3,000."""

_REREAD = 2**22
_HEAD = 8_192
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CONTROL = bytes(set(range(0x20)) - set(b"\t\n\r"))
_ROW_BEGINS = re.compile(r'"?[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?: UTC)?"?,"?https?:')
_NEW_LINE = '"\n"'
_ABSENT = frozenset(
    {
        *("na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "nan", "-nan", "null", "none"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    }
)
_DAMAGED: list[str] = []
_LONGEST_ABSENT = max(map(len, _ABSENT))


def header_of(source: Opened, part: Part) -> set[str]:
    """Give the names of the columns as the first line of a part has them; any content gives some names."""
    head = source.head(part, _HEAD)
    text = head.decode(_encoding(head), errors="replace").removeprefix("\ufeff")
    line = text.splitlines()[0] if text.strip() else ""
    return {name.strip().strip('"') for name in line.split(",")}


def rows(
    source: Opened, part: Part, columns: tuple[str, ...], *, escape: str | None = None
) -> Iterator[tuple[int, tuple[str, ...] | None]]:
    """Give each row's line number and its values of the columns, or None where the row is damaged.

    A column that the file lacks, or names twice, is empty. Lines that a damaged row swallowed are read anew.
    """
    encoding = _encoding(source.head(part, _HEAD))
    with io.TextIOWrapper(part.open(), encoding=encoding, errors="replace", newline="") as file:
        lines = _Lines(file)
        # Strict, for else a quotation mark left open joins two rows, and the second's visibility becomes the first's.
        reader = csv.reader(lines, escapechar=escape, strict=True)
        width, pick = 0, _picker([], columns)
        while True:
            number = lines.begin()
            try:
                fields = next(reader, None)
            except csv.Error:
                fields = _DAMAGED
            if fields is None:
                return
            if width and len(fields) == width:
                others = lines.other_rows() if len(lines.record) > 1 else ()
                yield number, None if others else pick(fields)
                for other in others:
                    yield other, None
            elif fields is not _DAMAGED and not fields:
                continue
            elif not width and not set(columns).isdisjoint(names := _names(fields)):
                width, pick = len(names), _picker(names, columns)
            else:
                for lost in lines.take_back():
                    yield lost, None


def plain(value: str) -> str:
    """Give a value without the white space around it; empty where the export says that there is none."""
    value = value.strip()
    return "" if len(value) <= _LONGEST_ABSENT and value.casefold() in _ABSENT else value


def words(value: str) -> str:
    """Give a text as its author wrote it: without control characters and without quotation marks around each line."""
    text = plain(value)
    if "\n" in text:
        text = text.replace("\r\n", "\n")
        # Only where every line is wrapped: a quotation that ends one line beside one that begins the next is words.
        if text.count(_NEW_LINE) == text.count("\n"):
            text = text.replace(_NEW_LINE, "\n").strip()
    # In UTF-8 a control character is one byte that is part of no other.
    stored = text.encode(errors="surrogatepass")
    kept = stored.translate(None, _CONTROL)
    return text if len(kept) == len(stored) else kept.decode(errors="surrogatepass").strip()


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Without a mark, plain letters tell by their empty bytes; a few such bytes are only damage.
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    return "utf-16-be" if head[::2].count(0) > len(head) // 4 else "utf-8"


def _names(fields: list[str]) -> list[str]:
    return [name.removeprefix("\ufeff").strip() for name in fields]


def _picker(names: list[str], columns: tuple[str, ...]) -> Callable[[list[str]], tuple[str, ...]]:
    places = [names.index(column) if names.count(column) == 1 else -1 for column in columns]
    if -1 not in places:
        return operator.itemgetter(*places)
    return lambda fields: tuple(fields[place] if place >= 0 else "" for place in places)


class _Lines:
    """The lines of a file, with those of the record at hand, so that they can be taken back and read anew."""

    __slots__ = ("_again", "_begun", "_first", "_read", "_readline", "_reread", "record")

    def __init__(self, file: TextIO) -> None:
        self.record: list[str] = []
        self._readline = file.readline
        self._again: deque[str] = deque()
        self._first = 1
        self._begun = self._read = self._reread = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._readline(LONGEST_ROW)
        if not line:
            raise StopIteration
        self.record.append(line)
        self._read = read = self._read + len(line)
        if read - self._begun >= LONGEST_ROW:
            self._drop_rest(line)
            raise csv.Error("longer than any row")
        return line

    def begin(self) -> int:
        """Begin a record; give the number of its first line."""
        self._first = first = self._first + len(self.record)
        self._begun = self._read
        self.record = []
        return first

    def other_rows(self) -> list[int]:
        """Give the lines of the record that begin as rows do: it seems that a quotation mark was left open.

        They are not read as rows, for a text may show rows: it is not known for whose eyes they are.
        """
        numbered = enumerate(self.record[1:], self._first + 1)
        return [number for number, line in numbered if _ROW_BEGINS.match(line)]

    def take_back(self) -> range:
        """Take back all lines of the record but the first; give the numbers of the lines that are lost."""
        rest = self.record[1:]
        size = sum(map(len, rest))
        # A hostile file could have every line swallow all that follow; what is read anew is bounded by what is read.
        if self._reread + size > _REREAD + 4 * (self._read - self._reread):
            return range(self._first, self._first + len(self.record))
        self._reread += size
        self._again.extendleft(reversed(rest))
        del self.record[1:]
        return range(self._first, self._first + 1)

    def _drop_rest(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._readline(LONGEST_ROW)
