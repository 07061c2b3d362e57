"""X compliance: events and job results become withdrawals, in whatever order and however often they come."""

import io
import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.opened import Opened, open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.ingest.x_compliance import read, sees
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, Protection
from licet.model.records import Deletion, Hiding, Ingested, Skipped, Table

AT = "2022-12-23T12:34:56.789Z"
MOMENT = datetime(2022, 12, 23, 12, 34, 56, 789_000, tzinfo=UTC)
TWEET = {"id": "601430178305220608", "author_id": "3198576760"}
NAME = "x:601430178305220608"
BOTH = {Table.POSTS, Table.REPOSTS}


@dataclass(frozen=True)
class Held:
    """A part that lies in memory."""

    name: str
    data: bytes

    @property
    def size(self) -> int:
        """Count its bytes."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """Begin at its beginning."""
        return io.BytesIO(self.data)


def held(*events: object, name: str = "events.jsonl") -> Opened:
    """Open events as an input of one part, with keep-alive lines between them as a stream has them."""
    data = b"\r\n\r\n".join(json.dumps(event).encode() for event in events) + b"\r\n"
    return Opened(name=name, parts=(Held(name, data),))


def told(*events: object, name: str = "events.jsonl") -> list[Ingested]:
    """Read events."""
    return list(read(held(*events, name=name)))


def event(kind: str, at: str = AT, **fields: object) -> dict[str, Any]:
    """Make an event about a tweet."""
    return {"data": {kind: {"tweet": TWEET, "event_at": at} | fields}}


def account(kind: str, at: str = AT, number: str = "771136850", **fields: object) -> dict[str, Any]:
    """Make an event about an account."""
    return {"data": {kind: {"user": {"id": number}, "event_at": at} | fields}}


def result(reason: str, number: str = "1170025343920402432", **fields: object) -> dict[str, Any]:
    """Make a line of a job's results."""
    stated = {"id": number, "action": "delete", "created_at": "2019-09-06T17:25:54.667Z", "reason": reason}
    return stated | fields


def reasons(found: list[Ingested]) -> list[str]:
    """Give why things were set aside."""
    return [record.reason for record in found if isinstance(record, Skipped)]


def samples(test_data: Path, name: str) -> Path:
    """Find a real file of results."""
    return test_data / "x_api_samples" / "v2_twarc" / f"{name}_compliance.jsonl"


def test_real_results_and_streams_are_recognized_and_nothing_else_is(test_data: Path) -> None:
    for name in ("tweets", "users"):
        with open_input(samples(test_data, name)) as source:
            assert sees(source) == "results of an X compliance job"
    assert sees(held(event("delete"))) == "X compliance events"
    assert sees(held({"user_delete": {"id": 771136850, "timestamp_ms": "1432228153548"}})) == "X compliance events"
    others = [path for path in test_data.rglob("*.js*") if path.suffix != ".zst" and "compliance" not in path.name]
    assert len(others) > 30
    for path in others:
        with open_input(path) as source:
            assert not sees(source), path.name


@pytest.mark.parametrize(
    "line",
    [
        {"delete": {"_index": "posts", "_id": "1"}},
        {"data": {"delete": "yes", "event_at": AT}},
        {"id": "1", "action": "delete"},
        {"user": {"id": 1}, "created_at": "?", "text": "a tweet", "id": 2},
        [1],
        7,
    ],
)
def test_what_only_looks_alike_is_not_recognized(line: object) -> None:
    assert sees(held(line)) == ""


def test_a_recorded_stream_of_tweets_with_deletions_is_not_taken_for_compliance() -> None:
    assert not sees(held({"user": {}, "created_at": "?"}, {"delete": {"status": TWEET, "timestamp_ms": "1"}}))


def test_a_real_protected_or_deactivated_authors_posts_are_hidden_and_may_come_back(test_data: Path) -> None:
    with open_input(samples(test_data, "tweets")) as source:
        found = list(read(source))
    hidden = {(r.record_id, r.at): (r.table, r.hidden) for r in found if isinstance(r, Hiding)}
    assert len(found) == 4
    assert set(hidden) == {
        ("x:1170025343920402432", datetime(2019, 9, 6, 17, 25, 54, 667_000, tzinfo=UTC)),
        ("x:1170147183095664640", datetime(2021, 8, 17, 17, 26, 15, 788_000, tzinfo=UTC)),
    }
    assert {is_hidden for _, is_hidden in hidden.values()} == {True}


def test_real_results_on_users_close_their_accounts(test_data: Path) -> None:
    with open_input(samples(test_data, "users")) as source:
        found = list(read(source))
    assert len(found) == 2
    for change in found:
        assert isinstance(change, AccountChange)
        assert (change.member_id, change.protection) == ("x:1482680858", Protection.PROTECTED)


