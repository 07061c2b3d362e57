"""An invoice as a PDF whose font it brings along. Pure but for the font: an invoice in, the same bytes each time."""

import unicodedata
from collections.abc import Iterable
from functools import partial
from typing import Final

import fontpkg
from fpdf import FPDF
from fpdf.enums import TextEmphasis
from fpdf.fonts import FontFace, TTFFont

from licet.ledger.invoice import Letterhead, day, kind_of, letterhead_of, quantity_of, rates
from licet.model.billing import BillingDetails
from licet.model.money import Invoice, InvoiceLine, shown

FONT: Final = "Fira Sans"
"""Latin, Greek and Cyrillic in some 500 kB, of which a PDF holds the letters that it uses."""
_BOLD: Final = 700
_HEADS: Final = ("License", "What", "Quantity", "Per thousand", "Amount")
_WIDTHS: Final = (20, 50, 26, 27, 27)
_ALIGN: Final = ("LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT")


class _Letter(FPDF):
    """A page whose letters are the font's; which of them it has not got is kept."""

    def __init__(self) -> None:
        super().__init__(format="A4")
        self.add_font(FONT, "", fontpkg.path(FONT))
        self.add_font(FONT, "B", fontpkg.path(FONT, weight=_BOLD))
        self.set_font(FONT, size=10)
        self.lacking: set[str] = set()

    def known(self, text: str) -> str:
        """Give a text with `?` for what the font lacks."""
        font = self.current_font
        has = font.cmap if isinstance(font, TTFFont) else {}
        composed = " ".join(unicodedata.normalize("NFC", text).split())
        self.lacking |= {letter for letter in composed if ord(letter) not in has}
        return "".join("?" if letter in self.lacking else letter for letter in composed)

    def say(self, lines: Iterable[str], height: int) -> None:
        """Write lines one below the other."""
        for line in lines:
            self.multi_cell(0, height, self.known(line), new_x="LMARGIN", new_y="NEXT")


def as_pdf(invoice: Invoice, seller: BillingDetails | None = None, buyer: BillingDetails | None = None) -> bytes:
    """Give an invoice as a PDF; where a letter is not in its font, it says so and which."""
    pdf = _Letter()
    pdf.set_creation_date(invoice.issued)
    pdf.set_title(f"{kind_of(invoice)} {invoice.number}")
    pdf.set_lang("en")
    pdf.set_margin(20)
    pdf.add_page()
    pdf.set_font(FONT, TextEmphasis.B, 18)
    pdf.say([f"{kind_of(invoice)} {invoice.number}"], 10)
    pdf.set_font(FONT, size=10)
    letterhead = letterhead_of(invoice, seller, buyer)
    pdf.say(_head(invoice, letterhead), 5)
    pdf.ln(6)
    _table(pdf, invoice)
    if letterhead.untaxed:
        pdf.ln(6)
        pdf.say([f"No tax: {letterhead.untaxed}."], 5)
    if pdf.lacking:
        named = ", ".join(f"U+{ord(letter):04X}" for letter in sorted(pdf.lacking))
        pdf.ln(6)
        pdf.say([f"? stands for letters that this PDF's font has not got: {named}. The web page shows them."], 5)
    return bytes(pdf.output())


def _head(invoice: Invoice, letterhead: Letterhead) -> list[str]:
    due = [] if invoice.is_credit else [f"Due: {day(invoice.due)}"]
    return [
        f"From: {', '.join(letterhead.sender)}",
        f"To: {', '.join(letterhead.receiver)} ({invoice.recipient_id})",
        f"Month: {invoice.month}",
        f"Issued: {day(invoice.issued.date())}",
        *due,
    ]


def _table(pdf: _Letter, invoice: Invoice) -> None:
    money = partial(shown, currency=invoice.currency)
    bold = FontFace(emphasis=TextEmphasis.B)
    with pdf.table(
        col_widths=_WIDTHS, text_align=_ALIGN, borders_layout="HORIZONTAL_LINES", headings_style=bold, line_height=6
    ) as table:
        table.row(_HEADS)
        for line in invoice.lines:
            table.row([pdf.known(cell) for cell in _cells(line, invoice.currency)])
        total = "To be credited" if invoice.is_credit else "To be paid"
        for said, micros in (("Net", invoice.net_micros), (f"Tax{rates(invoice)}", invoice.tax_micros)):
            table.row(["", said, "", "", money(micros)])
        table.row(["", total, "", "", money(abs(invoice.total_micros))], style=bold)


def _cells(line: InvoiceLine, currency: str) -> tuple[str, ...]:
    each = shown(line.per_thousand_micros, currency) if line.per_thousand_micros else ""
    return line.license_id, line.text, quantity_of(line), each, shown(line.micros, currency)
