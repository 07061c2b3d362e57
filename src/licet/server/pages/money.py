"""Money on the pages: what a member earned, what a recipient used and owes; closed months only."""

from fastapi import APIRouter, Request, Response

from licet.server.access import licenses_of
from licet.server.desk import AtDesk
from licet.server.errors import missing
from licet.server.pages.forms import AtMember, AtRecipient
from licet.server.pages.rendering import PageRoute, page
from licet.store import ledger
from licet.store.database import reading
from licet.store.parties import recipients

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/member/earnings")
def get_earnings(request: Request, desk: AtDesk, session: AtMember) -> Response:
    """Show what a member earned by month and license, what was paid out, and what waits."""
    with reading(desk.house.database) as conn:
        shown = {
            "earned": ledger.earnings_of(conn, desk.house.shared, session.who),
            "paid": ledger.payouts_of(conn, session.who),
            "balance": ledger.balance_of(conn, desk.house.shared, session.who),
            "terms": ledger.terms_at(conn, desk.now()),
            "names": dict(recipients(conn)),
        }
    return page(request, "member_earnings.html", session, shown)


@router.get("/recipient/usage")
def get_usage(request: Request, desk: AtDesk, session: AtRecipient) -> Response:
    """Show what a recipient was delivered, by month, license and table, and its invoices."""
    licenses = licenses_of(desk, session.who)
    with reading(desk.house.database) as conn:
        used = [each for license_, _ in licenses for each in ledger.usage_of(conn, license_.license_id)]
        invoices = ledger.invoices_of(conn, session.who)
    newest = sorted(used, key=lambda each: (each.month, each.license_id, each.table), reverse=True)
    return page(request, "recipient_usage.html", session, {"used": newest, "invoices": invoices})


@router.get("/recipient/usage/{number}")
def get_invoice(request: Request, desk: AtDesk, session: AtRecipient, number: str) -> Response:
    """Show one invoice of the recipient's own."""
    with reading(desk.house.database) as conn:
        found = {each.number: each for each in ledger.invoices_of(conn, session.who)}.get(number)
    if found is None:
        raise missing("no invoice of yours has this number")
    return page(request, "recipient_invoice.html", session, {"invoice": found})
