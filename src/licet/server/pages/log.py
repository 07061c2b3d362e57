"""The operator's page about the transparency log: what it holds, whether it keeps up, and whether it holds together."""

from typing import Final

from fastapi import APIRouter, Request, Response

from licet.server.desk import AtDesk
from licet.server.pages.forms import AtOperator
from licet.server.pages.rendering import PageRoute, page
from licet.store.database import reading
from licet.store.log_health import state_of

router = APIRouter(prefix="/operator/log", route_class=PageRoute, include_in_schema=False)

KINDS: Final = (
    "facts",
    "settings",
    "notice",
    "license",
    "version",
    "delivery",
    "recall",
    "told",
    "attestation",
    "key",
    "month",
)


@router.get("")
def get_log(request: Request, desk: AtDesk, session: AtOperator) -> Response:
    """Show the log's health, what is in it, and what an auditor needs."""
    with reading(desk.house.database) as conn:
        state = state_of(conn, desk.house, desk.now())
    known = dict(state.counts)
    counts = [(kind, known.pop(kind, 0)) for kind in KINDS] + sorted(known.items())
    address = desk.options.public_url or str(request.base_url).rstrip("/")
    return page(request, "operator_log.html", session, {"log": state, "counts": counts, "address": address})
