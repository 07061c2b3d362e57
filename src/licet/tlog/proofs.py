"""Receipts that one entry is in a log, checked without asking anybody (C2SP tlog-proof)."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self

from licet.model.errors import InputError
from licet.tlog.checkpoints import Checkpoint, hash_from, opened_checkpoint
from licet.tlog.merkle import check_inclusion, leaf_hash
from licet.tlog.notes import Verifier

HEAD: Final = "c2sp.org/tlog-proof@v1"
MOST_HASHES: Final = 63
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That an entry is the one at `index`: hashes up to the root of the checkpoint, which is a signed note.

    What is `extra` (may be empty) is no part of what is proven.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def text(self) -> str:
        """Give the proof as a file holds it."""
        extra = [f"extra {base64.b64encode(self.extra).decode()}"] if self.extra else []
        hashes = [base64.b64encode(each).decode() for each in self.hashes]
        return "\n".join([HEAD, *extra, f"index {self.index}", *hashes, "", self.checkpoint.decode()])

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a file.

        Raises:
            InputError: it is no proof.
        """
        head, _, note = text.partition("\n\n")
        lines = head.split("\n")
        extra = _extra(lines.pop(1)) if len(lines) > 1 and lines[1].startswith("extra ") else b""
        index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
        hashes = lines[2:]
        checkpoint = note.encode(errors="replace")  # half of a surrogate pair, which JSON can hold, is never signed
        if lines[0] != HEAD or index is None or len(hashes) > MOST_HASHES or not note:
            raise InputError("this is no proof from a log", "give the file as it was downloaded")
        return cls(index=int(index[1]), hashes=tuple(map(hash_from, hashes)), checkpoint=checkpoint, extra=extra)

    def check(self, entry: bytes, verifier: Verifier) -> Checkpoint:
        """Check that an entry is in the log whose key this is; give the checkpoint that says so.

        Raises:
            InputError: the checkpoint is malformed.
            IntegrityError: it is not signed by the key, or the entry is not in the log.
        """
        checkpoint = opened_checkpoint(self.checkpoint, verifier)
        check_inclusion(self.index, checkpoint.size, leaf_hash(entry), self.hashes, checkpoint.root)
        return checkpoint


def _extra(line: str) -> bytes:
    said = line.removeprefix("extra ")
    try:
        raw = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or base64.b64encode(raw).decode() != said:
        raise InputError("the extra line of the proof is no base64", "give the file as it was downloaded")
    return raw
