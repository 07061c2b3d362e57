"""A recipient takes its own invoices away, in every form, and nobody else's."""

import io
import re

import pytest
from page_tour import Visitor
from platform_history import ADA
from pypdf import PdfReader


@pytest.fixture
def recipient(visit, platform) -> Visitor:
    return visit("recipient", token=platform.tokens["acme"])


def newest(recipient: Visitor) -> str:
    found = re.search(r"/recipient/usage/[^\"]+", recipient.get("/recipient/usage").text)
    assert found
    return found[0]


def test_an_invoice_comes_down_in_every_form(recipient) -> None:
    address = newest(recipient)
    shown = recipient.get(address).text
    assert re.findall(r"href=\"[^\"]+/(html|pdf|xml)\"", shown) == ["html", "pdf", "xml"]
    page, letter = (recipient.get(f"{address}/{form}") for form in ("html", "pdf"))
    name = address.rpartition("/")[2]
    assert page.headers["content-disposition"] == f'attachment; filename="{name}.html"'
    assert letter.headers["content-type"] == "application/pdf"
    assert name in PdfReader(io.BytesIO(letter.content)).pages[0].extract_text()
    assert "Acme AI GmbH<br>Weg 1<br>10115 Berlin" in recipient.get("/recipient/usage").text
    xml = recipient.get(f"{address}/xml")
    assert xml.headers["content-type"] == "application/xml"
    assert xml.headers["cache-control"] == "no-store"
    assert b"<ram:Name>Acme AI GmbH</ram:Name>" in xml.content


def test_an_invoice_in_french_counts_in_french(recipient) -> None:
    recipient.get("/language/fr")
    assert re.search(r">\d[\d\u202f]* lignes?<", recipient.get(newest(recipient)).text)


def test_where_the_parties_are_not_known_the_page_says_whom_to_ask(visit, platform) -> None:
    nordlys = visit("recipient", token=platform.tokens["nordlys"])
    assert "are not registered" in nordlys.get("/recipient/usage").text
    refused = nordlys.get(f"{newest(nordlys)}/xml")
    assert refused.status_code == 409
    assert "ask the operator" in refused.text
    assert "licet ledger" not in refused.text


def test_nobody_elses_invoice_and_no_unknown_form_is_there(recipient, visit, platform) -> None:
    address = newest(recipient)
    assert recipient.get(f"{address}/exe").status_code == 404
    stranger = visit("recipient", token=platform.tokens["nordlys"])
    for path in (address, f"{address}/pdf", f"{address}/xml", "/recipient/usage/%00/pdf"):
        assert stranger.get(path).status_code == 404
    assert visit("member", ADA).get(f"{address}/pdf").url.path == "/sign-in"
