"""State as of a number: the same as a plain list of facts, read from the start, would give."""

import itertools
import pathlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine

from licet.model.errors import NotFound
from licet.model.members import (
    AccountChange,
    AccountStatus,
    Choice,
    Member,
    MemberId,
    NoticeShown,
    Protection,
    SettingChange,
)
from licet.model.records import Deletion, Hiding, Table
from licet.store import asof, facts
from licet.store import tables as t
from licet.store.database import migrate, open_database, reading, transaction
from licet.store.house import House
from licet.store.log_tables import log_setting

NOW = datetime(2024, 11, 16, tzinfo=UTC)
PURPOSE = "third_party_training"
PEOPLE = ("x:1", "x:2", "x:3")
RECIPIENTS = ("", "acme", "other")

people = st.sampled_from(PEOPLE)
setting_changes = st.builds(
    SettingChange,
    member_id=people.map(MemberId),
    purpose=st.just(PURPOSE),
    choice=st.sampled_from(Choice),
    recipient_id=st.sampled_from(RECIPIENTS),
    source=st.sampled_from(["member", "gpc"]),
)
member_states = st.builds(
    Member,
    member_id=people.map(MemberId),
    platform=st.just("x"),
    region=st.sampled_from(["US", "DE", "unknown"]),
    protection=st.sampled_from(Protection),
    status=st.sampled_from(AccountStatus),
)
batches = st.lists(
    st.one_of(st.lists(setting_changes, min_size=1, max_size=4), st.lists(member_states, min_size=1, max_size=3)),
    max_size=12,
)


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One database for all examples of this module, emptied before each."""
    if request.param == "sqlite":
        return open_database(f"sqlite:///{tmp_path_factory.mktemp('asof') / 'licet.db'}")
    opened = create_engine(request.getfixturevalue("postgres"))
    migrate(opened)
    return opened


def empty(engine: Engine) -> None:
    with transaction(engine) as conn:
        for table in (t.fact, t.member_fact, t.setting_fact, t.shown_fact, t.deletion_fact, log_setting):
            conn.execute(table.delete())
        conn.execute(t.sequence.update().values(last=0))


class Model:
    """What the facts say, kept the plain way."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.members: dict[str, Member] = {}
        self.choices: dict[tuple[str, str], tuple[int, str, str]] = {}
        self.clock = itertools.count()

    def apply(self, batch: list[SettingChange | Member]) -> None:
        for item in batch:
            if isinstance(item, SettingChange):
                place = (item.member_id, item.recipient_id)
                self.choices[place] = (next(self.clock), str(item.choice), item.source)
            else:
                self.members[item.member_id] = self.merged(self.members.get(item.member_id), item)

    @staticmethod
    def merged(old: Member | None, new: Member) -> Member:
        if old is None:
            return new
        return Member(
            member_id=old.member_id,
            platform=old.platform,
            region=old.region if new.region == "unknown" else new.region,
            protection=old.protection if new.protection == "unknown" else new.protection,
            status=old.status if new.status == "unknown" else new.status,
        )

    def position(self, name: str, recipient: str) -> tuple[str, str]:
        general = self.choices.get((name, ""))
        specific = self.choices.get((name, recipient)) if recipient else None
        if general and specific and general[1] == "deny" and specific[1] == "allow" and specific[0] < general[0]:
            return general[1:]
        found = specific or general
        return found[1:] if found else ("none", "")

    def state(self) -> dict[str, object]:
        return {
            "members": dict(self.members),
            "positions": {(p, r): self.position(p, r) for p in PEOPLE for r in RECIPIENTS},
        }


def stored(engine: Engine, seq: int) -> dict[str, object]:
    with reading(engine) as conn:
        found = {p: asof.member_as_of(conn, p, seq) for p in PEOPLE}
        positions = {(p, r): asof.setting_as_of(conn, p, PURPOSE, seq, r) for p in PEOPLE for r in RECIPIENTS}
        for recipient in RECIPIENTS:
            rows = asof.subjects(conn, seq, PURPOSE, recipient, "v1").to_pylist()
            assert {r["member_id"] for r in rows} == {p for p, state in found.items() if state}
            for row in rows:
                assert (row["setting"], row["setting_source"]) == positions[row["member_id"], recipient]
    return {"members": {p: state for p, state in found.items() if state}, "positions": positions}


