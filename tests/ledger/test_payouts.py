"""Members are paid what they earned, once, from a threshold on; the rest is carried over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from ledger_world import AFTER, Books, march

from licet.ledger.journal import BANK, EARNED
from licet.ledger.payouts import pay_out
from licet.model.errors import NotFound, UsageError
from licet.model.members import AccountStatus, AgeBand, Member, MemberId, Protection
from licet.model.money import UNIT
from licet.store import books
from licet.store.database import reading, transaction
from licet.store.facts import record_members
from licet.store.ledger import balance, earnings_of, payouts_of
from licet.store.payouts import payouts_in, prepare_payouts


def know(world: Books, *names: str) -> None:
    """Record members."""
    same = {"platform": "x", "region": "US", "age_band": AgeBand.ADULT, "protection": Protection.OPEN}
    made = [Member(member_id=MemberId(name), status=AccountStatus.ACTIVE, **same) for name in names]
    with transaction(world.house.database) as conn:
        record_members(conn, made, march(1))


def test_who_reaches_the_threshold_is_paid_and_the_rest_is_carried_over(any_world: Books) -> None:
    know(any_world, "ann", "bob", "eve")
    for name in ("l1", "l2"):
        any_world.license(name)
        any_world.deliver(any_world.file({"ann": 3001, "bob": 999}, name), march(3), license_id=name)
    any_world.close()
    done = pay_out(any_world.house, "p1", 10 * UNIT, AFTER)
    assert (done.members, done.micros) == (1, 15_000_000)
    assert done.carried_micros == 20_000_000 - 15_000_000
    with reading(any_world.house.database) as conn:
        assert list(payouts_in(conn, "p1")) == [("ann", 15_000_000, "USD")]
        ann, bob = (
            balance(earnings_of(conn, any_world.house.shared, name), payouts_of(conn, name)) for name in ("ann", "bob")
        )
        assert (ann.earned_micros, ann.paid_micros, ann.waiting_micros) == (15_005_000, 15_000_000, 5_000)
        assert (bob.paid_micros, bob.waiting_micros) == (0, 4_995_000)
        assert books.account_balance(conn, BANK) == -15_000_000
        assert -books.account_balance(conn, EARNED) == 5_000_000
    again = pay_out(any_world.house, "p2", UNIT, AFTER + timedelta(days=1))
    assert (again.members, again.micros) == (1, 4_990_000)
    assert pay_out(any_world.house, "p3", UNIT, AFTER).members == 0
    with reading(any_world.house.database) as conn:
        assert [each.micros for each in payouts_of(conn, "bob")] == [4_990_000]


def test_a_payout_is_made_once(world: Books) -> None:
    know(world, "ann")
    world.license()
    world.deliver(world.file({"ann": 10_000}), march(3))
    world.close()
    pay_out(world.house, "p1", UNIT, AFTER)
    world.deliver(world.file({"ann": 10_000}), march(33))
    world.close(AFTER + timedelta(days=30))
    with pytest.raises(UsageError, match="was made before"):
        pay_out(world.house, "p1", UNIT, AFTER)
    with reading(world.house.database) as conn:
        assert balance(earnings_of(conn, world.house.shared, "ann"), payouts_of(conn, "ann")).paid_micros == 25 * UNIT


def test_a_run_that_was_killed_half_way_counts_for_nothing(any_world: Books) -> None:
    know(any_world, "ann", "bob")
    any_world.license()
    any_world.deliver(any_world.file({"ann": 10_000}), march(3))
    any_world.close()
    prepare_payouts(any_world.house.database, "p1", [("ann", 1), ("bob", 7 * UNIT)])
    with reading(any_world.house.database) as conn:
        assert payouts_of(conn, "bob") == []
        assert balance(earnings_of(conn, any_world.house.shared, "ann"), payouts_of(conn, "ann")).paid_micros == 0
        with pytest.raises(NotFound):
            list(payouts_in(conn, "p1"))
    assert pay_out(any_world.house, "p2", UNIT, AFTER).micros == 25 * UNIT
    assert pay_out(any_world.house, "p1", UNIT, AFTER).members == 0
    with reading(any_world.house.database) as conn:
        assert list(payouts_in(conn, "p2")) == [("ann", 25 * UNIT, "USD")]
        assert payouts_of(conn, "bob") == []


def test_before_anything_was_earned_nothing_is_paid(world: Books) -> None:
    with pytest.raises(UsageError, match="nothing was earned"):
        pay_out(world.house, "p1", 0, AFTER)
    with reading(world.house.database) as conn, pytest.raises(NotFound):
        list(payouts_in(conn, "p1"))


def test_who_has_left_is_paid_what_they_earned(any_world: Books) -> None:
    know(any_world, "ann")
    any_world.license()
    any_world.deliver(any_world.file({"ann": 2000}), march(3))
    any_world.close()
    gone = Member(member_id=MemberId("ann"), platform="x", region="US", status=AccountStatus.DELETED)
    with transaction(any_world.house.database) as conn:
        record_members(conn, [gone], AFTER)
    assert pay_out(any_world.house, "p1", UNIT, AFTER).micros == 5 * UNIT


def test_of_two_payouts_at_once_only_one_pays(any_world: Books) -> None:
    know(any_world, "ann")
    any_world.license()
    any_world.deliver(any_world.file({"ann": 2000}), march(3))
    any_world.close()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(pay_out, any_world.house, name, UNIT, AFTER) for name in ("p1", "p2")]
        assert sorted(each.result().members for each in asked) == [0, 1]
    with reading(any_world.house.database) as conn:
        assert [each.micros for each in payouts_of(conn, "ann")] == [5 * UNIT]
