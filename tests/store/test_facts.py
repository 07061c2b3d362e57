"""Facts: one commit-ordered sequence, choices that no ingest overwrites, and nothing recorded twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from licet.model.errors import UsageError
from licet.model.licenses import License
from licet.model.members import (
    AccountChange,
    AccountStatus,
    AgeBand,
    Choice,
    Member,
    MemberId,
    NoticeShown,
    Protection,
    SettingChange,
)
from licet.model.records import Deletion, Skipped, Table
from licet.store import facts
from licet.store import tables as t
from licet.store.asof import instant, license_as_of, member_as_of, setting_as_of
from licet.store.database import reading, transaction
from licet.store.house import House

PURPOSE = "third_party_training"
WRITERS, EACH, BATCH = 4, 26, 20


def member(name: str, **known: str) -> Member:
    return Member(
        member_id=MemberId(name),
        platform="x",
        region=known.get("region", "unknown"),
        age_band=AgeBand(known.get("age_band", "unknown")),
        protection=Protection(known.get("protection", "unknown")),
        status=AccountStatus(known.get("status", "unknown")),
    )


def choice(name: str, position: str, source: str = "member", recipient: str = "") -> SettingChange:
    return SettingChange(
        member_id=MemberId(name), purpose=PURPOSE, choice=Choice(position), recipient_id=recipient, source=source
    )


def deletion(record_id: str, revision: str = "") -> Deletion:
    return Deletion(
        table=Table.POSTS,
        record_id=record_id,
        member_id=MemberId("x:1"),
        superseded=bool(revision),
        revision=revision,
    )


def setting(conn: Connection, name: str, recipient: str = "") -> tuple[str, str]:
    return setting_as_of(conn, name, PURPOSE, facts.last_seq(conn), recipient)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 # made aware below
def test_an_instant_comes_back_to_the_microsecond(naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC)
    assert instant(facts.micros(at)) == at


def test_a_reader_who_saw_a_number_never_misses_a_fact_below_it(any_house: House, now: datetime) -> None:
    """Four writers, 2,080 facts; a reader who follows the sequence by what it saw last has read every one."""
    done = threading.Event()
    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader = pool.submit(follow, any_house.database, done)
        writers = [pool.submit(write_settings, any_house.database, n, now) for n in range(WRITERS)]
        for writer in writers:
            writer.result()
        done.set()
        seen = reader.result()
    total = WRITERS * EACH * BATCH
    assert total >= 2000
    assert seen == list(range(1, total + 1))


def write_settings(engine: Engine, writer: int, now: datetime) -> None:
    for n in range(EACH):
        with transaction(engine) as conn:
            facts.record_settings(conn, [choice(f"x:{writer}-{n}-{k}", "deny") for k in range(BATCH)], now)


def follow(engine: Engine, done: threading.Event) -> list[int]:
    """Read only what is newer than the newest number seen, as a recall worker does, until all writers are done."""
    seen: list[int] = []
    c = t.setting_fact.c
    while True:
        last_round = done.is_set()
        with reading(engine) as conn:
            newest = facts.last_seq(conn)
            query = select(c.seq).where(c.seq > (seen[-1] if seen else 0), c.seq <= newest).order_by(c.seq)
            seen += conn.execute(query).scalars()
        assert not seen or seen[-1] == newest
        if last_round:
            return seen


def test_a_transaction_that_fails_takes_no_number(any_house: House, now: datetime) -> None:
    def fail() -> None:
        with transaction(any_house.database) as conn:
            facts.record_settings(conn, [choice("x:1", "deny")], now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with reading(any_house.database) as conn:
        assert facts.last_seq(conn) == 0
        assert facts.newest_withdrawal(conn) == 0


def test_two_writers_who_each_know_a_part_of_a_member_lose_neither_part(any_house: House, now: datetime) -> None:
    """Whoever comes second must see the first one's state, or protection would be forgotten."""
    names = [f"x:{n}" for n in range(15)]
    with transaction(any_house.database) as conn:
        facts.record_members(conn, [member(name, protection="open", status="active") for name in names], now)
    parts = ({"protection": Protection.PROTECTED}, {"status": AccountStatus.DELETED})

    def write(part: dict[str, Protection] | dict[str, AccountStatus]) -> None:
        for name in names:
            change = AccountChange(member_id=MemberId(name), platform="x", **part)
            with transaction(any_house.database) as conn:
                facts.record_account_changes(conn, [change], now)

    in_parallel(lambda: write(parts[0]), lambda: write(parts[1]))
    with reading(any_house.database) as conn:
        states = [member_as_of(conn, name, facts.last_seq(conn)) for name in names]
    assert {(s.protection, s.status) for s in states if s} == {(Protection.PROTECTED, AccountStatus.DELETED)}