def unique(batch: list[SettingChange] | list[Member]) -> list[SettingChange | Member]:
    """Keep one state a member: of two in one batch only the last is recorded, the other is never merged."""
    if isinstance(batch[0], SettingChange):
        return list(batch)
    states: list[SettingChange | Member] = list(batch)
    return list({m.member_id: m for m in states if isinstance(m, Member)}.values())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_every_moment_of_the_past_is_as_a_plain_reading_of_the_facts_gives_it(
    engine: Engine, history: list[list[SettingChange] | list[Member]]
) -> None:
    """After the last fact, each earlier moment still reads as it did when it was the present."""
    empty(engine)
    model, expected = Model(), {0: Model().state()}
    for batch in map(unique, history):
        with transaction(engine) as conn:
            if isinstance(batch[0], SettingChange):
                facts.record_settings(conn, [s for s in batch if isinstance(s, SettingChange)], NOW)
            else:
                facts.record_members(conn, [m for m in batch if isinstance(m, Member)], NOW)
            seq = facts.last_seq(conn)
        model.apply(batch)
        expected[seq] = model.state()
    assert {seq: stored(engine, seq) for seq in expected} == expected


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(setting_changes, min_size=1, max_size=5), min_size=1, max_size=6))
def test_no_number_inside_a_batch_finds_a_choice_gone(engine: Engine, history: list[list[SettingChange]]) -> None:
    """Once a member has chosen, every later number finds a choice, also one that lies inside another batch."""
    empty(engine)
    with transaction(engine) as conn:
        for batch in history:
            facts.record_settings(conn, batch, NOW)
        for name in PEOPLE:
            known = [
                asof.setting_as_of(conn, name, PURPOSE, seq)[0] != "none" for seq in range(facts.last_seq(conn) + 1)
            ]
            assert known == sorted(known)


@pytest.mark.parametrize(
    ("history", "acme", "everybody"),
    [
        ([("", "deny"), ("acme", "allow")], "allow", "deny"),
        ([("acme", "allow"), ("", "deny")], "deny", "deny"),
        ([("acme", "deny"), ("", "allow")], "deny", "allow"),
        ([("", "allow"), ("acme", "deny")], "deny", "allow"),
        ([("", "deny"), ("acme", "allow"), ("", "allow")], "allow", "allow"),
        ([("acme", "allow")], "allow", "none"),
    ],
)
def test_a_standing_denial_wins_unless_a_newer_choice_for_this_recipient_answers_it(
    any_house: House, history: list[tuple[str, str]], acme: str, everybody: str
) -> None:
    with transaction(any_house.database) as conn:
        for recipient, position in history:
            change = SettingChange(
                member_id=MemberId("x:1"), purpose=PURPOSE, choice=Choice(position), recipient_id=recipient
            )
            facts.record_settings(conn, [change], NOW)
        seq = facts.last_seq(conn)
        assert asof.setting_as_of(conn, "x:1", PURPOSE, seq, "acme")[0] == acme
        assert asof.setting_as_of(conn, "x:1", PURPOSE, seq)[0] == everybody
        assert asof.setting_as_of(conn, "x:1", "first_party_training", seq, "acme")[0] == "none"


def test_changes_between_two_numbers_name_members_deletions_and_rules(any_house: House) -> None:
    fell = Deletion(table=Table.POSTS, record_id="x:9", member_id=MemberId("x:3"))
    with transaction(any_house.database) as conn:
        facts.record_members(conn, [Member(member_id=MemberId("x:1"), platform="x")], NOW)
        start = facts.last_seq(conn)
        change = SettingChange(member_id=MemberId("x:2"), purpose=PURPOSE, choice=Choice.DENY)
        facts.record_settings(conn, [change], NOW)
        facts.record_deletions(conn, [fell], NOW)
        middle = facts.last_seq(conn)
        facts.publish_notice(conn, "v1", "a" * 64, NOW, "text", NOW)
        first = asof.changes_between(conn, start, middle)
        second = asof.changes_between(conn, middle, facts.last_seq(conn))
    assert first == asof.Changes(member_ids=frozenset({"x:2"}), deletions=(fell,))
    assert second == asof.Changes(member_ids=frozenset(), deletions=())


