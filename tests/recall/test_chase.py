"""A recall is a debt: chased until it is settled, never forgotten, never owed twice, never taken back."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from clock import Clock
from debts import Debts
from justified import unjustified
from recall_world import LICENSE, NOW, World
from recipient import Manners, Recipient, receiving

from licet.model.licenses import LicenseId, SharedVersion
from licet.model.members import Choice
from licet.model.recalls import Recall, State
from licet.model.records import Table
from licet.recall.catch_up import catch_up
from licet.recall.chase import chase
from licet.recall.chaser import Chasing
from licet.store import parties, recall_notices, recalls, suspensions
from licet.store.database import reading, transaction
from licet.store.house import House


@pytest.fixture
def debts(house: House) -> Debts:
    """A house with one license, on SQLite."""
    made = Debts(house)
    made.license()
    return made


@pytest.fixture
def any_debts(any_house: House) -> Debts:
    """A house with one license, once on SQLite and once on PostgreSQL."""
    made = Debts(any_house)
    made.license()
    return made


@pytest.fixture
def recipient(debts: Debts) -> Iterator[Recipient]:
    """A recipient with a registered key and a webhook."""
    with receiving(debts.clock) as one:
        debts.register(one)
        debts.hook(one)
        yield one


@pytest.fixture
def signer(any_debts: Debts) -> Iterator[Recipient]:
    """A recipient with a registered key, and no webhook."""
    with receiving(any_debts.clock) as one:
        any_debts.register(one)
        yield one


def sound(debts: Debts) -> bool:
    """Tell whether the facts justify everything that is recorded."""
    assert unjustified(debts.house.database, debts.clock()) == []
    return True


def test_what_was_never_delivered_is_closed_once_no_file_address_works_any_more(any_debts: Debts) -> None:
    name = any_debts.withdraw()
    any_debts.clock.go(minutes=59)
    any_debts.chase()
    assert any_debts.state(name) is State.OPEN
    any_debts.clock.go(minutes=1)
    any_debts.chase()
    assert any_debts.steps(name) == [("open", ""), ("closed", "nothing was delivered")]
    assert sound(any_debts)


def test_a_delivery_of_keys_alone_gave_nobody_content(any_debts: Debts) -> None:
    first = any_debts.withdraw()
    any_debts.fetch_keys(first)
    second = any_debts.withdraw()
    any_debts.clock.go(hours=2)
    any_debts.chase()
    assert [any_debts.state(name) for name in (first, second)] == [State.CLOSED, State.CLOSED]
    assert sound(any_debts)


def test_a_delivery_of_the_version_without_the_rows_owes_nothing(any_debts: Debts) -> None:
    name = any_debts.withdraw()
    any_debts.deliver(version=1)
    any_debts.clock.go(hours=2)
    any_debts.chase()
    assert any_debts.state(name) is State.CLOSED


def test_a_delivery_that_ends_after_the_recall_was_closed_opens_it_anew(any_debts: Debts) -> None:
    name = any_debts.withdraw()
    any_debts.clock.go(hours=2)
    any_debts.chase()
    any_debts.deliver()
    for _ in range(3):
        any_debts.chase()
    late = any_debts.recall(f"{name}.late")
    assert any_debts.state(name) is State.CLOSED
    assert late.departures == any_debts.recall(name).departures
    assert late.due == any_debts.clock() + timedelta(days=1)
    with reading(any_debts.house.database) as conn:
        assert {each.recall_id for each in recall_notices.feed(conn, "acme", 0, 99)} == {late.recall_id}
    assert sound(any_debts)


def test_a_delivery_is_found_however_long_nobody_chased(any_debts: Debts) -> None:
    name = any_debts.withdraw()
    any_debts.clock.go(hours=2)
    any_debts.chase()
    any_debts.deliver()
    any_debts.clock.go(days=30)
    any_debts.chase()
    assert any_debts.recall(f"{name}.late").departures == any_debts.recall(name).departures
    assert sound(any_debts)


def test_a_recall_is_watched_for_a_week_after_it_was_due_and_no_longer(any_debts: Debts) -> None:
    name = any_debts.withdraw()
    any_debts.clock.go(hours=2)
    any_debts.chase()
    any_debts.clock.go(days=7)
    any_debts.chase()
    with reading(any_debts.house.database) as conn:
        assert recalls.watched_long(conn, any_debts.clock() + timedelta(days=1)) == [name]
    any_debts.clock.go(days=1)
    any_debts.chase()
    any_debts.deliver()
    any_debts.chase()
    with reading(any_debts.house.database) as conn:
        assert recalls.watched_long(conn, any_debts.clock() + timedelta(days=99)) == []
        assert recalls.late(conn) == []


def test_a_recipient_that_does_as_it_should_goes_through_every_state(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    name = any_debts.withdraw()
    any_debts.chase()
    assert any_debts.state(name) is State.OPEN
    place = any_debts.read_feed()
    any_debts.chase()
    assert any_debts.state(name) is State.NOTIFIED
    any_debts.read_feed(after=place)
    any_debts.chase()
    assert any_debts.state(name) is State.ACKNOWLEDGED
    any_debts.attest(signer, name)
    any_debts.chase()
    states = ["open", "notified", "acknowledged", "attested", "closed"]
    assert [state for state, _ in any_debts.steps(name)] == states
    any_debts.chase()
    assert [state for state, _ in any_debts.steps(name)] == states
    assert sound(any_debts)


def test_who_fetched_every_file_of_keys_has_acknowledged(any_debts: Debts) -> None:
    any_debts.deliver()
    name = any_debts.withdraw("acme-1", Table.POSTS, Table.LIKES)
    any_debts.chase()
    departure = any_debts.recall(name).departures[0]
    any_debts.deliver("acme-1", departure.table, departure.version, departure.keys[0].name)
    any_debts.chase()
    assert any_debts.state(name) is State.OPEN
    any_debts.fetch_keys(name)
    any_debts.chase()
    assert any_debts.steps(name)[-1] == ("acknowledged", "key files")
    assert sound(any_debts)


def test_an_overdue_license_is_suspended_until_its_last_overdue_recall_is_attested(
    any_debts: Debts, signer: Recipient
) -> None:
    any_debts.deliver()
    names = [any_debts.withdraw(), any_debts.withdraw()]
    any_debts.chase()
    any_debts.clock.go(days=1)
    any_debts.chase()
    assert any_debts.license_state() == "active"
    any_debts.clock.go(seconds=1)
    any_debts.chase()
    assert any_debts.license_state() == "suspended"
    with reading(any_debts.house.database) as conn:
        assert suspensions.standing(conn)[0].recall_ids == tuple(names)
        assert names[0] in suspensions.why_suspended(conn, "acme-1")
    any_debts.attest(signer, names[0])
    any_debts.chase()
    assert any_debts.license_state() == "suspended"
    any_debts.attest(signer, names[1])
    any_debts.chase()
    assert any_debts.license_state() == "active"
    with reading(any_debts.house.database) as conn:
        assert suspensions.standing(conn) == []
        assert suspensions.why_suspended(conn, "acme-1") == ""
    assert sound(any_debts)


def test_two_recalls_that_overlap_are_owed_and_settled_apart(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    first = any_debts.withdraw(due=any_debts.clock() + timedelta(hours=5))
    any_debts.clock.go(hours=2)
    any_debts.deliver(version=1)
    second = any_debts.withdraw(due=any_debts.clock() + timedelta(hours=1))
    any_debts.chase()
    any_debts.attest(signer, first)
    any_debts.clock.go(hours=2)
    any_debts.chase()
    assert [any_debts.state(name) for name in (first, second)] == [State.CLOSED, State.OPEN]
    assert any_debts.license_state() == "suspended"
    any_debts.attest(signer, second)
    any_debts.chase()
    assert any_debts.license_state() == "active"
    assert sound(any_debts)


def test_an_operators_own_suspension_is_not_lifted(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    name = any_debts.withdraw()
    any_debts.change("suspended")
    any_debts.clock.go(days=2)
    any_debts.chase()
    any_debts.attest(signer, name)
    any_debts.chase()
    assert (any_debts.state(name), any_debts.license_state()) == (State.CLOSED, "suspended")


def test_a_suspension_that_an_operator_made_its_own_is_not_lifted(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    name = any_debts.withdraw()
    any_debts.clock.go(days=2)
    any_debts.chase()
    assert any_debts.license_state() == "suspended"
    any_debts.change("suspended")
    with reading(any_debts.house.database) as conn:
        assert suspensions.why_suspended(conn, "acme-1") == ""
    any_debts.attest(signer, name)
    for _ in range(2):
        any_debts.chase()
    assert any_debts.license_state() == "suspended"
    any_debts.change("active")
    any_debts.chase()
    assert any_debts.license_state() == "active"


def test_an_operator_who_reactivates_a_license_does_not_settle_its_debt(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    name = any_debts.withdraw()
    any_debts.clock.go(days=2)
    any_debts.chase()
    any_debts.change("active")
    any_debts.chase()
    assert any_debts.license_state() == "suspended"
    any_debts.attest(signer, name)
    any_debts.chase()
    assert any_debts.license_state() == "active"
    assert sound(any_debts)


def test_a_license_that_ends_in_the_middle_still_owes_and_stays_ended(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    name = any_debts.withdraw()
    any_debts.chase()
    any_debts.change("ended")
    any_debts.clock.go(days=2)
    any_debts.chase()
    assert (any_debts.state(name), any_debts.license_state()) == (State.OPEN, "ended")
    any_debts.attest(signer, name)
    any_debts.chase()
    assert (any_debts.state(name), any_debts.license_state()) == (State.CLOSED, "ended")


def test_one_license_that_cannot_be_suspended_keeps_no_other_from_it(debts: Debts) -> None:
    debts.license("other-1", "other")
    for name in ("acme-1", "other-1"):
        debts.deliver(name)
        debts.withdraw(name)
    debts.chase()
    with debts.house.database.begin() as conn:
        conn.exec_driver_sql("DELETE FROM license_fact WHERE license_id = 'acme-1'")
    debts.clock.go(days=2)
    with pytest.raises(Exception, match="acme-1"):
        debts.chase()
    assert debts.license_state("other-1") == "suspended"


def test_the_clock_may_jump_both_ways(debts: Debts, recipient: Recipient) -> None:
    recipient.manners = Manners(status=503)
    debts.deliver()
    name = debts.withdraw()
    debts.clock.go(days=400)
    debts.chase()
    assert debts.license_state() == "suspended"
    debts.clock.go(days=-400)
    # What was put off to a day more than a year away is not waited for.
    recipient.manners = Manners()
    debts.chase()
    assert debts.license_state() == "active"
    assert debts.steps(name)[-1] == ("notified", "webhook")
    debts.clock.go(days=-1)
    debts.attest(recipient, name)
    debts.clock.go(days=1)
    debts.chase()
    assert debts.state(name) is State.NOTIFIED, "it was signed before the recall"
    debts.clock.go(seconds=1)
    debts.attest(recipient, name)
    debts.chase()
    assert debts.state(name) is State.CLOSED
    assert sound(debts)


def test_a_member_who_opts_in_again_leaves_the_debt_as_it_is(world: World) -> None:
    clock = Clock(NOW)
    debts = Debts(world.house, clock)
    debts.deliver(LICENSE.license_id, Table.POSTS, 0)
    world.say("x:3")
    catch_up(world.house, NOW)
    with reading(world.house.database) as conn:
        (owed,) = recalls.recalls_of(conn)
    debts.chase()
    world.say("x:3", choice=Choice.ALLOW)
    catch_up(world.house, NOW)
    debts.chase()
    clock.go(days=3)
    debts.chase()
    assert debts.recall(owed.recall_id).departures == owed.departures
    assert (debts.state(owed.recall_id), debts.license_state(LICENSE.license_id)) == (State.OPEN, "suspended")
    with reading(world.house.database) as conn:
        counts = recall_notices.reasons(world.house.shared, owed)
    assert {reason for count in counts.values() for reason in count} <= {"opted_out", "no_longer_permitted"}


def test_rows_that_leave_another_table_join_a_recall_only_until_its_notice_is_made(any_debts: Debts) -> None:
    any_debts.deliver()
    name = any_debts.withdraw(due=any_debts.clock() + timedelta(days=3))
    as_of = any_debts.recall(name).as_of_seq
    again = [any_debts.recall(name)]
    for _ in range(2):
        any_debts.chase()
        again.append(_leave_too(any_debts, as_of))
    assert again[1].recall_id != name
    assert again[2].recall_id == again[1].recall_id, "without a delivery of likes it has no notice yet"
    assert len(again[2].departures) == 2
    assert again[2].due == any_debts.clock() + timedelta(hours=6)
    any_debts.chase()
    assert sound(any_debts)


def _leave_too(debts: Debts, as_of: int) -> Recall:
    """Let rows leave the likes as of a number at which rows left before."""
    number = debts.versions["acme-1", Table.LIKES] + 1
    debts.versions["acme-1", Table.LIKES] = number
    version = SharedVersion(
        license_id=LicenseId("acme-1"),
        table=Table.LIKES,
        version=number,
        as_of_seq=as_of,
        policy_digest="d",
        cause="recall",
        rows=1,
        at=debts.clock(),
        keys=(("keys-000000000001-x.parquet", 1, 1),),
        due=debts.clock() + timedelta(hours=6),
    )
    with transaction(debts.house.database) as conn:
        parties.record_version(conn, version, {})
    with reading(debts.house.database) as conn:
        return recalls.recalls_of(conn)[-1]


def test_two_chasers_at_once_make_every_notice_once(any_debts: Debts, signer: Recipient) -> None:
    any_debts.deliver()
    names = [any_debts.withdraw() for _ in range(30)]
    for name in names[:10]:
        any_debts.attest(signer, name)
    any_debts.clock.go(days=2)
    errors: list[BaseException] = []

    def work(chasing: Chasing) -> None:
        try:
            chasing.once()
        except BaseException as error:  # noqa: BLE001 # shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(any_debts.chasing,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sound(any_debts)
    assert [any_debts.state(name) for name in names] == [State.CLOSED] * 10 + [State.OPEN] * 20
    with reading(any_debts.house.database) as conn:
        assert len(suspensions.standing(conn)) == 1


def test_a_chase_that_finds_nothing_writes_nothing(any_debts: Debts) -> None:
    any_debts.deliver()
    any_debts.withdraw()
    chase(any_debts.house, any_debts.clock())
    again = chase(any_debts.house, any_debts.clock())
    assert not any(getattr(again, name) for name in again.__slots__)
