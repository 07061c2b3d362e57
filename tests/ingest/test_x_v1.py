"""X tweets of API v1.1: authors' own public posts, reposts by ids only, deletions, and the rest set aside by name."""

import copy
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.ingest.x_v1 import read, read_tweet, sees
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, Member, Protection
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, Skipped, Table, Visibility

ANN = {"id_str": "100", "screen_name": "ann", "protected": False}
BEN = {"id_str": "200", "screen_name": "ben", "protected": False}


@pytest.fixture(scope="module")
def sample(test_data: Path) -> Path:
    """Three real tweets: a repost, a reply and a quote."""
    return test_data / "x_api_samples" / "v1.1" / "twitter-to-sqlite_tweets.json"


@pytest.fixture(scope="module")
def tweets(sample: Path) -> list[dict[str, Any]]:
    """The real tweets as objects."""
    found: list[dict[str, Any]] = json.loads(sample.read_text(encoding="utf-8"))
    return found


def tweet(**fields: object) -> dict[str, Any]:
    """Make a tweet."""
    created_at = "Wed Sep 04 13:51:55 +0000 2019"
    return {"id_str": "1", "created_at": created_at, "text": "hello", "lang": "en", "user": ANN} | fields


def everything(path: Path) -> list[Ingested]:
    """Read a file or folder."""
    with open_input(path) as source:
        assert sees(source)
        return list(read(source))


def one(records: list[Ingested]) -> Ingested:
    """Give the one record beside introductions."""
    (found,) = [record for record in records if not isinstance(record, Member)]
    return found


def told(path: Path) -> str:
    """Tell what the adapter sees."""
    with open_input(path) as source:
        return sees(source)


def test_the_real_tweets_are_a_repost_a_reply_a_quote_and_the_quoted_post(sample: Path) -> None:
    assert told(sample) == "X tweets as of API v1.1 in 1 file"
    records = everything(sample)
    repost, reply, quote, quoted = [record for record in records if not isinstance(record, Member)]
    assert isinstance(repost, Interaction)
    assert (repost.actor_id, repost.post_id, repost.post_author_id) == (
        "x:12497",
        "x:1169242008432644097",
        "x:22737278",
    )
    assert (repost.table, repost.interaction_id) == (Table.REPOSTS, "x:1169246717864136705")
    assert isinstance(reply, Post)
    assert (reply.in_reply_to, reply.lang, reply.visibility) == ("x:1169079390577319937", "en", Visibility.PUBLIC)
    assert isinstance(quote, Post)
    assert isinstance(quoted, Post)
    assert (quote.quote_of, quoted.post_id) == ("x:861696799362478085",) * 2
    assert (quote.author_id, quoted.author_id) == ("x:12497", "x:14148390")
    assert quoted.text.startswith("If you use Photos (mac) & Live Photos,")


def test_every_account_is_introduced_once_before_its_first_record(sample: Path) -> None:
    seen: set[str] = set()
    for record in everything(sample):
        if isinstance(record, Member):
            assert record.member_id not in seen
            assert (record.protection, record.status) == (Protection.OPEN, AccountStatus.ACTIVE)
            seen.add(record.member_id)
        elif isinstance(record, Post):
            assert record.author_id in seen
        elif isinstance(record, Interaction):
            assert {record.actor_id, record.post_author_id} <= seen


