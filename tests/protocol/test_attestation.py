"""The canonical form, what is read from the wire, and what a signature proves."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import InputError
from licet.protocol.attestation import (
    LEEWAY,
    MOST,
    SAID,
    WHOLE,
    Claim,
    Done,
    Refusal,
    Statement,
    Value,
    _written,
    canonical,
    key_id_of,
    public_bytes,
    read_attestation,
    refusal,
    sign,
)

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STATEMENT = Statement(
    recall_id="acme-1.7",
    license_id="acme-1",
    versions={"posts": 7, "likes": 3},
    models=("gpt-acme",),
    done=(Done.DELETED, Done.RETRAINED),
    issued_at=NOW,
    key_id=key_id_of(public_bytes(KEY)),
)
CLAIM = Claim(
    recall_id="acme-1.7",
    license_id="acme-1",
    left={"posts": 7, "likes": 3},
    newest={"posts": 9, "likes": 3},
    opened=NOW - timedelta(hours=1),
    settled=False,
    public_key=public_bytes(KEY),
    revoked=False,
    on_record=False,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.one_of(texts, st.integers(-WHOLE, WHOLE)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)


def test_the_example_of_rfc_8785_for_order_comes_out_as_printed_there() -> None:
    """Section 3.2.3: names are compared by UTF-16 code units."""
    said: Any = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    names = list(json.loads(canonical(said)))
    assert names == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_the_example_of_rfc_8785_for_strings_comes_out_as_printed_there() -> None:
    """Section 3.2.2.2: what is escaped, and how."""
    said = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    assert canonical(said) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()


@given(values)
def test_canonical_bytes_are_read_back_and_are_canonical_already(value: Value) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(values)
def test_the_fast_and_the_plain_way_of_writing_agree(value: Value) -> None:
    assert canonical(value) == _written(value).encode()


@given(st.dictionaries(texts, values, max_size=5))
def test_the_order_in_which_a_value_was_built_does_not_show(value: dict[str, Any]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@pytest.mark.parametrize(
    "value",
    [1.5, None, True, [None], {"a": 1.0}, {1: "a"}, [{"\u00e9": 1}, 1.5], WHOLE + 1, -WHOLE - 1, "\ud800", b""],
)
def test_what_json_readers_disagree_about_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        canonical(value)  # type: ignore[arg-type]


def test_an_attestation_is_read_as_it_was_signed() -> None:
    read = read_attestation(json.dumps(sign(STATEMENT, KEY), indent=3).encode())
    assert read.statement == STATEMENT
    assert read.signed == STATEMENT.signed_bytes()
    assert base64.b64decode(read.signature_text) == read.signature
    assert refusal(read, CLAIM, NOW) is None


@pytest.mark.parametrize("issued", ["2025-03-01T12:00:00Z", "2025-03-01T12:00:00.5Z", "2025-03-01T12:00:00.123456Z"])
def test_the_instant_may_be_as_fine_as_the_signer_likes(issued: str) -> None:
    value = STATEMENT.value() | {"issued_at": issued}
    signature = base64.b64encode(KEY.sign(canonical(value))).decode()
    read = read_attestation(canonical({"statement": value, "signature": signature}))
    assert refusal(read, CLAIM, NOW) is None


def changed(**changes: object) -> bytes:
    said: Any = sign(STATEMENT, KEY)
    said["statement"] |= changes
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b"x" * (MOST + 1),
        b'{"statement": {}, "signature": ""}',
        json.dumps(sign(STATEMENT, KEY) | {"more": 1}).encode(),
        json.dumps(sign(STATEMENT, KEY) | {"signature": "AAAA"}).encode(),
        json.dumps(sign(STATEMENT, KEY) | {"signature": 7}).encode(),
        json.dumps(sign(STATEMENT, KEY)).encode().replace(b'"license_id"', b'"recall_id"'),
        changed(type="licet.attestation.v2"),
        changed(more="x"),
        changed(versions={}),
        changed(versions={"posts": -1}),
        changed(versions={"posts": True}),
        changed(versions={"posts": 1.0}),
        changed(versions={"posts": 2**60}),
        changed(versions=[7]),
        changed(models="gpt"),
        changed(models=[""]),
        changed(models=["x" * 256]),
        changed(models=["a\x00b"]),
        changed(done=[]),
        changed(done=["deleted", "deleted"]),
        changed(done=["burnt"]),
        changed(done=["none_held"]),
        changed(done=["none_held", "deleted"], models=[]),
        changed(issued_at="2025-03-01T12:00:00+01:00"),
        changed(issued_at="2025-03-01T12:00:00"),
        changed(issued_at="2025-02-30T12:00:00Z"),
        changed(issued_at=1740830400),
        changed(key_id=""),
        changed(recall_id="acme\x00"),
    ],
)
def test_what_is_malformed_is_refused_with_a_remedy(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read_attestation(body)
    assert caught.value.remedy


def test_a_key_that_stands_twice_in_an_object_is_refused() -> None:
    body = canonical(sign(STATEMENT, KEY)).replace(b'"statement":', b'"signature":"x","statement":')
    with pytest.raises(InputError, match="twice"):
        read_attestation(body)


@given(st.binary(max_size=300) | texts.map(str.encode) | values.map(lambda v: json.dumps(v).encode()))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        read_attestation(body)


CASES: list[tuple[Refusal, dict[str, Any], dict[str, Any]]] = [
    (Refusal.UNKNOWN_KEY, {}, {"public_key": b""}),
    (Refusal.REVOKED_KEY, {}, {"revoked": True}),
    (Refusal.BAD_SIGNATURE, {}, {"public_key": public_bytes(Ed25519PrivateKey.generate())}),
    (Refusal.BAD_SIGNATURE, {}, {"public_key": b"short"}),
    (Refusal.WRONG_RECALL, {"recall_id": "acme-1.8"}, {}),
    (Refusal.WRONG_LICENSE, {"license_id": "acme-2"}, {}),
    (Refusal.WRONG_VERSION, {"versions": {"posts": 6, "likes": 3}}, {}),
    (Refusal.WRONG_VERSION, {"versions": {"posts": 10, "likes": 3}}, {}),
    (Refusal.WRONG_VERSION, {"versions": {"posts": 7}}, {}),
    (Refusal.WRONG_VERSION, {"versions": {"posts": 7, "likes": 3, "notes": 0}}, {}),
    (Refusal.FROM_THE_FUTURE, {"issued_at": NOW + LEEWAY + timedelta(microseconds=1)}, {}),
    (Refusal.BEFORE_THE_RECALL, {"issued_at": CLAIM.opened - LEEWAY - timedelta(microseconds=1)}, {}),
    (Refusal.REPLAYED, {}, {"on_record": True}),
    (Refusal.NOTHING_OWED, {}, {"settled": True}),
]


@pytest.mark.parametrize(("name", "statement", "claim"), CASES)
def test_every_refusal_has_its_name(name: Refusal, statement: dict[str, Any], claim: dict[str, Any]) -> None:
    sent = read_attestation(canonical(sign(replace(STATEMENT, **statement), KEY)))
    assert refusal(sent, replace(CLAIM, **claim), NOW) is name


def test_every_refusal_is_tried_and_told() -> None:
    assert {name for name, *_ in CASES} == set(Refusal) == set(SAID)


@pytest.mark.parametrize("by", [LEEWAY, -LEEWAY - timedelta(hours=1)])
def test_honest_clocks_may_differ_a_little(by: timedelta) -> None:
    sent = read_attestation(canonical(sign(replace(STATEMENT, issued_at=NOW + by), KEY)))
    assert refusal(sent, CLAIM, NOW) is None


@given(st.integers(0, 63), st.integers(1, 255))
def test_a_signature_with_one_byte_changed_is_refused(at: int, by: int) -> None:
    good = read_attestation(canonical(sign(STATEMENT, KEY)))
    bad = bytearray(good.signature)
    bad[at] ^= by
    assert refusal(replace(good, signature=bytes(bad)), CLAIM, NOW) is Refusal.BAD_SIGNATURE


def test_models_and_deeds_stand_inside_what_is_signed() -> None:
    good = read_attestation(canonical(sign(STATEMENT, KEY)))
    for changes in ({"models": ()}, {"done": (Done.DELETED,)}, {"versions": {"posts": 8, "likes": 3}}):
        other = replace(STATEMENT, **changes)  # type: ignore[arg-type]
        moved = replace(good, statement=other, signed=other.signed_bytes())
        assert refusal(moved, CLAIM, NOW) is Refusal.BAD_SIGNATURE
