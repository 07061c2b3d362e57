"""The way of a license from an offer to its end: who took which step, when, and over which terms."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from licet.model.errors import Refused
from licet.model.licenses import MOVES, License, LicenseState, Party
from licet.store import tables as t
from licet.store.asof import instant, license_as_of
from licet.store.facts import change_license, grant_license, hold_order, last_seq, micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who takes a step, for which side."""

    party: Party
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that was taken; the digest is the SHA-256 of the terms as they stood."""

    state: LicenseState
    party: Party
    actor: str
    terms_digest: str
    at: datetime


def offer(conn: Connection, license_: License, actor: Actor, at: datetime) -> int:
    """Offer a license: nothing is built or handed out under it before it is active.

    Raises:
        UsageError: the id is taken.
    """
    seq = grant_license(conn, license_, secrets.token_bytes(32), at, LicenseState.OFFERED)
    _note(conn, license_.license_id, seq, LicenseState.OFFERED, actor, at)
    return seq


def moves(state: str, party: Party) -> tuple[LicenseState, ...]:
    """Give where a side may take a license from a state."""
    return MOVES[party].get(LicenseState(state), ())


def move(conn: Connection, license_id: str, state: LicenseState, actor: Actor, at: datetime) -> int:
    """Take a license a step further; give the number of the fact.

    Raises:
        NotFound: no such license.
        Refused: this side cannot take it there from where it is.
    """
    hold_order(conn)
    license_, standing = license_as_of(conn, license_id, last_seq(conn))
    if state not in moves(standing, actor.party):
        raise Refused(f"the license is {standing}: the {actor.party} cannot make it {state}", "look at its state again")
    seq = change_license(conn, license_, state, at)
    _note(conn, license_id, seq, state, actor, at)
    return seq


def _note(conn: Connection, license_id: str, seq: int, state: LicenseState, actor: Actor, at: datetime) -> None:
    terms = conn.execute(select(t.license_fact.c.terms).where(t.license_fact.c.seq == seq)).scalar_one()
    row = {"license_id": license_id, "seq": seq, "state": str(state), "party": str(actor.party)}
    row |= {"actor": actor.name[:255], "terms_digest": hashlib.sha256(terms.encode()).hexdigest()}
    conn.execute(insert(t.license_step).values(**row, at_us=micros(at)))


def steps_of(conn: Connection, license_id: str) -> list[Step]:
    """Give the steps of a license that people took, oldest first."""
    c = t.license_step.c
    return [
        _step(row) for row in conn.execute(select(t.license_step).where(c.license_id == license_id).order_by(c.seq))
    ]


def _step(row: Any) -> Step:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Step(
        state=LicenseState(row.state),
        party=Party(row.party),
        actor=row.actor,
        terms_digest=row.terms_digest,
        at=instant(row.at_us),
    )