def test_an_array_lines_and_a_compressed_file_read_alike(
    sample: Path, tweets: list[dict[str, Any]], tmp_path: Path
) -> None:
    whole = everything(sample)
    text = "".join(json.dumps(each) + "\n" for each in tweets)
    (tmp_path / "tweets.jsonl").write_text(text)
    assert everything(tmp_path / "tweets.jsonl") == whole
    (tmp_path / "tweets.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert everything(tmp_path / "tweets.jsonl.gz") == whole


def test_archives_of_2012_to_2018_are_read(tmp_path: Path) -> None:
    months = tmp_path / "data" / "js" / "tweets"
    months.mkdir(parents=True)
    old = [tweet(created_at="2013-02-19 03:21:39 +0000"), tweet(id_str="2", created_at="2009-02-19 00:00:00 +0000")]
    (months / "2013_02.js").write_text(f"Grailbird.data.tweets_2013_02 = \n{json.dumps(old)}")
    (tmp_path / "data" / "js" / "user_details.js").write_text('var user_details = {"id": "100"}')
    _, post, midnight, other = everything(tmp_path)
    assert isinstance(post, Post)
    assert post.created_at.isoformat() == "2013-02-19T03:21:39+00:00"
    assert [r.reason for r in (other, midnight) if isinstance(r, Skipped)] == ["not_a_record", "unknown_time"]


def test_nothing_else_is_taken_for_these_tweets(test_data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 200_000)
    (tmp_path / "b.jsonl").write_bytes(b'\xff{"user": {}}\n{}\n[]')
    folders = ("x_archive_fixtures/ariadne-x", "x_api_samples/v2_twarc", "x_api_samples/v2_tweepy", "bluesky")
    for path in (tmp_path, *(test_data / name for name in (*folders, "linkedin_fixtures", "meta_export_synthetic"))):
        assert told(path) == ""


def test_the_whole_text_counts_and_not_the_one_cut_off() -> None:
    extended = {"full_text": "the whole &amp; long text"}
    for fields in ({"full_text": "the whole &amp; long text"}, {"truncated": True, "extended_tweet": extended}):
        post = one(read_tweet(tweet(text="the whole…", **fields), "here"))
        assert isinstance(post, Post)
        assert post.text == "the whole & long text"


def test_a_quoted_post_is_its_authors_and_set_aside_alone() -> None:
    quoted = tweet(id_str="2", user=BEN)
    records = read_tweet(tweet(quoted_status=quoted, quoted_status_id_str="2"), "here")
    assert [(p.post_id, p.author_id, p.quote_of) for p in records if isinstance(p, Post)] == [
        ("x:1", "x:100", "x:2"),
        ("x:2", "x:200", ""),
    ]
    hidden = tweet(id_str="2", user=BEN | {"protected": True})
    records = read_tweet(tweet(quoted_status=hidden), "here")
    assert [r.post_id for r in records if isinstance(r, Post)] == ["x:1"]
    assert records[-1] == Skipped(where="here quoted_status", reason="protected")


def test_a_repost_holds_no_words(tweets: list[dict[str, Any]]) -> None:
    records = read_tweet(tweets[0], "here")
    assert isinstance(one(records), Interaction)
    assert "carbon" not in repr(records)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user": ANN | {"protected": True}}, "protected"),
        ({"user": ANN | {"protected": None}}, "unknown_visibility"),
        ({"user": ANN | {"protected": "false"}}, "unknown_visibility"),
        ({"user": ANN | {"protected": 0}}, "unknown_visibility"),
        ({"user": {"id_str": "100"}}, "unknown_visibility"),
        ({"user": ANN | {"withheld_in_countries": ["DE"]}}, "withheld"),
        ({"user": {"protected": False}}, "unknown_author"),
        ({"user": None}, "unknown_author"),
        ({"user": "ann"}, "unknown_author"),
        ({"user": ANN | {"id_str": "ann"}}, "malformed_id"),
        ({"withheld_in_countries": ["FR", "DE"]}, "withheld"),
        ({"withheld_copyright": True}, "withheld"),
        ({"text": "RT @ben: his"}, "someone_elses_words"),
        ({"text": None}, "no_text"),
        ({"created_at": "yesterday"}, "unknown_time"),
        ({"id_str": None}, "unknown_post"),
        ({"id_str": "x1"}, "malformed_id"),
        ({"id_str": None, "id": 1169246717864136700}, "malformed_id"),
        ({"id_str": None, "id": 1.5}, "malformed_id"),
        ({"retweeted_status": {"id_str": "2"}}, "unknown_post_author"),
        ({"retweeted_status": {"user": BEN}}, "unknown_post"),
        ({"retweeted_status": {"id_str": "2", "user": {"id_str": "200"}}}, "unknown_visibility"),
        ({"retweeted_status": {"id_str": "2", "user": BEN | {"protected": True}}}, "protected"),
        ({"retweeted_status": {"id_str": "2", "user": BEN, "withheld_in_countries": ["DE"]}}, "withheld"),
        ({"retweeted_status": tweet(user=BEN), "created_at": None}, "unknown_time"),
        ({"edit_history": {"edit_tweet_ids": ["?"]}}, "malformed_id"),
    ],
)
def test_a_doubtful_tweet_is_set_aside_by_name(fields: dict[str, object], reason: str) -> None:
    assert one(read_tweet(tweet(**fields), "here")) == Skipped(where="here", reason=reason)
    assert reason in SKIP_REASONS


