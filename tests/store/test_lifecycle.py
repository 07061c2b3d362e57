"""A license goes its way by the steps of its two sides, and every step stays on record."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import Refused, UsageError
from licet.model.licenses import COLUMNS, MOVES, License, LicenseId, LicenseState, Party, RecipientId
from licet.model.records import Table
from licet.store import asof, facts
from licet.store.database import reading, transaction
from licet.store.lifecycle import Actor, move, moves, offer, steps_of

NOW = datetime(2025, 3, 1, tzinfo=UTC)
OPERATOR, RECIPIENT = (Actor(party=party, name=f"who of {party}") for party in (Party.OPERATOR, Party.RECIPIENT))


def license_of(name: str) -> License:
    return License(
        license_id=LicenseId(name),
        recipient_id=RecipientId("acme"),
        purpose="third_party_training",
        tables=(Table.POSTS,),
        columns=COLUMNS[Table.POSTS],
        langs=(),
        created_from=NOW,
        created_until=NOW,
        starts=NOW,
        ends=NOW.replace(year=2026),
        recall_within_hours=24,
    )


def test_an_offer_is_active_only_after_both_sides_signed(any_house) -> None:
    with transaction(any_house.database) as conn:
        offer(conn, license_of("one"), OPERATOR, NOW)
        for wrong in (
            (OPERATOR, LicenseState.ACTIVE),
            (OPERATOR, LicenseState.AGREED),
            (RECIPIENT, LicenseState.ACTIVE),
        ):
            with pytest.raises(Refused):
                move(conn, "one", wrong[1], wrong[0], NOW)
        move(conn, "one", LicenseState.AGREED, RECIPIENT, NOW)
        move(conn, "one", LicenseState.COUNTERSIGNED, OPERATOR, NOW)
        assert facts.newest_withdrawal(conn) == 0
        move(conn, "one", LicenseState.ACTIVE, OPERATOR, NOW)
        with pytest.raises(UsageError, match="exists"):
            offer(conn, license_of("one"), OPERATOR, NOW)
    with reading(any_house.database) as conn:
        assert asof.license_as_of(conn, "one", facts.last_seq(conn))[1] == "active"
        taken = steps_of(conn, "one")
    assert [(step.state, step.party) for step in taken] == [
        ("offered", "operator"),
        ("agreed", "recipient"),
        ("countersigned", "operator"),
        ("active", "operator"),
    ]
    assert len({step.terms_digest for step in taken}) == 1


@given(st.lists(st.tuples(st.sampled_from(list(Party)), st.sampled_from(list(LicenseState)))))
def test_no_order_of_steps_makes_a_license_active_that_not_both_signed(tries) -> None:
    state, signed = LicenseState.OFFERED, set()
    for party, wanted in tries:
        if wanted in moves(state, party):
            state = wanted
            signed.add((party, wanted))
        if state == LicenseState.ACTIVE:
            assert (Party.RECIPIENT, LicenseState.AGREED) in signed
            assert (Party.OPERATOR, LicenseState.COUNTERSIGNED) in signed


def test_what_has_ended_stays_ended() -> None:
    assert all(LicenseState.ENDED not in ways for ways in MOVES.values())
