"""An invoice as Factur-X: the UN/CEFACT Cross Industry Invoice in the profile of EN 16931. Pure: facts in, bytes out.

Every line, the tax by rate and the sums are the invoice's own, to the last decimal: nothing is computed anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from drafthorse.models.accounting import ApplicableTradeTax
from drafthorse.models.document import Document
from drafthorse.models.party import TaxRegistration
from drafthorse.models.payment import PaymentTerms
from drafthorse.models.tradelines import LineItem

from licet.ledger.pricing import tax_of
from licet.model.billing import BillingDetails, Untaxed
from licet.model.errors import IntegrityError, UsageError
from licet.model.money import UNIT, Invoice, InvoiceLine, decimal_of, places

GUIDELINE: Final = "urn:cen.eu:en16931:2017"
_SCHEMA: Final = "FACTUR-X_EN16931"
_PIECES: Final = "C62"
"""UN/ECE recommendation 20: a count of things."""
_THOUSAND: Final = 1000
_MOST_PLACES: Final = 2
"""Decimal places that EN 16931 allows a sum."""
_TAXED: Final = "S"
_CATEGORIES: Final[Mapping[Untaxed, str]] = {
    Untaxed.REVERSE_CHARGE: "AE",
    Untaxed.EXPORT: "G",
    Untaxed.EXEMPT: "E",
    Untaxed.ZERO_RATED: "Z",
    Untaxed.OUT_OF_SCOPE: "O",
}
"""The categories of UNTDID 5305."""
_NO_REASON: Final = "Z"
"""The category beside which no reason may stand."""
_NO_RATE: Final = "O"
"""The category that names no rate, and no VAT id."""
_NEEDS_BUYER: Final = "AE"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tax:
    """One rate of an invoice: its category and reason, and the lines' sum and the tax on it in micro-units."""

    category: str
    reason: str
    ppm: int
    net: int
    tax: int


def as_xml(invoice: Invoice, seller: BillingDetails | None, buyer: BillingDetails | None) -> bytes:
    """Give an invoice as XML that is valid by the schema of Factur-X; a credit note has amounts to be credited.

    Raises:
        UsageError: something that EN 16931 demands is missing; the remedy names the command that adds it.
    """
    billing = f"licet ledger billing {invoice.recipient_id}"
    if seller is None:
        raise UsageError("the operator has no billing details", "licet ledger billing --name … --country …")
    if buyer is None:
        raise UsageError(f"`{invoice.recipient_id}` has no billing details", f"{billing} --name … --country …")
    if places(invoice.currency) > _MOST_PLACES:
        raise UsageError(f"EN 16931 has no room for the places of {invoice.currency}", "send the page or the PDF")
    taxes = _taxes(invoice, buyer)
    _require_ids(taxes, seller, buyer, billing)
    plain = any(each.category == _NO_RATE for each in taxes)
    document = Document()
    _head(document, invoice)
    _party(document.trade.agreement.seller, seller, with_vat=not plain)
    _party(document.trade.agreement.buyer, buyer, with_vat=not plain)
    sign = -1 if invoice.is_credit else 1
    by_rate = {each.ppm: each for each in taxes}
    for number, line in enumerate(invoice.lines, 1):
        document.trade.items.add(_line(number, line, by_rate[line.tax_ppm], sign, invoice.currency))
    document.trade.delivery.event.occurrence = invoice.month.last_day
    _settle(document.trade.settlement, invoice, taxes, sign)
    return bytes(document.serialize(schema=_SCHEMA))


def _taxes(invoice: Invoice, buyer: BillingDetails) -> list[_Tax]:
    """Give what the ledger booked as tax, by rate: rounded once for each license and rate, then added up.

    Raises:
        UsageError: it is not said why there is none on some lines.
        IntegrityError: the lines have another tax than the invoice.
    """
    rates = sorted({line.tax_ppm for line in invoice.lines})
    found = []
    for ppm in rates:
        lines = [line for line in invoice.lines if line.tax_ppm == ppm]
        licenses = {line.license_id for line in lines}
        tax = sum(tax_of([one for one in lines if one.license_id == name], invoice.currency) for name in licenses)
        category, reason = (_TAXED, "") if ppm else _why(invoice, buyer)
        net = sum(line.micros for line in lines)
        found.append(_Tax(category=category, reason=reason, ppm=ppm, net=net, tax=tax))
    if sum(each.tax for each in found) != invoice.tax_micros or sum(each.net for each in found) != invoice.net_micros:
        raise IntegrityError(f"the lines of invoice `{invoice.number}` do not sum up", "run `licet ledger check`")
    return found


def _why(invoice: Invoice, buyer: BillingDetails) -> tuple[str, str]:
    category = _CATEGORIES.get(buyer.untaxed)
    if category is None:
        remedy = f"licet ledger billing {invoice.recipient_id} --untaxed reverse-charge (or another reason)"
        raise UsageError(f"it is not said why `{invoice.recipient_id}` is charged no tax", remedy)
    return category, "" if category == _NO_REASON else buyer.untaxed.words


