"""Licenses suspended because a recall is overdue: the cause stays on record, so that no other suspension is lifted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update

from licet.store import tables as t
from licet.store.asof import instant, license_as_of
from licet.store.facts import change_license, hold_order, last_seq, micros

ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A license suspended with the fact `seq`, for recalls that were overdue."""

    license_id: str
    seq: int
    recall_ids: tuple[str, ...]
    at: datetime


def suspend(conn: Connection, license_id: str, recall_ids: Sequence[str], at: datetime) -> bool:
    """Suspend a license for overdue recalls, if it is active; tell whether it was.

    Raises:
        NotFound: no such license.
    """
    hold_order(conn)
    license_, state = license_as_of(conn, license_id, last_seq(conn))
    if state != ACTIVE:
        return False
    seq = change_license(conn, license_, SUSPENDED, at)
    row = {"license_id": license_id, "seq": seq, "recalls": json.dumps(list(recall_ids)), "at_us": micros(at)}
    conn.execute(insert(t.suspension).values(**row))
    return True


def reinstate(conn: Connection, suspension: Suspension, at: datetime) -> bool:
    """Make a license active again, unless somebody changed its state since; tell whether it was.

    Raises:
        NotFound: no such license.
    """
    hold_order(conn)
    seq, ours = _standing(conn, suspension.license_id), suspension.seq
    if seq == ours:
        license_, _ = license_as_of(conn, suspension.license_id, last_seq(conn))
        seq = change_license(conn, license_, ACTIVE, at)
        lifted = True
    else:
        lifted = False
    c = t.suspension.c
    which = (c.license_id == suspension.license_id, c.seq == ours, c.until_seq == t.OPEN)
    conn.execute(update(t.suspension).where(*which).values(until_seq=seq))
    return lifted


def _standing(conn: Connection, license_id: str) -> int:
    c = t.license_fact.c
    query = select(c.seq).where(c.license_id == license_id, c.until_seq == t.OPEN)
    return int(conn.execute(query).scalar_one())


def standing(conn: Connection) -> list[Suspension]:
    """Give the suspensions for overdue recalls that were not lifted."""
    c = t.suspension.c
    query = select(t.suspension).where(c.until_seq == t.OPEN).order_by(c.license_id, c.seq)
    return [
        Suspension(
            license_id=row.license_id, seq=row.seq, recall_ids=tuple(json.loads(row.recalls)), at=instant(row.at_us)
        )
        for row in conn.execute(query)
    ]


def why_suspended(conn: Connection, license_id: str) -> str:
    """Say why a license is suspended, where overdue recalls are the reason; empty otherwise."""
    for each in standing(conn):
        if each.license_id == license_id and _standing(conn, license_id) == each.seq:
            named = ", ".join(each.recall_ids[:3]) + (" and others" if len(each.recall_ids) > 3 else "")  # noqa: PLR2004 # enough to begin with
            return f"no attestation came in time for recall {named}"
    return ""
