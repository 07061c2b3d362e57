"""Billing details that no invoice could say are not made."""

from dataclasses import replace

import pytest

from licet.model.billing import BillingDetails, Untaxed
from licet.model.errors import InputError

GOOD = BillingDetails(
    name="Acme & Söhne",
    street="1 Road",
    extra="2nd floor",
    postcode="10115",
    city="Berlin",
    country="DE",
    vat_id="DE136695976",
    legal_id="",
    untaxed=Untaxed.UNSAID,
)


def test_they_stand_on_a_letter_line_by_line() -> None:
    assert GOOD.lines == ("Acme & Söhne", "1 Road", "2nd floor", "10115 Berlin", "DE", "VAT DE136695976")


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"name": " "}, "add --name"),
        ({"city": "", "street": ""}, "add --street"),
        ({"country": "de"}, "two capital letters"),
        ({"vat_id": "136695976"}, "country's letters"),
        ({"vat_id": ""}, "--vat-id or --legal-id"),
        ({"extra": "a\nb"}, "one line"),
        ({"name": "a" * 201}, "at most 200"),
    ],
)
def test_what_is_missing_or_wrong_is_named(wrong: dict[str, str], remedy: str) -> None:
    with pytest.raises(InputError) as refused:
        replace(GOOD, **wrong)  # type: ignore[arg-type] # texts only
    assert remedy in str(refused.value)