def test_a_deleted_tweet_falls_as_a_post_and_as_a_repost() -> None:
    found = told(event("delete", quote_tweet_id="7"))
    assert {(r.table, r.record_id, r.member_id) for r in found if isinstance(r, Deletion)} == {
        (table, NAME, "x:3198576760") for table in BOTH
    }
    assert len(found) == 2


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        (event("drop"), True),
        (event("undrop"), False),
        (event("withheld", withheld_in_countries=["XY"]), True),
        (event("withheld", withheld_in_countries=[]), False),
        (event("withheld", withheld_in_countries=None), True),
        (event("withheld"), True),
    ],
)
def test_what_is_dropped_or_withheld_anywhere_is_hidden_and_can_be_shown_again(line: object, hidden: bool) -> None:  # noqa: FBT001 - a case
    found = told(line)
    assert {(r.table, r.record_id, r.hidden, r.at) for r in found if isinstance(r, Hiding)} == {
        (table, NAME, hidden, MOMENT) for table in BOTH
    }


def test_a_hiding_without_a_time_is_final_and_a_showing_without_one_is_set_aside() -> None:
    for line in (event("drop", at=""), event("withheld", at="soon")):
        assert {type(record) for record in told(line)} == {Deletion}
    assert reasons(told(event("undrop", at=""))) == ["unknown_time"]


def test_every_older_version_of_an_edited_post_falls() -> None:
    newest = "1557445923210514432"
    body = {"initial_tweet_id": "1557433858676740098", "edit_tweet_ids": ["1557433858676740098", "1557440000000000000"]}
    for line in (
        {"data": {"tweet_edit": {"tweet": {"id": newest}, "event_at": AT} | body}},
        {"tweet_edit": {"id": newest} | body},
    ):
        found = [record for record in told(line) if isinstance(record, Deletion)]
        assert [r.record_id for r in found] == ["x:1557433858676740098", "x:1557440000000000000"]
        assert {(r.table, r.superseded) for r in found} == {(Table.POSTS, False)}
    assert reasons(told(event("tweet_edit", edit_tweet_ids=[TWEET["id"]]))) == ["nothing_kept"]


def test_a_like_taken_back_names_the_like_by_its_two_ends() -> None:
    for favorite in ({"id": "99", "user_id": "12"}, {"tweet_id": 99, "user_id": 12, "user_id_str": "12"}):
        (gone,) = told({"data": {"delete": {"favorite": favorite, "event_at": AT}}})
        assert isinstance(gone, Deletion)
        assert (gone.table, gone.record_id, gone.member_id) == (Table.LIKES, "x:12 x:99", "x:12")


@pytest.mark.parametrize(
    ("kind", "status", "protection"),
    [
        ("user_delete", "deleted", "unknown"),
        ("user_undelete", "active", "unknown"),
        ("user_suspend", "suspended", "unknown"),
        ("user_unsuspend", "active", "unknown"),
        ("user_protect", "unknown", "protected"),
        ("user_unprotect", "unknown", "open"),
        ("user_withheld", "suspended", "unknown"),
    ],
)
def test_events_of_accounts_close_and_open_them(kind: str, status: str, protection: str) -> None:
    for line in (account(kind), {kind: {"id": 771136850, "timestamp_ms": "1432228153548"}}):
        (change,) = told(line)
        assert isinstance(change, AccountChange)
        assert (change.member_id, change.status, change.protection) == ("x:771136850", status, protection)


def test_without_a_time_an_account_is_closed_but_never_opened() -> None:
    (change,) = told(account("user_protect", at=""))
    assert isinstance(change, AccountChange)
    assert reasons(told(account("user_unprotect", at=""))) == ["unknown_time"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (account("scrub_geo", up_to_tweet_id="7"), "nothing_kept"),
        ({"scrub_geo": {"user_id": 5, "up_to_status_id": 7, "timestamp_ms": "1432228180345"}}, "nothing_kept"),
        (account("user_profile_modification", profile_field="bio", new_value="secret"), "nothing_kept"),
        (account("user_withheld", withheld_in_countries=[]), "nothing_kept"),
        (result("scrub_geo"), "nothing_kept"),
        ({"errors": [{"title": "operational-disconnect"}]}, "not_a_record"),
        ({"data": {"user_opt_out": {"user": {"id": "1"}, "event_at": AT}}}, "malformed_event"),
        ({"data": {"delete": 7}}, "malformed_event"),
        ({"data": {"delete": {"tweet": 7, "event_at": AT}}}, "malformed_event"),
        ({"data": {"delete": {"event_at": AT}}}, "unknown_post"),
        ({"data": {"delete": {"tweet": {"id": "x"}, "event_at": AT}}}, "malformed_id"),
        ({"data": {"delete": {"favorite": {"id": "9"}, "event_at": AT}}}, "unknown_actor"),
        ({"data": {"user_delete": {"user": {}, "event_at": AT}}}, "unknown_member"),
        ({}, "malformed_event"),
        ([], "malformed_row"),
        (result("deleted") | {"action": "keep"}, "malformed_event"),
        (result("deleted", number="1482680858"), "unknown_kind"),
    ],
)
def test_what_is_of_no_use_is_set_aside_by_name(line: object, reason: str) -> None:
    assert reasons(told(line)) == [reason]
    assert len(told(line)) == 1
    assert reason in SKIP_REASONS


