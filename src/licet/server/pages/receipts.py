"""Receipts of choices, with the sections and names of ISO/IEC TS 27560 and the terms of the Data Privacy Vocabulary.

A choice is an opting in or out, not a consent: where the notice rests on legitimate interests, none was asked for.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Response

from licet.model.members import Choice
from licet.policy.notice import Notice, digest
from licet.protocol.receipts import EVENT
from licet.store.chosen import Chosen

SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#receipt-record"
_TRAINING: Final = "https://w3id.org/dpv/ai#ModelTraining"


def receipt_of(
    member_id: str,
    made: Chosen,
    notices: Sequence[Notice],
    in_force: Notice | None,
    names: Mapping[str, str],
    proof: str = "",
) -> dict[str, Any]:
    """Give the receipt of a choice; the notice is the one in force then, else the newest that named the purpose.

    The proof that the log has the choice is empty until a checkpoint covers it.
    """
    naming = [each for each in notices if made.purpose in each.purposes]
    notice = in_force if in_force in naming else next(reversed(naming), None)
    choice = Choice(made.choice)
    words = notice.purposes[made.purpose] if notice else None
    return {
        "schema_version": SCHEMA,
        "receipt_id": str(made.seq),
        "pii_principal_id": member_id,
        "processing": {
            "privacy_notice": {
                "version": notice.version if notice else "",
                "sha256": digest(notice) if notice else "",
                "effective": notice.effective.isoformat() if notice else "",
            },
            "purposes": [{"purpose": made.purpose, "processing": _TRAINING, "words": _words(words, choice)}],
            "recipient_third_parties": [names.get(made.recipient_id, made.recipient_id)] if made.recipient_id else [],
            "withdrawal_method": "Settings, Privacy and safety, Data sharing, AI training",
        },
        "event": {
            "event_time": made.at.isoformat(),
            "event_type": EVENT[choice],
            "event_state": str(choice),
            "entity_id": made.source,
            "order": made.seq,
        },
        "log_proof": proof,
    }


def _words(purpose: Any, choice: Choice) -> str:  # noqa: ANN401 # a Purpose or None
    if purpose is None:
        return ""
    return str(purpose.on if choice is Choice.ALLOW else purpose.off)


def as_file(value: object, name: str) -> Response:
    """Give a value as a JSON file to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(json.dumps(value, indent=2, ensure_ascii=False), headers=headers, media_type="application/json")
