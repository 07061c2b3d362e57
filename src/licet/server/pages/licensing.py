"""An operator's licenses: offer one, see its way, take it a step further."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from licet.model.errors import InputError
from licet.model.licenses import COLUMNS, KEYS, License, LicenseState, Party, RecipientId, license_id_of
from licet.model.records import Table
from licet.server.desk import AtDesk
from licet.server.pages.forms import AtOperator, Form, OperatorSaid
from licet.server.pages.rendering import PageRoute, page, to
from licet.store import asof, facts, overview, parties
from licet.store.credentials import require_recipient
from licet.store.database import reading, transaction
from licet.store.lifecycle import Actor, move, moves, offer, steps_of

router = APIRouter(prefix="/operator/licenses", route_class=PageRoute, include_in_schema=False)

OPTIONAL: Final = tuple(
    dict.fromkeys(name for table, columns in COLUMNS.items() for name in columns if name not in KEYS[table])
)
"""The columns that a license may leave out."""
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}", re.ASCII)


@router.get("")
def get_licenses(request: Request, desk: AtDesk, session: AtOperator) -> Response:
    """List the licenses, and offer a new one."""
    now = desk.now()
    with reading(desk.house.database) as conn:
        seq = facts.last_seq(conn)
        licenses, offers = asof.licenses_as_of(conn, seq), overview.offers(conn)
        notice, named = asof.notice_in_force(conn, seq, now), parties.recipients(conn)
    shown = {"licenses": licenses, "offers": offers, "recipients": named, "names": dict(named), "now": now}
    choices = {"tables": list(Table), "columns": OPTIONAL, "purposes": list(notice.purposes) if notice else []}
    return page(request, "operator_licenses.html", session, shown | choices)


def license_of_form(form: Form, now: datetime) -> License:
    """Read the terms of an offer.

    Raises:
        InputError: a field holds something that cannot be meant.
    """
    tables = [table for table in Table if table in form.all("tables")]
    if not tables:
        raise InputError("no table is chosen", "choose one at least")
    langs = tuple(part for part in re.split(r"[\s,]+", form.get("langs").lower()) if part)
    if not all(_LANGUAGE.fullmatch(lang) for lang in langs):
        raise InputError("a language is not one", "write codes like `en, fr`")
    columns = tuple(column for column in OPTIONAL if column in form.all("columns"))
    keys = tuple(dict.fromkeys(key for table in tables for key in KEYS[table]))
    return License(
        license_id=license_id_of(form.get("license_id")),
        recipient_id=RecipientId(form.get("recipient_id")),
        purpose=form.get("purpose"),
        tables=tuple(tables),
        columns=(*keys, *columns),
        langs=langs,
        created_from=EARLIEST,
        created_until=LATEST,
        starts=now,
        ends=now + timedelta(days=_whole(form, "days", 3650)),
        recall_within_hours=_whole(form, "recall_within_hours", 24 * 90),
    )


def _whole(form: Form, field: str, most: int) -> int:
    said = form.get(field)
    if not (said.isascii() and said.isdigit() and len(said) <= len(str(most)) and 1 <= int(said) <= most):
        raise InputError(f"`{field}` is no whole number from 1 to {most}", "correct it")
    return int(said)


@router.post("/offer")
def post_offer(desk: AtDesk, said: OperatorSaid) -> Response:
    """Offer a license."""
    now = desk.now()
    offered = license_of_form(said.form, now)
    with transaction(desk.house.database) as conn:
        require_recipient(conn, offered.recipient_id)
        notice = asof.notice_in_force(conn, facts.last_seq(conn), now)
        if notice is None or offered.purpose not in notice.purposes:
            raise InputError("the notice in force knows no such purpose", "choose one of those shown")
        offer(conn, offered, Actor(party=Party.OPERATOR, name=said.session.who), now)
    return to(f"/operator/licenses/{offered.license_id}")


@router.get("/{license_id}")
def get_license(request: Request, desk: AtDesk, session: AtOperator, license_id: str) -> Response:
    """Show a license's terms, its way, and where the operator may take it."""
    with reading(desk.house.database) as conn:
        license_, state = asof.license_as_of(conn, license_id, facts.last_seq(conn))
        found = overview.offers(conn).get(license_id)
        taken, sent = steps_of(conn, license_id), parties.delivered(conn, license_id)
        name = parties.recipient_name(conn, license_.recipient_id) or license_.recipient_id
    shown = {
        "license": license_,
        "state": state,
        "offer": found,
        "steps": taken,
        "name": name,
        "terms": asdict(license_),
    }
    way = {"ways": moves(state, Party.OPERATOR), "states": list(LicenseState), "sent": sum(one[3] for one in sent)}
    return page(request, "operator_license.html", session, shown | way)


@router.post("/{license_id}/move")
def post_move(desk: AtDesk, said: OperatorSaid, license_id: str) -> Response:
    """Take a license a step further."""
    wanted = said.form.get("state")
    if wanted not in set(LicenseState):
        raise InputError("no such state", "press one of the buttons")
    with transaction(desk.house.database) as conn:
        move(conn, license_id, LicenseState(wanted), Actor(party=Party.OPERATOR, name=said.session.who), desk.now())
    return to(f"/operator/licenses/{license_id}")
