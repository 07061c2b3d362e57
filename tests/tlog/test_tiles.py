"""Tiles: their paths, their growth, and what is found in them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import InputError, IntegrityError
from licet.tlog.merkle import EMPTY_ROOT, consistency_proof, inclusion_proof, leaf_hash, nodes_over, root_of
from licet.tlog.tiles import (
    ENTRIES,
    Edge,
    Tile,
    bundle_of,
    check_bundle,
    edge_of,
    edge_tiles,
    entries_in,
    grow,
    nodes_in,
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, place=0), "tile/0/000"),
        (Tile(level=0, place=1000), "tile/0/x001/000"),
        (Tile(level=3, place=1_234_067), "tile/3/x001/x234/067"),
        (Tile(level=0, place=273, width=112), "tile/0/273.p/112"),
        (Tile(level=ENTRIES, place=5, width=1), "tile/entries/005.p/1"),
    ],
)
def test_paths_are_those_of_the_standard(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.at(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/../0/000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
    ],
)
def test_no_other_path_is_a_tile(path: str) -> None:
    with pytest.raises(InputError, match="no tile"):
        Tile.at(path)


def test_a_log_of_70000_has_the_unfinished_tiles_of_the_standard() -> None:
    assert [tile.path for tile in edge_tiles(70_000)] == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert [tile.path for tile in edge_tiles(256)] == ["tile/1/000.p/1"]
    assert edge_tiles(0) == []


def grown(counts: list[int]) -> tuple[Edge, dict[Tile, bytes], list[bytes]]:
    """Grow a log by steps; give its edge, all tiles that were ever made, and its leaves."""
    edge, tiles, leaves = Edge(), {}, []
    for count in counts:
        fresh = [leaf_hash(b"%d" % (len(leaves) + n)) for n in range(count)]
        edge, made = grow(edge, fresh)
        leaves += fresh
        tiles.update(made)
    return edge, tiles, leaves


@given(st.lists(st.integers(0, 700), max_size=6))
@settings(max_examples=25)
def test_however_a_log_grew_its_tiles_give_its_root(counts: list[int]) -> None:
    edge, tiles, leaves = grown(counts)
    assert edge.size == len(leaves)
    assert edge.root() == root_of(leaves)
    assert edge_of(edge.size, tiles.__getitem__) == Edge(size=edge.size, rows=edge.rows[: _height(edge)])


def _height(edge: Edge) -> int:
    return max((n + 1 for n, row in enumerate(edge.rows) if row), default=0)


def test_a_large_log_has_the_root_of_its_leaves() -> None:
    edge, tiles, leaves = grown([65_535, 2, 4_463])
    assert edge.root() == root_of(leaves)
    assert Tile(level=2, place=0, width=1) in tiles
    nodes, plain = nodes_in(edge.size, tiles.__getitem__), nodes_over(leaves)
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        assert inclusion_proof(index, edge.size, nodes) == inclusion_proof(index, edge.size, plain)
    for old in (1, 256, 65_535, 65_536, 69_999):
        assert consistency_proof(old, edge.size, nodes) == consistency_proof(old, edge.size, plain)


def test_an_empty_log_has_the_empty_root() -> None:
    assert Edge().root() == EMPTY_ROOT
    assert edge_of(0, {}.__getitem__) == Edge()


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(IntegrityError, match="it must hold 64"):
        edge_of(2, lambda _tile: b"short")


def test_bundles_are_those_of_the_standard() -> None:
    tile = Tile(level=ENTRIES, place=0, width=2)
    assert bundle_of([b"one", b"two"]).hex() == "00036f6e65000374776f"
    assert entries_in(tile, bundle_of([b"one", b"two"])) == [b"one", b"two"]
    with pytest.raises(InputError, match="longer than 65535"):
        bundle_of([b"x" * 65_536])


@pytest.mark.parametrize("bundle", [b"", b"\x00\x03one", b"\x00\x03one\x00\x03tw", b"\x00\x03one\x00\x03two\x00"])
def test_a_bundle_that_is_cut_or_lengthened_is_refused(bundle: bytes) -> None:
    with pytest.raises(IntegrityError, match="2 whole entries"):
        entries_in(Tile(level=ENTRIES, place=0, width=2), bundle)


def test_entries_that_the_log_does_not_commit_to_are_refused() -> None:
    tile, hashes = Tile(level=ENTRIES, place=0, width=1), leaf_hash(b"one")
    assert check_bundle(tile, bundle_of([b"one"]), hashes) == [b"one"]
    with pytest.raises(IntegrityError, match="does not commit"):
        check_bundle(tile, bundle_of([b"two"]), hashes)
