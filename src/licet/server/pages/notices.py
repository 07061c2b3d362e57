"""An operator's notices: those published, and a draft that is tried out before it is."""

from collections.abc import Iterable, Sequence
from concurrent.futures import TimeoutError as StillCounting
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from licet.model.errors import InputError
from licet.model.money import minor_unit
from licet.policy.notice import digest, parse_notice
from licet.policy.reasons import sentence
from licet.server.desk import AtDesk
from licet.server.errors import missing
from licet.server.pages.drafts import Draft, Drafts
from licet.server.pages.forms import AtOperator, OperatorSaid
from licet.server.pages.rendering import PageRoute, page, to
from licet.store import asof, facts
from licet.store.database import reading, transaction
from licet.store.overview import charged_per_row
from licet.store.what_if import LicenseShift, Shift

router = APIRouter(prefix="/operator/notices", route_class=PageRoute, include_in_schema=False)

PATIENCE_S: Final = 2.0
"""How long whoever sends a draft waits for what it would change before they are told that it is being counted."""


def _drafts(request: Request) -> Drafts:
    found: Drafts = request.app.state.drafts
    return found


@router.get("")
def get_notices(request: Request, desk: AtDesk, session: AtOperator) -> Response:
    """List the notices, the newest first, and take a draft."""
    now = desk.now()
    with reading(desk.house.database) as conn:
        seq = facts.last_seq(conn)
        published, current = asof.notices_as_of(conn, seq), asof.notice_in_force(conn, seq, now)
    shown = {"published": list(reversed(published)), "current": current, "now": now}
    return page(request, "operator_notices.html", session, shown)


@router.post("/drafts")
def post_draft(request: Request, desk: AtDesk, said: OperatorSaid) -> Response:
    """Take a draft, and go to what it would change."""
    text = said.form.text("text", "file")
    if not text:
        raise InputError("there is no draft", "choose a file or paste its text")
    draft = _drafts(request).take(text, parse_notice(text, "draft"), desk.now())
    _finished(draft, PATIENCE_S)
    return to(f"/operator/notices/drafts/{draft.draft_id}")


def _finished(draft: Draft, patience_s: float) -> Sequence[LicenseShift] | None:
    """Give what a draft would change, or None while that is being counted."""
    try:
        return draft.shifts.result(patience_s)
    except StillCounting:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Counts under both notices, and of what comes in and goes out."""

    before: int
    after: int
    comes: int
    goes: int

    @classmethod
    def of(cls, shifts: Iterable[Shift]) -> "Sum":
        """Sum shifts."""
        each = list(shifts)
        return cls(
            before=sum(one.count for one in each if not one.before),
            after=sum(one.count for one in each if not one.after),
            comes=sum(one.count for one in each if one.change > 0),
            goes=sum(one.count for one in each if one.change < 0),
        )


def _by(shifts: Sequence[Shift], names: Iterable[str]) -> list[tuple[str, Sum]]:
    return [(name, Sum.of(one for one in shifts if one.region == name)) for name in names]


def _moved(shifts: Iterable[Shift]) -> list[tuple[str, str, int]]:
    """Sum what changes by the reasons before and after, the largest first."""
    found: dict[tuple[str, str], int] = {}
    for one in shifts:
        if one.before != one.after:
            found[one.before, one.after] = found.get((one.before, one.after), 0) + one.count
    return [(*pair, count) for pair, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a delivery of all rows would be charged before and after, at the average of the closed months."""

    before: int
    after: int
    currency: str


def worth_of(charged: tuple[int, int, str] | None, rows: Sum) -> Worth | None:
    """Give what rows are worth, given what was charged for how many so far; None where nothing was."""
    if charged is None:
        return None
    micros, billed, currency = charged
    minor = minor_unit(currency)
    before, after = (round(Fraction(micros * count, billed) / minor) * minor for count in (rows.before, rows.after))
    return Worth(before=before, after=after, currency=currency)


def summed(shift: LicenseShift, charged: tuple[int, int, str] | None) -> dict[str, Any]:
    """Give what a draft would change for one license: in all, by region, by reason, and in money."""
    rows = [one for each in shift.rows.values() for one in each]
    names = sorted({one.region for one in (*shift.members, *rows)})
    members, own = dict(_by(shift.members, names)), dict(_by(rows, names))
    return {
        "license": shift.license,
        "members": Sum.of(shift.members),
        "rows": Sum.of(rows),
        "worth": worth_of(charged, Sum.of(rows)),
        "regions": [(name, members[name], own[name]) for name in names],
        "member_reasons": _moved(shift.members),
        "row_reasons": _moved(rows),
    }


@router.get("/drafts/{draft_id}")
def get_draft(request: Request, desk: AtDesk, session: AtOperator, draft_id: str) -> Response:
    """Show what a draft would change: how many members and rows, where, and why."""
    draft = _drafts(request).get(draft_id)
    if draft is None:
        raise missing("this draft is no longer kept: send it again")
    shifts = _finished(draft, 0)
    drafted = draft.drafted

    def why(reason: str) -> str:
        return sentence(reason, drafted.after) or sentence(reason, drafted.before)

    with reading(desk.house.database) as conn:
        charged = {each.license.license_id: charged_per_row(conn, each.license) for each in shifts or ()}
    counted = None if shifts is None else [summed(each, charged[each.license.license_id]) for each in shifts]
    shown = {"draft": draft, "counted": counted, "why": why}
    return page(request, "operator_draft.html", session, shown)


@router.post("/drafts/{draft_id}/publish")
def publish(request: Request, desk: AtDesk, said: OperatorSaid, draft_id: str) -> Response:
    """Publish a draft as it was tried out."""
    draft = _drafts(request).get(draft_id)
    if draft is None:
        raise missing("this draft is no longer kept: send it again")
    if said.form.get("understood") != "yes":
        raise InputError("tick that you want to publish the notice", "nothing was published")
    notice = draft.notice
    with transaction(desk.house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, draft.source, desk.now())
    return to("/operator/notices")
