"""A PDF shows Latin, Greek and Cyrillic letters as they are, and says which it cannot show."""

import io

import pytest
from pypdf import PdfReader
from test_invoice import ONE, invoice, line, pdf_text

from licet.ledger.invoice_pdf import as_pdf

NAMES = ("Zoł Łódź ğüşİ", "Ελλάδα Αθήνα", "Общество «Привет»", "Việt Nam", "Größe, 5 €")


@pytest.mark.parametrize("name", NAMES)
def test_letters_of_europe_are_shown_as_they_are(name: str) -> None:
    found = invoice(line(f"Correction: {name}", 0), name=name)
    assert pdf_text(found).count(name) == 2
    assert "stands for letters" not in pdf_text(found)


def test_a_letter_and_its_accent_apart_are_shown_as_one() -> None:
    assert "To: Zoé" in pdf_text(invoice(line("x", 0), name="Zoe\N{COMBINING ACUTE ACCENT}"))


def test_what_the_font_lacks_is_said_and_not_silent() -> None:
    said = pdf_text(invoice(line("x", 0), name="Zoł 東京"))
    assert "Zoł ??" in said
    assert "not got: U+4EAC, U+6771." in said


def test_the_font_is_cut_to_what_is_used() -> None:
    assert len(as_pdf(ONE)) < 50_000


def test_a_pdf_is_the_same_bytes_each_time() -> None:
    assert as_pdf(ONE) == as_pdf(ONE)


def test_a_long_invoice_goes_on_over_pages() -> None:
    long = invoice(*(line(f"part {n}", 10_000, n + 1, 1) for n in range(120)))
    assert len(PdfReader(io.BytesIO(as_pdf(long))).pages) > 2
    assert "part 119" in pdf_text(long)
