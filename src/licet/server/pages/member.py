"""A member's pages: choices by purpose and recipient, who has their data, receipts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from licet.model.errors import InputError
from licet.model.licenses import License
from licet.model.members import EVERY_RECIPIENT, Choice, MemberId, NoticeShown
from licet.model.records import Table, Visibility
from licet.policy.decide import RecordFacts, Subject, Terms, decide
from licet.policy.notice import Notice
from licet.policy.reasons import law, sentence
from licet.protocol.urls import opened, seal
from licet.server.choices import Position, choose, heed_signal, place_of, position_at, signals_denial
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing
from licet.server.pages.forms import AtMember, MemberSaid
from licet.server.pages.receipts import as_file, receipt_of
from licet.server.pages.rendering import PageRoute, page, to
from licet.server.session import Session
from licet.store import asof, chosen, facts
from licet.store.database import reading, transaction
from licet.store.disclosures import Disclosure, disclosures
from licet.store.log_proofs import recall_proofs, setting_proof
from licet.store.parties import recipients

router = APIRouter(prefix="/member", route_class=PageRoute, include_in_schema=False)

CHANNEL: Final = "third_party"
"""A license hands data to somebody else."""
OURS: Final = "first_party_training"
"""The purpose that no recipient has a part in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A purpose on the page: the member's position, and their position for each recipient by its name."""

    position: Position
    recipients: tuple[tuple[str, Position], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A choice just made: its number, what it was about, and what held before."""

    seq: int
    purpose: str
    recipient_id: str
    before: Choice
    after: Choice


def _notices(conn: Connection, now: datetime) -> list[Notice]:
    """Give the notice in force and, if there is one, the newest that is yet to take effect."""
    seq = facts.last_seq(conn)
    current = asof.notice_in_force(conn, seq, now)
    coming = [each for each in asof.notices_as_of(conn, seq) if each.effective > now and each != current]
    return [each for each in (current, *coming[-1:]) if each is not None]


def _switch(conn: Connection, request: Request, session: Session, purpose: str, now: datetime) -> Switch:
    named = [] if purpose == OURS else recipients(conn)
    general = position_at(conn, place_of(conn, request, session.who, purpose, EVERY_RECIPIENT, now))
    each = tuple(
        (name, position_at(conn, place_of(conn, request, session.who, purpose, recipient_id, now)))
        for recipient_id, name in named
    )
    return Switch(position=general, recipients=each)


def _heed(request: Request, desk: Desk, session: Session, purposes: list[str]) -> None:
    """Record what the browser's signal denies, before anything is shown."""
    if not signals_denial(request):
        return
    now, database = desk.now(), desk.house.database
    for purpose in purposes:
        with reading(database) as conn:
            place = place_of(conn, request, session.who, purpose, EVERY_RECIPIENT, now)
        heed_signal(database, place, now)


def _note_shown(desk: Desk, session: Session, notices: list[Notice]) -> None:
    now, database = desk.now(), desk.house.database
    with reading(database) as conn:
        fresh = [each for each in notices if not chosen.was_shown(conn, session.who, each.version)]
    if fresh:
        shown = [
            NoticeShown(member_id=MemberId(session.who), notice_version=each.version, at=now)
            for each in fresh
            if each.published <= now
        ]
        with transaction(database) as conn:
            facts.record_shown(conn, shown, now)


@router.get("")
def get_choices(request: Request, desk: AtDesk, session: AtMember, saved: str = "") -> Response:
    """Show a member's choices; a browser's signal is heeded first, and the notices count as shown."""
    now, database = desk.now(), desk.house.database
    with reading(database) as conn:
        notices = _notices(conn, now)
    purposes = list(dict.fromkeys(name for notice in notices for name in notice.purposes))
    _heed(request, desk, session, purposes)
    _note_shown(desk, session, notices)
    with reading(database) as conn:
        switches = [_switch(conn, request, session, purpose, now) for purpose in purposes]
        names = dict(recipients(conn))
    shown = {"switches": switches, "notices": notices, "now": now, "names": names, "signal": signals_denial(request)}
    return page(request, "member_choices.html", session, shown | {"saved": _saved(desk, session, saved)})


def _saved(desk: Desk, session: Session, token: str) -> Saved | None:
    said = opened(desk.options.secret, f"saved {session.who}", token) if token else None
    if said is None:
        return None
    return Saved(**said | {"before": Choice(said["before"]), "after": Choice(said["after"])})


@router.post("/choice")
def post_choice(request: Request, desk: AtDesk, said: MemberSaid) -> Response:
    """Record a choice, and go back to the page, which offers to undo it."""
    now, form, who = desk.now(), said.form, said.session.who
    wanted, purpose, recipient_id = form.get("choice"), form.get("purpose"), form.get("recipient")
    if wanted not in set(Choice):
        raise InputError("choice is `allow` or `deny`", "press one of the two buttons")
    with transaction(desk.house.database) as conn:
        place = place_of(conn, request, who, purpose, recipient_id, now)
        before = position_at(conn, place).choice
        seq = choose(conn, place, Choice(wanted), now)
    told: dict[str, str | int] = {"seq": seq, "purpose": purpose, "recipient_id": recipient_id}
    token = seal(desk.options.secret, f"saved {who}", told | {"before": before, "after": wanted})
    return to(f"/member?saved={token}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Whether a member's public posts may go out under a license now, and by which reason, sentence and law."""

    permit: bool
    reason: str
    sentence: str
    law: str


def why_of(conn: Connection, license_: License, member_id: str, now: datetime) -> Why:
    """Decide about a public post that a member would write now."""
    seq = facts.last_seq(conn)
    notice = asof.notice_in_force(conn, seq, now)
    version = notice.version if notice else ""
    rows = asof.subjects(conn, seq, license_.purpose, license_.recipient_id, version, [member_id]).to_pylist()
    known = [Subject(**{name: value for name, value in row.items() if name != "member_id"}) for row in rows]
    record = RecordFacts(table=Table.POSTS, visibility=Visibility.PUBLIC, created_at=now)
    terms = Terms(purpose=license_.purpose, channel=CHANNEL, recipient_id=license_.recipient_id, at=now)
    found = decide(known or [None], record, terms, notice)
    return Why(
        permit=found.permit,
        reason=found.reason,
        sentence=sentence(found.reason, notice),
        law=law(found.reason, notice),
    )


def told(desk: Desk, member_id: str) -> list[tuple[Disclosure, Why]]:
    """Give who has a member's data, each with whether and why more may go there."""
    found = disclosures(desk.house, member_id)
    with reading(desk.house.database) as conn:
        return [(each, why_of(conn, each.license, member_id, desk.now())) for each in found]


@router.get("/data")
def get_data(request: Request, desk: AtDesk, session: AtMember) -> Response:
    """Show who has a member's data, and what became of every recall."""
    return page(request, "member_data.html", session, {"told": told(desk, session.who), "now": desk.now()})


@router.get("/data/{recall_id}")
def get_proofs(desk: AtDesk, session: AtMember, recall_id: str) -> Response:
    """Give the proofs of a recall that took a member's data back, as a file."""
    mine = [back.recall.recall_id for each, _ in told(desk, session.who) for back in each.taken_back]
    if recall_id not in mine:
        raise missing("no recall of yours has this name")
    with reading(desk.house.database) as conn:
        proofs = recall_proofs(conn, desk.house.log, recall_id)
    return as_file({"recall": recall_id, "log_proofs": proofs}, f"taken-back-{recall_id}.json")


@router.get("/receipts")
def get_receipts(request: Request, desk: AtDesk, session: AtMember) -> Response:
    """List what a member chose, each with its receipt."""
    with reading(desk.house.database) as conn:
        made, names = chosen.chosen_by(conn, session.who), dict(recipients(conn))
    return page(request, "member_receipts.html", session, {"made": made, "names": names})


def _receipt(desk: Desk, session: Session, seq: int) -> dict[str, Any]:
    with reading(desk.house.database) as conn:
        found = chosen.chosen_at(conn, session.who, seq)
        if found is None:
            raise missing("no receipt of yours has this number")
        notices = asof.notices_as_of(conn, seq)
        in_force = asof.notice_in_force(conn, seq, found.at)
        names = dict(recipients(conn))
        proof = setting_proof(conn, desk.house.log, session.who, seq)
    return receipt_of(session.who, found, notices, in_force, names, proof)


@router.get("/receipts/{seq}")
def get_receipt(desk: AtDesk, session: AtMember, seq: Annotated[int, Path(ge=0, lt=2**63)]) -> Response:
    """Give the receipt of one choice as a file."""
    return as_file(_receipt(desk, session, seq), f"receipt-{seq}.json")
