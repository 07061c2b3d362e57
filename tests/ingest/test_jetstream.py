"""Bluesky: real events become records, deletions and account states, and nothing that a line holds raises."""

import gzip
import importlib.util
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.jetstream import read, read_event, read_lines, sees, time_of
from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.members import AccountChange, AccountStatus, Member, Protection, SettingChange
from licet.model.records import Deletion, Interaction, Post, Skipped, Table, Visibility

DID = "did:plc:4smmjsqf6l5jkzczvw6vsrqc"
OTHER = "did:plc:r2zybk6op3ymzpz6jhqpkoy5"
TARGET = f"at://{OTHER}/app.bsky.feed.post/3mpsjbtci2c2o"


@pytest.fixture(scope="module")
def lines(test_data: Path) -> list[str]:
    """The 152 real events of one moment."""
    path = test_data / "bluesky" / "jetstream-corpus" / "expected_v1.jsonl"
    return path.read_text(encoding="utf-8").splitlines()


def commit(operation: str, collection: str = "post", **record: Any) -> str:  # noqa: ANN401 - JSON
    """Make an event of one commit."""
    whole = {"text": "hello", "createdAt": "2026-07-04T14:38:06.240Z"} | record
    inner: dict[str, Any] = {"rev": "3mptbypuw3t2q", "operation": operation, "rkey": "3mpt73z3ejc2p"}
    inner["collection"] = f"app.bsky.feed.{collection}"
    if operation != "delete":
        inner["record"] = whole
    return json.dumps({"did": DID, "time_us": 1, "kind": "commit", "commit": inner})


def account(**state: object) -> str:
    """Make an account event."""
    return json.dumps({"did": DID, "time_us": 1, "kind": "account", "account": {"did": DID} | state})


def only(line: str) -> object:
    """Read an event that gives one thing."""
    (found,) = read_event(line, "here")
    return found


def test_the_real_moment_is_read_to_its_stated_counts(test_data: Path, lines: list[str]) -> None:
    manifest = json.loads((test_data / "bluesky" / "jetstream-corpus" / "manifest.json").read_text())
    records = list(read_lines(lines))
    found = Counter(r.table if isinstance(r, Interaction) else type(r).__name__ for r in records)
    assert len(lines) == manifest["v1_events"] == 152
    assert (found[Table.LIKES], found["Post"], found[Table.REPOSTS]) == (105, 17, 15)
    assert (found["Deletion"], found["AccountChange"]) == (1, manifest["account"])
    assert Counter(r.reason for r in records if isinstance(r, Skipped)) == {"not_a_record": 13}
    assert len(records) - found["Member"] == len(lines)


def test_every_real_account_is_introduced_once_and_before_its_first_record(lines: list[str]) -> None:
    seen: set[str] = set()
    for record in read_lines(lines):
        if isinstance(record, Member):
            assert record.member_id not in seen
            assert (record.region, record.age_band) == ("unknown", "unknown")
            seen.add(record.member_id)
        elif isinstance(record, Post):
            assert record.author_id in seen
        elif isinstance(record, Interaction):
            assert record.actor_id in seen


def test_real_interactions_name_the_author_of_their_target(lines: list[str]) -> None:
    for record in read_lines(lines):
        if isinstance(record, Interaction):
            assert record.post_id.startswith(f"at://{record.post_author_id}/app.bsky.feed.post/")
            assert record.interaction_id.startswith(f"at://{record.actor_id}/app.bsky.feed.")


def test_a_deletion_names_what_was_created() -> None:
    subject = {"uri": TARGET, "cid": "x"}
    like = only(commit("create", "like", subject=subject))
    assert isinstance(like, Interaction)
    assert (like.post_id, like.post_author_id) == (TARGET, OTHER)
    gone = only(commit("delete", "like"))
    assert gone == Deletion(table=Table.LIKES, record_id=like.interaction_id, member_id=like.actor_id)


def test_an_edit_withdraws_the_old_words_before_the_new_ones_stand() -> None:
    edit, post = read_event(commit("update", text="better"), "here")
    assert isinstance(edit, Deletion)
    assert isinstance(post, Post)
    assert (edit.superseded, edit.revision, edit.record_id) == (True, "3mptbypuw3t2q", post.post_id)


