"""Recipients' public keys, and what they attested under them: statement and signature are kept whole for an auditor."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, update

from licet.model.errors import NotFound, UsageError
from licet.model.recalls import Recall
from licet.protocol.attestation import Attestation, Claim, key_id_of, read_statement
from licet.store import leaves
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.credentials import require_recipient
from licet.store.facts import micros
from licet.store.recalls import UNSETTLED

RECEIVED: Final = "received"
"""The verdict of an attestation that nobody judged yet."""
ACCEPTED: Final = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """A recipient's public key (32 bytes) and since when it stands; revoked is None while it is good."""

    key_id: str
    public_key: bytes
    at: datetime
    revoked: datetime | None


def register_key(conn: Connection, recipient_id: str, public_key: bytes, at: datetime) -> str:
    """Register a recipient's public key (32 bytes) and give its name; one that stands already stays.

    Raises:
        NotFound: no such recipient.
        UsageError: the key was revoked.
    """
    require_recipient(conn, recipient_id)
    key_id = key_id_of(public_key)
    known = _key(conn, recipient_id, key_id)
    if known is not None and known.revoked is not None:
        raise UsageError(f"key `{key_id}` was revoked", "register another")
    if known is None:
        row = {"recipient_id": recipient_id, "key_id": key_id, "public_key": public_key}
        conn.execute(insert(t.attestation_key).values(**row, at_us=micros(at)))
        said = {"recipient": recipient_id, "key": key_id, "public_key": base64.b64encode(public_key).decode()}
        leaves.note(conn, "key", micros(at), {**said, "state": "registered"})
    return key_id


def revoke_key(conn: Connection, recipient_id: str, key_id: str, at: datetime) -> None:
    """Believe nothing any more that is signed with a key; what was accepted stays accepted.

    Raises:
        NotFound: the recipient has no such key.
    """
    if _key(conn, recipient_id, key_id) is None:
        raise NotFound(f"`{recipient_id}` has no key `{key_id}`", "`licet recipient key list` lists them")
    c = t.attestation_key.c
    which = (c.recipient_id == recipient_id, c.key_id == key_id, c.revoked_us == 0)
    revoked = conn.execute(update(t.attestation_key).where(*which).values(revoked_us=micros(at)))
    if revoked.rowcount:
        leaves.note(conn, "key", micros(at), {"recipient": recipient_id, "key": key_id, "state": "revoked"})


def keys_of(conn: Connection, recipient_id: str) -> list[RegisteredKey]:
    """Give a recipient's keys, oldest first."""
    c = t.attestation_key.c
    query = select(t.attestation_key).where(c.recipient_id == recipient_id).order_by(c.at_us, c.key_id)
    return [_registered(row) for row in conn.execute(query)]


def _key(conn: Connection, recipient_id: str, key_id: str) -> RegisteredKey | None:
    c = t.attestation_key.c
    row = conn.execute(select(t.attestation_key).where(c.recipient_id == recipient_id, c.key_id == key_id)).first()
    return None if row is None else _registered(row)


def _registered(row: Any) -> RegisteredKey:  # noqa: ANN401 # SQLAlchemy rows have no static type
    revoked = instant(row.revoked_us) if row.revoked_us else None
    return RegisteredKey(key_id=row.key_id, public_key=row.public_key, at=instant(row.at_us), revoked=revoked)


def claim_of(conn: Connection, recall: Recall, attestation: Attestation) -> Claim:
    """Give what the facts say about a recall and about the key that an attestation names."""
    key = _key(conn, recall.recipient_id, attestation.statement.key_id)
    v = t.shared_version.c
    newest = select(v.record_table, func.max(v.version)).where(v.license_id == recall.license_id)
    a = t.attestation.c
    same = select(a.digest).where(a.recall_id == recall.recall_id, a.digest == attestation.digest)
    left: dict[str, int] = {}
    for departure in recall.departures:
        left[str(departure.table)] = max(departure.version, left.get(str(departure.table), -1))
    return Claim(
        recall_id=recall.recall_id,
        license_id=recall.license_id,
        left=left,
        newest={row[0]: int(row[1]) for row in conn.execute(newest.group_by(v.record_table))},
        opened=recall.opened,
        settled=recall.state not in UNSETTLED,
        public_key=key.public_key if key else b"",
        revoked=key is not None and key.revoked is not None,
        on_record=conn.execute(same).first() is not None,
    )


def receive(conn: Connection, recall: Recall, attestation: Attestation, at: datetime) -> None:
    """Keep an attestation that is to be judged."""
    row = {
        "recall_id": recall.recall_id,
        "digest": attestation.digest,
        "recipient_id": recall.recipient_id,
        "key_id": attestation.statement.key_id,
        "statement": attestation.signed.decode(),
        "signature": attestation.signature_text,
    }
    conn.execute(insert(t.attestation).values(**row, received_us=micros(at), verdict=RECEIVED))
    _note(conn, recall.recall_id, attestation, RECEIVED, at)


def _note(conn: Connection, recall_id: str, attestation: Attestation, verdict: str, at: datetime) -> None:
    said = {"recall": recall_id, "key": attestation.statement.key_id, "statement": attestation.digest}
    signature = {"signature": attestation.signature_text, "verdict": verdict}
    leaves.note(conn, "attestation", micros(at), {**said, **signature}, recall_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An attestation on record: the canonical statement, its signature, and what was found of it."""

    recall_id: str
    recipient_id: str
    attestation: Attestation
    received: datetime
    verdict: str
    """`received`, `accepted`, or the name of a refusal."""


def _kept(row: Any) -> Kept:  # noqa: ANN401 # likewise
    signed = str(row.statement).encode()
    return Kept(
        recall_id=row.recall_id,
        recipient_id=row.recipient_id,
        attestation=Attestation(
            statement=read_statement(signed), signed=signed, signature=base64.b64decode(row.signature)
        ),
        received=instant(row.received_us),
        verdict=row.verdict,
    )


def attestations_of(conn: Connection, recall_id: str) -> list[Kept]:
    """Give what was attested about a recall, in the order in which it came."""
    c = t.attestation.c
    query = select(t.attestation).where(c.recall_id == recall_id).order_by(c.received_us, c.digest)
    return [_kept(row) for row in conn.execute(query)]


def unjudged(conn: Connection) -> list[Kept]:
    """Give the attestations that nobody judged yet, in the order in which they came."""
    c = t.attestation.c
    query = select(t.attestation).where(c.verdict == RECEIVED).order_by(c.received_us, c.digest)
    return [_kept(row) for row in conn.execute(query)]


def judge(conn: Connection, kept: Kept, verdict: str, at: datetime) -> None:
    """Note what was found of an attestation; the first verdict stays."""
    c = t.attestation.c
    same = (c.recall_id == kept.recall_id, c.digest == kept.attestation.digest, c.verdict == RECEIVED)
    judged = conn.execute(update(t.attestation).where(*same).values(verdict=verdict, judged_us=micros(at)))
    if judged.rowcount:
        _note(conn, kept.recall_id, kept.attestation, verdict, at)


def attested(conn: Connection) -> list[tuple[str, str]]:
    """Give recalls that are attested and do not say so yet: name, and the digest of the statement."""
    a, r = t.attestation.c, t.recall.c
    query = select(a.recall_id, func.min(a.digest)).join(t.recall, r.recall_id == a.recall_id)
    query = query.where(a.verdict == ACCEPTED, r.state.in_([str(state) for state in UNSETTLED]))
    return [(row[0], row[1]) for row in conn.execute(query.group_by(a.recall_id).order_by(a.recall_id))]
