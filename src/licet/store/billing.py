"""What invoices say of the operator and of recipients: the newest holds, and what held before stays on record."""

from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select

from licet.model.billing import BillingDetails, Untaxed
from licet.model.money import Invoice
from licet.store import ledger_tables as lt
from licet.store.facts import micros

OPERATOR: Final = ""
"""The party that bills."""


def set_billing(conn: Connection, party: str, details: BillingDetails, at: datetime) -> None:
    """Keep what invoices say of a recipient, or of the operator, from now on."""
    conn.execute(insert(lt.billing_details).values(party=party, at_us=micros(at), **asdict(details)))


def billing_of(conn: Connection, party: str, at: datetime | None = None) -> BillingDetails | None:
    """Give what holds of a party now, or held at an instant; None if nothing was ever said by then."""
    c = lt.billing_details.c
    query = select(lt.billing_details).where(c.party == party).order_by(c.n.desc()).limit(1)
    if at is not None:
        query = query.where(c.at_us <= micros(at))
    row = conn.execute(query).first()
    if row is None:
        return None
    said = {each.name: getattr(row, each.name) for each in fields(BillingDetails)}
    return BillingDetails(**said | {"untaxed": Untaxed(row.untaxed)})


def parties_of(conn: Connection, invoice: Invoice) -> tuple[BillingDetails | None, BillingDetails | None]:
    """Give what an invoice says of seller and buyer: what held when it was issued, else what holds now.

    Why the buyer is charged no tax may be said later too.
    """
    seller, buyer = (
        billing_of(conn, party, invoice.issued) or billing_of(conn, party) for party in (OPERATOR, invoice.recipient_id)
    )
    if buyer is not None and not buyer.untaxed:
        newest = billing_of(conn, invoice.recipient_id) or buyer
        buyer = replace(buyer, untaxed=newest.untaxed)
    return seller, buyer