def test_two_writers_of_the_same_deletions_record_each_once(any_house: House, now: datetime) -> None:
    def write() -> None:
        for n in range(15):
            with transaction(any_house.database) as conn:
                facts.record_deletions(conn, [deletion(f"x:{n}")], now)

    in_parallel(write, write)
    with reading(any_house.database) as conn:
        assert conn.execute(select(func.count()).select_from(t.deletion_fact)).scalar_one() == 15
        assert facts.last_seq(conn) == 15


def in_parallel(*writers: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(writers)) as pool:
        for running in [pool.submit(writer) for writer in writers]:
            running.result()


def test_the_same_deletions_again_are_no_fact(any_house: House, now: datetime) -> None:
    batch = [deletion("x:1"), deletion("x:2"), deletion("x:2"), deletion("x:2", "edit-1")]
    with transaction(any_house.database) as conn:
        assert facts.record_deletions(conn, batch, now) == 3
        newest = facts.last_seq(conn)
        assert facts.record_deletions(conn, batch, now) == 0
        assert facts.last_seq(conn) == newest
        assert facts.record_deletions(conn, [deletion("x:2", "edit-2")], now) == 1


def test_the_same_members_again_are_no_fact(any_house: House, now: datetime) -> None:
    batch = [member(f"x:{n}", region="US", status="active") for n in range(900)]
    with transaction(any_house.database) as conn:
        assert facts.record_members(conn, batch, now) == 900
        assert facts.record_members(conn, batch, now) == 0
        assert facts.last_seq(conn) == 900


