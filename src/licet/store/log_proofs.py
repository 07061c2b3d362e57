"""Proofs from the published log, made of its files and nothing else."""

from sqlalchemy import Connection, select, text

from licet.model.errors import IntegrityError
from licet.store import log_tables as lt
from licet.store.leaves import opening_of
from licet.store.log_files import LogFiles
from licet.store.publication import head_of, signer_of
from licet.tlog.checkpoints import Checkpoint, opened_checkpoint
from licet.tlog.merkle import inclusion_proof
from licet.tlog.notes import Verifier
from licet.tlog.proofs import Proof
from licet.tlog.tiles import nodes_in


def verifier_of(conn: Connection) -> Verifier | None:
    """Give the key that checks the log, None before the log begins."""
    head = head_of(conn)
    return None if head is None else signer_of(conn, head.origin).verifier


def published(files: LogFiles, verifier: Verifier) -> Checkpoint | None:
    """Give what the newest checkpoint says, None before there is one.

    Raises:
        IntegrityError: it is not ours.
    """
    note = files.checkpoint()
    return opened_checkpoint(note, verifier) if note else None


def proof_of(files: LogFiles, verifier: Verifier, place: int, extra: bytes = b"") -> Proof | None:
    """Prove that the entry at a place is in the published log; None while no checkpoint covers it.

    Raises:
        IntegrityError: a tile is lost or cut.
    """
    note = files.checkpoint()
    checkpoint = opened_checkpoint(note, verifier) if note else None
    if checkpoint is None or place >= checkpoint.size:
        return None
    try:
        hashes = inclusion_proof(place, checkpoint.size, nodes_in(checkpoint.size, files.read))
    except FileNotFoundError as error:
        raise IntegrityError("a tile of the log is lost", "`licet log publish` writes it once more") from error
    return Proof(index=place, hashes=tuple(hashes), checkpoint=note, extra=extra)


def recall_proofs(conn: Connection, files: LogFiles, recall_id: str) -> list[str]:
    """Prove what the log has of a recall, oldest first; each proof brings its entry along."""
    verifier, e = verifier_of(conn), lt.log_entry.c
    # SQLite takes an index over some rows only where the condition stands there in the same words.
    about = (e.about == recall_id, text("about <> ''"))
    query = select(e.place, e.entry).where(*about, e.place.is_not(None)).order_by(e.place)
    if verifier is None:
        return []
    found = (proof_of(files, verifier, row.place, bytes(row.entry)) for row in conn.execute(query))
    return [proof.text() for proof in found if proof is not None]


def setting_proof(conn: Connection, files: LogFiles, member_id: str, seq: int) -> str:
    """Give the proof of a member's choice as text; empty while it waits, and where its key was destroyed."""
    verifier, found = verifier_of(conn), opening_of(conn, member_id, seq)
    if verifier is None or found is None:
        return ""
    place, opening = found
    proof = proof_of(files, verifier, place, opening.extra())
    return proof.text() if proof else ""