def test_a_tweet_of_an_unknown_author_is_withdrawn_all_the_same() -> None:
    for part in ({"id": TWEET["id"]}, TWEET | {"author_id": "ann"}):
        found = told({"data": {"delete": {"tweet": part, "event_at": AT}}})
        assert {(r.record_id, r.member_id) for r in found if isinstance(r, Deletion)} == {(NAME, "")}


def test_an_id_that_was_rounded_is_read_from_its_text() -> None:
    status = {"id": 601430178305220600, "id_str": "601430178305220608", "user_id": 3198576760}
    found = told({"delete": {"status": status, "timestamp_ms": "1432228155593"}})
    assert {(r.record_id, r.member_id) for r in found if isinstance(r, Deletion)} == {(NAME, "x:3198576760")}
    (old, _) = told(
        {"status_withheld": {"status": status, "withheld_in_countries": ["XY"], "timestamp_ms": "1432228155593"}}
    )
    assert isinstance(old, Hiding)
    assert old.at == datetime(2015, 5, 21, 17, 9, 15, 593_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("deleted", Deletion),
        ("bounced", Deletion),
        ("protected", Hiding),
        ("suspended", Hiding),
        ("deactivated", Hiding),
        ("opted_out", Hiding),
    ],
)
def test_results_on_posts_are_final_only_where_the_post_is_gone(reason: str, kind: type) -> None:
    assert {type(record) for record in told(result(reason))} == {kind}


def test_a_result_on_a_post_without_any_time_means_what_it_says() -> None:
    line = result("protected", created_at=None)
    assert {type(record) for record in told(line, name="tweets.jsonl")} == {Deletion}


@pytest.mark.parametrize(
    ("reason", "status", "protection"),
    [
        ("deleted", "deleted", "unknown"),
        ("suspended", "suspended", "unknown"),
        ("deactivated", "deactivated", "unknown"),
        ("protected", "unknown", "protected"),
        ("opted_out", "deactivated", "unknown"),
    ],
)
def test_results_on_users_close_accounts_whatever_the_reason(reason: str, status: str, protection: str) -> None:
    line = result(reason, number="12", created_at="2013-06-04T16:25:04+00:00")
    (change,) = told(line, name="job_users.jsonl")
    assert isinstance(change, AccountChange)
    assert (change.member_id, change.status, change.protection) == ("x:12", status, protection)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("posts-2024.jsonl", Hiding),
        ("Tweets.jsonl", Hiding),
        ("users_compliance.jsonl", AccountChange),
        ("tweets_of_users.jsonl", Skipped),
        ("results.jsonl", Skipped),
    ],
)
def test_where_a_result_does_not_tell_what_its_id_names_the_file_does(name: str, kind: type) -> None:
    line = result("suspended", number="12", created_at="2013-06-04T16:25:04+00:00")
    assert {type(record) for record in told(line, name=name)} == {kind}


def test_a_time_that_is_the_ids_own_shows_a_post_whatever_the_file_is_called() -> None:
    assert {type(record) for record in told(result("suspended"), name="users.jsonl")} == {Hiding}


def test_files_beside_the_events_are_named(tmp_path: Path) -> None:
    (tmp_path / "part1.jsonl").write_text(json.dumps(event("delete")) + "\n{broken\n")
    (tmp_path / "readme.md").write_text("# events\n")
    with open_input(tmp_path) as source:
        assert sees(source) == "X compliance events"
        found = list(read(source))
    assert {(r.where, r.reason) for r in found if isinstance(r, Skipped)} == {
        ("part1.jsonl:2", "malformed_row"),
        ("readme.md", "not_a_record"),
    }
    assert sum(isinstance(r, Deletion) for r in found) == 2


def ends(
    found: list[Ingested],
) -> tuple[set[object], dict[object, tuple[datetime, bool]], dict[object, dict[str, str]]]:
    """Give how things stand in the end: what is gone, what is hidden by the latest instant, how accounts are."""
    gone: set[object] = {(r.table, r.record_id) for r in found if isinstance(r, Deletion)}
    latest: dict[object, tuple[datetime, bool]] = {}
    states: dict[object, dict[str, str]] = {}
    for record in found:
        if isinstance(record, Hiding):
            key = record.table, record.record_id
            latest[key] = max(latest.get(key, (record.at, record.hidden)), (record.at, record.hidden))
        elif isinstance(record, AccountChange):
            stated = {"status": str(record.status), "protection": str(record.protection)}
            known = {name: value for name, value in stated.items() if value != "unknown"}
            states.setdefault(record.member_id, {}).update(known)
    return gone, latest, states


