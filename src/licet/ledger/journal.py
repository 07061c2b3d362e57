"""Transactions of a closed month and of payouts. Pure: amounts in, balanced transactions out."""

from dataclasses import dataclass

from licet.ledger.plan import PPM
from licet.model.money import Kind, Month, Posting, Transaction

TAX = "Liabilities:Tax"
"""What is owed to the tax office."""
EARNED = "Liabilities:Members:Earned"
"""What members earned and were not paid; which of them how much stands in the statements."""
BANK = "Assets:Bank"


def receivable(recipient_id: str) -> str:
    """Give the account of what a recipient owes."""
    return f"Assets:Receivable:{recipient_id}"


def income(license_id: str) -> str:
    """Give the account of what a license brings in."""
    return f"Income:Licenses:{license_id}"


def members_part(license_id: str) -> str:
    """Give the account of what of a license's income is the members'."""
    return f"Expenses:Members:{license_id}"


def waiting(license_id: str) -> str:
    """Give the account of the members' part that waits for a month in which rows of theirs are delivered."""
    return f"Liabilities:Members:Waiting:{license_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The members' part of a license's month: what is new, what is handed out now, and what waits after it."""

    new: int
    distributed: int
    waiting_before: int
    waiting_after: int


def pool(net: int, member_ppm: int, waiting_before: int, *, any_rows: bool) -> Pool:
    """Share a license's net revenue of a month; a fraction of a micro-unit stays with the operator.

    Where nothing of a member was delivered, or credits outweigh charges, the members' part waits.
    """
    new = net * member_ppm // PPM
    due = waiting_before + new
    distributed = due if due > 0 and any_rows else 0
    return Pool(new=new, distributed=distributed, waiting_before=waiting_before, waiting_after=due - distributed)


def charge(month: Month, license_id: str, recipient_id: str, net: int, tax: int) -> Transaction:
    """Book what a license's lines and their tax come to."""
    return Transaction(
        transaction_id=f"{month}/charge/{license_id}",
        month=month,
        kind=Kind.CHARGE,
        license_id=license_id,
        narration=f"License {license_id}, {month}",
        postings=_legs((receivable(recipient_id), net + tax), (income(license_id), -net), (TAX, -tax)),
    )


def share(month: Month, license_id: str, found: Pool) -> Transaction:
    """Book the members' part."""
    moved = found.waiting_after - found.waiting_before
    return Transaction(
        transaction_id=f"{month}/share/{license_id}",
        month=month,
        kind=Kind.SHARE,
        license_id=license_id,
        narration=f"Members' part of license {license_id}, {month}",
        postings=_legs(
            (members_part(license_id), found.new), (EARNED, -found.distributed), (waiting(license_id), -moved)
        ),
    )


def paid_out(month: Month, payout_id: str, micros: int) -> Transaction:
    """Book a payout."""
    return Transaction(
        transaction_id=f"{month}/payout/{payout_id}",
        month=month,
        kind=Kind.PAYOUT,
        license_id="",
        narration=f"Payout {payout_id}",
        postings=_legs((EARNED, micros), (BANK, -micros)),
    )


def _legs(*legs: tuple[str, int]) -> tuple[Posting, ...]:
    return tuple(Posting(account=account, micros=micros) for account, micros in legs if micros)
