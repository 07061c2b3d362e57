"""Receipts: read as they were given, and what of them a proof is about."""

import json
from typing import Any

import pytest

from licet.model.errors import InputError, IntegrityError
from licet.protocol.leaves import SettingSaid
from licet.protocol.receipts import EVENT, Receipt

SAID = SettingSaid(
    seq=7,
    member_id="x:ada",
    purpose="third_party_training",
    recipient_id="acme",
    choice="deny",
    source="page",
    at="2025-01-01T00:00:00.000000Z",
)


def written(**event: object) -> dict[str, Any]:
    return {
        "receipt_id": "7",
        "pii_principal_id": "x:ada",
        "processing": {
            "purposes": [{"purpose": "third_party_training", "words": "No"}],
            "recipient_third_parties": ["Acme AI"],
        },
        "event": {
            "event_time": "2025-01-01T01:00:00+01:00",
            "event_type": EVENT["deny"],
            "event_state": "deny",
            "entity_id": "page",
            "order": 7,
            **event,
        },
        "log_proof": "",
    }


def test_a_receipt_that_states_what_was_said_is_the_same_at_any_offset_of_its_clock() -> None:
    found = Receipt.read(json.dumps(written()))
    found.require(SAID)
    assert found.unproven == ("processing.purposes.words", "processing.recipient_third_parties")


@pytest.mark.parametrize("event", [{"order": 7.0}, {"event_state": "allow"}, {"event_time": "2025-01-01T00:00:00.1Z"}])
def test_a_receipt_that_states_something_else_is_refused(event: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="was changed"):
        Receipt.read(json.dumps(written(**event))).require(SAID)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, json.dumps(written(event_time="2025-01-01T00:00:00"))])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no receipt"):
        Receipt.read(text)
