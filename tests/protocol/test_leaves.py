"""Entries of the log, and what opens a member's own part of one."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import InputError
from licet.protocol.leaves import Opening, SettingSaid, entry_of, read_entry, salt_of, settings_entry

SAID = SettingSaid(
    seq=7,
    member_id="x:ada",
    purpose="third_party_training",
    recipient_id="",
    choice="deny",
    source="member",
    at="2025-01-01T00:00:00.000000Z",
)
OPENING = Opening(said=SAID, salt=b"s" * 32, first=5, last=9, path=(b"a" * 32, b"b" * 32))


def test_an_entry_is_canonical_and_says_its_type_and_version() -> None:
    entry = entry_of("recall", {"state": "open", "n": 1})
    assert entry == b'{"n":1,"state":"open","type":"recall","v":1}'
    assert read_entry(entry) == {"type": "recall", "v": 1, "state": "open", "n": 1}


@pytest.mark.parametrize(
    "entry", [b"", b"[]", b"\xff", b'{"type":"x"}', b'{"type":"x","v":2}', b'{"v":1,"type":"x"}', b'{"type":1,"v":1}']
)
def test_what_is_no_entry_is_refused(entry: bytes) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_entry(entry)


@given(st.sampled_from(["member_id", "purpose", "recipient_id", "choice", "source", "at"]), st.text(max_size=20))
def test_a_commitment_is_to_every_word_of_a_choice(name: str, other: str) -> None:
    if other == getattr(SAID, name):
        return
    changed = replace(SAID, **{name: other})  # type: ignore[arg-type] # all of them are texts
    salt = salt_of(b"k" * 32, 7)
    assert changed.commitment(salt) != SAID.commitment(salt)


def test_a_salt_is_of_one_choice_of_one_member() -> None:
    salts = {salt_of(b"k" * 32, 7), salt_of(b"k" * 32, 8), salt_of(b"l" * 32, 7)}
    assert len(salts) == 3
    assert len({SAID.commitment(salt) for salt in salts}) == 3


def test_an_opening_that_was_written_down_is_read_again() -> None:
    assert Opening.read(OPENING.extra()) == OPENING
    assert OPENING.entry(b"r" * 32) == settings_entry(5, 9, b"r" * 32)


def changed(**values: object) -> bytes:
    return json.dumps({**json.loads(OPENING.extra()), **values}, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"{}",
        b"[1]",
        changed(salt="00"),
        changed(salt="no"),
        changed(first=8),
        changed(path=["zz"]),
        changed(path="00"),
        changed(said={"seq": 7}),
        changed(said={**SAID.value(), "more": 1}),
        changed(last="9"),
        changed(said={**SAID.value(), "seq": "7"}, first="5", last="9"),
        changed(said={**SAID.value(), "seq": True}, first=1, last=1),
        changed(said={**SAID.value(), "member_id": ["x:ada"]}),
        changed(more=1),
        OPENING.extra() + b" ",
    ],
)
def test_what_opens_nothing_is_refused(extra: bytes) -> None:
    with pytest.raises(InputError, match="what it is a receipt of"):
        Opening.read(extra)