def test_a_number_is_an_id_where_no_text_is_and_rounding_cannot_have_changed_it() -> None:
    post = one(read_tweet(tweet(id_str=None, id=1169246717864136705), "here"))
    assert isinstance(post, Post)
    assert post.post_id == "x:1169246717864136705"


def test_a_protected_author_is_introduced_as_such() -> None:
    member, _ = read_tweet(tweet(user=ANN | {"protected": True}), "here")
    assert isinstance(member, Member)
    assert member.protection is Protection.PROTECTED


def test_an_account_that_changes_is_told_again(tmp_path: Path) -> None:
    states = [tweet(), tweet(id_str="2"), tweet(id_str="3", user=ANN | {"protected": True})]
    (tmp_path / "a.json").write_text(json.dumps(states))
    members = [r for r in everything(tmp_path / "a.json") if isinstance(r, Member)]
    assert [member.protection for member in members] == [Protection.OPEN, Protection.PROTECTED]


def test_of_an_edited_tweet_only_the_newest_version_stands() -> None:
    history = {"edit_history": {"initial_tweet_id": "9", "edit_tweet_ids": ["9", "10"]}}
    gone, post = (r for r in read_tweet(tweet(id_str="10", **history), "here") if not isinstance(r, Member))
    assert isinstance(gone, Deletion)
    assert isinstance(post, Post)
    assert (gone.record_id, post.post_id) == ("x:9", "x:10")
    assert read_tweet(tweet(id_str="9", **history), "here") == [gone]


def test_a_deletion_withdraws_a_post_or_repost_whoever_it_was() -> None:
    status = {"id": 1234, "id_str": "1234", "user_id": 3, "user_id_str": "3"}
    found = read_tweet({"delete": {"status": status, "timestamp_ms": "1"}}, "here")
    expected = [Deletion(table=t, record_id="x:1234", member_id=m("x:3")) for t in (Table.POSTS, Table.REPOSTS)]
    assert found == expected
    anonymous = read_tweet({"delete": {"status": {"id_str": "1234"}}}, "here")
    assert [(r.record_id, r.member_id) for r in anonymous if isinstance(r, Deletion)] == [("x:1234", "")] * 2


def m(name: str) -> Any:  # noqa: ANN401 - a member's name
    """Give a member's name."""
    return name


def test_an_account_withheld_somewhere_is_closed() -> None:
    change = one(read_tweet({"user_withheld": {"id": 5, "withheld_in_countries": ["DE"]}}, "here"))
    assert change == AccountChange(member_id=m("x:5"), platform="x", status=AccountStatus.SUSPENDED)
    assert one(read_tweet({"user_withheld": {}}, "here")) == Skipped(where="here", reason="unknown_member")


def test_a_deleted_like_names_the_like() -> None:
    notice = {"favorite": {"tweet_id_str": "5", "user_id_str": "3"}}
    gone = one(read_tweet({"delete": notice}, "here"))
    assert gone == Deletion(table=Table.LIKES, record_id="x:3 x:5", member_id=m("x:3"))


