"""Watching an input: the same bytes, each told once."""

import io
import os
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.every_form import TOLD, sample, zipped

from licet.ingest.formats import NAMES, NOTHING_TOLD, recognize
from licet.ingest.opened import Limits, Opened, open_input
from licet.ingest.watched import watched
from licet.model.errors import InputError


class InMemory:
    """A part that lies in memory and remembers its streams."""

    def __init__(self, content: bytes) -> None:
        """Keep the content."""
        self.name, self.size, self.content = "a.bin", len(content), content
        self.opened: list[io.BytesIO] = []

    def open(self) -> BinaryIO:
        """Open the content."""
        self.opened.append(io.BytesIO(self.content))
        return self.opened[-1]


def one(content: bytes) -> tuple[Opened, InMemory]:
    """Make an input of one part."""
    part = InMemory(content)
    return Opened(name="input", parts=(part,)), part


@given(content=st.binary(max_size=5_000), sizes=st.lists(st.integers(0, 2_000), max_size=30))
def test_the_same_bytes_come_however_they_are_asked_for_and_each_is_told_once(content: bytes, sizes: list[int]) -> None:
    told: list[int] = []
    source = watched(one(content)[0], told.append)
    for _ in range(2):
        with source.parts[0].open() as stream:
            assert b"".join(stream.read(size) for size in sizes) == content[: sum(sizes)]
            assert stream.read() == content[sum(sizes) :]
    assert sum(told) == len(content)
    assert min(told, default=1) > 0


def test_lines_and_heads_are_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(200_000)))
    told: list[int] = []
    with open_input(path) as plain:
        source = watched(plain, told.append)
        assert (source.name, source.limits) == (plain.name, plain.limits)
        assert [(part.name, part.size) for part in source.parts] == [(part.name, part.size) for part in plain.parts]
        assert source.head(source.parts[0], 10) == plain.head(plain.parts[0], 10)
        before = sum(told)
        with source.parts[0].open() as stream, plain.parts[0].open() as other:
            assert list(stream) == list(other)
    assert 0 < before < sum(told) == path.stat().st_size


@pytest.mark.parametrize("form", NAMES)
def test_every_form_reads_the_same_while_it_is_watched_and_no_byte_is_told_twice(form: str, tmp_path: Path) -> None:
    told: list[int] = []
    fact = TOLD.get(form, NOTHING_TOLD)
    with open_input(zipped(sample(form, tmp_path), tmp_path / "packed.zip")) as source:
        found = recognize(source)
        assert list(found.read(watched(source, told.append), fact)) == list(found.read(source, fact))
        assert 0 < sum(told) <= sum(part.size for part in source.parts)


def test_the_part_itself_is_closed_too() -> None:
    source, part = one(b"abc")
    with watched(source, lambda _: None).parts[0].open() as stream:
        assert not part.opened[0].closed
    assert stream.closed
    assert part.opened[0].closed


def test_a_limit_still_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(3_000_000))
    told: list[int] = []
    with open_input(path, Limits(total_bytes=2_000_000)) as source:
        stream = watched(source, told.append).parts[0].open()
        with stream, pytest.raises(InputError, match="more than 2000000 bytes"):
            stream.read()
    assert 0 < sum(told) < 2_000_000
