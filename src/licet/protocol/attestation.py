"""Attestations: what a recipient states under its key about a recall, as canonical bytes, and who may be believed.

Canonical means RFC 8785 (JSON Canonicalization Scheme), restricted to strings, whole numbers, lists and objects.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from licet.model.errors import InputError

Value: TypeAlias = str | int | list["Value"] | dict[str, "Value"]

TYPE: Final = "licet.attestation.v1"
"""What a statement is; it stands inside what is signed, so that a signature for another use attests nothing."""
LEEWAY: Final = timedelta(minutes=5)
"""By how much two honest clocks may differ."""
MOST: Final = 64 * 1024
"""Bytes of an attestation that are read."""
WHOLE: Final = 2**53 - 1
"""The largest number that every JSON reader keeps whole."""
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class Done(StrEnum):
    """What a recipient did."""

    DELETED = "deleted"
    RETRAINED = "retrained"
    FORGOTTEN = "forgotten"
    NONE_HELD = "none_held"


class Refusal(StrEnum):
    """Why an attestation is not believed."""

    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_RECALL = "wrong_recall"
    WRONG_LICENSE = "wrong_license"
    WRONG_VERSION = "wrong_version"
    FROM_THE_FUTURE = "from_the_future"
    BEFORE_THE_RECALL = "before_the_recall"
    REPLAYED = "replayed"
    NOTHING_OWED = "nothing_owed"


SAID: Final[Mapping[Refusal, str]] = {
    Refusal.UNKNOWN_KEY: "the key is not registered: have the operator run `licet recipient key add`",
    Refusal.REVOKED_KEY: "the key was revoked: sign with another",
    Refusal.BAD_SIGNATURE: "the signature is not the key's own over the canonical statement",
    Refusal.WRONG_RECALL: "the statement names another recall",
    Refusal.WRONG_LICENSE: "the statement names another license",
    Refusal.WRONG_VERSION: "a table is missing, is named at a version before its rows left, or at one that never was",
    Refusal.FROM_THE_FUTURE: "the statement is dated in the future: set the clock and sign again",
    Refusal.BEFORE_THE_RECALL: "the statement was made before the recall opened",
    Refusal.REPLAYED: "this very statement is on record already",
    Refusal.NOTHING_OWED: "the recall is settled already",
}
"""What is told about each refusal."""


def canonical(value: Value) -> bytes:
    """Give the one byte string that stands for a value (RFC 8785).

    Raises:
        InputError: it holds something else than strings, whole numbers within 2**53, lists and objects.
    """
    if _is_plain(value):
        # Names in ASCII are in the same order as bytes and as UTF-16, and a library is many times faster.
        with suppress(orjson.JSONEncodeError):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    try:
        return _written(value).encode()
    except UnicodeEncodeError as error:
        raise InputError("a text holds half of a surrogate pair", "send valid Unicode") from error


def _is_plain(value: object) -> bool:
    """Tell whether all names in a value are ASCII.

    Raises:
        InputError: it holds something that has no canonical form.
    """
    if isinstance(value, str):
        return True
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > WHOLE:
            raise InputError("a number is larger than 2**53 - 1", "send smaller numbers")
        return True
    if isinstance(value, list):
        inside = [_is_plain(each) for each in value]
        return all(inside)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        inside = [_is_plain(each) for each in value.values()]
        return all(inside) and all(map(str.isascii, value))
    raise InputError("a value is neither text, whole number, list nor object", "send only those")


def _written(value: Value) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        # By UTF-16 code units, as JavaScript compares.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_written(key)}:{_written(value[key])}" for key in keys) + "}"
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a recipient states: how far it followed each table of a license, and what became of its models."""

    recall_id: str
    license_id: str
    versions: Mapping[str, int]
    """By table, the version whose removals, and all before, are carried out."""
    models: tuple[str, ...]
    """Models that had learned from what was recalled."""
    done: tuple[Done, ...]
    issued_at: datetime
    key_id: str

    def signed_bytes(self) -> bytes:
        """Give what is signed."""
        return canonical(self.value())

    def value(self) -> dict[str, Value]:
        """Give the statement as it goes over the wire."""
        return {
            "type": TYPE,
            "recall_id": self.recall_id,
            "license_id": self.license_id,
            "versions": dict(self.versions),
            "models": list(self.models),
            "done": [str(each) for each in self.done],
            "issued_at": f"{self.issued_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            "key_id": self.key_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """A statement with its signature, as received: `signed` is the canonical bytes that were signed."""

    statement: Statement
    signed: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """Name the statement: the SHA-256 of what was signed, in hexadecimal."""
        return hashlib.sha256(self.signed).hexdigest()

    @property
    def signature_text(self) -> str:
        """Give the signature in base64."""
        return base64.b64encode(self.signature).decode()


def key_id_of(public_key: bytes) -> str:
    """Name a public key (32 bytes) by its SHA-256."""
    return "k_" + hashlib.sha256(public_key).hexdigest()[:32]


def sign(statement: Statement, key: Ed25519PrivateKey) -> dict[str, Value]:
    """Give a signed attestation as it goes over the wire."""
    signature = base64.b64encode(key.sign(statement.signed_bytes())).decode()
    return {"statement": statement.value(), "signature": signature}


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Give the 32 bytes of a private key's public half."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_attestation(body: bytes) -> Attestation:
    """Read an attestation from the wire; every key is known and each stands once.

    Raises:
        InputError: it is malformed.
    """
    if len(body) > MOST:
        raise InputError(f"the attestation is longer than {MOST} bytes", "name fewer models")
    try:
        said = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError("the attestation is not JSON", 'send {"statement": {…}, "signature": "…"}') from error
    if not isinstance(said, dict) or set(said) != {"statement", "signature"}:
        raise InputError("an attestation has a `statement` and a `signature`, and nothing else", "send both")
    return Attestation(
        statement=_statement(said["statement"]),
        signed=canonical(said["statement"]),
        signature=_signature(said["signature"]),
    )


def read_statement(signed: bytes) -> Statement:
    """Read a statement that was kept as it was signed.

    Raises:
        InputError: it is malformed.
    """
    return _statement(json.loads(signed))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise InputError("a key stands twice in one object", "send each once")
    return dict(pairs)


def _signature(said: object) -> bytes:
    try:
        found = base64.b64decode(said, validate=True) if isinstance(said, str) else b""
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != 64:  # noqa: PLR2004 # the length of an Ed25519 signature
        raise InputError("`signature` is not an Ed25519 signature in base64", "send 64 bytes in base64")
    return found


_KEYS: Final = frozenset({"type", "recall_id", "license_id", "versions", "models", "done", "issued_at", "key_id"})


def _statement(said: object) -> Statement:
    if not isinstance(said, dict) or set(said) != _KEYS or said["type"] != TYPE:
        raise InputError(f"the statement is not a {TYPE}", f"its keys are {', '.join(sorted(_KEYS))}")
    done = tuple(map(_done, _texts(said, "done")))
    models = _texts(said, "models")
    if not done or len(set(done)) != len(done) or (Done.NONE_HELD in done and (len(done) > 1 or models)):
        raise InputError("`done` contradicts itself", "name what was done, or none_held alone and no models")
    return Statement(
        recall_id=_text(said["recall_id"], "recall_id"),
        license_id=_text(said["license_id"], "license_id"),
        versions=_versions(said["versions"]),
        models=models,
        done=done,
        issued_at=_instant(said["issued_at"]),
        key_id=_text(said["key_id"], "key_id"),
    )


def _text(said: object, name: str) -> str:
    if not isinstance(said, str) or not 0 < len(said) <= 255 or not said.isprintable():  # noqa: PLR2004 # enough for any name
        raise InputError(f"`{name}` holds something that is no text of 1 to 255 letters", "write a name")
    return said


def _texts(said: dict[str, Any], name: str) -> tuple[str, ...]:
    if not isinstance(said[name], list):
        raise InputError(f"`{name}` is not a list", "write [] if there is none")
    return tuple(_text(each, name) for each in said[name])


def _done(said: str) -> Done:
    try:
        return Done(said)
    except ValueError as error:
        raise InputError("`done` holds an unknown word", f"choose from {', '.join(Done)}") from error


def _versions(said: object) -> dict[str, int]:
    if not isinstance(said, dict) or not said:
        raise InputError("`versions` is not an object of versions by table", 'write {"posts": 7}')
    if any(isinstance(each, bool) or not isinstance(each, int) or each < 0 for each in said.values()):
        raise InputError("a version is no whole number", 'write {"posts": 7}')
    return dict(said)


def _instant(said: object) -> datetime:
    try:
        if isinstance(said, str) and _INSTANT.fullmatch(said):
            return datetime.fromisoformat(said)
    except ValueError:
        pass
    raise InputError("`issued_at` is no instant in UTC", "write 2025-03-01T12:00:00Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the facts say about the recall that an attestation was sent for, and about the key that it names."""

    recall_id: str
    license_id: str
    left: Mapping[str, int]
    """By table, the version with which rows left last."""
    newest: Mapping[str, int]
    """By table of the license, the newest version that there is."""
    opened: datetime
    settled: bool
    public_key: bytes
    """32 bytes; empty where the recipient registered no such key."""
    revoked: bool
    on_record: bool
    """This very statement was taken before."""


def refusal(attestation: Attestation, claim: Claim, now: datetime) -> Refusal | None:
    """Judge an attestation: why it is refused, or None."""
    said = attestation.statement
    checks = (
        (Refusal.UNKNOWN_KEY, not claim.public_key),
        (Refusal.REVOKED_KEY, claim.revoked),
        (Refusal.BAD_SIGNATURE, not _holds(attestation, claim.public_key)),
        (Refusal.WRONG_RECALL, said.recall_id != claim.recall_id),
        (Refusal.WRONG_LICENSE, said.license_id != claim.license_id),
        (Refusal.WRONG_VERSION, not _reached(said.versions, claim)),
        (Refusal.FROM_THE_FUTURE, said.issued_at > now + LEEWAY),
        (Refusal.BEFORE_THE_RECALL, said.issued_at < claim.opened - LEEWAY),
        (Refusal.REPLAYED, claim.on_record),
        (Refusal.NOTHING_OWED, claim.settled),
    )
    return next((name for name, holds in checks if holds), None)


def _reached(said: Mapping[str, int], claim: Claim) -> bool:
    enough = all(said.get(table, -1) >= version for table, version in claim.left.items())
    return enough and all(version <= claim.newest.get(table, -1) for table, version in said.items())


def _holds(attestation: Attestation, public_key: bytes) -> bool:
    if not public_key:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(attestation.signature, attestation.signed)
    except (InvalidSignature, ValueError):
        return False
    return True
