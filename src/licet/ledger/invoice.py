"""An invoice as a page that prints well. Pure: an invoice in, text out."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from licet.ledger.pricing import percent
from licet.model.billing import BillingDetails
from licet.model.money import Invoice, InvoiceLine, shown

_TEMPLATES: Final = Environment(
    loader=PackageLoader("licet.ledger"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def kind_of(invoice: Invoice) -> str:
    """Give what the document is called."""
    return "Credit note" if invoice.is_credit else "Invoice"


def day(at: date) -> str:
    """Write a day."""
    return f"{at.day} {at:%B %Y}"


def rates(invoice: Invoice) -> str:
    """Give the tax rates of an invoice in brackets; empty where there is no tax."""
    found = sorted({line.tax_ppm for line in invoice.lines if line.tax_ppm})
    return f" ({', '.join(percent(rate) for rate in found)})" if found else ""


def quantity_of(line: InvoiceLine) -> str:
    """Give what a line counts, such as `1,234 rows`; empty where the amount stands for itself."""
    unit = line.unit.removesuffix("s") if line.quantity == 1 else line.unit
    return f"{line.quantity:,} {unit}" if unit else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who writes to whom, line by line, and why no tax is charged; that may be empty."""

    sender: tuple[str, ...]
    receiver: tuple[str, ...]
    untaxed: str


def letterhead_of(
    invoice: Invoice, seller: BillingDetails | None = None, buyer: BillingDetails | None = None
) -> Letterhead:
    """Give an invoice's letterhead: its own words, and what billing details add to them."""
    vat = f"VAT {seller.vat_id}" if seller and seller.vat_id and seller.vat_id not in invoice.seller else ""
    sender = [*(invoice.seller or "The operator").splitlines(), vat]
    without = any(not line.tax_ppm for line in invoice.lines)
    return Letterhead(
        sender=tuple(each for each in sender if each),
        receiver=buyer.lines if buyer else (invoice.recipient_name,),
        untaxed=buyer.untaxed.words if buyer and without else "",
    )


def as_html(invoice: Invoice, seller: BillingDetails | None = None, buyer: BillingDetails | None = None) -> str:
    """Give an invoice as an HTML page of its own, which loads nothing."""
    return _TEMPLATES.get_template("invoice.html").render(
        invoice=invoice,
        kind=kind_of(invoice),
        head=letterhead_of(invoice, seller, buyer),
        rates=rates(invoice),
        day=day,
        quantity_of=quantity_of,
        money=partial(shown, currency=invoice.currency),
    )