def timed(seconds: int) -> str:
    """Give an instant."""
    return (MOMENT + timedelta(seconds=seconds)).isoformat()


any_event = st.one_of(
    st.builds(
        lambda kind, at, countries: event(kind, timed(at), withheld_in_countries=countries),
        st.sampled_from(["delete", "drop", "undrop", "withheld"]),
        st.integers(0, 20),
        st.sampled_from([[], ["XY"]]),
    ),
    st.builds(
        lambda kind, at, number: account(kind, timed(at), number),
        st.sampled_from(
            [
                f"user_{kind}"
                for kind in ("delete", "undelete", "suspend", "unsuspend", "protect", "unprotect", "withheld")
            ]
        ),
        st.integers(0, 20),
        st.sampled_from(["5", "6"]),
    ),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), events=st.lists(any_event, max_size=8))
def test_events_in_any_order_and_any_number_end_the_same(data: st.DataObject, events: list[dict[str, Any]]) -> None:
    shuffled = data.draw(st.permutations(events))
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    assert ends(told(*events)) == ends(told(*shuffled, *repeated))


@settings(max_examples=200, deadline=None)
@given(times=st.lists(st.integers(0, 20), min_size=1, max_size=6), kinds=st.data())
def test_what_was_dropped_last_is_hidden_in_whatever_order_it_is_told(times: list[int], kinds: st.DataObject) -> None:
    stated = [(at, kinds.draw(st.sampled_from(["drop", "undrop"]))) for at in times]
    _, latest, _ = ends(told(*(event(kind, timed(at)) for at, kind in stated)))
    last = max(times)
    expected = any(kind == "drop" for at, kind in stated if at == last)
    assert {hidden for _, hidden in latest.values()} == {expected}


def test_an_account_closed_for_two_reasons_opens_when_both_are_gone() -> None:
    lines = [account("user_delete", timed(1)), account("user_suspend", timed(2)), account("user_undelete", timed(3))]
    for order in itertools.permutations(lines):
        _, _, states = ends(told(*order))
        assert states == {"x:771136850": {"status": "suspended"}}
    (*_, last) = told(*lines, account("user_unsuspend", timed(4)))
    assert isinstance(last, AccountChange)
    assert last.status is AccountStatus.ACTIVE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("7"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
LINES: list[dict[str, Any]] = [
    *(event(kind, withheld_in_countries=["XY"], edit_tweet_ids=["1", "2"]) for kind in ("delete", "drop", "withheld")),
    event("tweet_edit", initial_tweet_id="1", edit_tweet_ids=["1", "2"]),
    account("user_protect"),
    account("user_withheld", withheld_in_countries=["XY"]),
    result("deleted"),
    result("protected", redacted_at=AT),
]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=json_values)
def test_events_with_any_part_replaced_never_raise(data: st.DataObject, value: object) -> None:
    line = json.loads(json.dumps(data.draw(st.sampled_from(LINES))))
    part = line
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = value
    check(told(line))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_real_results_and_events_never_raise(data: st.DataObject, test_data: Path) -> None:
    real = [samples(test_data, name).read_bytes() for name in ("tweets", "users")]
    made = [b"\n".join(json.dumps(line).encode() for line in LINES)]
    mutated = bytearray(data.draw(st.sampled_from(real + made)))
    at = st.integers(0, len(mutated) - 1)
    for place, byte in data.draw(st.lists(st.tuples(at, st.integers(0, 255)), max_size=6)):
        mutated[place] = byte
    cut = data.draw(at)
    del mutated[cut : cut + data.draw(st.integers(0, 40))]
    source = Opened(name="users.jsonl", parts=(Held("users.jsonl", bytes(mutated)),))
    assert isinstance(sees(source), str)
    try:
        found = list(read(source))
    except InputError:
        return
    owed = sum(bool(line.strip()) for line in bytes(mutated).split(b"\n"))
    assert len(found) >= owed
    check(found or [Skipped(where="", reason="malformed_row")])


def check(found: list[Ingested]) -> None:
    """Something comes of every line, with a known reason or with all that a withdrawal needs."""
    assert found
    for record in found:
        if isinstance(record, Skipped):
            assert record.reason in SKIP_REASONS
        elif isinstance(record, Hiding):
            assert record.at.tzinfo is not None
            assert record.record_id.startswith("x:")
        else:
            assert isinstance(record, Deletion | AccountChange)
            assert isinstance(record, AccountChange) or record.record_id.startswith("x:")
