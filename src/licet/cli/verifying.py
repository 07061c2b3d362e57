"""`licet verify`: check a receipt against the log's key, with no server and no account."""

import click

from licet.cli.terminal import emit, read_text
from licet.model.errors import InputError
from licet.protocol.leaves import Opening, SettingSaid
from licet.protocol.receipts import Receipt
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


@click.command()
@click.argument("receipt")
@KEY
def verify(receipt: str, key: str) -> None:
    """Check that a choice stands in the log as its receipt says; the file is all that is needed.

    Example: licet verify receipt-12.json --key "$(cat licet-log.key)"
    """
    text = read_text(receipt)
    said, proof, checkpoint = verify_receipt(text, Verifier.read(key))
    found = _receipt(text)
    unproven = found.unproven if found else ()
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


def _plain(line: str) -> str:
    """Give a line as it is, or with what no terminal should be sent spelled out."""
    return line if line.isprintable() else ascii(line)
