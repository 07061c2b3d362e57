"""The settings API: a member's position on a purpose as JSON, and how to change it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from licet.model.members import EVERY_RECIPIENT, Choice
from licet.server.choices import Position, choose, heed_signal, place_of, position_at
from licet.server.desk import AtDesk
from licet.server.errors import JSON, malformed
from licet.server.sign_in import AsMember, read_json
from licet.store.database import reading, transaction

router = APIRouter(prefix="/settings", tags=["settings"])


def _shown(position: Position, now: datetime) -> dict[str, Any]:
    place = position.place
    purpose, notice = place.words, place.notice
    return {
        "purpose": place.purpose,
        "recipient": place.recipient_id,
        "choice": str(position.choice),
        "setting": position.setting,
        "source": position.source,
        "default": str(purpose.default),
        "notice": notice.version,
        "words": {"allow": purpose.on, "deny": purpose.off},
        "effective": notice.effective.isoformat(),
        "in_force": notice.effective <= now,
        "open": notice.settings_open <= now,
        "conflict": position.conflicts,
    }


def _json(value: dict[str, Any]) -> Response:
    return Response(json.dumps(value), headers={"Cache-Control": "no-store"}, media_type=JSON)


@router.get("/{purpose}")
def get_setting(request: Request, desk: AtDesk, member_id: AsMember, purpose: str, recipient: str = "") -> Response:
    """Show a member's setting; a browser's signal is heeded first."""
    now, database = desk.now(), desk.house.database
    with reading(database) as conn:
        place = place_of(conn, request, member_id, purpose, recipient, now)
    heed_signal(database, place, now)
    with reading(database) as conn:
        return _json(_shown(position_at(conn, place), now))


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
        place = place_of(conn, request, member_id, purpose, wish.recipient, now)
        seq = choose(conn, place, wish.choice, now)
        shown = _shown(position_at(conn, place), now)
    return _json(shown | {"seq": seq})
