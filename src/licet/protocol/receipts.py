"""Receipts of choices as members keep them: which of their statements the log proves, and which only the operator says.

Sections and names are those of ISO/IEC TS 27560, terms those of the Data Privacy Vocabulary.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from licet.model.errors import InputError, IntegrityError
from licet.protocol.leaves import SettingSaid

DPV: Final = "https://w3id.org/dpv#"
EVENT: Final[Mapping[str, str]] = {"allow": f"{DPV}OptingInToProcess", "deny": f"{DPV}OptingOutFromProcess"}
"""What a choice is called."""
_PROVEN: Final = frozenset(
    {
        "receipt_id",
        "pii_principal_id",
        "processing.purposes.purpose",
        "event.event_time",
        "event.event_type",
        "event.event_state",
        "event.entity_id",
        "event.order",
        "log_proof",
    }
)
_AS_GIVEN: Final = "give the file as it was downloaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as it was read: what it states in the words of the log, its proof, and what no proof is about."""

    stated: Mapping[str, object]
    names_recipient: bool
    proof: str
    unproven: tuple[str, ...]
    """Paths of statements, as `event.note`; whoever holds the file may have changed these."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a file.

        Raises:
            InputError: it is no receipt, or states one thing twice.
        """
        try:
            said = json.loads(text, object_pairs_hook=_once)
            event, processing = said["event"], said["processing"]
            [purpose] = processing["purposes"]
            recipients = processing["recipient_third_parties"]
            stated = {
                "member_id": said["pii_principal_id"],
                "seq": event["order"],
                "choice": event["event_state"],
                "source": event["entity_id"],
                "purpose": purpose["purpose"],
                "at": _instant(event["event_time"]),
                "receipt_id": said["receipt_id"],
                "event_type": event["event_type"],
            }
            whole = isinstance(recipients, list) and len(recipients) <= 1 and isinstance(said["log_proof"], str)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError("this is no receipt of one choice", _AS_GIVEN) from error
        if not whole:
            raise InputError("this is no receipt of one choice", _AS_GIVEN)
        found = {"stated": stated, "names_recipient": bool(recipients), "proof": said["log_proof"]}
        return cls(**found, unproven=tuple(_unproven(said)))

    def require(self, said: SettingSaid) -> None:
        """Check that the receipt states what its proof is about.

        Raises:
            IntegrityError: it states something else.
        """
        proven = {**said.value(), "receipt_id": str(said.seq), "event_type": EVENT.get(said.choice, "")}
        # `True == 1`, and JSON has both.
        same = all(type(value) is type(proven[name]) and value == proven[name] for name, value in self.stated.items())
        if not same or self.names_recipient != bool(said.recipient_id):
            raise IntegrityError("the receipt was changed: it states another choice than the log", "download it again")


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """What a member has of a recall: its name, and proofs of the log's entries about it, one at least."""

    recall_id: str
    proofs: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read a file; None if it is another kind of file.

        Raises:
            InputError: it is of this kind, and malformed: whatever else it states would go unchecked.
        """
        try:
            said = json.loads(text, object_pairs_hook=_once) if '"log_proofs"' in text else {}
        except (ValueError, RecursionError):
            said = {}
        if not isinstance(said, dict) or "log_proofs" not in said:
            return None
        proofs, recall_id = said["log_proofs"], said.get("recall")
        texts = isinstance(proofs, list) and all(isinstance(each, str) for each in [recall_id, *proofs])
        if not texts or not proofs or set(said) != {"recall", "log_proofs"}:
            raise InputError("the file does not hold a recall and proofs of it, and nothing else", _AS_GIVEN)
        return cls(recall_id=str(recall_id), proofs=tuple(proofs))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError
    return dict(pairs)


def _instant(text: str) -> str:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _unproven(said: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Give the paths of what a receipt states and no proof is about, the shortest that cover it."""
    for name, value in said.items():
        path = above + name
        inside = value[0] if path == "processing.purposes" else value
        if path in _PROVEN or not (value or value == 0):
            continue
        if any(each.startswith(f"{path}.") for each in _PROVEN):
            yield from _unproven(inside, f"{path}.")
        else:
            yield path
