"""Certificates go over the wire and back, and no byte of one can be changed."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import InputError, IntegrityError
from licet.protocol.attestation import key_id_of, public_bytes
from licet.protocol.certificate import (
    LIMITS,
    Certificate,
    Change,
    Level,
    Lineage,
    Metric,
    Removed,
    read_certificate,
    removal_digest,
    rows_digest,
    sign_certificate,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SOME = "ab" * 32
CERTIFICATE = Certificate(
    counterfactual="the same plan over the rows without the removed ones",
    tier="chain",
    learner={"kind": "heads", "labels": ["bad", "good"], "width": 384},
    plan=SOME,
    recall="r_1",
    requested_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    issued_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
    removed=Removed(salt="00", digest=SOME, members=1, records=7),
    closure="none",
    rows=Change(before=SOME, after=SOME),
    statistics=Change(before="", after=""),
    tensors={"head": Change(before=SOME, after=SOME)},
    destroyed=(SOME,),
    environment={"torch": "2.13.0"},
    level=Level.SHARD_ORACLE,
    cost={"cpu_seconds": "0.125"},
    key_id=key_id_of(public_bytes(KEY)),
    lineages=(Lineage(shard=3, start=SOME, slices=(SOME, SOME), output=SOME, oracle=SOME),),
    untouched={"4": SOME},
    metrics=(Metric(name="macro_recall", before="0.650", after="0.650", oracle="0.650"),),
)


def test_a_certificate_comes_back_as_it_was_signed() -> None:
    read = read_certificate(sign_certificate(CERTIFICATE, KEY), public_bytes(KEY))
    assert read == CERTIFICATE
    assert read.digest == CERTIFICATE.digest
    assert read.limits == LIMITS


@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    body = bytearray(sign_certificate(CERTIFICATE, KEY))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InputError):
        read_certificate(bytes(body), public_bytes(KEY))


def test_another_keys_signature_is_refused_by_whoever_knows_the_right_one() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
    forged = sign_certificate(replace(CERTIFICATE, key_id=key_id_of(public_bytes(other))), other)
    assert read_certificate(forged).level is Level.SHARD_ORACLE
    with pytest.raises(InputError, match="another key"):
        read_certificate(forged, public_bytes(KEY))


def test_a_key_signs_only_in_its_own_name() -> None:
    with pytest.raises(IntegrityError):
        sign_certificate(CERTIFICATE, Ed25519PrivateKey.from_private_bytes(b"1" * 32))


@pytest.mark.parametrize("change", [{"level": "total"}, {"type": "other"}, {"destroyed": ["x"]}, {"more": "1"}])
def test_a_malformed_certificate_is_refused(change: dict[str, object]) -> None:
    said = json.loads(sign_certificate(CERTIFICATE, KEY))
    said["certificate"] |= change
    with pytest.raises(InputError):
        read_certificate(json.dumps(said, separators=(",", ":"), sort_keys=True).encode())


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=5), st.randoms())
def test_digests_of_keys_do_not_depend_on_their_order(keys: list[tuple[str, str]], random: object) -> None:
    shuffled = sorted(keys, key=lambda key: hash((key, id(random))))
    assert rows_digest(shuffled) == rows_digest(keys)
    assert removal_digest("salt", keys) != rows_digest(keys)
