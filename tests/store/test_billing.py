"""The newest billing details of a party hold, and what held before is still known."""

from dataclasses import replace
from datetime import datetime, timedelta

from licet.model.billing import BillingDetails, Untaxed
from licet.store.billing import OPERATOR, billing_of, set_billing
from licet.store.database import reading, transaction
from licet.store.house import House

DETAILS = BillingDetails(
    name="Acme",
    street="1 Rue",
    extra="",
    postcode="",
    city="Paris",
    country="FR",
    vat_id="",
    legal_id="1",
    untaxed=Untaxed.EXPORT,
)


def test_the_newest_of_a_party_hold_and_those_of_an_instant_are_known(any_house: House, now: datetime) -> None:
    moved = replace(DETAILS, city="Łódź")
    with transaction(any_house.database) as conn:
        assert billing_of(conn, "acme") is None
        set_billing(conn, "acme", DETAILS, now)
        set_billing(conn, OPERATOR, replace(DETAILS, untaxed=Untaxed.UNSAID), now)
        set_billing(conn, "acme", moved, now + timedelta(days=1))
    with reading(any_house.database) as conn:
        assert billing_of(conn, "acme") == moved
        assert billing_of(conn, "acme", now) == DETAILS
        assert billing_of(conn, "acme", now - timedelta(seconds=1)) is None
        assert billing_of(conn, OPERATOR) == replace(DETAILS, untaxed=Untaxed.UNSAID)
