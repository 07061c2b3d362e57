"""Bluesky: what records, profiles, declarations and labels mean, whichever way they arrive."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.bluesky_records import INTENTS, MODERATORS, Change, Stream, read_change, read_label
from licet.ingest.bluesky_syntax import POST_URI, account_id, instant, language, record_key, revision
from licet.ingest.reasons import SKIP_REASONS, SetAside
from licet.model.members import AccountChange, AccountStatus, Choice, Member, Protection, SettingChange
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, Skipped, Table, Visibility

DID = "did:plc:4smmjsqf6l5jkzczvw6vsrqc"
OTHER = "did:plc:r2zybk6op3ymzpz6jhqpkoy5"
URI = f"at://{DID}/app.bsky.feed.post/3mpt73z3ejc2p"
TIME = "2026-07-04T14:38:06.240Z"
(MODERATOR,) = MODERATORS
HIDDEN = {"values": [{"val": "!no-unauthenticated"}]}


def read(operation: str, collection: str, rkey: str = "self", rev: str = "3mptbypuw3t2q", **record: Any) -> Ingested:  # noqa: ANN401 - JSON
    """Read one change that gives one thing."""
    (found,) = read_change(Change(DID, collection, rkey, operation, rev, record), "here")
    return found


def profile(operation: str, **record: Any) -> Ingested:  # noqa: ANN401 - JSON
    """Read one change of a profile."""
    return read(operation, "app.bsky.actor.profile", **record)


def declared(operation: str = "create", **intents: Any) -> list[Ingested]:  # noqa: ANN401 - JSON
    """Read a declaration of intents."""
    return read_change(Change(DID, "org.user-intents.declaration", "self", operation, "", intents), "here")


def label(**fields: object) -> Ingested:
    """Read one label of the platform's moderation on a post."""
    return read_label({"src": MODERATOR, "uri": URI, "val": "!takedown", "cts": TIME} | fields, "here")


def vectors(folder: Path, name: str) -> list[str]:
    """Read the examples of one file; comments and empty lines are none."""
    lines = (folder / "bluesky" / "interop-test-files" / "syntax" / name).read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.strip() and not line.startswith("#")]


def accepted(parse: Any, example: str) -> bool:  # noqa: ANN401 - a parser
    """Tell whether a parser takes an example."""
    try:
        return parse(example) is not None
    except SetAside:
        return False


@pytest.mark.parametrize(
    ("parse", "name"),
    [(account_id, "did"), (record_key, "recordkey"), (revision, "tid"), (instant, "datetime")],
)
def test_what_the_network_writes_is_taken_and_nothing_else(test_data: Path, parse: object, name: str) -> None:
    valid, invalid = (vectors(test_data, f"{name}_syntax_{kind}.txt") for kind in ("valid", "invalid"))
    assert valid
    assert invalid
    assert [example for example in valid if not accepted(parse, example)] == []
    assert [example for example in invalid if accepted(parse, example)] == []


def test_a_day_that_is_in_no_calendar_is_no_time(test_data: Path) -> None:
    assert [example for example in vectors(test_data, "datetime_parse_invalid.txt") if instant(example)] == []


def test_only_a_language_well_formed_throughout_is_kept(test_data: Path) -> None:
    refused = vectors(test_data, "language_syntax_invalid.txt") + vectors(test_data, "language_parse_invalid.txt")
    assert {language([example]) for example in refused} == {"und"}
    # Stricter than the network: tags without a language, of another age, and the few that may repeat a subtag.
    strict = {"i-default", "i-navajo", "X-fr-CH", "sgn-BE-NL", "en-u-co-phonebk-t-en-US"}
    for example in vectors(test_data, "language_syntax_valid.txt"):
        assert language([example]) == ("und" if example in strict else example.split("-")[0])


def test_the_address_of_a_post_names_account_and_key(test_data: Path) -> None:
    for kind in ("valid", "invalid"):
        examples = vectors(test_data, f"aturi_syntax_{kind}.txt")
        posts = [re.sub(r"/(com\.atproto\.feed\.post|io\.nsid\.someFunc)", "/app.bsky.feed.post", e) for e in examples]
        named = [post for post in posts if re.search(r"did:\w+:\w+/app\.bsky\.feed\.post/[^/]", post)]
        assert len(named) > 5
        assert [post for post in named if bool(POST_URI.fullmatch(post)) != (kind == "valid")] == []
        assert not any(POST_URI.fullmatch(post) for post in set(posts) - set(named))


