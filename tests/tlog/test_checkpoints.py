"""Checkpoints, with those of another log's implementation."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.model.errors import InputError, IntegrityError
from licet.tlog.checkpoints import Checkpoint, opened_checkpoint, signed_checkpoint
from licet.tlog.merkle import leaf_hash, root_of
from licet.tlog.notes import Signer, Verifier, signed

TESSERA = Verifier.read("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
TESSERA_1 = (
    "example.com/log/testdata\n1\n0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n\n"
    "\u2014 example.com/log/testdata "
    "M9e0lhr9kuLxGdAtaUrhm84TQffVsLdcy808sN0a3WyniNlfcr9+bywoiIke1YYciCNjJGkCgIlQ8b16jhsmg/SChAM=\n"
).encode()
TESSERA_ENTRIES = ["one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten"]
TESSERA_ENTRIES += ["ileven", "twelf", "threeten", "fourten", "fivten"]
SIGNER = Signer(name="example.org/log", key=Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def test_a_checkpoint_of_tessera_is_read_and_its_root_is_found() -> None:
    checkpoint = opened_checkpoint(TESSERA_1, TESSERA)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/log/testdata", 1)
    assert checkpoint.root == leaf_hash(b"one")
    assert checkpoint.text().encode() + b"\n" == TESSERA_1.partition(b"\xe2")[0]


@pytest.mark.parametrize(
    ("size", "root"),
    [
        (2, "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4="),
        (15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="),
    ],
)
def test_roots_are_those_of_tessera(size: int, root: str) -> None:
    found = root_of(leaf_hash(word.encode()) for word in TESSERA_ENTRIES[:size])
    assert base64.b64encode(found).decode() == root


def test_what_is_signed_is_opened() -> None:
    checkpoint = Checkpoint(origin=SIGNER.name, size=0, root=b"r" * 32)
    assert opened_checkpoint(signed_checkpoint(checkpoint, SIGNER), SIGNER.verifier) == checkpoint


def test_another_logs_checkpoint_is_refused() -> None:
    other = Checkpoint(origin="example.org/other", size=1, root=b"r" * 32)
    with pytest.raises(IntegrityError, match="another log's"):
        opened_checkpoint(signed_checkpoint(other, SIGNER), SIGNER.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "example.org/log\n1\n",
        "example.org/log\n01\n0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n",
        "example.org/log\n-1\n0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n",
        "example.org/log\n1\n0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek\n",
        "example.org/log\n1\nAAAA\n",
        "example.org/log\n1\n0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=\n\nlate\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        opened_checkpoint(signed(text, SIGNER).encode(), SIGNER.verifier)


def test_extension_lines_are_passed_over() -> None:
    text = Checkpoint(origin=SIGNER.name, size=3, root=b"r" * 32).text() + "more\n"
    assert opened_checkpoint(signed(text, SIGNER).encode(), SIGNER.verifier).size == 3
