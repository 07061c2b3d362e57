"""Read a whole log, trusting nobody: every entry is hashed, and the tree they make must be the signed one."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from licet.model.errors import IntegrityError
from licet.tlog.checkpoints import Checkpoint
from licet.tlog.merkle import leaf_hash
from licet.tlog.tiles import ENTRIES, WIDTH, Edge, Tile, entries_in, grow, width_at

BundleReader: TypeAlias = Callable[[Tile], bytes]
"""Gives a bundle of entries."""


def entries_of(checkpoint: Checkpoint, read: BundleReader, seen: Checkpoint | None = None) -> Iterator[list[bytes]]:
    """Give all entries of a log in order, some at a time; only after the last of them are they proven.

    What was `seen` of the log before must be its beginning. This shows more than a proof of consistency does, for
    every entry is there.

    Raises:
        IntegrityError: the entries are not those that were signed, or history was rewritten since it was seen.
    """
    if seen is not None and (seen.origin != checkpoint.origin or seen.size > checkpoint.size):
        raise IntegrityError("the log is shorter than it was, or another", "keep both checkpoints as evidence")
    edge = Edge()
    _must_be(edge, seen)
    while edge.size < checkpoint.size:
        stop = min(edge.size - edge.size % WIDTH + WIDTH, checkpoint.size)
        if seen is not None and edge.size < seen.size:
            stop = min(stop, seen.size)
        entries, edge = _taken(edge, stop, checkpoint.size, read)
        _must_be(edge, seen)
        yield entries
    if edge.root() != checkpoint.root:
        raise IntegrityError("the entries are not those that the checkpoint signs", "keep them as evidence")


def _taken(edge: Edge, stop: int, size: int, read: BundleReader) -> tuple[list[bytes], Edge]:
    place = edge.size // WIDTH
    tile = Tile(level=ENTRIES, place=place, width=width_at(0, place, size))
    entries = entries_in(tile, read(tile))[edge.size - place * WIDTH : stop - place * WIDTH]
    return entries, grow(edge, [leaf_hash(entry) for entry in entries])[0]


def _must_be(edge: Edge, seen: Checkpoint | None) -> None:
    if seen is not None and edge.size == seen.size and edge.root() != seen.root:
        raise IntegrityError("history was rewritten since it was seen", "keep both checkpoints: together they prove it")