def test_an_account_too_long_to_store_is_refused() -> None:
    assert account_id("did:web:" + "a" * 241)
    assert not accepted(account_id, "did:web:" + "a" * 250)


@pytest.mark.parametrize("operation", ["create", "update"])
@pytest.mark.parametrize("labels", [HIDDEN, {"values": "?"}, [], "!no-unauthenticated"])
def test_a_profile_hidden_from_strangers_protects_the_account_also_where_it_is_unreadable(
    operation: str, labels: object
) -> None:
    protected = AccountChange(member_id=account_id(DID), platform="bluesky", protection=Protection.PROTECTED)
    assert profile(operation, labels=labels) == protected


def test_only_an_edit_of_the_profile_opens_the_account_again() -> None:
    opened = AccountChange(member_id=account_id(DID), platform="bluesky", protection=Protection.OPEN)
    assert profile("update", displayName="ann") == opened
    assert profile("update", labels={"values": [{"val": "porn"}]}) == opened
    assert profile("create", displayName="ann") == Skipped(where="here", reason="not_a_record")
    assert profile("delete") == Skipped(where="here", reason="nothing_kept")
    assert read("update", "app.bsky.actor.profile", "other") == Skipped(where="here", reason="not_a_record")


def test_an_account_first_seen_protected_is_never_introduced_as_open() -> None:
    change = read_change(Change(DID, "app.bsky.actor.profile", "self", "create", "", {"labels": HIDDEN}), "here")
    member, protected = Stream().tell(change, "here")
    assert isinstance(member, Member)
    assert (member.protection, member.status) == (Protection.PROTECTED, AccountStatus.ACTIVE)
    assert [protected] == change


def purposes(records: list[Ingested]) -> set[str]:
    """Give the purposes that were denied, and nothing else was said."""
    assert all(isinstance(r, SettingChange) and r.choice is Choice.DENY and r.source == "platform" for r in records)
    return {r.purpose for r in records if isinstance(r, SettingChange)}


def test_who_declares_no_to_generation_denies_both_kinds_of_training() -> None:
    assert purposes(declared(syntheticContentGeneration={"allow": False})) == set(INTENTS["syntheticContentGeneration"])
    assert purposes(declared("update", bulkDataset={"allow": False})) == {"third_party_training"}
    both = declared(syntheticContentGeneration={"allow": False}, bulkDataset={"allow": False})
    assert len(both) == len(purposes(both)) == 2


@pytest.mark.parametrize(
    "intents",
    [
        {},
        {"syntheticContentGeneration": {"allow": True}},
        {"syntheticContentGeneration": {}},
        {"syntheticContentGeneration": {"allow": None}},
        {"syntheticContentGeneration": None},
        {"protocolBridging": {"allow": False}, "publicAccessArchive": {"allow": False}},
    ],
)
def test_a_declaration_that_does_not_say_no_changes_no_setting(intents: dict[str, Any]) -> None:
    assert declared(**intents) == [Skipped(where="here", reason="nothing_kept")]


@pytest.mark.parametrize("intent", [{"allow": "false"}, {"allow": 0}, {"allow": "true"}, "no", [], False])
def test_a_statement_that_cannot_be_read_counts_as_a_no(intent: object) -> None:
    assert purposes(declared(syntheticContentGeneration=intent)) == set(INTENTS["syntheticContentGeneration"])


def test_a_declaration_that_was_deleted_unmakes_no_setting() -> None:
    assert declared("delete") == [Skipped(where="here", reason="nothing_kept")]


def test_the_house_says_which_purpose_an_intent_speaks_of() -> None:
    change = Change(DID, "org.user-intents.demo.declaration", "self", "create", "", {"bulkDataset": {"allow": False}})
    assert purposes(read_change(change, "here", {"bulkDataset": ("resale",)})) == {"resale"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["allow", "values", "val"]), inner),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(intent=json_values)
def test_nothing_that_a_declaration_may_hold_ever_allows(intent: object) -> None:
    for record in declared(syntheticContentGeneration=intent, bulkDataset=intent):
        assert isinstance(record, Skipped) or (isinstance(record, SettingChange) and record.choice is Choice.DENY)