def test_a_withheld_post_is_hidden_and_for_good_where_no_time_is_told() -> None:
    notice = {"id": 5, "user_id": 3, "withheld_in_countries": ["DE"]}
    hidden = read_tweet({"status_withheld": notice | {"timestamp_ms": "1567605115000"}}, "here")
    assert [(h.record_id, h.hidden, h.at.year) for h in hidden if isinstance(h, Hiding)] == [("x:5", True, 2019)] * 2
    for stamp in (None, "", "soon", "9" * 30, 5):
        gone = read_tweet({"status_withheld": notice | {"timestamp_ms": stamp}}, "here")
        assert [type(record) for record in gone] == [Deletion, Deletion]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"delete": {"status": {"user_id_str": "3"}}}, "unknown_post"),
        ({"delete": []}, "malformed_row"),
        ({"delete": {"status": 5}}, "malformed_row"),
        ({"delete": {}}, "malformed_row"),
        ({"delete": {"favorite": {"tweet_id": 5}}}, "unknown_actor"),
        ({"scrub_geo": {"user_id": 1}}, "nothing_kept"),
        ({"limit": {"track": 1}}, "not_a_record"),
        ({"direct_message": {"text": "psst"}}, "direct_message"),
        ({}, "malformed_row"),
        ([], "malformed_row"),
        (None, "malformed_row"),
    ],
)
def test_a_message_without_a_record_is_set_aside_by_name(message: object, reason: str) -> None:
    assert read_tweet(message, "here") == [Skipped(where="here", reason=reason)]


def test_a_recorded_stream_begins_with_whatever_came_first(tmp_path: Path) -> None:
    lines = [{"limit": {"track": 1}}, {"delete": {"status": {"id_str": "7", "user_id_str": "3"}}}, tweet()]
    path = tmp_path / "stream.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\r\n" for each in lines) + "{broken\n" + json.dumps(tweet(id_str="2")))
    assert told(path) == "X tweets as of API v1.1 in 1 file"
    records = everything(path)
    assert Counter(type(r).__name__ for r in records) == {"Skipped": 2, "Deletion": 2, "Member": 1, "Post": 2}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_real_tweets_never_raise(data: st.DataObject, tweets: list[dict[str, Any]], tmp_path: Path) -> None:
    as_lines = data.draw(st.booleans())
    text = "\n".join(map(json.dumps, tweets)) if as_lines else json.dumps(tweets)
    mutated = bytearray(text.encode())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(mutated) - 9), st.integers(-1, 255)), max_size=5)):
        mutated[at : at + 1] = b"" if byte < 0 else bytes([byte])
    path = tmp_path / "tweets.json"
    path.write_bytes(mutated)
    try:
        with open_input(path) as source:
            sees(source)
            check(list(read(source)))
    except InputError:
        return


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=odd)
def test_real_tweets_with_any_part_replaced_give_something(
    data: st.DataObject, value: object, tweets: list[dict[str, Any]]
) -> None:
    whole = copy.deepcopy(data.draw(st.sampled_from(tweets)))
    part = whole
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = value
    check(read_tweet(whole, "here"))


protections: st.SearchStrategy[object] = st.sampled_from([True, False, None, "false", 0, 1, [], {}])


@settings(max_examples=200, deadline=None)
@given(protected=protections, withheld=st.sampled_from([None, [], ["DE"], "DE", ""]), community=odd)
def test_a_public_post_comes_only_from_an_account_that_says_it_is_open(
    protected: object, withheld: object, community: object
) -> None:
    fields = {"withheld_in_countries": withheld, "community_id_str": community}
    found = read_tweet(tweet(user=ANN | {"protected": protected}, **fields), "here")
    public = protected is False and not withheld and not community
    assert isinstance(one(found), Post) is public


def check(records: list[Ingested]) -> None:
    """Something comes of it, with a known reason or with all that a record needs."""
    assert [record for record in records if not isinstance(record, Member)]
    for record in records:
        if isinstance(record, Skipped):
            assert record.reason in SKIP_REASONS
        elif isinstance(record, Post):
            assert record.visibility is Visibility.PUBLIC
            assert record.text.encode()
            assert not record.text.startswith("RT @")
        elif isinstance(record, Interaction):
            assert record.post_author_id.startswith("x:")
