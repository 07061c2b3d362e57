"""The Merkle tree of RFC 6962 with SHA-256: roots, and proofs that a leaf is in it or that it only grew.

A node at level l and place n is the root of the 2**l leaves from n * 2**l on; level 0 holds the leaves' hashes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from licet.model.errors import IntegrityError, UsageError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
Nodes: TypeAlias = Callable[[int, int], bytes]
"""Gives the hash of the node at a level and place."""
_UNBOUND: Final = "the proof does not bind the entry to the log"
_DISTRUST: Final = "do not rely on it; ask the operator why"


def leaf_hash(entry: bytes) -> bytes:
    """Give the hash of an entry as a leaf (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Give the hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Give the root over leaves' hashes."""
    row = list(leaves)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        # A node without a sibling rises as it is, which gives the same tree as RFC 6962's recursive split.
        row = [node_hash(row[n], row[n + 1]) for n in range(0, len(row) - 1, 2)] + odd
    return row[0]


def nodes_over(leaves: Sequence[bytes]) -> Nodes:
    """Give the nodes over leaves' hashes that are all at hand."""
    return lambda level, n: root_of(leaves[n << level : (n + 1) << level])


def folded(perfect: Sequence[bytes]) -> bytes:
    """Give the root over perfect subtrees, the largest and leftmost first."""
    if not perfect:
        return EMPTY_ROOT
    root = perfect[-1]
    for each in reversed(perfect[:-1]):
        root = node_hash(each, root)
    return root


def _root_between(start: int, end: int, nodes: Nodes) -> bytes:
    """Give the root over the leaves from `start`, which is aligned for their number, to before `end`."""
    perfect = []
    while start < end:
        level = (end - start).bit_length() - 1
        perfect.append(nodes(level, start >> level))
        start += 1 << level
    return folded(perfect)


def _split(count: int) -> int:
    """Give the largest power of two below a count of two or more."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Give the hashes that bind a leaf to the root of a tree, its sibling first (RFC 9162, section 2.1.3.1).

    Raises:
        UsageError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise UsageError(f"a log of {size} entries has no entry {index}", "ask for one below its size")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_root_between(middle, end, nodes))
            end = middle
        else:
            proof.append(_root_between(start, middle, nodes))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Give the hashes that show a tree to begin with an older one (RFC 9162, section 2.1.4.1); none from size 0.

    Raises:
        UsageError: the older tree is the larger one.
    """
    if not 0 <= old <= new:
        raise UsageError(f"a log of {new} entries cannot have grown from {old}", "ask for an older size")
    if old in {0, new}:
        return []
    proof, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_root_between(middle, end, nodes))
            end = middle
        else:
            proof.append(_root_between(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        proof.append(_root_between(start, end, nodes))
    return proof[::-1]


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf's hash is in a tree.

    Raises:
        IntegrityError: the proof does not hold.
    """
    if root_by(index, size, leaf, proof) != root:
        raise IntegrityError(_UNBOUND, _DISTRUST)


def root_by(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Give the root of the tree of some size that a proof binds a leaf's hash to (RFC 9162, section 2.1.3.2).

    Raises:
        IntegrityError: the proof has another length than it must.
    """
    position, last, found = index, size - 1, leaf
    sound = 0 <= index < size
    for each in proof:
        sound = sound and last > 0
        if position & 1 or position == last:
            found = node_hash(each, found)
            position, last = _risen(position, last)
        else:
            found = node_hash(found, each)
        position, last = position >> 1, last >> 1
    if not sound or last != 0:
        raise IntegrityError(_UNBOUND, _DISTRUST)
    return found


def _risen(position: int, last: int) -> tuple[int, int]:
    """Skip the levels on which a rightmost node has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that a tree begins with an older one (RFC 9162, section 2.1.4.2).

    From size 0 the proof is empty and the older root that of the empty tree: nothing was stated, nothing can be broken.

    Raises:
        IntegrityError: history was rewritten, or the proof is not one.
    """
    if not _grew(old, new, list(proof), old_root, new_root):
        raise IntegrityError(
            "the log does not begin with what it said before", "keep both checkpoints: together they prove it"
        )


def _grew(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    if not 0 <= old <= new:
        return False
    if old in {0, new}:
        return not proof and old_root == (new_root if old == new else EMPTY_ROOT)
    hashes = proof if old & (old - 1) else [old_root, *proof]
    if not hashes:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    older = newer = hashes[0]
    for each in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            older, newer = node_hash(each, older), node_hash(each, newer)
            position, last = _risen(position, last)
        else:
            newer = node_hash(newer, each)
        position, last = position >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root