@settings(max_examples=200, deadline=None)
@given(labels=json_values)
def test_a_post_is_public_only_without_a_label_that_hides_it(labels: object) -> None:
    post = read("create", "app.bsky.feed.post", text="hello", createdAt=TIME, labels=labels)
    if isinstance(post, Post) and post.visibility is Visibility.PUBLIC:
        assert labels is None or isinstance(labels, dict)
        assert "!no-unauthenticated" not in str(labels)
    else:
        assert isinstance(post, Post | Skipped)


def test_recommendations_are_another_question_than_training() -> None:
    change = read("create", "app.bsky.actor.contentVisibilityDeclaration", hideFromAlgorithmicRecommendations=True)
    assert change == Skipped(where="here", reason="not_a_record")


@pytest.mark.parametrize("value", ["!takedown", "!hide", "!suspend", "!no-unauthenticated"])
def test_a_moderator_hides_a_post_and_shows_it_again(value: str) -> None:
    at = datetime(2026, 7, 4, 14, 38, 6, 240_000, UTC)
    hidden, shown = label(val=value), label(val=value, neg=True)
    wanted = Hiding(
        table=Table.POSTS,
        record_id=URI,
        member_id=account_id(DID),
        hidden=True,
        at=at,
        cause=f"{MODERATOR} {value}",
    )
    assert (hidden, shown) == (wanted, replace(wanted, hidden=False))


@pytest.mark.parametrize("value", ["!takedown", "!hide", "!suspend"])
def test_a_moderator_closes_an_account_that_only_its_own_events_open_again(value: str) -> None:
    closed = AccountChange(member_id=account_id(DID), platform="bluesky", status=AccountStatus.SUSPENDED)
    assert label(uri=DID, val=value) == closed
    assert label(uri=DID, val=value, neg=True) == Skipped(where="here", reason="nothing_kept")


@pytest.mark.parametrize("uri", [DID, f"at://{DID}/app.bsky.actor.profile/self"])
def test_a_label_on_account_or_profile_hides_it_from_strangers(uri: str) -> None:
    protected = AccountChange(member_id=account_id(DID), platform="bluesky", protection=Protection.PROTECTED)
    assert label(uri=uri, val="!no-unauthenticated") == protected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"val": "porn"}, "not_a_record"),
        ({"src": OTHER}, "not_a_record"),
        ({"src": DID, "neg": True}, "not_a_record"),
        ({"uri": f"at://{DID}/app.bsky.feed.generator/x"}, "not_a_record"),
        ({"uri": f"at://{DID}/app.bsky.actor.profile/self"}, "not_a_record"),
        ({"uri": "at://ann.test/app.bsky.feed.post/x"}, "malformed_event"),
        ({"uri": 7}, "malformed_event"),
        ({"val": None}, "malformed_event"),
        ({"cts": "yesterday"}, "unknown_time"),
    ],
)
def test_a_label_that_hides_nothing_here_is_set_aside_by_name(fields: dict[str, object], reason: str) -> None:
    assert label(**fields) == Skipped(where="here", reason=reason)
    assert reason in SKIP_REASONS


def told(stream: Stream, operation: str, rev: str = "3mptbypuw3t2q", text: str = "hello") -> list[Ingested]:
    """Tell a stream of one change of a post."""
    record = {"text": text, "createdAt": TIME}
    return stream.tell(
        read_change(Change(DID, "app.bsky.feed.post", "3mpt73z3ejc2p", operation, rev, record), "here"), "here"
    )


def test_words_older_than_their_edit_do_not_come_back() -> None:
    stream, stale = Stream(), [Skipped(where="here", reason="stale_revision")]
    told(stream, "create", "3mptbypuw3t22")
    edit, post = told(stream, "update", "3mptbypuw3t23", "better")
    assert isinstance(edit, Deletion)
    assert isinstance(post, Post)
    assert told(stream, "create", "3mptbypuw3t22") == stale
    assert told(stream, "update", "3mptbypuw3t22", "worse") == stale
    assert told(stream, "update", "3mptbypuw3t23", "better") == [edit, post]
    assert told(stream, "delete") == [Deletion(table=Table.POSTS, record_id=URI, member_id=account_id(DID))]


def test_a_like_names_the_author_of_its_post() -> None:
    like = read("create", "app.bsky.feed.like", "3mpt73z3ejc2p", createdAt=TIME, subject={"uri": URI})
    assert isinstance(like, Interaction)
    assert (like.table, like.post_author_id) == (Table.LIKES, DID)
