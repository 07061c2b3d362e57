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


PAPERS: Final[Mapping[str, Paper]] = {
    "html": lambda conn, invoice: as_html(invoice, *parties_of(conn, invoice)).encode(),
    "pdf": lambda conn, invoice: as_pdf(invoice, *parties_of(conn, invoice)),
    "xml": lambda conn, invoice: as_xml(invoice, *parties_of(conn, invoice)),
}
"""By what a file's name ends with; `xml` raises `UsageError` where billing details are missing."""