def test_new_members_take_nothing_away_but_changed_ones_may(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        facts.record_members(conn, [member("x:1", protection="open")], now)
        assert facts.newest_withdrawal(conn) == 0
        facts.record_members(conn, [member("x:1", protection="protected"), member("x:2")], now)
        assert facts.newest_withdrawal(conn) == facts.last_seq(conn)


def test_what_a_source_does_not_know_stays_as_it_was(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        facts.record_members(conn, [member("x:1", region="US-CA", age_band="minor")], now)
        facts.record_members(conn, [member("x:1", status="active")], now)
        change = AccountChange(member_id=MemberId("x:1"), platform="x", protection=Protection.PROTECTED)
        facts.record_account_changes(conn, [change], now)
        state = member_as_of(conn, "x:1", facts.last_seq(conn))
    assert state == member("x:1", region="US-CA", age_band="minor", status="active", protection="protected")


@pytest.mark.parametrize("source", ["member", "gpc"])
def test_an_ingested_allow_never_replaces_a_members_own_denial(any_house: House, now: datetime, source: str) -> None:
    with transaction(any_house.database) as conn:
        facts.record_settings(conn, [choice("x:1", "deny", source)], now)
        assert facts.record_settings(conn, [choice("x:1", "allow", "platform")], now) == 0
        assert setting(conn, "x:1") == ("deny", source)
        facts.record_members(conn, [member("x:1", region="US")], now)
        assert setting(conn, "x:1") == ("deny", source)


def test_an_ingested_denial_counts_also_after_an_allow(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        facts.record_settings(conn, [choice("x:1", "allow")], now)
        seq = facts.record_settings(conn, [choice("x:1", "deny", "platform")], now)
        assert setting(conn, "x:1") == ("deny", "platform")
        assert facts.newest_withdrawal(conn) == seq


def test_the_same_ingested_settings_again_are_no_fact(any_house: House, now: datetime) -> None:
    batch = [choice(f"x:{n}", "deny" if n % 2 else "allow", "platform") for n in range(500)]
    with transaction(any_house.database) as conn:
        assert facts.record_settings(conn, batch, now) == 500
        assert facts.record_settings(conn, batch, now) == 0
        assert facts.last_seq(conn) == 500


def test_a_member_may_change_their_mind_after_a_platform_reported(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        facts.record_settings(conn, [choice("x:1", "deny", "platform")], now)
        facts.record_settings(conn, [choice("x:1", "allow")], now)
        assert setting(conn, "x:1") == ("allow", "member")


def test_the_first_showing_of_a_notice_counts(any_house: House, now: datetime) -> None:
    early = NoticeShown(member_id=MemberId("x:1"), notice_version="v1", at=now)
    late = NoticeShown(member_id=MemberId("x:1"), notice_version="v1", at=now + timedelta(days=9))
    with transaction(any_house.database) as conn:
        assert facts.record_shown(conn, [early], now) == 1
        assert facts.record_shown(conn, [late], now) == 0
        assert conn.execute(select(t.shown_fact.c.at_us)).scalars().all() == [facts.micros(now)]


def test_a_published_notice_cannot_be_rewritten(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        assert facts.publish_notice(conn, "v1", "a" * 64, now, "text", now) == 1
        assert facts.publish_notice(conn, "v1", "a" * 64, now, "text", now) == 0
        with pytest.raises(UsageError, match="new version"):
            facts.publish_notice(conn, "v1", "b" * 64, now, "other", now)


def test_a_license_comes_back_as_it_was_granted(any_house: House, now: datetime, granted: License) -> None:
    with transaction(any_house.database) as conn:
        active = facts.grant_license(conn, granted, bytes(32), now)
        suspended = facts.change_license(conn, granted, "suspended", now)
        assert license_as_of(conn, granted.license_id, active) == (granted, "active")
        assert license_as_of(conn, granted.license_id, suspended) == (granted, "suspended")


def test_what_was_set_aside_is_kept_once(any_house: House) -> None:
    skipped = [Skipped(where=f"line {n}", reason="no_text") for n in (1, 2, 2)]
    with transaction(any_house.database) as conn:
        facts.set_aside(conn, "file", skipped)
        facts.set_aside(conn, "file", skipped)
        assert conn.execute(select(func.count()).select_from(t.set_aside)).scalar_one() == 2


def test_a_cursor_is_kept_per_source(any_house: House) -> None:
    with transaction(any_house.database) as conn:
        assert facts.load_cursor(conn, "a") == ""
        facts.save_cursor(conn, "a", "10")
        facts.save_cursor(conn, "a", "20")
        assert (facts.load_cursor(conn, "a"), facts.load_cursor(conn, "b")) == ("20", "")


def test_a_denial_repeated_after_an_allow_for_one_recipient_outranks_it(house: House, now: datetime) -> None:
    """Order counts within a batch too: the last word was no."""
    changes = [choice("x:1", "deny"), choice("x:1", "allow", recipient="acme"), choice("x:1", "deny")]
    with transaction(house.database) as conn:
        facts.record_settings(conn, changes, now)
        assert setting(conn, "x:1", "acme") == ("deny", "member")


def test_a_platforms_allow_in_the_same_batch_leaves_the_members_denial(house: House, now: datetime) -> None:
    """What the platform reports never overwrites what the member chose."""
    with transaction(house.database) as conn:
        facts.record_settings(conn, [choice("x:1", "deny"), choice("x:1", "allow", source="platform")], now)
        assert setting(conn, "x:1") == ("deny", "member")
