"""Receipts of entries."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.model.errors import InputError, IntegrityError
from licet.tlog.checkpoints import Checkpoint, signed_checkpoint
from licet.tlog.merkle import inclusion_proof, leaf_hash, nodes_over, root_of
from licet.tlog.notes import Signer
from licet.tlog.proofs import Proof

SIGNER = Signer(name="example.org/log", key=Ed25519PrivateKey.from_private_bytes(b"k" * 32))
ENTRIES = [b"entry %d" % n for n in range(11)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def a_proof(index: int, extra: bytes = b"") -> Proof:
    checkpoint = Checkpoint(origin=SIGNER.name, size=len(LEAVES), root=root_of(LEAVES))
    return Proof(
        index=index,
        hashes=tuple(inclusion_proof(index, len(LEAVES), nodes_over(LEAVES))),
        checkpoint=signed_checkpoint(checkpoint, SIGNER),
        extra=extra,
    )


@pytest.mark.parametrize("index", [0, 7, 10])
@pytest.mark.parametrize("extra", [b"", b"salt"])
def test_a_proof_that_was_written_down_still_holds(index: int, extra: bytes) -> None:
    proof = Proof.read(a_proof(index, extra).text())
    assert proof == a_proof(index, extra)
    assert proof.check(ENTRIES[index], SIGNER.verifier).size == 11


def test_another_entry_another_key_and_another_place_are_refused() -> None:
    stranger = Signer(name=SIGNER.name, key=Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    with pytest.raises(IntegrityError, match="does not bind"):
        a_proof(3).check(ENTRIES[4], SIGNER.verifier)
    with pytest.raises(IntegrityError, match="no key"):
        a_proof(3).check(ENTRIES[3], stranger.verifier)
    moved = Proof.read(a_proof(3).text().replace("index 3", "index 2"))
    with pytest.raises(IntegrityError, match="does not bind"):
        moved.check(ENTRIES[3], SIGNER.verifier)


@pytest.mark.parametrize(
    "change",
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 3", "index 03"),
        ("index 3", "place 3"),
        ("\n\n", "\n"),
        ("extra c2FsdA==", "extra salt!"),
        ("index 3\n", "index 3\nAAAA\n"),
    ],
)
def test_a_malformed_proof_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(InputError):
        Proof.read(a_proof(3, b"salt").text().replace(*change))
