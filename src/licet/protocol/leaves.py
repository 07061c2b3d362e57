"""What stands in the transparency log: canonical JSON that names no member, and what opens a member's own part of it.

A choice stands in the log as an HMAC-SHA-256 under a salt of its own. Who holds the salt can show what was chosen;
without it nothing can be told or linked, also not by guessing.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from licet.model.errors import InputError
from licet.protocol.attestation import Value, canonical

VERSION: Final = 1
SETTINGS: Final = "settings"
"""The type of an entry that commits to members' choices; `root` is over them, from `first` to `last`."""
_SALT: Final = b"licet setting salt v1"
_SALT_SIZE: Final = 32


def entry_of(kind: str, said: Mapping[str, Value]) -> bytes:
    """Give an entry of the log: its type, its version, and what it says."""
    return canonical({"type": kind, "v": VERSION, **said})


def read_entry(entry: bytes) -> dict[str, Value]:
    """Read an entry of the log.

    Raises:
        InputError: it is not canonical JSON with a type and a version that is known here.
    """
    try:
        said = json.loads(entry)
        whole = isinstance(said, dict) and canonical(said) == entry
    except (ValueError, RecursionError):
        whole = False
    if not whole or not isinstance(said.get("type"), str) or said.get("v") != VERSION:
        raise InputError("an entry of the log cannot be read", "look whether a newer licet wrote it")
    return dict(said)


def salt_of(member_key: bytes, seq: int) -> bytes:
    """Give the salt of a member's choice by its number; without the member's key nobody finds it again."""
    return hmac.digest(member_key, _SALT + seq.to_bytes(8), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSaid:
    """What a member chose: all that the log commits to."""

    seq: int
    member_id: str
    purpose: str
    recipient_id: str
    """Empty means every recipient."""
    choice: str
    source: str
    at: str

    def value(self) -> dict[str, Value]:
        """Give the choice as it is committed to."""
        return {name: getattr(self, name) for name in self.__slots__}

    def commitment(self, salt: bytes) -> bytes:
        """Give the 32 bytes that stand for the choice."""
        return hmac.digest(salt, canonical(self.value()), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What binds a choice to an entry of the log: its salt, and its place and path in the entry's own tree."""

    said: SettingSaid
    salt: bytes
    first: int
    last: int
    path: tuple[bytes, ...]

    def extra(self) -> bytes:
        """Give the opening as it stands in a proof's extra line."""
        path: list[Value] = [each.hex() for each in self.path]
        return canonical(
            {
                "said": self.said.value(),
                "salt": self.salt.hex(),
                "first": self.first,
                "last": self.last,
                "path": path,
            }
        )

    @classmethod
    def read(cls, extra: bytes) -> Self:
        """Read an opening.

        Raises:
            InputError: it is none.
        """
        try:
            value = json.loads(extra)
            said = SettingSaid(**value["said"])
            opening = cls(
                said=said,
                salt=bytes.fromhex(value["salt"]),
                first=value["first"],
                last=value["last"],
                path=tuple(bytes.fromhex(each) for each in value["path"]),
            )
            numbers = (opening.first, said.seq, opening.last)
            whole = opening.extra() == extra and len(opening.salt) == _SALT_SIZE
            whole = whole and all(type(each) is int for each in numbers) and numbers == tuple(sorted(numbers))
            whole = whole and all(isinstance(getattr(said, name), str) for name in SettingSaid.__slots__[1:])
        except (ValueError, TypeError, KeyError, RecursionError, InputError) as error:
            raise InputError("the receipt does not say what it is a receipt of", _AS_GIVEN) from error
        if not whole:
            raise InputError("the receipt does not say what it is a receipt of", _AS_GIVEN)
        return opening

    def entry(self, root: bytes) -> bytes:
        """Give the entry of the log that a root over the choices makes."""
        return settings_entry(self.first, self.last, root)


_AS_GIVEN: Final = "give the file as it was downloaded"


def settings_entry(first: int, last: int, root: bytes) -> bytes:
    """Give the entry that commits to the choices with the numbers from `first` to `last`."""
    return entry_of(SETTINGS, {"first": first, "last": last, "root": root.hex()})
