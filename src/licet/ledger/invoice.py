"""An invoice as a page that prints well, and as a PDF. Pure: an invoice in, text or bytes out."""

from datetime import date
from functools import partial
from typing import Final

from fpdf import FPDF
from fpdf.enums import TextEmphasis
from fpdf.fonts import FontFace
from jinja2 import Environment, PackageLoader, StrictUndefined

from licet.ledger.pricing import percent
from licet.model.money import Invoice, InvoiceLine, shown

_TEMPLATES: Final = Environment(
    loader=PackageLoader("licet.ledger"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_HEADS: Final = ("License", "What", "Quantity", "Per thousand", "Amount")
_WIDTHS: Final = (20, 50, 26, 27, 27)
_ALIGN: Final = ("LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT")


def kind_of(invoice: Invoice) -> str:
    """Give what the document is called."""
    return "Credit note" if invoice.is_credit else "Invoice"


def _day(at: date) -> str:
    return f"{at.day} {at:%B %Y}"


def _rates(invoice: Invoice) -> str:
    rates = sorted({line.tax_ppm for line in invoice.lines if line.tax_ppm})
    return f" ({', '.join(percent(rate) for rate in rates)})" if rates else ""


def as_html(invoice: Invoice) -> str:
    """Give an invoice as an HTML page of its own, which loads nothing."""
    return _TEMPLATES.get_template("invoice.html").render(
        invoice=invoice,
        kind=kind_of(invoice),
        rates=_rates(invoice),
        day=_day,
        money=partial(shown, currency=invoice.currency),
    )


def as_pdf(invoice: Invoice) -> bytes:
    """Give an invoice as a PDF, the same bytes each time; letters outside Latin-1 are shown as `?`."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(invoice.issued)
    pdf.set_title(f"{kind_of(invoice)} {invoice.number}")
    pdf.set_lang("en")
    pdf.set_margin(20)
    pdf.add_page()
    pdf.set_font("Helvetica", TextEmphasis.B, 18)
    pdf.multi_cell(0, 10, _latin(f"{kind_of(invoice)} {invoice.number}"), new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=10)
    for line in _head(invoice):
        pdf.multi_cell(0, 5, _latin(line), new_x="LMARGIN", new_y="NEXT")
    pdf.ln(6)
    _table(pdf, invoice)
    return bytes(pdf.output())


def _head(invoice: Invoice) -> list[str]:
    due = [] if invoice.is_credit else [f"Due: {_day(invoice.due)}"]
    return [
        f"From: {', '.join((invoice.seller or 'The operator').splitlines())}",
        f"To: {invoice.recipient_name} ({invoice.recipient_id})",
        f"Month: {invoice.month}",
        f"Issued: {_day(invoice.issued.date())}",
        *due,
    ]


def _table(pdf: FPDF, invoice: Invoice) -> None:
    money = partial(shown, currency=invoice.currency)
    bold = FontFace(emphasis=TextEmphasis.B)
    with pdf.table(
        col_widths=_WIDTHS, text_align=_ALIGN, borders_layout="HORIZONTAL_LINES", headings_style=bold, line_height=6
    ) as table:
        table.row(_HEADS)
        for line in invoice.lines:
            table.row([_latin(cell) for cell in _cells(line, invoice.currency)])
        total = "To be credited" if invoice.is_credit else "To be paid"
        for said, micros in (("Net", invoice.net_micros), (f"Tax{_rates(invoice)}", invoice.tax_micros)):
            table.row(["", said, "", "", money(micros)])
        table.row(["", total, "", "", money(abs(invoice.total_micros))], style=bold)


def _cells(line: InvoiceLine, currency: str) -> tuple[str, ...]:
    quantity = f"{line.quantity:,} {line.unit}" if line.unit else ""
    each = shown(line.per_thousand_micros, currency) if line.per_thousand_micros else ""
    return line.license_id, line.text, quantity, each, shown(line.micros, currency)


def _latin(text: str) -> str:
    """Keep what the PDF's built-in font can show."""
    return text.encode("latin-1", "replace").decode("latin-1")
