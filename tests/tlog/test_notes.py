"""Signed notes and keys, with the vectors of the standard."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.model.errors import InputError, IntegrityError
from licet.tlog.notes import Signer, Verifier, opened, signed

FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()


def a_signer(name: str = "example.org/log", seed: int = 1) -> Signer:
    return Signer(name=name, key=Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def test_the_example_of_the_standard_verifies() -> None:
    verifier = Verifier.read(FOO)
    assert str(verifier) == FOO
    assert opened(NOTE, [verifier]) == "This is an example message.\n"


def test_what_was_signed_is_opened_and_may_hold_empty_lines() -> None:
    note = signed("one\n\nthree\n", a_signer())
    assert opened(note.encode(), [a_signer().verifier]) == "one\n\nthree\n"


def test_signatures_by_strangers_are_passed_over() -> None:
    ours, theirs = a_signer(), a_signer("witness.example", 2)
    note = signed("text\n", ours) + signed("text\n", theirs).partition("\n\n")[2]
    assert opened(note.encode(), [ours.verifier]) == "text\n"
    assert opened(note.encode(), [theirs.verifier]) == "text\n"
    with pytest.raises(IntegrityError, match="no key that you trust"):
        opened(note.encode(), [a_signer(seed=3).verifier])


def test_a_changed_text_is_refused() -> None:
    with pytest.raises(IntegrityError, match="is false"):
        opened(NOTE.replace(b"example message", b"exemple message"), [Verifier.read(FOO)])


def test_one_false_signature_of_a_known_key_spoils_the_note() -> None:
    ours, theirs = a_signer(), a_signer("witness.example", 2)
    false = signed("other\n", theirs).partition("\n\n")[2]
    with pytest.raises(IntegrityError, match="signature of `witness"):
        opened((signed("text\n", ours) + false).encode(), [ours.verifier, theirs.verifier])


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"text\n",
        NOTE[:-1],
        NOTE.replace("\u2014".encode(), b"-"),
        NOTE.replace(b"Uw2QOk", b"Uw2Q Ok"),
        NOTE.replace(b"message", b"mess\tage"),
        b"\xff" + NOTE,
        NOTE * 40_000,
    ],
)
def test_what_is_no_note_is_refused(note: bytes) -> None:
    with pytest.raises(InputError):
        opened(note, [Verifier.read(FOO)])


HALF = FOO.replace("foo", "fo\udcff")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "example.com/foo",
        FOO.replace("530d903a", "530d903b"),
        FOO[:-4],
        FOO.replace("foo", "fo o"),
        FOO.replace("foo", "fo\udcff"),
        FOO + "=",
    ],
)
def test_a_mistyped_key_is_refused(key: str) -> None:
    with pytest.raises(InputError):
        Verifier.read(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\ud800"])
def test_a_name_that_cannot_stand_in_a_note_signs_nothing(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a key"):
        signed("text\n", a_signer(name))


def test_a_text_without_its_last_new_line_is_not_signed() -> None:
    with pytest.raises(InputError, match="ends with a new line"):
        signed("text", a_signer())