def test_an_edit_into_something_unreadable_still_withdraws_the_old_words() -> None:
    edit, skipped = read_event(commit("update", createdAt="yesterday"), "here")
    assert isinstance(edit, Deletion)
    assert skipped == Skipped(where="here", reason="unknown_time")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"active": True}, AccountStatus.ACTIVE),
        ({"active": False}, AccountStatus.DEACTIVATED),
        ({"active": False, "status": "deactivated"}, AccountStatus.DEACTIVATED),
        ({"active": False, "status": "suspended"}, AccountStatus.SUSPENDED),
        ({"active": False, "status": "takendown"}, AccountStatus.SUSPENDED),
        ({"active": False, "status": "deleted"}, AccountStatus.DELETED),
        ({"active": False, "status": "never heard of"}, AccountStatus.DEACTIVATED),
        ({"active": True, "status": "deleted"}, AccountStatus.DELETED),
    ],
)
def test_account_states_close_an_account_whatever_the_reason(state: dict[str, object], status: AccountStatus) -> None:
    change = only(account(**state))
    assert isinstance(change, AccountChange)
    assert change.status is status


def test_a_closed_account_is_not_reopened_by_a_late_record() -> None:
    first, change, post = read_lines([account(active=False, status="deleted"), commit("create")])
    assert isinstance(first, Member)
    assert first.status is AccountStatus.UNKNOWN
    assert isinstance(change, AccountChange)
    assert isinstance(post, Post)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (commit("create", createdAt="soon"), "unknown_time"),
        (commit("create", createdAt="2026-07-04T14:38:06"), "unknown_time"),
        (commit("create", createdAt=None), "unknown_time"),
        (commit("create", text=None), "no_text"),
        (commit("create", text="\ud800"), "unreadable_text"),
        (commit("create", labels={"values": "?"}), "unknown_visibility"),
        (commit("create", "like", subject={"uri": f"at://{OTHER}/app.bsky.feed.generator/x"}), "not_a_post"),
        (commit("create", "like", subject={"uri": "at://ann.test/app.bsky.feed.post/x"}), "unknown_post_author"),
        (commit("create", "like"), "unknown_post"),
        (commit("create", "threadgate"), "not_a_record"),
        (commit("sleep"), "malformed_event"),
        (account(active="no"), "malformed_event"),
        (commit("create").replace(DID, "ann.test"), "malformed_event"),
        ("[]", "malformed_event"),
        ("{", "malformed_event"),
        ("[" * 100_000, "malformed_event"),
        ('{"kind": "identity"}', "not_a_record"),
        ('{"kind": "?"}', "malformed_event"),
    ],
)
def test_a_doubtful_event_is_set_aside_by_name(line: str, reason: str) -> None:
    assert only(line) == Skipped(where="here", reason=reason)
    assert reason in SKIP_REASONS


def test_a_post_hidden_from_strangers_is_not_public() -> None:
    post = only(commit("create", labels={"values": [{"val": "!no-unauthenticated"}]}))
    assert isinstance(post, Post)
    assert post.visibility is Visibility.UNLISTED


def test_replies_quotes_and_languages_are_carried() -> None:
    reply = {"parent": {"uri": TARGET}, "root": {"uri": TARGET}}
    post = only(commit("create", langs=["en-US", "de"], reply=reply, embed={"record": {"record": {"uri": TARGET}}}))
    assert isinstance(post, Post)
    assert (post.lang, post.in_reply_to, post.quote_of) == ("en", TARGET, TARGET)


def test_the_time_of_an_event_is_a_whole_positive_number() -> None:
    assert time_of('{"time_us": 7}') == 7
    assert [time_of(line) for line in ('{"time_us": true}', '{"time_us": -1}', "{}", "?", "[]")] == [None] * 5


def test_the_time_at_the_beginning_of_an_event_is_the_time_of_the_event(lines: list[str]) -> None:
    assert [time_of(line) for line in lines] == [json.loads(line)["time_us"] for line in lines]
    assert [time_of(line.encode()) for line in lines] == [time_of(line) for line in lines]
    assert time_of('{"did":"did:plc:a","time_us":0,"kind":"?"}') is None
    assert time_of('{"did":"did:plc:a","kind":"?","time_us":9}') == 9


