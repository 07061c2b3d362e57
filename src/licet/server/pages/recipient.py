"""A recipient's pages: licenses to agree to, profiles to download and rotate, quick starts, recalls to settle."""

import json
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from licet.model.errors import InputError
from licet.model.licenses import LicenseState, Party
from licet.model.recalls import Recall, State
from licet.protocol import attestation as wire
from licet.protocol.profiles import bearer_profile, oauth_profile
from licet.server.access import licenses_of
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing
from licet.server.pages.forms import AtRecipient, RecipientSaid
from licet.server.pages.operator import SHOWN, Skip, recall_shown
from licet.server.pages.quick_starts import PROFILE, QUICK_STARTS, SYNC
from licet.server.pages.receipts import as_file
from licet.server.pages.rendering import PageRoute, page, to
from licet.server.sharing import PREFIX
from licet.store import attestations, credentials, overview, recall_notices, recalls
from licet.store.credentials import Kind
from licet.store.database import reading, transaction
from licet.store.lifecycle import Actor, move, moves, steps_of
from licet.store.parties import recipient_name

router = APIRouter(prefix="/recipient", route_class=PageRoute, include_in_schema=False)

SETTLED: Final = tuple(state for state in State if state not in recalls.UNSETTLED)
VALID: Final = timedelta(days=90)
"""How long a credential that is issued here is good for."""
OVERLAP: Final = timedelta(days=7)
"""How long the older ones still work when a profile is rotated."""


@router.get("")
def get_licenses(request: Request, desk: AtDesk, session: AtRecipient) -> Response:
    """Show the recipient's licenses, their terms, and those that wait for an answer."""
    licenses = licenses_of(desk, session.who)
    with reading(desk.house.database) as conn:
        offers, name = overview.offers(conn), recipient_name(conn, session.who)
        steps = {each.license_id: steps_of(conn, each.license_id) for each, _ in licenses}
        owed = recalls.some_of(conn, _owed(session.who), 1, by_due=True)
        count = recalls.how_many(conn, _owed(session.who))
    ways = {each.license_id: moves(state, Party.RECIPIENT) for each, state in licenses}
    shown = {"licenses": licenses, "offers": offers, "name": name, "steps": steps, "ways": ways, "now": desk.now()}
    return page(
        request,
        "recipient_licenses.html",
        session,
        shown | {"owed": owed, "count": count, "states": list(LicenseState)},
    )


def _owed(recipient_id: str) -> recalls.Sought:
    """Name the recalls that a recipient was told of and has not settled."""
    return recalls.Sought(states=recalls.UNSETTLED, recipient_id=recipient_id)


@router.post("/licenses/{license_id}/answer")
def post_answer(desk: AtDesk, said: RecipientSaid, license_id: str) -> Response:
    """Agree to an offered license, or decline it."""
    wanted, who = said.form.get("state"), said.session.who
    if license_id not in {each.license_id for each, _ in licenses_of(desk, who)}:
        raise missing("no such license")
    if wanted not in {LicenseState.AGREED, LicenseState.ENDED}:
        raise InputError("the answer is neither yes nor no", "press one of the two buttons")
    actor = Actor(party=Party.RECIPIENT, name=f"{who} {said.session.by}")
    with transaction(desk.house.database) as conn:
        move(conn, license_id, LicenseState(wanted), actor, desk.now())
    return to("/recipient")


@router.get("/access")
def get_access(request: Request, desk: AtDesk, session: AtRecipient) -> Response:
    """Show credentials, offer fresh profiles, and show how to begin."""
    now = desk.now()
    with reading(desk.house.database) as conn:
        held = [each for each in credentials.credentials(conn, now) if each.recipient_id == session.who]
        networks = credentials.networks_of(conn, session.who)
    active = [each for each, state in licenses_of(desk, session.who) if state == LicenseState.ACTIVE]
    first = active[0] if active else None
    shown = {"held": held, "networks": [str(each) for each in networks], "first": first, "valid": VALID.days}
    begin = {"quick_starts": QUICK_STARTS, "sync": SYNC, "profile": PROFILE, "overlap": OVERLAP.days}
    return page(request, "recipient_access.html", session, shown | begin)


