"""Checkpoints: what a log states, under its key, about its size and root (C2SP tlog-checkpoint)."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self

from licet.model.errors import InputError, IntegrityError
from licet.tlog.merkle import HASH_SIZE
from licet.tlog.notes import Signer, Verifier, opened, signed

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A log's name, how many entries it has, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Give what is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what was signed; lines beyond the third are extensions, which say nothing here.

        Raises:
            InputError: it is no checkpoint.
        """
        lines = text.split("\n")
        if len(lines) > _LINES and not lines[-1] and all(lines[:-1]) and _SIZE.fullmatch(lines[1]):
            root = hash_from(lines[2])
            return cls(origin=lines[0], size=int(lines[1]), root=root)
        raise InputError("the note is no checkpoint of a log", "fetch `checkpoint` below the log's address")


def hash_from(text: str) -> bytes:
    """Give a hash that a line spells in base64.

    Raises:
        InputError: it spells none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != HASH_SIZE or base64.b64encode(raw).decode() != text:
        raise InputError("a line is no hash of 32 bytes in base64", "give the file as it was served")
    return raw


def signed_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Give a checkpoint as a signed note."""
    return signed(checkpoint.text(), signer).encode()


def opened_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    """Give what a note states about the log whose key this is.

    Raises:
        InputError: it is no checkpoint.
        IntegrityError: the key did not sign it, or it is about another log.
    """
    checkpoint = Checkpoint.read(opened(note, [verifier]))
    if checkpoint.origin != verifier.name:
        raise IntegrityError("the checkpoint is another log's", f"ask for that of `{verifier.name}`")
    return checkpoint
