"""An operator's pages: overview, recalls, and the audit trail."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from licet.model.errors import InputError
from licet.model.recalls import Recall, State
from licet.policy.reasons import sentence
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing
from licet.server.pages.charts import figure_of
from licet.server.pages.forms import AtOperator
from licet.server.pages.rendering import PageRoute, page
from licet.store import asof, attestations, facts, overview, recall_notices, recalls
from licet.store.audit import Sought, search
from licet.store.database import reading
from licet.store.ledger import revenue_by_month
from licet.store.parties import recipients

router = APIRouter(prefix="/operator", route_class=PageRoute, include_in_schema=False)

PURPOSE: Final = "third_party_training"
SHOWN: Final = 50
"""Recalls or requests on one page, at most."""
Skip = Annotated[int, Query(ge=0, lt=10**9)]
"""How many recalls stand on the pages before."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9998
_UNSETTLED: Final = recalls.UNSETTLED


@router.get("")
def get_overview(request: Request, desk: AtDesk, session: AtOperator, purpose: str = PURPOSE) -> Response:
    """Show who said no and where, what is offered, and what became of recalls."""
    now = desk.now()
    with reading(desk.house.database) as conn:
        seq = facts.last_seq(conn)
        notice = asof.notice_in_force(conn, seq, now)
        licenses = [(each, state) for each, state in asof.licenses_as_of(conn, seq) if each.purpose == purpose]
        named = [each.license_id for each, _ in licenses]
        regions = overview.by_region(conn, purpose)
        offers = {name: offer for name, offer in overview.offers(conn).items() if name in named}
        denials = overview.thinned(overview.denials_by_day(conn, purpose, now))
        offered = overview.thinned(overview.rows_by_day(conn, named))
        states = overview.recalls_by_state(conn)
        revenue = revenue_by_month(conn)
        names = dict(recipients(conn))
    left_out: Counter[str] = Counter()
    eligible: Counter[str] = Counter()
    for offer in offers.values():
        left_out.update(offer.left_out)
        eligible.update(offer.regions)
    shown = {
        "purpose": purpose,
        "purposes": list(notice.purposes) if notice else [purpose],
        "notice": notice,
        "now": now,
        "licenses": licenses,
        "names": names,
        "regions": regions,
        "eligible": eligible,
        "members": sum(each.members for each in regions),
        "denied": sum(each.denied for each in regions),
        "offers": offers,
        "rows": sum(sum(offer.rows.values()) for offer in offers.values()),
        "left_out": [(code, count, sentence(code, notice)) for code, count in left_out.most_common()],
        "denials": figure_of(denials),
        "offered": figure_of(offered),
        "revenue": list(reversed(revenue)),
        "states": [(str(state), states.get(str(state), 0)) for state in State],
        "unsettled": sum(states.get(str(state), 0) for state in _UNSETTLED),
    }
    return page(request, "operator_overview.html", session, shown)


@router.get("/recalls")
def get_recalls(request: Request, desk: AtDesk, session: AtOperator, state: str = "", skip: Skip = 0) -> Response:
    """List recalls, the newest first, of one state or of all, a page at a time; overdue ones are marked."""
    sought = recalls.Sought(states=[State(state)] if state in set(State) else list(State))
    with reading(desk.house.database) as conn:
        found, count = recalls.some_of(conn, sought, SHOWN, skip), recalls.how_many(conn, sought)
        counts, names = overview.recalls_by_state(conn), dict(recipients(conn))
    shown = {"recalls": found, "skip": skip, "most": SHOWN, "all": count, "names": names, "now": desk.now()}
    states = [(str(each), counts.get(str(each), 0)) for each in State]
    return page(request, "operator_recalls.html", session, shown | {"states": states, "state": state})


def recall_shown(desk: Desk, recall: Recall) -> dict[str, Any]:
    """Give what a page tells of one recall: its notice, steps, reasons and attestations."""
    with reading(desk.house.database) as conn:
        told = {
            "notice": recall_notices.notice_of(conn, recall.recall_id),
            "steps": recalls.steps(conn, recall.recall_id),
            "attestations": attestations.attestations_of(conn, recall.recall_id),
            "names": dict(recipients(conn)),
        }
    reasons = recall_notices.reasons(desk.house.shared, recall)
    overdue = recall.state in _UNSETTLED and recall.due < desk.now()
    return told | {"recall": recall, "reasons": reasons, "overdue": overdue, "now": desk.now()}


@router.get("/recalls/{recall_id}")
def get_recall(request: Request, desk: AtDesk, session: AtOperator, recall_id: str) -> Response:
    """Show one recall: what left and why, its notice, every step, what was attested."""
    if not recall_id.isprintable():
        raise missing("no such recall")
    with reading(desk.house.database) as conn:
        recall = recalls.recall_of(conn, recall_id)
    return page(request, "operator_recall.html", session, recall_shown(desk, recall))


@router.get("/audit")
def get_audit(  # noqa: PLR0913, PLR0917 # each is a field of the search
    request: Request,
    desk: AtDesk,
    session: AtOperator,
    recipient: str = "",
    since: str = "",
    until: str = "",
    route: str = "",
    refused: str = "",
) -> Response:
    """Search the requests of recipients, and of strangers at their doors."""
    now = desk.now()
    sought = Sought(
        since=_day(since, now - timedelta(days=30)),
        until=_day(until, now) + timedelta(days=1),
        recipient_id=recipient if recipient.isprintable() else "",
        route=route.strip()[:100] if route.isprintable() else "",
        refused=bool(refused),
    )
    with reading(desk.house.database) as conn:
        found, names = search(conn, sought, SHOWN), recipients(conn)
    asked = {"recipient": recipient, "since": f"{sought.since:%Y-%m-%d}", "route": route, "refused": refused}
    asked["until"] = f"{sought.until - timedelta(days=1):%Y-%m-%d}"
    return page(
        request, "operator_audit.html", session, {"found": found, "names": names, "asked": asked, "most": SHOWN}
    )


def _day(said: str, otherwise: datetime) -> datetime:
    if not said:
        return otherwise.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        found = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError("that is no day", "write it like 2025-09-22") from error
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise InputError("nothing was recorded on that day", "write it like 2025-09-22")
    return found
