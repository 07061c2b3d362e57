"""`licet verify`: check a receipt against the log's key, with no server and no account."""

from collections.abc import Mapping, Sequence

import click

from licet.cli.terminal import emit, read_text
from licet.model.errors import InputError, IntegrityError
from licet.protocol.attestation import Value
from licet.protocol.leaves import Opening, SettingSaid, read_entry
from licet.protocol.receipts import Receipt, TakenBack
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
    receipt = _receipt(text)
    if receipt is not None and not receipt.proof:
        raise InputError("the receipt has no proof", "the log did not have the choice yet: download it again")
    proof = Proof.read(receipt.proof if receipt else text)
    opening = Opening.read(proof.extra)
    if receipt is not None:
        receipt.require(opening.said)
    size = opening.last - opening.first + 1
    leaf = leaf_hash(opening.said.commitment(opening.salt))
    root = root_by(opening.said.seq - opening.first, size, leaf, opening.path)
    return opening.said, proof, proof.check(opening.entry(root), verifier)


def _receipt(text: str) -> Receipt | None:
    return Receipt.read(text) if text.lstrip().startswith("{") else None


def verify_entry(text: str, verifier: Verifier) -> tuple[dict[str, Value], Proof, Checkpoint]:
    """Check the proof of an entry that it brings along.

    Raises:
        InputError: it is no such proof.
        IntegrityError: the log whose key this is has no such entry.
    """
    proof = Proof.read(text)
    return read_entry(proof.extra), proof, proof.check(proof.extra, verifier)


@click.command()
@click.argument("receipt")
@KEY
def verify(receipt: str, key: str) -> None:
    """Check that a choice, or the way of a recall, stands in the log as a file says; nothing else is needed.

    Example: licet verify receipt-12.json --key "$(cat licet-log.key)"
    """
    text, verifier = read_text(receipt), Verifier.read(key)
    taken_back = TakenBack.read(text)
    if taken_back is not None:
        found = [verify_entry(each, verifier) for each in taken_back.proofs]
        if any(entry.get("recall") != taken_back.recall_id for entry, _, _ in found):
            raise IntegrityError("the file was changed: a proof is about another recall", "download it again")
        _tell_entries(found)
    else:
        stated = _receipt(text)
        _tell_choice(*verify_receipt(text, verifier), stated.unproven if stated else ())


def _tell_entries(found: Sequence[tuple[dict[str, Value], Proof, Checkpoint]]) -> None:
    said = [{"entry": proof.index, "size": checkpoint.size, **entry} for entry, proof, checkpoint in found]
    lines = [f"true: entry {each['entry']:,} of {each['size']:,}: {_line(each)}" for each in said]
    emit({"true": True, "origin": found[0][2].origin, "entries": said}, lines)


def _line(entry: Mapping[str, object]) -> str:
    left_out = {"entry", "size", "type", "v", "at", "signature"}
    words = (f"{name} {value}" for name, value in entry.items() if name not in left_out and value != "")
    return _plain(f"{entry.get('at', '')} {entry['type']}: {', '.join(words)}")


def _plain(text: str) -> str:
    """Write a text from elsewhere so that it can do nothing to a terminal."""
    return text if text.isprintable() else ascii(text)


def _tell_choice(said: SettingSaid, proof: Proof, checkpoint: Checkpoint, unproven: Sequence[str]) -> None:
    whom = f" for {said.recipient_id}" if said.recipient_id else ""
    lines = [
        f"true: `{said.choice}` to {said.purpose}{whom}, chosen at {said.at}, number {said.seq}",
        f"by {said.member_id}, through {said.source}",
        f"entry {proof.index:,} of the log {checkpoint.origin}, in its checkpoint over {checkpoint.size:,} entries",
    ]
    if unproven:
        lines.append(f"not checked, for the log does not hold it: {', '.join(unproven)}")
    place = {"origin": checkpoint.origin, "entry": proof.index, "size": checkpoint.size}
    emit({"true": True, **said.value(), **place, "not_checked": list(unproven)}, [_plain(line) for line in lines])
