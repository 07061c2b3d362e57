"""Recalls as facts: opened with the versions that lost rows, joined, moved on, and never back."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.model.errors import NotFound
from licet.model.licenses import Delivery, License, LicenseId, SharedVersion
from licet.model.recalls import Recall, State
from licet.model.records import Table
from licet.store import facts, parties, recall_notices, recalls
from licet.store.database import reading, transaction
from licet.store.house import House


def version(granted: License, number: int, seq: int, at: datetime, table: Table = Table.POSTS) -> SharedVersion:
    return SharedVersion(
        license_id=granted.license_id,
        table=table,
        version=number,
        as_of_seq=seq,
        policy_digest="d",
        cause="recall",
        rows=1,
        at=at,
        keys=((f"keys-{number}.parquet", 10, 3),),
        due=at + timedelta(days=1),
    )


def owe(house: House, *versions: SharedVersion) -> list[str]:
    with transaction(house.database) as conn:
        return [recalls.owe(conn, each) for each in versions]


def test_versions_as_of_one_number_make_one_recall(any_house: House, granted: License, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        facts.grant_license(conn, granted, b"k" * 32, now)
    names = owe(
        any_house,
        version(granted, 1, 7, now),
        replace(version(granted, 1, 7, now, Table.LIKES), due=now + timedelta(hours=1)),
        version(granted, 2, 9, now),
    )
    assert names == ["acme-1.7", "acme-1.7", "acme-1.9"]
    with reading(any_house.database) as conn:
        found = recalls.recall_of(conn, "acme-1.7")
        assert (found.recipient_id, found.due) == ("acme", now + timedelta(hours=1))
        assert [(each.table, each.version, each.rows) for each in found.departures] == [
            (Table.LIKES, 1, 3),
            (Table.POSTS, 1, 3),
        ]
        assert [each.recall_id for each in recalls.recalls_of(conn, "acme-1")] == ["acme-1.7", "acme-1.9"]
        assert recalls.recalls_of(conn, "other") == []


def test_what_a_notice_told_is_never_added_to(any_house: House, granted: License, now: datetime) -> None:
    owe(any_house, version(granted, 1, 7, now))
    with transaction(any_house.database) as conn:
        recall_notices.queue(conn, recalls.recall_of(conn, "acme-1.7"), "{}", now)
    assert owe(any_house, version(granted, 1, 7, now, Table.LIKES)) == ["acme-1.7.2"]
    assert owe(any_house, version(granted, 2, 7, now, Table.LIKES)) == ["acme-1.7.2"]


def test_a_recall_that_nobody_knows_is_not_found(any_house: House) -> None:
    with reading(any_house.database) as conn, pytest.raises(NotFound, match="licet recall status"):
        recalls.recall_of(conn, "nothing")


@pytest.mark.parametrize("path", [list(State), [State.CLOSED], [State.NOTIFIED, State.CLOSED]])
def test_a_step_forward_is_taken_once_and_none_is_taken_back(
    any_house: House, granted: License, now: datetime, path: list[State]
) -> None:
    owe(any_house, version(granted, 1, 7, now))
    with transaction(any_house.database) as conn:
        for state in path:
            assert recalls.move(conn, "acme-1.7", state, "why", now) is (state is not State.OPEN)
            assert not recalls.move(conn, "acme-1.7", state, "why", now)
        for state in list(State)[: list(State).index(path[-1])]:
            assert not recalls.move(conn, "acme-1.7", state, "back", now)
        expected = [State.OPEN, *(state for state in path if state is not State.OPEN)]
        assert [state for state, _, _ in recalls.steps(conn, "acme-1.7")] == expected
        assert recalls.recall_of(conn, "acme-1.7").state is path[-1]
        assert not recalls.move(conn, "nothing", State.CLOSED, "", now)


def deliver(house: House, granted: License, at: datetime, number: int, file: str = "bucket-1.parquet") -> None:
    delivery = Delivery(
        recipient_id=granted.recipient_id,
        license_id=granted.license_id,
        table=Table.POSTS,
        version=number,
        file=file,
        bytes=1,
        at=at,
    )
    with transaction(house.database) as conn:
        parties.record_delivery(conn, delivery)


def test_only_content_fetched_before_it_left_is_a_delivery(any_house: House, granted: License, now: datetime) -> None:
    owe(any_house, version(granted, 5, 7, now))

    def was() -> bool:
        with reading(any_house.database) as conn:
            return recalls.was_delivered(conn, recalls.recall_of(conn, "acme-1.7"))

    deliver(any_house, granted, now, 5)
    deliver(any_house, granted, now, 6)
    deliver(any_house, granted, now, 2, "keys-000000000002-a.parquet")
    other = replace(granted, license_id=LicenseId("other-1"))
    owe(any_house, version(other, 5, 8, now))
    deliver(any_house, other, now, 1)
    assert not was()
    with reading(any_house.database) as conn:
        assert recalls.undecided(conn, now) == {"acme-1.7": False, "other-1.8": True}
        assert recalls.undecided(conn, now - timedelta(seconds=1)) == {"other-1.8": True}
    deliver(any_house, granted, now, 4)
    assert was()


def test_overdue_is_only_what_was_told_and_is_not_settled(any_house: House, granted: License, now: datetime) -> None:
    owe(any_house, *(version(granted, n, n, now) for n in range(1, 5)))
    later = now + timedelta(days=1, seconds=1)
    with transaction(any_house.database) as conn:
        for n in (1, 2, 3):
            recall_notices.queue(conn, recalls.recall_of(conn, f"acme-1.{n}"), "{}", now)
        recalls.move(conn, "acme-1.1", State.CLOSED, "attested", now)
        recalls.move(conn, "acme-1.2", State.ACKNOWLEDGED, "feed", now)
        assert recalls.overdue(conn, now + timedelta(days=1)) == {}
        assert recalls.overdue(conn, later) == {"acme-1": ["acme-1.2", "acme-1.3"]}


def test_many_recalls_are_read_at_once(house: House, granted: License, now: datetime) -> None:
    owe(house, *(version(granted, n, n, now) for n in range(1, 501)))
    with reading(house.database) as conn:
        names = [f"acme-1.{n}" for n in range(1, 501)]
        found = recalls.recalls_named(conn, [*names, "nothing"])
        assert {each.recall_id: each.departures[0].version for each in found} == {
            f"acme-1.{n}": n for n in range(1, 501)
        }
        assert recalls.recalls_of(conn) == sorted(found, key=lambda each: each.as_of_seq)


def test_a_reopened_recall_is_opened_once_and_only_while_it_is_watched(
    any_house: House, granted: License, now: datetime
) -> None:
    owe(any_house, version(granted, 5, 7, now))
    after, long_after = now + timedelta(hours=3), now + recalls.LATE + timedelta(days=2)
    with transaction(any_house.database) as conn:
        recalls.move(conn, "acme-1.7", State.CLOSED, recalls.NOTHING_DELIVERED, now)
        assert recalls.late(conn) == []
    deliver(any_house, granted, now, 4)
    with transaction(any_house.database) as conn:
        assert recalls.late(conn) == ["acme-1.7"]
        assert recalls.reopen(conn, "acme-1.7", after) == "acme-1.7.late"
        assert recalls.late(conn) == []
        again = recalls.recall_of(conn, "acme-1.7.late")
        assert (recalls.watched_long(conn, after), recalls.watched_long(conn, long_after)) == ([], ["acme-1.7"])
        recalls.stop_watching(conn, ["acme-1.7"])
        assert recalls.watched_long(conn, long_after) == []
    assert (again.opened, again.due) == (after, now + timedelta(hours=27))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(wanted=st.lists(st.sampled_from(State), max_size=12))
def test_in_whatever_order_steps_are_asked_for_the_state_only_grows(
    house: House, granted: License, now: datetime, wanted: list[State]
) -> None:
    order = list(State)
    with transaction(house.database) as conn:
        number = len(recalls.recalls_of(conn)) + 1
        name = recalls.owe(conn, version(granted, number, number, now))
        for state in wanted:
            recalls.move(conn, name, state, "", now)
        places = [order.index(state) for state, _, _ in recalls.steps(conn, name)]
    assert places == sorted(set(places))
    assert places[-1] == max((order.index(state) for state in wanted), default=0)


def test_recalls_are_listed_a_page_at_a_time_and_a_recipients_only_once_told(
    any_house: House, granted: License, now: datetime
) -> None:
    with transaction(any_house.database) as conn:
        facts.grant_license(conn, granted, b"k" * 32, now)
    names = owe(any_house, *(version(granted, n, n, now + timedelta(hours=10 - n)) for n in range(1, 6)))
    everybody, acme = (recalls.Sought(states=list(State), recipient_id=who) for who in ("", "acme"))
    with transaction(any_house.database) as conn:
        for name in names[1:4]:
            recall_notices.queue(conn, recalls.recall_of(conn, name), "{}", now)

    def named(found: list[Recall]) -> list[str]:
        return [each.recall_id for each in found]

    with reading(any_house.database) as conn:
        assert named(recalls.some_of(conn, everybody, 2)) == names[:2:-1]
        assert named(recalls.some_of(conn, everybody, 2, 4)) == names[:1]
        assert recalls.how_many(conn, everybody) == 5
        assert named(recalls.some_of(conn, acme, 9, by_due=True)) == names[3:0:-1]
        assert recalls.how_many(conn, acme) == 3
        assert recalls.how_many(conn, recalls.Sought(states=[State.CLOSED])) == 0
