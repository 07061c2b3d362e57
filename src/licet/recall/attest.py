"""Judge what recipients attested: only what the facts bear out counts."""

from dataclasses import replace
from datetime import datetime

from licet.protocol.attestation import refusal
from licet.store import attestations, recalls
from licet.store.database import reading, transaction
from licet.store.house import House


def judge_all(house: House, now: datetime) -> int:
    """Judge every attestation that was received and not judged yet; return how many were accepted.

    Killed at any step and run again, it judges what is left; a verdict once given stays.
    """
    with reading(house.database) as conn:
        pending = attestations.unjudged(conn)
    accepted = 0
    for kept in pending:
        with transaction(house.database) as conn:
            recall = recalls.recall_of(conn, kept.recall_id)
            # It is on record itself; one that came twice was refused when it came.
            claim = replace(attestations.claim_of(conn, recall, kept.attestation), on_record=False)
            found = refusal(kept.attestation, claim, now)
            attestations.judge(conn, kept, str(found or attestations.ACCEPTED), now)
        accepted += found is None
    return accepted
