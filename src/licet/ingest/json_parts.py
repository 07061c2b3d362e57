"""JSON parts of an input: the items of a document of any size, small documents, and JSON Lines, in bounded memory.

Of a key that stands twice in an object the last one counts. A number that is none (NaN, 1e999) reads as None.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from licet.ingest.archives import shown
from licet.ingest.opened import Opened, Part
from licet.model.errors import InputError
from licet.model.records import Skipped

_CHUNK = 2**18
_DEEPEST = 200
_LONG = 2**15
_CONTAINER_BYTES = 64
_SPACE = re.compile(r"[ \t\n\r]*")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_loads = orjson.loads
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)


def items(
    source: Opened, part: Part, *, prefix: bytes = b"", path: str = "item"
) -> Iterator[tuple[str, object] | Skipped]:
    """Give the values at a path of a JSON document, each with its place (`tweets.js#12`).

    The path steps into objects by key and into arrays by `item`, with dots between; reading begins after the first
    `prefix`. Where the document breaks off, what came before it was given already, and a Skipped follows.

    Raises:
        InputError: the part cannot be read, or exceeds a limit of the input.
    """
    name, number = shown(part.name), 0
    with part.open() as stream:
        try:
            text = _Text(stream, source.limits.value_bytes)
            text.skip_past(prefix.decode("ascii"))
            for value in _values(text, path.split(".") if path else []):
                number += 1
                reason = _unfit(value)
                yield Skipped(where=f"{name}#{number}", reason=reason) if reason else (f"{name}#{number}", value)
            text.end(";" if prefix else "")
        except _DamagedError:
            yield Skipped(where=f"{name}#{number + 1}", reason="malformed_row")


def document(source: Opened, part: Part) -> object:
    """Read one small JSON document.

    Raises:
        InputError: it is damaged, or larger than one value may be.
    """
    with part.open() as stream:
        try:
            text = _Text(stream, source.limits.value_bytes)
            value = text.value()
            text.end("")
        except _DamagedError as error:
            raise _unusable(part) from error
    if _unfit(value):
        raise _unusable(part)
    return value


def lines(source: Opened, part: Part) -> Iterator[tuple[str, dict[str, Any]] | Skipped]:
    """Read JSON Lines: each object with its place (`events.jsonl:12`), or a Skipped; empty lines are no records.

    Raises:
        InputError: the part cannot be read, or exceeds a limit of the input.
    """
    name, limit, number = shown(part.name), source.limits.value_bytes, 0
    with part.open() as stream:
        line = stream.readline(limit + 1).removeprefix(codecs.BOM_UTF8)
        while line:
            number += 1
            if len(line) > limit and not line.endswith(b"\n"):
                _skip_rest(stream)
                line = b"null"
            try:
                found = _loads(line)
            except ValueError:
                found = None
            if type(found) is dict and not (_is_crowded(line) and _unfit(found)):
                yield f"{name}:{number}", found
            elif found is not None or line.strip():
                yield Skipped(where=f"{name}:{number}", reason="malformed_row")
            line = stream.readline(limit + 1)


def _skip_rest(stream: BinaryIO) -> None:
    """Pass over the rest of a line that is too long to be read."""
    while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass


def _unusable(part: Part) -> InputError:
    return InputError(f"{shown(part.name)} is no readable JSON document", "fetch it again, or leave it out")


def _is_crowded(line: bytes) -> bool:
    """Tell whether a line has brackets enough for a value that is too deep; a short one has not, a long one has."""
    size = len(line)
    return size > 2 * _DEEPEST and (size > _LONG or size - len(line.translate(None, b"[{")) > _DEEPEST)


def _unfit(value: object) -> str:
    """Tell why a value is unfit for what looks at it later, or nothing; the common case is checked at one go."""
    try:
        orjson.dumps(value)
    except TypeError:
        if _depth(value) > _DEEPEST:
            return "malformed_row"
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "unreadable_text"
    return ""


def _depth(value: object) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting and deepest <= _DEEPEST:
        inner, depth = waiting.pop()
        if isinstance(inner, dict | list):
            deepest = max(deepest, depth)
            waiting += [(each, depth + 1) for each in (inner.values() if isinstance(inner, dict) else inner)]
    return deepest


class _DamagedError(Exception):
    """The document is no JSON from here on, or one value of it is too large."""


def _values(text: "_Text", steps: list[str]) -> Iterator[object]:
    """Give the values at the end of the steps; what lies beside them is passed over."""
    if not steps:
        yield text.value()
        return
    opener = text.peek()
    if opener == "[" and steps[0] == "item":
        for _ in text.elements("]"):
            yield from _values(text, steps[1:])
    elif opener == "{":
        for _ in text.elements("}"):
            key = text.key()
            if key == steps[0]:
                yield from _values(text, steps[1:])
            else:
                text.skip()
    else:
        text.skip()


class _Text:
    """A JSON text of any size, of which only what is being looked at is held."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        head = stream.read(_CHUNK)
        # Bytes that are no characters become lone surrogates, so that they cost one value and not the rest.
        utf16 = head.startswith(_UTF16)
        self._decoder = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8-sig")(
            "strict" if utf16 else "surrogateescape"
        )
        self._text = ""
        self._at = 0
        self._ended = False
        self._take(head)

    def _take(self, data: bytes) -> None:
        self._ended = not data
        try:
            self._text = self._text[self._at :] + self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise _DamagedError from error
        self._at = 0

    def _more(self) -> None:
        """Read as much again as is waiting, so that a large value is looked at a few times only."""
        waiting = len(self._text) - self._at
        containers = self._text.count("[", self._at) + self._text.count("{", self._at)
        if waiting > self._limit or containers > max(self._limit // _CONTAINER_BYTES, _CHUNK):
            raise _DamagedError
        self._take(self._stream.read(min(max(_CHUNK, waiting), self._limit - waiting + _CHUNK)))

    def skip_past(self, mark: str) -> None:
        """Pass over everything up to and including the first mark."""
        found = self._text.find(mark)
        if found < 0:
            raise _DamagedError
        self._at = found + len(mark)

    def peek(self) -> str:
        """Give the next character that is no space, or nothing at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def expect(self, wanted: str) -> None:
        """Pass over a character that must stand here."""
        if self.peek() != wanted:
            raise _DamagedError
        self._at += 1

    def elements(self, closer: str) -> Iterator[None]:
        """Stop before each element of the array or object that begins here; the caller passes over the element."""
        self._at += 1
        if self.peek() != closer:
            yield
            while self.peek() == ",":
                self._at += 1
                yield
        self.expect(closer)

    def key(self) -> str:
        """Pass over a key and its colon."""
        if self.peek() != '"':
            raise _DamagedError
        key = self.value()
        self.expect(":")
        return str(key)

    def skip(self) -> None:
        """Pass over a value; of a large one, each element is looked at alone."""
        opener = self.peek()
        if opener and opener in "[{":
            for _ in self.elements("]" if opener == "[" else "}"):
                if opener == "{":
                    self.key()
                self.value()
        else:
            self.value()

    def value(self) -> object:
        """Read one value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise _DamagedError from error
            except ValueError as error:
                if self._ended:
                    raise _DamagedError from error
            else:
                # A number at the very end of what was read may go on.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            self._more()

    def end(self, allowed: str) -> None:
        """Nothing but spaces, and once what is allowed, may follow."""
        if allowed and self.peek() == allowed:
            self._at += 1
        if self.peek():
            raise _DamagedError
