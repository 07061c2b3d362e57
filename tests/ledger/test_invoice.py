"""An invoice says the same as a page and as a PDF, and nothing in a name becomes markup."""

import io
from datetime import UTC, date, datetime

import pytest
from pypdf import PdfReader
from selectolax.lexbor import LexborHTMLParser

from licet.ledger.invoice import as_html
from licet.ledger.invoice_pdf import as_pdf
from licet.model.money import Invoice, InvoiceLine, LineKind, Month


def line(text: str, micros: int, quantity: int = 0, each: int = 0) -> InvoiceLine:
    """Give a line."""
    unit = "rows" if quantity else ""
    return InvoiceLine(
        license_id="l_1",
        kind=LineKind.USAGE,
        text=text,
        quantity=quantity,
        unit=unit,
        per_thousand_micros=each,
        micros=micros,
        tax_ppm=200_000,
    )


def invoice(*lines: InvoiceLine, name: str = "Acme <b>AI</b>") -> Invoice:
    """Give an invoice of lines, with a fifth of tax."""
    net = sum(each.micros for each in lines)
    return Invoice(
        number="2025-03-acme",
        recipient_id="acme",
        recipient_name=name,
        month=Month(year=2025, month=3),
        issued=datetime(2025, 4, 1, 2, 3, tzinfo=UTC),
        due=date(2025, 4, 30),
        currency="USD",
        seller="The Platform\n1 Road",
        lines=lines,
        net_micros=net,
        tax_micros=net // 5,
    )


ONE = invoice(
    line("posts, up to 1,000,000", 1_234_500_000, 246_900, 5_000_000), line("Correction: as agreed", -4_500_000)
)
CREDIT = invoice(line("Recall l.7, posts", -10_000_000, 2000))
SAID = ("2025-03-acme", "posts, up to 1,000,000", "246,900 rows", "5.00 USD", "1,234.50 USD", "-4.50 USD", "246.00 USD")


def pdf_text(found: Invoice) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(as_pdf(found))).pages).split())


def test_a_page_and_a_pdf_say_the_same() -> None:
    page = " ".join(LexborHTMLParser(as_html(ONE)).body.text(separator=" ").split())
    assert [said for said in (*SAID, "1,476.00 USD", "Tax (20%)", "30 April 2025") if said not in page] == []
    assert [said for said in (*SAID, "1,476.00 USD", "Tax (20%)", "30 April 2025") if said not in pdf_text(ONE)] == []


def test_one_row_is_a_row() -> None:
    one = invoice(line("Recall l.7, posts", -10_000, 1))
    for text in (as_html(one), pdf_text(one)):
        assert "1 row" in text
        assert "1 rows" not in text


def test_what_the_operator_owes_is_a_credit_note() -> None:
    for text in (as_html(CREDIT), pdf_text(CREDIT)):
        assert "Credit note 2025-03-acme" in text
        assert "12.00 USD" in text
        assert "Due" not in text


def test_a_name_is_never_markup() -> None:
    assert "<b>AI" not in as_html(ONE)
    assert LexborHTMLParser(as_html(ONE)).css_first("b") is None


@pytest.mark.parametrize("found", [ONE, CREDIT])
def test_the_page_can_be_read_aloud_and_loads_nothing(found: Invoice) -> None:
    tree = LexborHTMLParser(as_html(found))
    assert tree.css_first("html").attributes["lang"] == "en"
    assert len(tree.css("h1")) == len(tree.css("main")) == len(tree.css("caption")) == 1
    assert all(head.attributes.get("scope") for head in tree.css("th"))
    assert tree.css("script, img, link, iframe") == []