def test_a_recording_is_recognized_and_read_like_its_lines(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with open_input(path) as source:
        assert sees(source) == "Bluesky Jetstream events in 1 file"
        found = list(read(source))
    expected = list(read_lines(lines))
    assert [r for r in found if not isinstance(r, Skipped)] == [r for r in expected if not isinstance(r, Skipped)]
    assert len(found) == len(expected)


def test_a_broken_line_of_a_recording_costs_itself_only(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([lines[0], "{", "[]", lines[1]]), encoding="utf-8")
    with open_input(path) as source:
        found = list(read(source))
    broken = [Skipped(where=f"events.jsonl:{number}", reason="malformed_row") for number in (2, 3)]
    assert found == [*read_lines(lines[:1]), *broken, *read_lines(lines[1:2])]


def test_several_recordings_are_read_in_the_order_of_their_names(lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "2.jsonl").write_text("\n".join(lines[70:]), encoding="utf-8")
    (tmp_path / "1.jsonl").write_text("\n".join(lines[:70]) + "\n", encoding="utf-8")
    with open_input(tmp_path) as source:
        assert sees(source) == "Bluesky Jetstream events in 2 files"
        found = [r for r in read(source) if not isinstance(r, Skipped)]
    assert found == [r for r in read_lines(lines) if not isinstance(r, Skipped)]


@pytest.mark.parametrize(
    ("content", "recognized"),
    [
        ("", False),
        ("{}\n", False),
        ("[" * 5000, False),
        ('{"did": "did:plc:a", "kind": "commit"}', False),
        ('{"did": "did:plc:a", "time_us": 1, "kind": "row"}', False),
        ('{"did":"did:plc:a","time_us":1,"kind":"commit","commit":{"record":{"text":"' + "a" * 70_000, True),
        ('{"did": "did:plc:a", "time_us": 1, "kind": "identity"}', True),
    ],
)
def test_only_events_are_recognized_also_where_the_first_is_long(
    content: str, *, recognized: bool, tmp_path: Path
) -> None:
    (tmp_path / "some.jsonl").write_text(content)
    with open_input(tmp_path) as source:
        assert bool(sees(source)) == recognized


def test_a_replay_does_not_bring_back_what_an_edit_replaced() -> None:
    created, edited = commit("create"), commit("update", text="better")
    records = list(read_lines([created, edited, created, edited]))
    assert [type(r).__name__ for r in records] == ["Member", "Post", "Deletion", "Post", "Skipped", "Deletion", "Post"]
    assert Skipped(where="line 3", reason="stale_revision") in records


def test_profiles_and_declarations_reach_the_member() -> None:
    event = json.loads(commit("update", labels={"values": [{"val": "!no-unauthenticated"}]}))
    event["commit"] |= {"collection": "app.bsky.actor.profile", "rkey": "self"}
    member, protected = read_lines([json.dumps(event)])
    assert isinstance(member, Member)
    assert isinstance(protected, AccountChange)
    assert member.protection is protected.protection is Protection.PROTECTED
    event["commit"] |= {"collection": "org.user-intents.declaration", "record": {"bulkDataset": {"allow": False}}}
    member, denied = read_lines([json.dumps(event)])
    assert isinstance(member, Member)
    assert isinstance(denied, SettingChange)
    assert denied.member_id == member.member_id


def test_the_sample_for_measurements_is_read_in_full(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "bench" / "samples" / "jetstream.py"
    spec = importlib.util.spec_from_file_location("jetstream_sample", path)
    assert spec
    assert spec.loader
    sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)
    sample.write(tmp_path / "events.jsonl", 500)
    with open_input(tmp_path) as source:
        assert sees(source)
        records = list(read(source))
    assert {r.reason for r in records if isinstance(r, Skipped)} == {"not_a_record"}
    assert {type(r) for r in records} == {Member, Post, Interaction, Deletion, AccountChange, Skipped}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_real_events_never_raise(data: st.DataObject, lines: list[str]) -> None:
    mutated = bytearray(data.draw(st.sampled_from(lines)).encode())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(mutated) - 1), st.integers(0, 255)), max_size=6)):
        mutated[at] = byte
    check(bytes(mutated))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=json_values)
def test_real_events_with_any_part_replaced_never_raise(data: st.DataObject, value: object, lines: list[str]) -> None:
    event = json.loads(data.draw(st.sampled_from(lines)))
    part = event
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = value
    check(json.dumps(event))


def check(line: str | bytes) -> None:
    """Read one line: something comes of it, with a known reason or with all that a record needs."""
    records = read_event(line, "here")
    assert records
    for record in records:
        if isinstance(record, Skipped):
            assert record.reason in SKIP_REASONS
        elif isinstance(record, Post):
            assert record.text.encode() is not None
            assert record.created_at.tzinfo is not None
        elif isinstance(record, Interaction):
            assert record.post_author_id.startswith("did:")