@router.post("/access/profile")
def post_profile(request: Request, desk: AtDesk, said: RecipientSaid) -> Response:
    """Issue a profile and give it as a file; rotating lets the older credentials end after the overlap."""
    now, who = desk.now(), said.session.who
    kind = Kind.OAUTH if said.form.get("kind") == Kind.OAUTH else Kind.BEARER
    base = (desk.options.public_url or str(request.base_url)).rstrip("/")
    with transaction(desk.house.database) as conn:
        if said.form.get("rotate") == "yes":
            credentials.end_by(conn, who, now + OVERLAP)
        profile = _issued(conn, who, kind, f"{base}{PREFIX}/", now + VALID)
    return as_file(profile, f"{who}.share")


def _issued(conn: Connection, who: str, kind: Kind, endpoint: str, expires: datetime) -> dict[str, object]:
    fresh = credentials.issue(conn, who, kind, expires)
    if kind is Kind.OAUTH:
        return oauth_profile(endpoint, fresh.credential_id, fresh.secret)
    return bearer_profile(endpoint, fresh.secret, expires)


@router.get("/recalls")
def get_recalls(request: Request, desk: AtDesk, session: AtRecipient, skip: Skip = 0) -> Response:
    """List the recalls that the recipient was told of: the first that are owed, and the settled a page at a time."""
    owed = _owed(session.who)
    settled = recalls.Sought(states=SETTLED, recipient_id=session.who)
    with reading(desk.house.database) as conn:
        shown = {
            "owed": recalls.some_of(conn, owed, SHOWN, by_due=True),
            "count": recalls.how_many(conn, owed),
            "settled": recalls.some_of(conn, settled, SHOWN, skip),
            "all": recalls.how_many(conn, settled),
        }
    return page(request, "recipient_recalls.html", session, shown | {"skip": skip, "most": SHOWN, "now": desk.now()})


def _own(desk: Desk, who: str, recall_id: str) -> Recall:
    """Give a recall that the recipient was told of.

    Raises:
        WireError: 404, there is none of that name, or it is somebody else's.
    """
    with reading(desk.house.database) as conn:
        notice = recall_notices.notice_of(conn, recall_id) if recall_id.isprintable() else None
        if notice is None or notice.recipient_id != who:
            raise missing("no such recall")
        return recalls.recall_of(conn, recall_id)


@router.get("/recalls/{recall_id}")
def get_recall(request: Request, desk: AtDesk, session: AtRecipient, recall_id: str, sent: str = "") -> Response:
    """Show what has to go and by when, and take the word that it is gone."""
    shown = recall_shown(desk, _own(desk, session.who, recall_id))
    with reading(desk.house.database) as conn:
        keys = [each for each in attestations.keys_of(conn, session.who) if each.revoked is None]
    return page(request, "recipient_recall.html", session, shown | {"keys": keys, "sent": sent == "yes"})


@router.get("/recalls/{recall_id}/notice")
def get_notice(desk: AtDesk, session: AtRecipient, recall_id: str) -> Response:
    """Give a notice of recall as a file, to be attested where the key lies."""
    _own(desk, session.who, recall_id)
    with reading(desk.house.database) as conn:
        notice = recall_notices.notice_of(conn, recall_id)
    if notice is None:
        raise missing("no such recall")
    return as_file(json.loads(notice.body), f"{recall_id}.json")


@router.post("/recalls/{recall_id}/acknowledgement")
def post_acknowledgement(desk: AtDesk, said: RecipientSaid, recall_id: str) -> Response:
    """Note that the recipient knows of a recall."""
    _own(desk, said.session.who, recall_id)
    with transaction(desk.house.database) as conn:
        recall_notices.acknowledge(conn, recall_id, recall_notices.ENDPOINT, desk.now())
    return to(f"/recipient/recalls/{recall_id}")


@router.post("/recalls/{recall_id}/attestation")
def post_attestation(desk: AtDesk, said: RecipientSaid, recall_id: str) -> Response:
    """Take an attestation that was signed on the recipient's own machine, unless the facts speak against it."""
    recall = _own(desk, said.session.who, recall_id)
    text = said.form.text("attestation", "file")
    if not text:
        raise InputError("there is no attestation", "choose its file or paste its text")
    made = wire.read_attestation(text.encode())
    with transaction(desk.house.database) as conn:
        found = wire.refusal(made, attestations.claim_of(conn, recall, made), desk.now())
        if found is not None:
            raise InputError(f"{found}: {wire.SAID[found]}")
        attestations.receive(conn, recall, made, desk.now())
    return to(f"/recipient/recalls/{recall_id}?sent=yes")
