"""Tiles: a log as static files that never change (C2SP tlog-tiles).

A tile at level L holds up to 256 hashes; those above level 0 are roots of full tiles of the level below. An entry
bundle holds the entries that the tile of level 0 at the same place hashes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from licet.model.errors import InputError, IntegrityError
from licet.tlog.merkle import HASH_SIZE, Nodes, folded, leaf_hash, root_of

WIDTH: Final = 256
"""Hashes of a full tile, and entries of a full bundle."""
_BITS: Final = 8
ENTRIES: Final = -1
"""Stands for a level where a bundle of entries is meant."""
LONGEST: Final = 65_535
"""Bytes of the longest entry."""
_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Where a tile or a bundle is: its level (or `ENTRIES`), its place in it, and how many it holds."""

    level: int
    place: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Give the path below the log's prefix."""
        groups = [f"{self.place % 1000:03}"]
        rest = self.place // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{level}/{'/'.join(groups)}{partial}"

    @classmethod
    def at(cls, path: str) -> Self:
        """Read a path.

        Raises:
            InputError: no tile has it.
        """
        match = _PATH.fullmatch(path)
        if match:
            level = ENTRIES if match[1] == "entries" else int(match[1])
            place = int(match[2].replace("x", "").replace("/", ""))
            tile = cls(level=level, place=place, width=int(match[3] or WIDTH))
            if tile.path == path:
                return tile
        raise InputError("this is no tile of a log", "see https://c2sp.org/tlog-tiles for their paths")


def width_at(level: int, place: int, size: int) -> int:
    """Give how many hashes or entries the tile at a level and place holds in a log of some size."""
    count = size >> (_BITS * max(level, 0))
    return max(0, min(WIDTH, count - place * WIDTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The right edge of a log: of every level the hashes that its last, unfinished tile holds."""

    size: int = 0
    rows: tuple[tuple[bytes, ...], ...] = ()

    def root(self) -> bytes:
        """Give the root of the whole log."""
        return folded([each for row in reversed(self.rows) for each in _perfect(row)])


def _perfect(row: Sequence[bytes]) -> list[bytes]:
    """Give the roots of the perfect subtrees of an unfinished tile, the largest first."""
    roots, start = [], 0
    while start < len(row):
        count = 1 << ((len(row) - start).bit_length() - 1)
        roots.append(root_of(row[start : start + count]))
        start += count
    return roots


def edge_tiles(size: int) -> list[Tile]:
    """Give the unfinished tiles of a log of some size, the lowest level first; levels without one are left out."""
    tiles, level, count = [], 0, size
    while count:
        if count % WIDTH:
            tiles.append(Tile(level=level, place=count // WIDTH, width=count % WIDTH))
        level, count = level + 1, count // WIDTH
    return tiles


def finished_tiles(old: int, new: int) -> list[Tile]:
    """Give the tiles and bundles that were unfinished at one size of a log, and are finished at a later one."""
    found = []
    for tile in edge_tiles(old):
        if width_at(tile.level, tile.place, new) == WIDTH:
            levels = (ENTRIES, 0) if tile.level == 0 else (tile.level,)
            found += [Tile(level=level, place=tile.place) for level in levels]
    return found


def edge_of(size: int, read: Callable[[Tile], bytes]) -> Edge:
    """Read the right edge of a log from its tiles.

    Raises:
        IntegrityError: a tile has another length than it must.
    """
    rows: dict[int, tuple[bytes, ...]] = {}
    for tile in edge_tiles(size):
        rows[tile.level] = tuple(hashes_in(tile, read(tile)))
    return Edge(size=size, rows=tuple(rows.get(level, ()) for level in range(max(rows, default=-1) + 1)))


def hashes_in(tile: Tile, body: bytes) -> list[bytes]:
    """Give the hashes of a tile.

    Raises:
        IntegrityError: it has another length than it must.
    """
    if len(body) != tile.width * HASH_SIZE:
        raise IntegrityError(f"`{tile.path}` holds {len(body)} bytes", f"it must hold {tile.width * HASH_SIZE}")
    return [body[n : n + HASH_SIZE] for n in range(0, len(body), HASH_SIZE)]


def grow(edge: Edge, leaves: Sequence[bytes]) -> tuple[Edge, list[tuple[Tile, bytes]]]:
    """Append leaves' hashes; give the new edge, and every tile that is new or longer, with what it holds."""
    rows: list[tuple[bytes, ...]] = []
    tiles: list[tuple[Tile, bytes]] = []
    level, fresh = 0, list(leaves)
    while fresh or level < len(edge.rows):
        known = list(edge.rows[level]) if level < len(edge.rows) else []
        place = (edge.size >> (_BITS * level)) // WIDTH
        row = known + fresh
        carried: list[bytes] = []
        for start in range(0, len(row) - WIDTH + 1, WIDTH):
            full = row[start : start + WIDTH]
            tiles.append((Tile(level=level, place=place + len(carried)), b"".join(full)))
            carried.append(root_of(full))
        rest = row[len(carried) * WIDTH :]
        if rest and fresh:
            tiles.append((Tile(level=level, place=place + len(carried), width=len(rest)), b"".join(rest)))
        rows.append(tuple(rest))
        level, fresh = level + 1, carried
    return Edge(size=edge.size + len(leaves), rows=tuple(rows)), tiles


TileReader: TypeAlias = Callable[[Tile], bytes]
"""Gives what a tile holds."""


def nodes_in(size: int, read: TileReader) -> Nodes:
    """Give the nodes of a log of some size from its tiles."""

    def node(level: int, place: int) -> bytes:
        height, rest = divmod(level, _BITS)
        first = place << rest
        tile_place, start = divmod(first, WIDTH)
        tile = Tile(level=height, place=tile_place, width=width_at(height, tile_place, size))
        return root_of(hashes_in(tile, read(tile))[start : start + (1 << rest)])

    return node


def bundle_of(entries: Sequence[bytes]) -> bytes:
    """Give entries as a bundle holds them: each after its length, two bytes, the larger first.

    Raises:
        InputError: an entry is too long.
    """
    if any(len(entry) > LONGEST for entry in entries):
        raise InputError(f"an entry is longer than {LONGEST} bytes", "log a digest of it")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def entries_in(tile: Tile, bundle: bytes) -> list[bytes]:
    """Give the entries of a bundle.

    Raises:
        IntegrityError: it is cut short, or holds more or fewer than it must.
    """
    entries = list(_cut(bundle))
    if len(entries) != tile.width or sum(len(entry) + 2 for entry in entries) != len(bundle):
        raise IntegrityError(f"`{tile.path}` does not hold {tile.width} whole entries", "fetch it again")
    return entries


def _cut(bundle: bytes) -> Iterator[bytes]:
    start = 0
    while start + 2 <= len(bundle):
        end = start + 2 + int.from_bytes(bundle[start : start + 2])
        if end > len(bundle):
            return
        yield bundle[start + 2 : end]
        start = end


def check_bundle(tile: Tile, bundle: bytes, hashes: bytes) -> list[bytes]:
    """Give the entries of a bundle, each of which is hashed by the tile of level 0 at the same place.

    Raises:
        IntegrityError: one is not.
    """
    entries = entries_in(tile, bundle)
    if b"".join(map(leaf_hash, entries)) != hashes:
        raise IntegrityError(f"`{tile.path}` holds entries that the log does not commit to", "keep it as evidence")
    return entries
