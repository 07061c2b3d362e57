"""Money on the pages: what a member earned, what a recipient used and owes; closed months only."""

from typing import Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from licet.model.errors import NotFound, UsageError
from licet.model.money import Invoice
from licet.server.access import licenses_of
from licet.server.desk import AtDesk
from licet.server.errors import WireError, missing
from licet.server.pages.forms import AtMember, AtRecipient
from licet.server.pages.rendering import PageRoute, page
from licet.server.session import Session
from licet.store import ledger
from licet.store.billing import billing_of
from licet.store.database import reading
from licet.store.parties import recipients

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_TYPES: Final = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "xml": "application/xml"}


@router.get("/member/earnings")
def get_earnings(request: Request, desk: AtDesk, session: AtMember) -> Response:
    """Show what a member earned by month and license, what was paid out, and what waits."""
    with reading(desk.house.database) as conn:
        earned, paid = ledger.earnings_of(conn, desk.house.shared, session.who), ledger.payouts_of(conn, session.who)
        shown = {
            "earned": earned,
            "paid": paid,
            "balance": ledger.balance(earned, paid),
            "terms": ledger.terms_at(conn, desk.now()),
            "names": dict(recipients(conn)),
        }
    return page(request, "member_earnings.html", session, shown)


@router.get("/recipient/usage")
def get_usage(request: Request, desk: AtDesk, session: AtRecipient) -> Response:
    """Show what a recipient was delivered, by month, license and table, its invoices, and to whom they go."""
    licenses = licenses_of(desk, session.who)
    with reading(desk.house.database) as conn:
        used = [each for license_, _ in licenses for each in ledger.usage_of(conn, license_.license_id)]
        invoices, billing = ledger.invoices_of(conn, session.who), billing_of(conn, session.who)
    newest = sorted(used, key=lambda each: (each.month, each.license_id, each.table), reverse=True)
    shown = {"used": newest, "invoices": invoices, "billing": billing}
    return page(request, "recipient_usage.html", session, shown)


def _own(conn: Connection, session: Session, number: str) -> Invoice:
    """Give an invoice of the recipient's own.

    Raises:
        WireError: 404, there is none of that number, or it is somebody else's.
    """
    try:
        found = ledger.invoice_of(conn, number)
    except NotFound:
        found = None
    if found is None or found.recipient_id != session.who:
        raise missing("no invoice of yours has this number")
    return found


@router.get("/recipient/usage/{number}")
def get_invoice(request: Request, desk: AtDesk, session: AtRecipient, number: str) -> Response:
    """Show one invoice of the recipient's own."""
    with reading(desk.house.database) as conn:
        shown = {"invoice": _own(conn, session, number), "forms": list(desk.options.papers)}
    return page(request, "recipient_invoice.html", session, shown)


@router.get("/recipient/usage/{number}/{form}")
def get_paper(desk: AtDesk, session: AtRecipient, number: str, form: str) -> Response:
    """Give one invoice of the recipient's own as a file; 409 where something that the form demands is missing."""
    paper = desk.options.papers.get(form)
    if paper is None:
        raise missing("an invoice has no such form")
    with reading(desk.house.database) as conn:
        found = _own(conn, session, number)
        try:
            content = paper(conn, found)
        except UsageError as error:
            # The remedy is a command of the operator's.
            raise WireError(409, "INVALID_STATE", f"{error.message}; ask the operator") from error
    headers = {"Content-Disposition": f'attachment; filename="{found.number}.{form}"', "Cache-Control": "no-store"}
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(content, headers=headers, media_type=_TYPES.get(form, "application/octet-stream"))