def test_an_edit_takes_out_what_came_before_it_and_a_deletion_everything(any_house: House) -> None:
    gone = Deletion(table=Table.POSTS, record_id="x:1", member_id=MemberId("x:3"))
    edited = Deletion(table=Table.POSTS, record_id="x:2", member_id=MemberId("x:3"), superseded=True, revision="r1")
    with transaction(any_house.database) as conn:
        facts.record_deletions(conn, [gone, edited], NOW)
        rows = {r["record_id"]: r["before_seq"] for r in asof.deletions_as_of(conn, facts.last_seq(conn)).to_pylist()}
        assert asof.superseded_ids(conn, Table.POSTS, ["x:1", "x:2"]) == {"x:2": 2}
        assert asof.deletions_as_of(conn, 0).num_rows == 0
    assert rows == {"x:1": t.OPEN, "x:2": 2}


def test_the_moment_a_notice_was_shown_is_seen_only_from_then_on(any_house: House) -> None:
    with transaction(any_house.database) as conn:
        facts.record_members(conn, [Member(member_id=MemberId("x:1"), platform="x")], NOW)
        before = facts.last_seq(conn)
        facts.record_shown(conn, [NoticeShown(member_id=MemberId("x:1"), notice_version="v1", at=NOW)], NOW)
        seen = [
            asof.subjects(conn, seq, PURPOSE, "", version).to_pylist()[0]["shown_at"]
            for seq, version in ((before, "v1"), (before + 1, "v1"), (before + 1, "v2"))
        ]
    assert seen == [None, NOW, None]


def test_the_newest_notice_in_effect_is_in_force_and_before_any_the_next(any_house: House) -> None:
    ready = pathlib.Path(asof.__file__).parents[1] / "policy" / "notices"
    source = (ready / "x-2024-11-15.toml").read_text()
    later = source.replace("2024-11-15", "2025-06-01").replace("November 15, 2024", "June 1, 2025")
    with transaction(any_house.database) as conn:
        assert asof.notice_in_force(conn, 0, NOW) is None
        for n, (version, text) in enumerate([("x-2024-11-15", source), ("x-2025-06-01", later)]):
            effective = datetime(2024, 11, 15, tzinfo=UTC) if n == 0 else datetime(2025, 6, 1, tzinfo=UTC)
            facts.publish_notice(conn, version, str(n) * 64, effective, text, NOW)
        first = datetime(2024, 11, 15, tzinfo=UTC)
        moments = (first - timedelta(days=1), first, datetime(2025, 6, 1, tzinfo=UTC))
        found = [asof.notice_in_force(conn, 2, at) for at in moments]
        assert [n.version for n in found if n] == ["x-2024-11-15", "x-2024-11-15", "x-2025-06-01"]
        known = asof.notice_in_force(conn, 1, moments[2])
        assert known is not None
        assert known.version == "x-2024-11-15"


def test_a_license_that_was_never_granted_is_not_found(any_house: House) -> None:
    with reading(any_house.database) as conn, pytest.raises(NotFound, match="license list"):
        asof.license_as_of(conn, "none", 10)


def test_the_newest_number_by_an_instant_is_the_last_fact_recorded_by_then(any_house: House) -> None:
    with transaction(any_house.database) as conn:
        for days in (0, 1, 2):
            member = Member(member_id=MemberId(f"x:{days}"), platform="x")
            facts.record_members(conn, [member], NOW + timedelta(days=days))
        found = [asof.seq_at(conn, NOW + timedelta(days=days)) for days in (-1, 0, 1.5, 9)]
    assert found == [0, 1, 2, 3]


