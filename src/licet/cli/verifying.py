"""`licet verify`: check a receipt against the log's key, with no server and no account."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from licet.cli.terminal import emit, read_text
from licet.model.errors import InputError
from licet.protocol.attestation import Value
from licet.protocol.leaves import Opening, SettingSaid, read_entry, require_same
from licet.tlog.checkpoints import Checkpoint
from licet.tlog.merkle import leaf_hash, root_by
from licet.tlog.notes import Verifier
from licet.tlog.proofs import Proof

KEY = click.option(
    "--key", "key", envvar="LICET_LOG_KEY", required=True, help="The log's key, from a place that you trust."
)


def verify_receipt(text: str, verifier: Verifier) -> tuple[SettingSaid, Proof, Checkpoint]:
    """Check a receipt: a proof alone, or a receipt of a choice that holds one.

    Raises:
        InputError: it is no receipt, or has no proof yet.
        IntegrityError: it is not what the log whose key this is commits to.
    """
    stated, proof_text = _parted(text)
    proof = Proof.read(proof_text)
    opening = Opening.read(proof.extra)
    require_same(stated, opening.said)
    size = opening.last - opening.first + 1
    leaf = leaf_hash(opening.said.commitment(opening.salt))
    root = root_by(opening.said.seq - opening.first, size, leaf, opening.path)
    return opening.said, proof, proof.check(opening.entry(root), verifier)


def verify_entry(text: str, verifier: Verifier) -> tuple[dict[str, Value], Proof, Checkpoint]:
    """Check the proof of an entry that it brings along.

    Raises:
        InputError: it is no such proof.
        IntegrityError: the log whose key this is has no such entry.
    """
    proof = Proof.read(text)
    return read_entry(proof.extra), proof, proof.check(proof.extra, verifier)


def _proofs_in(text: str) -> list[str]:
    """Give the proofs of a file that says how data was taken back; none if it is another file."""
    try:
        value = json.loads(text)
        return [str(each) for each in value["log_proofs"]]
    except (ValueError, KeyError, TypeError):
        return []


def _parted(text: str) -> tuple[dict[str, object], str]:
    """Give what a receipt states, in the words of the log, and its proof."""
    if not text.lstrip().startswith("{"):
        return {}, text
    try:
        receipt: dict[str, Any] = json.loads(text)
        event, processing = receipt["event"], receipt["processing"]
        stated = {
            "member_id": receipt["pii_principal_id"],
            "seq": event["order"],
            "choice": event["event_state"],
            "source": event["entity_id"],
            "purpose": processing["purposes"][0]["purpose"],
        }
        proof = receipt["log_proof"]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError("this is no receipt", "give the file as it was downloaded") from error
    if not proof:
        raise InputError("the receipt has no proof", "the log did not have the choice yet: download it again")
    return stated, str(proof)


@click.command()
@click.argument("receipt")
@KEY
def verify(receipt: str, key: str) -> None:
    """Check that a choice, or the way of a recall, stands in the log as a file says; nothing else is needed.

    Example: licet verify receipt-12.json --key "$(cat licet-log.key)"
    """
    text, verifier = read_text(receipt), Verifier.read(key)
    proofs = _proofs_in(text)
    if proofs:
        _tell_entries([verify_entry(each, verifier) for each in proofs])
    else:
        _tell_choice(*verify_receipt(text, verifier))


def _tell_entries(found: Sequence[tuple[dict[str, Value], Proof, Checkpoint]]) -> None:
    said = [{"entry": proof.index, "size": checkpoint.size, **entry} for entry, proof, checkpoint in found]
    lines = [f"true: entry {each['entry']:,} of {each['size']:,}: {_line(each)}" for each in said]
    emit({"true": True, "origin": found[0][2].origin, "entries": said}, lines)


def _line(entry: Mapping[str, object]) -> str:
    left_out = {"entry", "size", "type", "v", "at", "signature"}
    words = (f"{name} {value}" for name, value in entry.items() if name not in left_out and value != "")
    return _plain(f"{entry['at']} {entry['type']}: {', '.join(words)}")


def _plain(text: str) -> str:
    """Write a text from elsewhere so that it can do nothing to a terminal."""
    return text if text.isprintable() else ascii(text)


def _tell_choice(said: SettingSaid, proof: Proof, checkpoint: Checkpoint) -> None:
    whom = f" for {said.recipient_id}" if said.recipient_id else ""
    lines = [
        _plain(f"true: `{said.choice}` to {said.purpose}{whom}, chosen at {said.at}, number {said.seq}"),
        f"entry {proof.index:,} of the log {checkpoint.origin}, in its checkpoint over {checkpoint.size:,} entries",
    ]
    place = {"origin": checkpoint.origin, "entry": proof.index, "size": checkpoint.size}
    emit({"true": True, **said.value(), **place}, lines)