def _require_ids(taxes: list[_Tax], seller: BillingDetails, buyer: BillingDetails, billing: str) -> None:
    """Refuse what the rules of a tax category forbid."""
    categories = {each.category for each in taxes}
    if _NO_RATE in categories:
        if len(categories) > 1:
            raise UsageError(
                "an invoice out of the scope of VAT has no taxed lines",
                f"{billing} --untaxed exempt, or tax all of them",
            )
        if not seller.legal_id:
            raise UsageError("out of the scope of VAT a legal id names the seller", "licet ledger billing --legal-id …")
    elif not seller.vat_id:
        raise UsageError("an invoice with VAT, or free of it, names the seller's", "licet ledger billing --vat-id …")
    if _NEEDS_BUYER in categories and not buyer.vat_id:
        raise UsageError("a reverse charge names the buyer's VAT id", f"{billing} --vat-id …")


def _head(document: Any, invoice: Invoice) -> None:  # noqa: ANN401 # drafthorse has no types
    document.context.guideline_parameter.id = GUIDELINE
    document.header.id = invoice.number
    document.header.type_code = "381" if invoice.is_credit else "380"
    document.header.issue_date_time = invoice.issued.date()


def _party(into: Any, details: BillingDetails, *, with_vat: bool) -> None:  # noqa: ANN401 # likewise
    into.name = details.name
    if details.legal_id:
        into.legal_organization.id = details.legal_id
    address = into.address
    address.line_one, address.line_two = details.street, details.extra
    address.postcode, address.city_name, address.country_id = details.postcode, details.city, details.country
    if details.vat_id and with_vat:
        into.tax_registrations.add(TaxRegistration(id=("VA", details.vat_id)))


def _percent(ppm: int) -> Decimal:
    return Decimal(ppm) / 10_000


def _line(number: int, line: InvoiceLine, tax: _Tax, sign: int, currency: str) -> LineItem:
    """Give a line; one without a price per thousand is one thing at its amount, minus one where that is negative."""
    item = LineItem()
    item.document.line_id = str(number)
    item.product.name = _text(line.text) or str(line.kind)
    item.product.description = _text(f"License {line.license_id}")
    amount = sign * line.micros
    if line.per_thousand_micros or (line.unit and not line.micros):
        item.agreement.net.amount = Decimal(line.per_thousand_micros) / UNIT
        item.agreement.net.basis_quantity = (Decimal(_THOUSAND), _PIECES)
        item.delivery.billed_quantity = (Decimal(sign * line.quantity), _PIECES)
    else:
        item.agreement.net.amount = _sum(abs(amount), currency)
        item.delivery.billed_quantity = (Decimal(-1 if amount < 0 else 1), _PIECES)
    item.settlement.trade_tax.type_code = "VAT"
    item.settlement.trade_tax.category_code = tax.category
    if tax.category != _NO_RATE:
        item.settlement.trade_tax.rate_applicable_percent = _percent(line.tax_ppm)
    item.settlement.monetary_summation.total_amount = _sum(amount, currency)
    return item


def _text(said: str) -> str:
    """Keep what XML can hold."""
    return "".join(letter if letter.isprintable() else " " for letter in said).strip()


def _sum(micros: int, currency: str) -> Decimal:
    return Decimal(decimal_of(micros, places(currency)))


def _settle(settlement: Any, invoice: Invoice, taxes: list[_Tax], sign: int) -> None:  # noqa: ANN401 # likewise
    def money(micros: int) -> Decimal:
        return _sum(sign * micros, invoice.currency)

    settlement.currency_code = invoice.currency
    settlement.period.start, settlement.period.end = invoice.month.start, invoice.month.last_day
    for each in taxes:
        settlement.trade_tax.add(_breakdown(each, money(each.net), money(each.tax)))
    terms = PaymentTerms()
    if invoice.is_credit:
        terms.description = "To be credited"
    else:
        terms.due = invoice.due
    settlement.terms.add(terms)
    sums = settlement.monetary_summation
    sums.line_total = money(invoice.net_micros)
    sums.tax_basis_total = money(invoice.net_micros)
    sums.tax_total = (money(invoice.tax_micros), invoice.currency)
    sums.grand_total = money(invoice.total_micros)
    sums.due_amount = money(invoice.total_micros)


def _breakdown(tax: _Tax, net: Decimal, amount: Decimal) -> ApplicableTradeTax:
    found = ApplicableTradeTax()
    found.calculated_amount, found.basis_amount = amount, net
    found.type_code, found.category_code = "VAT", tax.category
    if tax.reason:
        found.exemption_reason = tax.reason
    if tax.category != _NO_RATE:
        found.rate_applicable_percent = _percent(tax.ppm)
    return found
