"""The forms in which an invoice is handed out: a page, a PDF, and Factur-X for the recipient's own books."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from sqlalchemy import Connection

from licet.ledger.invoice import as_html
from licet.ledger.invoice_pdf import as_pdf
from licet.ledger.invoice_xml import as_xml
from licet.model.money import Invoice
from licet.store.billing import parties_of

Paper: TypeAlias = Callable[[Connection, Invoice], bytes]


def _xml(conn: Connection, invoice: Invoice) -> bytes:
    seller, buyer = parties_of(conn, invoice)
    return as_xml(invoice, seller, buyer)


PAPERS: Final[Mapping[str, Paper]] = {
    "html": lambda _, invoice: as_html(invoice).encode(),
    "pdf": lambda _, invoice: as_pdf(invoice),
    "xml": _xml,
}
"""By what a file's name ends with; `xml` raises `UsageError` where billing details are missing."""
