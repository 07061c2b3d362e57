"""A recipient takes its own invoices away, in every form, and nobody else's."""

import io
import re

import pytest
from page_tour import Visitor
from platform_history import ADA
from pypdf import PdfReader

from licet.model.billing import BillingDetails, Untaxed
from licet.store.billing import OPERATOR, set_billing
from licet.store.database import transaction

DETAILS = BillingDetails(
    name="Acme <SAS>",
    street="1 Rue",
    extra="",
    postcode="75001",
    city="Łódź",
    country="FR",
    vat_id="FR23334175221",
    legal_id="",
    untaxed=Untaxed.REVERSE_CHARGE,
)


@pytest.fixture
def recipient(visit, platform) -> Visitor:
    return visit("recipient", token=platform.tokens["acme"])


def newest(recipient: Visitor) -> str:
    found = re.search(r"/recipient/usage/[^\"]+", recipient.get("/recipient/usage").text)
    assert found
    return found[0]


def test_an_invoice_comes_down_in_every_form_once_the_parties_are_known(recipient, platform) -> None:
    address = newest(recipient)
    shown = recipient.get(address).text
    assert re.findall(r"href=\"[^\"]+/(html|pdf|xml)\"", shown) == ["html", "pdf", "xml"]
    page, letter = (recipient.get(f"{address}/{form}") for form in ("html", "pdf"))
    name = address.rpartition("/")[2]
    assert page.headers["content-disposition"] == f'attachment; filename="{name}.html"'
    assert letter.headers["content-type"] == "application/pdf"
    assert name in PdfReader(io.BytesIO(letter.content)).pages[0].extract_text()
    assert "are not registered" in recipient.get("/recipient/usage").text
    refused = recipient.get(f"{address}/xml")
    assert refused.status_code == 409
    assert "ask the operator" in refused.text
    with transaction(platform.house.database) as conn:
        set_billing(conn, OPERATOR, DETAILS, platform.now)
        set_billing(conn, "acme", DETAILS, platform.now)
    assert "Acme &lt;SAS&gt;<br>1 Rue<br>75001 Łódź" in recipient.get("/recipient/usage").text
    xml = recipient.get(f"{address}/xml")
    assert xml.headers["content-type"] == "application/xml"
    assert xml.headers["cache-control"] == "no-store"
    assert b"<ram:Name>Acme &lt;SAS&gt;</ram:Name>" in xml.content


def test_nobody_elses_invoice_and_no_unknown_form_is_there(recipient, visit, platform) -> None:
    address = newest(recipient)
    assert recipient.get(f"{address}/exe").status_code == 404
    stranger = visit("recipient", token=platform.tokens["nordlys"])
    for path in (address, f"{address}/pdf", f"{address}/xml", "/recipient/usage/%00/pdf"):
        assert stranger.get(path).status_code == 404
    assert visit("member", ADA).get(f"{address}/pdf").url.path == "/sign-in"
