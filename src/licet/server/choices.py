"""What a member chose for a purpose, what holds where they chose nothing, and how a choice is made.

`Sec-GPC: 1` counts as a denial where the notice says so. It never overwrites what the member chose here; where the
two differ, that is told as a conflict.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Request
from sqlalchemy import Connection, Engine

from licet.model.errors import Refused
from licet.model.members import EVERY_RECIPIENT, Choice, MemberId, SettingChange
from licet.policy.notice import Notice
from licet.policy.rules import Purpose
from licet.server.errors import missing
from licet.store.asof import notice_in_force, notices_as_of, setting_as_of
from licet.store.database import reading, transaction
from licet.store.facts import last_seq, record_settings
from licet.store.parties import recipient_name, recipients

MEMBER: Final = "member"
SIGNAL: Final = "gpc"


def signals_denial(request: Request) -> bool:
    """Tell whether the browser sends Global Privacy Control; only exactly `1` counts."""
    return request.headers.get("sec-gpc") == "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose setting of what is looked at, under which notice, and whether the browser signals a denial."""

    member_id: str
    purpose: str
    recipient_id: str
    notice: Notice
    signal: bool

    @property
    def words(self) -> Purpose:
        """Give the purpose as the notice puts it."""
        return self.notice.purposes[self.purpose]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a member stands at a place: what holds, what they chose themselves (`none`), and how."""

    place: Place
    choice: Choice
    setting: str
    source: str
    """`default`, `member`, `gpc`, `platform` or `operator`."""

    @property
    def conflicts(self) -> bool:
        """Tell whether the browser asks for one thing and the member for another."""
        return self.place.signal and self.choice is Choice.ALLOW


def notice_for(conn: Connection, purpose: str, now: datetime) -> Notice:
    """Give the notice that a purpose's words come from: the one in force, else the newest that names the purpose.

    Raises:
        WireError: 404, no notice names it.
    """
    seq = last_seq(conn)
    current = notice_in_force(conn, seq, now)
    if current is not None and purpose in current.purposes:
        return current
    for notice in reversed(notices_as_of(conn, seq)):
        if purpose in notice.purposes:
            return notice
    raise missing(f"no notice names the purpose `{purpose[:64]}`")


def place_of(
    conn: Connection, request: Request, member_id: str, purpose: str, recipient_id: str, now: datetime
) -> Place:
    """Give the place of a member's setting.

    Raises:
        WireError: 404, there is no such purpose or recipient.
    """
    if recipient_id and recipient_name(conn, recipient_id) is None:
        raise missing(f"no recipient `{recipient_id[:64]}`")
    notice = notice_for(conn, purpose, now)
    signal = signals_denial(request) and notice.purposes[purpose].gpc
    return Place(member_id=member_id, purpose=purpose, recipient_id=recipient_id, notice=notice, signal=signal)


def position_at(conn: Connection, place: Place) -> Position:
    """Give where a member stands."""
    setting, source = _standing(conn, place, place.recipient_id)
    choice = place.words.default if setting == "none" else Choice(setting)
    return Position(place=place, choice=choice, setting=setting, source=source or "default")


def _standing(conn: Connection, place: Place, recipient_id: str) -> tuple[str, str]:
    return setting_as_of(conn, place.member_id, place.purpose, last_seq(conn), recipient_id)


def _signal_denies(conn: Connection, place: Place) -> bool:
    """Tell whether the signal changes anything: nothing denies yet, and the member did not allow it here."""
    choice, source = _standing(conn, place, EVERY_RECIPIENT)
    return place.signal and choice != Choice.DENY and source != MEMBER


def heed_signal(database: Engine, place: Place, now: datetime) -> None:
    """Record what a browser's signal denies, if that is news."""
    with reading(database) as conn:
        pending = _signal_denies(conn, place)
    if pending:
        with transaction(database) as conn:
            # Looked at again now that nobody else can write: a choice made meanwhile stands.
            if _signal_denies(conn, place):
                _record_signal(conn, place, now)


def _record_signal(conn: Connection, place: Place, now: datetime) -> None:
    """Record the signal's denial; what the member allowed single recipients is said again after it, so it stands."""
    kept = [
        recipient_id
        for recipient_id, _ in recipients(conn)
        if _standing(conn, place, recipient_id) == (Choice.ALLOW, MEMBER)
    ]
    changes = [_change(place, Choice.DENY, EVERY_RECIPIENT, SIGNAL)]
    changes += [_change(place, Choice.ALLOW, recipient_id, MEMBER) for recipient_id in kept]
    record_settings(conn, changes, now)


def choose(conn: Connection, place: Place, choice: Choice, now: datetime) -> int:
    """Record a member's choice; give its number.

    Raises:
        Refused: settings under this notice are not open yet.
    """
    opens = place.notice.settings_open
    if now < opens:
        raise Refused(f"this setting opens on {opens.date().isoformat()}", "come back then")
    if place.recipient_id and _signal_denies(conn, place):
        _record_signal(conn, place, now)
    return record_settings(conn, [_change(place, choice, place.recipient_id, MEMBER)], now)


def _change(place: Place, choice: Choice, recipient_id: str, source: str) -> SettingChange:
    return SettingChange(
        member_id=MemberId(place.member_id),
        purpose=place.purpose,
        choice=choice,
        recipient_id=recipient_id,
        source=source,
    )
