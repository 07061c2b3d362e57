"""Certificates of forgetting: what a model learned without whom, as canonical bytes that a stranger can recompute.

Canonical means RFC 8785, restricted as for attestations; every fraction is a decimal text, so no reader rounds it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from licet.model.errors import InputError, IntegrityError
from licet.protocol.attestation import Value, canonical, key_id_of, public_bytes

TYPE: Final = "licet.certificate-of-forgetting.v1"
"""What a certificate is; it stands inside what is signed, so that a signature for another use certifies nothing."""
MOST: Final = 16 * 1024 * 1024
"""Bytes of a certificate that are read: a lineage for each of thousands of shards fits."""
_HEX: Final = re.compile(r"[0-9a-f]{64}|", re.ASCII)


class Level(StrEnum):
    """How much was computed again before signing, from least to most."""

    SIGNATURES = "signatures"
    SUFFIX_REPLAY = "suffix replay"
    SHARD_ORACLE = "shard oracle"
    WHOLE_MODEL = "whole model"


LIMITS: Final = (
    "It shows what this pipeline computed from the data it was given; nobody can show that no copy was kept.",
    "It is about the member's own records: quotes, replies and near copies by others stay unless they were named.",
    "Frozen public parts (encoder, tokenizer, base) may have seen the same posts in their own training.",
    "Integers are equal on any machine; fractions computed from them only with the same libraries and processor.",
    "Whoever holds the model from before and from after can learn what was removed; the earlier was destroyed here.",
    "It promises nothing to those who choose what to withdraw by looking at the model, and it is no legal advice.",
)
"""What every certificate says that it does not prove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What went, without naming it: a digest that whoever knows the keys can compute again."""

    salt: str
    digest: str
    members: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing before and after: digests in hexadecimal, `""` where there was none."""

    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """How one shard got rid of its rows: replayed from a checkpoint that had not seen them."""

    shard: int
    start: str
    """Hash of the checkpoint before the first slice that was replayed."""
    slices: tuple[str, ...]
    """Hashes of what each replayed slice holds now, in order."""
    output: str
    oracle: str = ""
    """Hash that training the shard from scratch gave; `""` where that was not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure, as decimal text: before, after, and for the model that never saw the member."""

    name: str
    before: str
    after: str
    oracle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is certified: the model after is the one that the plan gives without the rows that were removed."""

    counterfactual: str
    """In words: which other computation gives the same bytes."""
    tier: str
    """`algebra`, `chain` or `replay`."""
    learner: Mapping[str, Value]
    """All that is frozen: kind, constants, labels, digests of the public parts."""
    plan: str
    recall: str
    requested_at: datetime
    issued_at: datetime
    removed: Removed
    closure: str
    """Which other records went along, in words."""
    rows: Change
    """Digests of the set of records that the model learned from."""
    statistics: Change
    """Digests of the integer statistics; both `""` where the tier keeps none."""
    tensors: Mapping[str, Change]
    """By name of each tensor of the model."""
    destroyed: tuple[str, ...]
    """Hashes of artefacts that had seen the rows and were deleted."""
    environment: Mapping[str, str]
    level: Level
    cost: Mapping[str, str]
    """By name, as decimal text with its unit in the name, such as `cpu_seconds`."""
    key_id: str
    lineages: tuple[Lineage, ...] = ()
    untouched: Mapping[str, str] = field(default_factory=dict)
    """By name, hashes of shards that were equal before and after."""
    metrics: tuple[Metric, ...] = ()
    limits: tuple[str, ...] = LIMITS
    previous: str = ""
    """Digest of the certificate that this model got before; `""` for the first."""

    def value(self) -> dict[str, Value]:
        """Give the certificate as it is signed."""
        said: dict[str, Any] = {
            **{name: _plain(getattr(self, name)) for name in _FIELDS},
            "type": TYPE,
            "requested_at": _instant_text(self.requested_at),
            "issued_at": _instant_text(self.issued_at),
        }
        return said

    def signed_bytes(self) -> bytes:
        """Give the canonical bytes that are signed."""
        return canonical(self.value())

    @property
    def digest(self) -> str:
        """Name the certificate: the SHA-256 of what is signed, in hexadecimal."""
        return hashlib.sha256(self.signed_bytes()).hexdigest()


_FIELDS: Final = tuple(Certificate.__dataclass_fields__)


def _plain(value: Any) -> Any:  # noqa: ANN401 # what dataclasses hold
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Removed | Change | Lineage | Metric):
        return _plain(asdict(value))
    return value


def _instant_text(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def removal_digest(salt: str, keys: Iterable[tuple[str, str]]) -> str:
    """Give the digest of the removed (member, record) keys under a salt, whatever their order."""
    listed: list[Value] = [[member, record] for member, record in sorted(keys)]
    return hashlib.sha256(canonical([salt, listed])).hexdigest()


def rows_digest(keys: Iterable[tuple[str, str]]) -> str:
    """Give the digest of the set of (member, record) keys that a model learned from."""
    return removal_digest("", keys)


def sign_certificate(certificate: Certificate, key: Ed25519PrivateKey) -> bytes:
    """Give a signed certificate as it is kept and sent: canonical JSON with the public key and the signature.

    Raises:
        IntegrityError: it names another key.
    """
    public = public_bytes(key)
    if certificate.key_id != key_id_of(public):
        raise IntegrityError("the certificate names another key than the one that signs", "name the signing key")
    signature = key.sign(certificate.signed_bytes())
    return canonical(
        {
            "certificate": certificate.value(),
            "public_key": base64.b64encode(public).decode(),
            "signature": base64.b64encode(signature).decode(),
        }
    )


def read_certificate(body: bytes, public_key: bytes = b"") -> Certificate:
    """Read a signed certificate and check its signature, by a key that the reader trusts or else the one it carries.

    Raises:
        InputError: it is malformed, or the signature is not the key's own.
    """
    if len(body) > MOST:
        raise InputError(f"the certificate is longer than {MOST} bytes", "ask for the file as it was written")
    try:
        said = json.loads(body)
        if canonical(said) != body:
            raise InputError("the certificate is not canonical JSON", "ask for the file as it was written")
        found = _certificate(said["certificate"])
        carried, signature = _from_base64(said["public_key"]), _from_base64(said["signature"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("this is no certificate of forgetting", "give the file that `licet train` wrote") from error
    if found.key_id != key_id_of(carried) or public_key not in {b"", carried}:
        raise InputError("the certificate was signed by another key", "ask the signer for their public key")
    _check_signature(carried, signature, found.signed_bytes())
    return found


def _from_base64(said: str) -> bytes:
    found = base64.b64decode(said, validate=True)
    if base64.b64encode(found).decode() != said:  # spare bits at the end are ignored by decoders
        raise InputError("a key or signature is not written as base64 is", "ask for the file as it was written")
    return found


def _check_signature(public_key: bytes, signature: bytes, signed: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except (InvalidSignature, ValueError) as error:
        raise InputError("the signature does not fit the certificate", "ask for the file as it was written") from error


def _certificate(said: Mapping[str, Any]) -> Certificate:
    if said["type"] != TYPE or set(said) != {*_FIELDS, "type"}:
        raise InputError(f"this is no {TYPE}", "read it with the version of licet that wrote it")
    parts = {name: said[name] for name in _FIELDS}
    parts |= {
        "requested_at": datetime.fromisoformat(said["requested_at"]),
        "issued_at": datetime.fromisoformat(said["issued_at"]),
        "removed": Removed(**said["removed"]),
        "rows": Change(**said["rows"]),
        "statistics": Change(**said["statistics"]),
        "tensors": {name: Change(**each) for name, each in said["tensors"].items()},
        "destroyed": _hashes(said["destroyed"]),
        "level": Level(said["level"]),
        "lineages": tuple(Lineage(**{**each, "slices": _hashes(each["slices"])}) for each in said["lineages"]),
        "metrics": tuple(Metric(**each) for each in said["metrics"]),
        "limits": tuple(said["limits"]),
    }
    return Certificate(**parts)


def _hashes(said: Sequence[str]) -> tuple[str, ...]:
    if not all(_HEX.fullmatch(each) for each in said):
        raise InputError("a hash is no SHA-256 in hexadecimal", "ask for the file as it was written")
    return tuple(said)
