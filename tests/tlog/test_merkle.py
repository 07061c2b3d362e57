"""RFC 6962's tree, checked against published vectors, against another implementation, and by its laws."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from licet.model.errors import IntegrityError, UsageError
from licet.tlog.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    nodes_over,
    root_of,
)

CT_ENTRIES = [
    bytes.fromhex(each)
    for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
"""The reference tree of Certificate Transparency."""
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in CT_ENTRIES]


def test_roots_are_those_of_the_reference_tree() -> None:
    assert [root_of(LEAVES[: n + 1]).hex() for n in range(8)] == CT_ROOTS
    assert root_of([]) == EMPTY_ROOT


@pytest.mark.parametrize(
    ("index", "size", "wanted"),
    [
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
    ],
)
def test_proofs_of_inclusion_are_those_of_the_reference_tree(index: int, size: int, wanted: list[str]) -> None:
    assert [each.hex() for each in inclusion_proof(index, size, nodes_over(LEAVES))] == wanted


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_proofs_of_consistency_are_those_of_the_reference_tree(old: int, new: int, wanted: list[str]) -> None:
    assert [each.hex() for each in consistency_proof(old, new, nodes_over(LEAVES))] == wanted


entries = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


@given(entries)
@settings(max_examples=60)
def test_another_implementation_finds_the_same_root(found: list[bytes]) -> None:
    peer = InmemoryTree(algorithm="sha256")
    for entry in found:
        peer.append_entry(entry)
    assert root_of(map(leaf_hash, found)) == peer.get_root()


@given(entries, st.data())
@settings(max_examples=80)
def test_every_entry_is_proven_and_no_other_passes_for_it(found: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in found]
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(index, len(leaves), nodes_over(leaves))
    check_inclusion(index, len(leaves), leaves[index], proof, root_of(leaves))
    with pytest.raises(IntegrityError):
        check_inclusion(index, len(leaves), leaf_hash(b"never logged: %d" % index), proof, root_of(leaves))
    with pytest.raises(IntegrityError):
        check_inclusion(index, len(leaves), leaves[index], [*proof, leaves[0]], root_of(leaves))
    if proof:
        with pytest.raises(IntegrityError):
            check_inclusion(index, len(leaves), leaves[index], proof[:-1], root_of(leaves))


@given(st.integers(1, 40), st.integers(0, 30), st.data())
@settings(max_examples=100)
def test_growth_is_proven_and_a_rewritten_history_is_not(old: int, more: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(old + more)]
    proof = consistency_proof(old, len(leaves), nodes_over(leaves))
    check_consistency(old, len(leaves), proof, root_of(leaves[:old]), root_of(leaves))
    changed = list(leaves)
    changed[data.draw(st.integers(0, old - 1))] = leaf_hash(b"rewritten")
    forged = consistency_proof(old, len(leaves), nodes_over(changed))
    for claimed in (proof, forged):
        with pytest.raises(IntegrityError):
            check_consistency(old, len(leaves), claimed, root_of(leaves[:old]), root_of(changed))


def test_from_nothing_everything_is_growth() -> None:
    check_consistency(0, 8, [], EMPTY_ROOT, root_of(LEAVES))
    with pytest.raises(IntegrityError):
        check_consistency(0, 8, [], LEAVES[0], root_of(LEAVES))
    with pytest.raises(IntegrityError):
        check_consistency(3, 8, [], root_of(LEAVES[:3]), root_of(LEAVES))
    with pytest.raises(IntegrityError):
        check_consistency(8, 3, [], root_of(LEAVES), root_of(LEAVES[:3]))


def test_what_is_not_there_is_not_proven() -> None:
    with pytest.raises(UsageError, match="8 entries has no entry 8"):
        inclusion_proof(8, 8, nodes_over(LEAVES))
    with pytest.raises(UsageError, match="cannot have grown from 9"):
        consistency_proof(9, 8, nodes_over(LEAVES))
