"""An invoice is handed out in three forms; its parties are those of the day on which it was issued."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from ledger_world import AFTER, TERMS, Books, march
from pypdf import PdfReader
from test_invoice_xml import BUYER, SELLER

from licet.ledger.papers import PAPERS
from licet.model.billing import Untaxed
from licet.model.errors import UsageError
from licet.model.money import Invoice
from licet.store.billing import OPERATOR, set_billing
from licet.store.database import reading, transaction

LATER = AFTER + timedelta(days=1)


@pytest.fixture
def issued(world: Books) -> Invoice:
    """A closed month's invoice, without tax."""
    world.license()
    world.deliver(world.file({"ann": 1000}), march(3))
    ((found,),) = ([*closed.invoices] for closed in world.close())
    return found


def test_without_a_letterhead_the_operators_details_are_it(world: Books) -> None:
    world.terms(replace(TERMS, seller=""))
    with transaction(world.house.database) as conn:
        set_billing(conn, OPERATOR, SELLER, march(1))
    world.license()
    world.deliver(world.file({"ann": 1000}), march(3))
    (closed,) = world.close()
    assert closed.invoices[0].seller.splitlines() == list(SELLER.lines)


def test_details_may_come_after_an_invoice_and_later_ones_change_it_no_more(world: Books, issued: Invoice) -> None:
    with reading(world.house.database) as conn:
        assert PAPERS["html"](conn, issued).startswith(b"<!doctype html>")
        assert PAPERS["pdf"](conn, issued).startswith(b"%PDF")
        with pytest.raises(UsageError, match="the operator has no billing details"):
            PAPERS["xml"](conn, issued)
    with transaction(world.house.database) as conn:
        set_billing(conn, OPERATOR, SELLER, march(1))
        set_billing(conn, OPERATOR, replace(SELLER, name="Renamed"), LATER)
        set_billing(conn, "acme", BUYER, LATER)
    with reading(world.house.database) as conn, pytest.raises(UsageError, match="why `acme` is charged no tax"):
        PAPERS["xml"](conn, issued)
    with transaction(world.house.database) as conn:
        set_billing(conn, "acme", replace(BUYER, untaxed=Untaxed.EXPORT), LATER)
    with reading(world.house.database) as conn:
        xml = PAPERS["xml"](conn, issued).decode()
        page = PAPERS["html"](conn, issued).decode()
        letter = PdfReader(io.BytesIO(PAPERS["pdf"](conn, issued))).pages[0].extract_text()
    assert "The Platform" in xml
    assert "Renamed" not in xml
    assert "Export outside the EU" in xml
    for said in (page, letter):
        assert "VAT FR23334175221" in said
        assert "Łódź" in said
        assert "No tax: Export outside the EU." in said
