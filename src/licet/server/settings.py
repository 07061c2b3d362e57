"""A member's settings: what they chose for a purpose, what holds where they chose nothing, and how to change it.

`Sec-GPC: 1` counts as a denial where the notice says so. It never overwrites what the member chose here; where the
two differ, the answer says `conflict`.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection

from licet.model.errors import Refused
from licet.model.members import EVERY_RECIPIENT, Choice, MemberId, SettingChange
from licet.policy.notice import Notice
from licet.server.desk import AtDesk
from licet.server.errors import JSON, malformed, missing
from licet.server.sign_in import AsMember, read_json
from licet.store.asof import notice_in_force, notices_as_of, setting_as_of
from licet.store.database import reading, transaction
from licet.store.facts import last_seq, record_settings
from licet.store.parties import recipient_name, recipients

router = APIRouter(prefix="/settings", tags=["settings"])

MEMBER, SIGNAL = "member", "gpc"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Whose setting of what is looked at, under which notice, and whether the browser signals a denial."""

    member_id: str
    purpose: str
    recipient_id: str
    notice: Notice
    signal: bool


def _notice_for(conn: Connection, purpose: str, now: datetime) -> Notice:
    """Give the notice that a purpose's words come from: the one in force, else the newest that names the purpose."""
    seq = last_seq(conn)
    current = notice_in_force(conn, seq, now)
    if current is not None and purpose in current.purposes:
        return current
    for notice in reversed(notices_as_of(conn, seq)):
        if purpose in notice.purposes:
            return notice
    raise missing(f"no notice names the purpose `{purpose[:64]}`")


def _place(conn: Connection, request: Request, member_id: str, purpose: str, recipient: str, now: datetime) -> _Place:
    if recipient and recipient_name(conn, recipient) is None:
        raise missing(f"no recipient `{recipient[:64]}`")
    notice = _notice_for(conn, purpose, now)
    signal = request.headers.get("sec-gpc") == "1" and notice.purposes[purpose].gpc
    return _Place(member_id=member_id, purpose=purpose, recipient_id=recipient, notice=notice, signal=signal)


def _position(conn: Connection, place: _Place, recipient_id: str) -> tuple[str, str]:
    return setting_as_of(conn, place.member_id, place.purpose, last_seq(conn), recipient_id)


def _signal_denies(conn: Connection, place: _Place) -> bool:
    """Tell whether the signal changes anything: nothing denies yet, and the member did not allow it here."""
    choice, source = _position(conn, place, EVERY_RECIPIENT)
    return place.signal and choice != Choice.DENY and source != MEMBER


def _heed_signal(conn: Connection, place: _Place, now: datetime) -> int:
    """Record the signal's denial; what the member allowed single recipients is said again after it, so it stands."""
    kept = [
        recipient_id
        for recipient_id, _ in recipients(conn)
        if _position(conn, place, recipient_id) == (Choice.ALLOW, MEMBER)
    ]
    changes = [_change(place, Choice.DENY, EVERY_RECIPIENT, SIGNAL)]
    changes += [_change(place, Choice.ALLOW, recipient_id, MEMBER) for recipient_id in kept]
    return record_settings(conn, changes, now)


def _change(place: _Place, choice: Choice, recipient_id: str, source: str) -> SettingChange:
    return SettingChange(
        member_id=MemberId(place.member_id),
        purpose=place.purpose,
        choice=choice,
        recipient_id=recipient_id,
        source=source,
    )


def _shown(conn: Connection, place: _Place, now: datetime) -> dict[str, Any]:
    setting, source = _position(conn, place, place.recipient_id)
    purpose, notice = place.notice.purposes[place.purpose], place.notice
    choice = str(purpose.default) if setting == "none" else setting
    return {
        "purpose": place.purpose,
        "recipient": place.recipient_id,
        "choice": choice,
        "setting": setting,
        "source": source or "default",
        "default": str(purpose.default),
        "notice": notice.version,
        "words": {"allow": purpose.on, "deny": purpose.off},
        "effective": notice.effective.isoformat(),
        "in_force": notice.effective <= now,
        "open": notice.settings_open <= now,
        "conflict": place.signal and choice == Choice.ALLOW,
    }


def _json(value: dict[str, Any]) -> Response:
    return Response(json.dumps(value), headers={"Cache-Control": "no-store"}, media_type=JSON)


@router.get("/{purpose}")
def get_setting(request: Request, desk: AtDesk, member_id: AsMember, purpose: str, recipient: str = "") -> Response:
    """Show a member's setting; a browser's signal is heeded first."""
    now, database = desk.now(), desk.house.database
    with reading(database) as conn:
        place = _place(conn, request, member_id, purpose, recipient, now)
        pending = _signal_denies(conn, place)
    if pending:
        with transaction(database) as conn:
            # Looked at again now that nobody else can write: a choice made meanwhile stands.
            if _signal_denies(conn, place):
                _heed_signal(conn, place, now)
    with reading(database) as conn:
        return _json(_shown(conn, place, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    choice: Choice
    recipient: str


async def _wish(request: Request) -> _Wish:
    said = await read_json(request)
    choice, recipient = said.get("choice"), said.get("recipient", EVERY_RECIPIENT)
    if choice not in {"allow", "deny"} or not isinstance(choice, str):
        raise malformed("choice is `allow` or `deny`")
    if not isinstance(recipient, str):
        raise malformed("recipient is a recipient's id, or left out for all of them")
    return _Wish(choice=Choice(choice), recipient=recipient)


@router.put("/{purpose}")
def put_setting(
    request: Request, desk: AtDesk, member_id: AsMember, purpose: str, wish: Annotated[_Wish, Depends(_wish)]
) -> Response:
    """Change a member's setting; the answer is given after the commit and names its number."""
    now = desk.now()
    with transaction(desk.house.database) as conn:
        place = _place(conn, request, member_id, purpose, wish.recipient, now)
        opens = place.notice.settings_open
        if now < opens:
            raise Refused(f"this setting opens on {opens.date().isoformat()}", "come back then")
        if wish.recipient and _signal_denies(conn, place):
            _heed_signal(conn, place, now)
        seq = record_settings(conn, [_change(place, wish.choice, wish.recipient, MEMBER)], now)
        shown = _shown(conn, place, now)
    return _json(shown | {"seq": seq})
