"""What a member chose, when and how: their own record of it, and what a receipt of one choice says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from licet.store import tables as t
from licet.store.asof import instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One choice: its number, what it was about (an empty recipient means all), how it was made, if it stands."""

    seq: int
    purpose: str
    recipient_id: str
    choice: str
    source: str
    at: datetime
    stands: bool


def chosen_by(conn: Connection, member_id: str) -> list[Chosen]:
    """Give a member's choices, newest first."""
    c = t.setting_fact.c
    query = select(t.setting_fact).where(c.member_id == member_id).order_by(c.seq.desc())
    return [_chosen(row) for row in conn.execute(query)]


def chosen_at(conn: Connection, member_id: str, seq: int) -> Chosen | None:
    """Give the choice that a member made with a number, or None if that is not theirs."""
    c = t.setting_fact.c
    row = conn.execute(select(t.setting_fact).where(c.member_id == member_id, c.seq == seq)).first()
    return None if row is None else _chosen(row)


def _chosen(row: Any) -> Chosen:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Chosen(
        seq=row.seq,
        purpose=row.purpose,
        recipient_id=row.recipient_id,
        choice=row.choice,
        source=row.source,
        at=instant(row.at_us),
        stands=row.until_seq == t.OPEN,
    )


def was_shown(conn: Connection, member_id: str, notice_version: str) -> bool:
    """Tell whether it is on record that a member was shown a notice."""
    c = t.shown_fact.c
    query = select(c.seq).where(c.member_id == member_id, c.notice_version == notice_version)
    return conn.execute(query).first() is not None


def notices_shown(conn: Connection, member_id: str) -> list[tuple[str, datetime]]:
    """Give the notices that a member was shown, and when first, oldest first."""
    c = t.shown_fact.c
    query = select(c.notice_version, c.at_us).where(c.member_id == member_id).order_by(c.seq)
    return [(row.notice_version, instant(row.at_us)) for row in conn.execute(query)]
