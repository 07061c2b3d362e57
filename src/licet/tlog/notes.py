"""Signed notes and the keys that verify them: a text, an empty line, and a line a signature (C2SP signed-note)."""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from licet.model.errors import InputError, IntegrityError

ED25519: Final = 0x01
_KEY_SIZE: Final = 32
_ID_SIZE: Final = 4
_SPACE: Final = 0x20
_DASH: Final = "\u2014 "
MOST: Final = 1_000_000
"""Bytes of a note that are read."""
_MOST_SIGNATURES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A key that signatures are checked with: a name, and an Ed25519 public key of 32 bytes."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Give the four bytes by which signatures name the key."""
        said = self.name.encode() + b"\n" + bytes([ED25519]) + self.public_key
        return hashlib.sha256(said).digest()[:_ID_SIZE]

    def __str__(self) -> str:
        """Give the key as people pass it on, a vkey."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([ED25519]) + self.public_key)}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a vkey.

        Raises:
            InputError: it is none, or not of an Ed25519 key.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _bytes(encoded)
        if not is_name(name) or len(raw) != 1 + _KEY_SIZE or raw[0] != ED25519:
            raise InputError("this is no Ed25519 key of a log", "give it as NAME+ID+KEY, as `licet log key` prints it")
        found = cls(name=name, public_key=raw[1:])
        if str(found) != text.strip():
            raise InputError("the key of the log is mistyped", f"its id is {found.key_id.hex()}, not {key_id[:8]}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key that signs under a name."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        """Give the key that checks what this one signs."""
        return Verifier(name=self.name, public_key=self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def is_name(name: str) -> bool:
    """Tell whether a name may stand in a note."""
    said = name.encode(errors="replace").decode()  # half of a surrogate pair is no text
    return bool(name) and "+" not in name and said == name and not any(c.isspace() or ord(c) < _SPACE for c in name)


def signed(text: str, signer: Signer) -> str:
    """Give a note: a text that ends with a new line, and a signature over it.

    Raises:
        InputError: the text or the name cannot stand in a note.
    """
    if not is_name(signer.name):
        raise InputError(f"`{signer.name}` cannot name a key", "use a name without spaces and plus signs")
    if not text.endswith("\n") or _controlled(text):
        raise InputError("a note ends with a new line and holds no other control character", "mend the text")
    signature = signer.verifier.key_id + signer.key.sign(text.encode())
    return f"{text}\n{_DASH}{signer.name} {_base64(signature)}\n"


def opened(note: bytes, verifiers: Iterable[Verifier]) -> str:
    """Give the text of a note that at least one known key signed; signatures by others are passed over.

    Raises:
        InputError: it is no note.
        IntegrityError: a known key's signature is false, or no known key signed.
    """
    text, lines = _parted(note)
    known = {(each.name, each.key_id): each for each in verifiers}
    good = 0
    for name, key_id, signature in lines:
        verifier = known.get((name, key_id))
        if verifier is not None:
            _check(verifier, text, signature)
            good += 1
    if not good:
        raise IntegrityError("no key that you trust signed this note", "give the log's own key")
    return text


def _parted(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    try:
        said = note.decode() if len(note) <= MOST else ""
    except UnicodeDecodeError:
        said = ""
    head, empty, tail = said.rpartition("\n\n")
    lines = tail.split("\n")
    if not head or not empty or lines[-1] or len(lines) > _MOST_SIGNATURES or _controlled(said):
        raise InputError("this is no signed note", "give the file as it was served")
    return head + "\n", [_signature(line) for line in lines[:-1]]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _bytes(encoded)
    if not line.startswith(_DASH) or not is_name(name) or len(raw) <= _ID_SIZE:
        raise InputError("a line of signature is malformed", "give the note as it was served")
    return name, raw[:_ID_SIZE], raw[_ID_SIZE:]


def _check(verifier: Verifier, text: str, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public_key).verify(signature, text.encode())
    except InvalidSignature as error:
        raise IntegrityError(
            f"the signature of `{verifier.name}` is false", "do not rely on it; keep it as evidence"
        ) from error


def _controlled(text: str) -> bool:
    return any(ord(each) < _SPACE and each != "\n" for each in text)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    """Give what base64 spells, nothing where it is not spelled exactly so."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if _base64(raw) == text else b""
