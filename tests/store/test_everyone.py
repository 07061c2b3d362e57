"""Everybody, streamed: the same as asking for each member by name."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.model.members import AccountStatus, Choice, Member, MemberId, NoticeShown, SettingChange
from licet.model.records import Deletion, Hiding, Table
from licet.store import asof, facts
from licet.store.database import reading, transaction
from licet.store.everyone import every_fallen, every_subject
from licet.store.house import House

NOW = datetime(2024, 11, 16, 8, 30, 15, 123457, tzinfo=UTC)
PURPOSE = "third_party_training"

people = st.sampled_from(["x:1", "x:2", "x:3", "o'brien", "\u00fcml\u00e4ut", '{"\\u0061"}\n\x1f\U0001f600']).map(
    MemberId
)
members = st.builds(
    Member,
    member_id=people,
    platform=st.just("x"),
    region=st.sampled_from(["US", "DE"]),
    status=st.sampled_from(AccountStatus),
)
choices = st.builds(
    SettingChange,
    member_id=people,
    purpose=st.sampled_from([PURPOSE, "first_party_training"]),
    choice=st.sampled_from(Choice),
    recipient_id=st.sampled_from(["", "acme", "other"]),
    source=st.sampled_from(["member", "platform"]),
)
showings = st.builds(NoticeShown, member_id=people, notice_version=st.sampled_from(["v1", "v2"]), at=st.just(NOW))
steps = st.lists(st.one_of(members, choices, showings), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, recipient=st.sampled_from(["", "acme"]))
def test_everybody_streamed_is_everybody_asked_for(
    any_house: House, steps: list[Member | SettingChange | NoticeShown], recipient: str
) -> None:
    with transaction(any_house.database) as conn:
        for step in steps:
            if isinstance(step, Member):
                facts.record_members(conn, [step], NOW)
            elif isinstance(step, SettingChange):
                facts.record_settings(conn, [step], NOW)
            else:
                facts.record_shown(conn, [step], NOW)
        newest = facts.last_seq(conn)
    for seq in (newest // 2, newest):
        with transaction(any_house.database) as conn:
            asked = asof.subjects(conn, seq, PURPOSE, recipient, "v1").to_pylist()
        with every_subject(any_house.database, any_house.engine, seq, PURPOSE, recipient, "v1") as rows:
            streamed = rows.read_all().to_pylist()
        assert sorted(streamed, key=lambda row: row["member_id"]) == sorted(asked, key=lambda row: row["member_id"])


@pytest.mark.parametrize("edits", [0, 3])
def test_a_record_that_fell_more_than_once_comes_once_with_its_last_number(any_house: House, edits: int) -> None:
    author = MemberId("x:1")
    with transaction(any_house.database) as conn:
        for n in range(edits):
            edit = Deletion(table=Table.POSTS, record_id="x:9", member_id=author, superseded=True, revision=str(n))
            facts.record_deletions(conn, [edit], NOW)
        hidden = Hiding(table=Table.LIKES, record_id="x:1 x:9", member_id=author, hidden=True, at=NOW)
        facts.record_hidings(conn, [hidden], NOW + timedelta(hours=1))
        seq = facts.last_seq(conn)
    with every_fallen(any_house.database, any_house.engine, seq) as rows:
        found = {(row["record_table"], row["record_id"]): row["before_seq"] for row in rows.read_all().to_pylist()}
    assert found == {("likes", "x:1 x:9"): asof.t.OPEN} | ({("posts", "x:9"): edits} if edits else {})


def test_a_house_where_nothing_happened_streams_nobody(any_house: House) -> None:
    with every_subject(any_house.database, any_house.engine, 0, PURPOSE, "acme", "v1") as rows:
        assert rows.read_all().num_rows == 0
    with every_fallen(any_house.database, any_house.engine, 0) as rows:
        assert rows.read_all().num_rows == 0


ANOTHER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 128)
"""
"""A process that takes the lock which says that nobody else has the database open (SQLite's dead man's switch)."""


def takes_the_index(house: House) -> bool:
    command = [sys.executable, "-c", ANOTHER, f"{house.database.url.database}-shm"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_to_read_everybody_takes_no_lock_from_those_who_have_the_database_open(house: House) -> None:
    with reading(house.database):
        assert not takes_the_index(house)
        with every_subject(house.database, house.engine, 0, PURPOSE, "acme", "v1") as rows:
            rows.read_all()
        with every_fallen(house.database, house.engine, 0) as rows:
            rows.read_all()
        assert not takes_the_index(house), "another process could cut the index that is in use here"