HIDDEN, SHOWN = (
    Hiding(table=Table.POSTS, record_id="x:1", member_id=MemberId("x:3"), hidden=hidden, at=at)
    for hidden, at in ((True, NOW), (False, NOW + timedelta(hours=1)))
)


@pytest.mark.parametrize("arrivals", [[HIDDEN, SHOWN], [SHOWN, HIDDEN]], ids=["in order", "out of order"])
def test_a_record_hidden_and_shown_again_counts_whatever_came_first(any_house: House, arrivals: list[Hiding]) -> None:
    with transaction(any_house.database) as conn:
        for hiding in arrivals:
            facts.record_hidings(conn, [hiding], NOW)
        assert asof.deletions_as_of(conn, facts.last_seq(conn)).num_rows == 0
        assert facts.record_hidings(conn, arrivals, NOW) == 0


def test_a_record_hidden_for_two_causes_is_shown_when_both_are_gone(any_house: House) -> None:
    withheld = replace(HIDDEN, cause="withheld")
    with transaction(any_house.database) as conn:
        facts.record_hidings(conn, [HIDDEN, withheld], NOW)
        facts.record_hidings(conn, [SHOWN], NOW)
        assert asof.deletions_as_of(conn, facts.last_seq(conn)).num_rows == 1
        facts.record_hidings(conn, [replace(SHOWN, cause="withheld")], NOW)
        assert asof.deletions_as_of(conn, facts.last_seq(conn)).num_rows == 0


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two"])
def test_a_late_change_of_an_account_does_not_replace_what_happened_after_it(any_house: House, *, apart: bool) -> None:
    suspended, protected, older = (
        AccountChange(member_id=MemberId("x:1"), platform="x", status=status, protection=protection, at=NOW + age)
        for status, protection, age in (
            (AccountStatus.SUSPENDED, Protection.UNKNOWN, timedelta(hours=2)),
            (AccountStatus.UNKNOWN, Protection.PROTECTED, timedelta(0)),
            (AccountStatus.ACTIVE, Protection.OPEN, timedelta(hours=1)),
        )
    )
    changes = [suspended, protected, older]
    with transaction(any_house.database) as conn:
        for batch in [[each] for each in changes] if apart else [changes]:
            facts.record_account_changes(conn, batch, NOW)
        known = asof.member_as_of(conn, "x:1", facts.last_seq(conn))
    assert known is not None
    assert (known.status, known.protection) == (AccountStatus.SUSPENDED, Protection.OPEN)


def test_what_is_hidden_falls_until_it_is_shown_and_a_deletion_outlives_every_showing(any_house: House) -> None:
    deleted = Deletion(table=Table.POSTS, record_id="x:1", member_id=MemberId("x:3"))
    with transaction(any_house.database) as conn:
        facts.record_hidings(conn, [HIDDEN], NOW)
        hidden = facts.last_seq(conn)
        assert facts.newest_withdrawal(conn) == hidden
        assert asof.changes_between(conn, 0, hidden).deletions == (deleted,)
        facts.record_hidings(conn, [SHOWN], NOW)
        assert facts.newest_withdrawal(conn) == hidden
        assert asof.changes_between(conn, 0, facts.last_seq(conn)).deletions == ()
        assert asof.deletions_as_of(conn, hidden).column("before_seq").to_pylist() == [t.OPEN]
        facts.record_deletions(conn, [deleted], NOW)
        facts.record_hidings(conn, [replace(SHOWN, at=NOW + timedelta(hours=2))], NOW)
        assert asof.deletions_as_of(conn, facts.last_seq(conn)).num_rows == 1


def test_of_a_hiding_and_a_showing_at_one_instant_the_hiding_counts(any_house: House) -> None:
    with transaction(any_house.database) as conn:
        facts.record_hidings(conn, [HIDDEN, replace(SHOWN, at=NOW)], NOW)
        facts.record_hidings(conn, [replace(SHOWN, at=NOW)], NOW)
        assert asof.deletions_as_of(conn, facts.last_seq(conn)).num_rows == 1
