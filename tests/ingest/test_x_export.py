"""X account exports: the account's own public words come in, and everything else is set aside by name."""

import json
import random
import zipfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.ingest.x_export import read, sees
from licet.model.errors import InputError
from licet.model.members import AccountStatus, Member, Protection
from licet.model.records import Deletion, Ingested, Interaction, Post, Skipped, Table, Visibility

ME = "x:100"
WHEN = "Mon Jan 01 12:00:00 +0000 2024"
LONG = "It was a dark and stormy night, and the rain fell in torrents, and " * 6
SHORT = LONG[:200].rstrip() + "… https://t.co/abc"


def tweet(number: int, text: str = "my own words", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Make one entry of tweets.js."""
    return {"tweet": {"id_str": str(number), "full_text": text, "created_at": WHEN, "lang": "en"} | fields}


def note(text: str = LONG, at: str = "2024-01-01T12:00:01.000Z", **fields: str) -> dict[str, Any]:
    """Make one entry of note-tweet.js."""
    return {"noteTweet": {"noteTweetId": "77", "createdAt": at, "core": {"text": text}} | fields}


def switched(*turns: tuple[str, str]) -> list[Any]:
    """Make the entries of protected-history.js."""
    return [{"protectedHistory": {"protectedAt": at, "action": action}} for at, action in turns]


def write(folder: Path, *, known: bool = True, **files: list[Any] | str) -> Path:
    """Write an export; `note_tweet` is data/note-tweet.js and `tweets_part1` is data/tweets-part1.js."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    if known:
        files |= {"account": [{"account": {"accountId": "100", "email": "me@example.com", "phoneNumber": "+15550100"}}]}
    for name, entries in files.items():
        body = entries if isinstance(entries, str) else json.dumps(entries)
        kind, _, part = name.partition("_part")
        head = f"window.YTD.{kind}.part{part or 0}"
        (data / f"{name.replace('_', '-')}.js").write_text(f"{head} = {body}", encoding="utf-8")
    return folder


def everything(path: Path) -> list[Ingested]:
    """Read an export."""
    with open_input(path) as source:
        return list(read(source))


def posts(records: list[Ingested]) -> dict[str, Post]:
    """Give the posts by id, each of which came once."""
    found = [record for record in records if isinstance(record, Post)]
    assert len({post.post_id for post in found}) == len(found)
    return {post.post_id: post for post in found}


def reasons(records: list[Ingested]) -> Counter[str]:
    """Count what was set aside."""
    return Counter(record.reason for record in records if isinstance(record, Skipped))


def member(records: list[Ingested]) -> Member:
    """Give the one account of the export."""
    (found,) = [record for record in records if isinstance(record, Member)]
    return found


def test_the_real_export_is_its_accounts_posts(test_data: Path) -> None:
    path = test_data / "x_archive_fixtures" / "ariadne-x"
    with open_input(path) as source:
        assert sees(source) == "an X account export with 1 part of tweets"
    account, first, reply = everything(path)
    assert account == Member(member_id="x:100", platform="x", status=AccountStatus.ACTIVE)  # type: ignore[arg-type]
    assert isinstance(first, Post)
    assert isinstance(reply, Post)
    assert (first.post_id, first.author_id, first.created_at.isoformat()) == ("x:1001", ME, "2024-01-01T12:00:00+00:00")
    assert (reply.post_id, reply.in_reply_to, reply.visibility) == ("x:1002", "x:1001", Visibility.PUBLIC)


def test_a_real_export_without_tweets_names_its_account_and_what_was_not_read(test_data: Path) -> None:
    path = test_data / "x_archive_fixtures" / "twitter-to-sqlite"
    with open_input(path) as source:
        assert sees(source) == "an X account export with 0 parts of tweets"
    records = everything(path)
    assert (member(records).member_id, member(records).protection) == ("x:12497", Protection.UNKNOWN)
    assert reasons(records) == {"not_a_record": 4}
    assert "5555555" not in repr(records)
    assert "@example.com" not in repr(records)


def test_a_zip_reads_like_its_folder(test_data: Path, tmp_path: Path) -> None:
    path = test_data / "x_archive_fixtures" / "ariadne-x"
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        for file in sorted(path.rglob("*.js")):
            packed.write(file, f"twitter-2024/{file.relative_to(path)}")
    assert everything(tmp_path / "export.zip") == everything(path)


def test_parts_older_names_and_tweets_without_a_wrapper_are_read(tmp_path: Path) -> None:
    bare = [tweet(2)["tweet"]]
    write(tmp_path, tweets=[tweet(1)], tweets_part1=bare, tweet=[tweet(3)])
    with open_input(tmp_path) as source:
        assert sees(source) == "an X account export with 3 parts of tweets"
    assert posts(everything(tmp_path)).keys() == {"x:1", "x:2", "x:3"}


def test_nothing_else_is_taken_for_an_export(test_data: Path, tmp_path: Path) -> None:
    (tmp_path / "tweets.js").write_text("export const tweets = []")
    others = [tmp_path, test_data / "x_api_samples" / "v1.1", test_data / "linkedin_fixtures", test_data / "bluesky"]
    for path in others:
        with open_input(path) as source:
            assert sees(source) == ""


@pytest.mark.parametrize("account", [[], "[{", [{"account": {}}], [{"account": {"accountId": "ann"}}], ["?"], "?"])
def test_without_a_readable_account_nobody_is_the_author(tmp_path: Path, account: list[Any] | str) -> None:
    records = everything(write(tmp_path, known=False, account=account, tweets=[tweet(1), tweet(2)]))
    assert reasons(records)["unknown_author"] == 2
    assert not [record for record in records if not isinstance(record, Skipped)]


def test_two_accounts_in_one_file_leave_the_author_open(tmp_path: Path) -> None:
    accounts = [{"account": {"accountId": number}} for number in ("100", "200")]
    write(tmp_path, tweets=[tweet(1)])
    assert reasons(everything(write(tmp_path, known=False, account_part1=accounts))) == {"unknown_author": 1}


def test_of_two_exports_in_one_folder_each_tweet_belongs_to_the_account_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a", tweets=[tweet(1)])
    account = [{"account": {"accountId": "200"}}]
    write(tmp_path / "b", tweets=[tweet(2)])
    (tmp_path / "b" / "data" / "account.js").write_text(f"window.YTD.account.part0 = {json.dumps(account)}")
    write(tmp_path / "c", known=False, tweets=[tweet(3)])
    records = everything(tmp_path)
    assert {post.post_id: post.author_id for post in posts(records).values()} == {"x:1": ME, "x:2": "x:200"}
    assert reasons(records) == {"unknown_author": 1}


def test_other_peoples_words_are_no_post(tmp_path: Path) -> None:
    original = {"id_str": "9", "user": {"id_str": "300"}, "full_text": "not mine"}
    tweets = [
        tweet(1, "RT @ann: not mine"),
        tweet(2, " RT @ann: not mine"),
        tweet(3, "RT @ann: not mine", retweeted_status=original),
        tweet(4, "not mine", user={"id_str": "300"}),
        tweet(5, "mine", user={"id_str": "100"}),
    ]
    likes = [{"like": {"tweetId": "9", "fullText": "not mine", "expandedUrl": "https://x.com/i/web/status/9"}}]
    records = everything(write(tmp_path, tweets=tweets, like=likes, like_part1=likes))
    assert posts(records).keys() == {"x:5"}
    (repost,) = [record for record in records if isinstance(record, Interaction)]
    assert (repost.actor_id, repost.post_id, repost.post_author_id) == (ME, "x:9", "x:300")
    assert (repost.table, repost.interaction_id) == (Table.REPOSTS, "x:3")
    assert reasons(records) == {"someone_elses_words": 3, "unknown_post_author": 2}
    assert "not mine" not in repr(records)


def test_what_was_for_a_circle_or_a_community_is_not_licensed_from_the_tweets_either(tmp_path: Path) -> None:
    tweets = [tweet(number) for number in range(1, 5)]
    records = everything(
        write(tmp_path, tweets=tweets, twitter_circle_tweet=[tweet(1), tweet(8)], community_tweet=[tweet(2)])
    )
    assert posts(records).keys() == {"x:3", "x:4"}
    assert reasons(records) == {"circle_only": 3, "community_only": 2}


def test_a_circle_file_that_is_not_whole_leaves_no_tweet_public(tmp_path: Path) -> None:
    whole = json.dumps([tweet(1), tweet(2)])
    for circle in (whole[:-40], json.dumps(tweet(1)), [tweet(1), {}], [tweet(1), 7], "?"):
        records = everything(write(tmp_path, tweets=[tweet(1), tweet(2), tweet(3)], twitter_circle_tweet=circle))
        assert not posts(records)
        assert reasons(records)["unknown_visibility"] >= 2


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("community_id_str", "7", "community_only"),
        ("ext_trusted_friends_metadata", {"metadata": {}}, "circle_only"),
        ("exclusive_tweet_info", {"creator": "1"}, "members_only"),
        ("withheld_in_countries", ["DE"], "withheld"),
        ("withheld_copyright", True, "withheld"),
        ("scopes", {"followers": False}, "unknown_visibility"),
        ("limited_actions", "limit_trusted_friends_tweet", "unknown_visibility"),
        ("limited_actions", ["?"], "unknown_visibility"),
        ("created_at", "Mon Jan 01 2024", "unknown_time"),
        ("created_at", "Mon Jan 32 12:00:00 +0000 2024", "unknown_time"),
        ("created_at", "2009-01-01 00:00:00 +0000", "unknown_time"),
        ("created_at", None, "unknown_time"),
        ("full_text", "", "no_text"),
        ("full_text", ["?"], "no_text"),
        ("full_text", "\ud800", "unreadable_text"),
        ("id_str", "1.5", "malformed_id"),
        ("id_str", "", "unknown_post"),
        ("edit_info", {"initial": {"editTweetIds": ["?"]}}, "malformed_id"),
        ("edit_info", {"initial": {"editTweetIds": "1"}}, "malformed_row"),
    ],
)
def test_a_doubtful_tweet_costs_itself_only(tmp_path: Path, field: str, value: object, reason: str) -> None:
    records = everything(write(tmp_path, tweets=[{"tweet": tweet(1)["tweet"] | {field: value}}, tweet(2)]))
    assert posts(records).keys() == {"x:2"}
    assert reasons(records) == {reason: 1}


def test_words_are_as_they_were_typed(tmp_path: Path) -> None:
    text = "1 &lt; 2 &amp;&amp; 3 &gt; 2, typed: &amp;lt; &copy; https://t.co/x"
    (post,) = posts(everything(write(tmp_path, tweets=[tweet(1, text)]))).values()
    assert post.text == "1 < 2 && 3 > 2, typed: &lt; &copy; https://t.co/x"


@pytest.mark.parametrize(
    ("stated", "lang"),
    [("en", "en"), ("zh-cn", "zh"), ("in", "id"), ("iw", "he"), ("ckb", "ckb"), *((c, "und") for c in ("und", "qme"))],
)
def test_languages_are_named_as_licenses_name_them(tmp_path: Path, stated: str, lang: str) -> None:
    (post,) = posts(everything(write(tmp_path, tweets=[tweet(1, lang=stated)]))).values()
    assert post.lang == lang


def test_a_quote_is_named_only_where_the_tweet_names_it(tmp_path: Path) -> None:
    entities = {"urls": [{"expanded_url": "https://twitter.com/ann/status/9"}]}
    tweets = [tweet(1, entities=entities), tweet(2, entities=entities, quoted_status_id_str="9")]
    found = posts(everything(write(tmp_path, tweets=tweets)))
    assert [found[name].quote_of for name in ("x:1", "x:2")] == ["", "x:9"]


def test_a_deleted_tweet_is_a_deletion_and_its_words_are_gone(tmp_path: Path) -> None:
    header = {"tweet": {"tweet_id": "3", "user_id": "100", "created_at": WHEN, "deleted_at": WHEN}}
    write(tmp_path, deleted_tweets=[tweet(2, "regretted")], deleted_tweet_headers=[header, {"tweet": {}}])
    records = everything(tmp_path)
    expected = [(table, f"x:{n}", ME) for n in (2, 3) for table in (Table.POSTS, Table.REPOSTS)]
    assert [(r.table, r.record_id, r.member_id) for r in records if isinstance(r, Deletion)] == expected
    assert reasons(records) == {"unknown_post": 1}
    assert "regretted" not in repr(records)


def test_a_deletion_stands_where_the_account_is_not_known(tmp_path: Path) -> None:
    records = everything(write(tmp_path, known=False, deleted_tweets=[tweet(2)]))
    assert [asdict(r)["record_id"] for r in records] == ["x:2", "x:2"]


def test_of_an_edited_tweet_only_the_newest_version_stands(tmp_path: Path) -> None:
    first = {"initial": {"editTweetIds": ["9", "10"], "editsRemaining": "4"}}
    later = {"edit": {"initialTweetId": "9", "editControlInitial": {"editTweetIds": ["9", "10"]}}}
    tweets = [tweet(9, "frist", edit_info=first), tweet(10, "first", edit_info=later)]
    records = everything(write(tmp_path, tweets=tweets))
    assert [post.text for post in posts(records).values()] == ["first"]
    assert {r.record_id for r in records if isinstance(r, Deletion)} == {"x:9"}
    assert "frist" not in repr(records)


def test_an_edit_that_is_set_aside_withdraws_the_older_version_all_the_same(tmp_path: Path) -> None:
    info = {"initial": {"editTweetIds": ["9", "10"]}}
    _, gone, skipped = everything(write(tmp_path, tweets=[tweet(10, "", edit_info=info)]))
    assert isinstance(gone, Deletion)
    assert (gone.record_id, gone.superseded) == ("x:9", False)
    assert isinstance(skipped, Skipped)


def test_a_post_has_one_text_however_often_it_comes(tmp_path: Path) -> None:
    records = everything(write(tmp_path, tweets=[tweet(1, "one"), tweet(1, "two")], tweets_part1=[tweet(1, "three")]))
    assert len(posts(records)) == 1
    assert reasons(records) == {"read_already": 2}


def test_a_long_post_has_its_whole_text_under_its_tweets_id(tmp_path: Path) -> None:
    tweets = [tweet(1, f"@ann @bob {SHORT}"), tweet(2, "at the same time"), tweet(3, created_at=WHEN[:-1] + "5")]
    records = everything(write(tmp_path, tweets=tweets, note_tweet=[note(LONG.replace("and", "&amp;"))]))
    assert posts(records)["x:1"].text == f"@ann @bob {SHORT}"
    assert reasons(records) == {"unknown_post": 1}
    records = everything(write(tmp_path, tweets=tweets, note_tweet=[note()]))
    found = posts(records)
    assert (found["x:1"].text, found["x:2"].text) == (LONG, "at the same time")
    assert reasons(records) == {"read_already": 1}


def test_a_note_that_names_its_tweet_needs_no_guess(tmp_path: Path) -> None:
    notes = [note("whole", "2020-01-01T00:00:00.000Z", tweetId="1")]
    assert posts(everything(write(tmp_path, tweets=[tweet(1)], note_tweet=notes)))["x:1"].text == "whole"


@pytest.mark.parametrize(
    ("tweets", "notes"),
    [
        ([tweet(1, SHORT)], [note(at="2024-01-01T12:00:09.000Z")]),
        ([tweet(1, SHORT)], [note(), note(LONG + "again")]),
        ([tweet(1, SHORT), tweet(2, SHORT)], [note()]),
        ([tweet(1, "It was")], [note()]),
        ([tweet(1, SHORT)], [note("RT @ann: " + LONG)]),
        ([tweet(1, SHORT)], [note(at="noon")]),
        ([tweet(1, SHORT)], [note()] * 40),
    ],
)
def test_in_doubt_a_post_keeps_its_short_text(tmp_path: Path, tweets: list[Any], notes: list[Any]) -> None:
    records = everything(write(tmp_path, tweets=tweets, note_tweet=notes))
    assert [post.text for post in posts(records).values()] == [entry["tweet"]["full_text"] for entry in tweets]
    assert sum(reasons(records).values()) == len(notes)
    assert "read_already" not in reasons(records)


def test_a_protected_account_licenses_nothing(tmp_path: Path) -> None:
    history = switched(("2024-06-01T00:00:00.000Z", "Protect"), ("2023-06-01T00:00:00.000Z", "Unprotect"))
    records = everything(write(tmp_path, tweets=[tweet(1)], protected_history=history))
    assert member(records).protection is Protection.PROTECTED
    assert (posts(records), reasons(records)) == ({}, {"protected": 1})


def test_what_was_written_for_followers_stays_with_them_after_the_account_opens(tmp_path: Path) -> None:
    history = switched(("2024-01-01T12:00:00.400Z", "Protect"), ("2024-01-02T12:00:00.000Z", "Unprotect"))
    times = {1: "Mon Jan 01 11:59:58", 2: "Mon Jan 01 12:00:00", 3: "Tue Jan 02 11:59:59", 4: "Tue Jan 02 12:00:01"}
    tweets = [tweet(number, created_at=f"{time} +0000 2024") for number, time in times.items()]
    records = everything(write(tmp_path, tweets=tweets, protected_history=history))
    assert member(records).protection is Protection.OPEN
    assert posts(records).keys() == {"x:1", "x:4"}
    assert reasons(records) == {"protected": 2}


def test_before_the_first_unprotect_everything_was_protected(tmp_path: Path) -> None:
    history = switched(("2024-01-02T00:00:00.000Z", "Unprotect"))
    assert not posts(everything(write(tmp_path, tweets=[tweet(1)], protected_history=history)))


@pytest.mark.parametrize("entry", [("noon", "Unprotect"), ("2024-01-01T00:00:00Z", "Hide"), ("", "")])
def test_of_a_history_with_an_unreadable_entry_nothing_is_believed(tmp_path: Path, entry: tuple[str, str]) -> None:
    history = switched(("2023-01-01T00:00:00.000Z", "Unprotect"), entry)
    records = everything(write(tmp_path, tweets=[tweet(1)], protected_history=history))
    assert member(records).protection is Protection.UNKNOWN
    assert reasons(records) == {"malformed_member": 1, "unknown_visibility": 1}


def test_a_suspension_is_told(tmp_path: Path) -> None:
    states = [{"accountSuspension": {"timeStamp": "2024-01-01T00:00:00.000Z", "action": "Suspend"}}]
    assert member(everything(write(tmp_path, account_suspension=states))).status is AccountStatus.SUSPENDED


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    write(tmp_path, direct_messages=[{"dmConversation": {"text": "psst"}}], follower=[], tweets=[tweet(1)])
    records = everything(tmp_path)
    assert reasons(records) == {"direct_message": 1, "not_a_record": 1}
    assert "psst" not in repr(records)


actions = st.sampled_from(["Protect", "Unprotect", "protect", "?", "", None])
moments = st.sampled_from(
    ["2023-01-01T00:00:00.000Z", "2024-01-01T12:00:00Z", "2025-01-01T00:00:00.000Z", "noon", None]
)
visibility_fields = st.fixed_dictionaries(
    {},
    optional={
        "scopes": st.sampled_from([None, {}, {"followers": True}]),
        "community_id_str": st.sampled_from([None, "", "5", 5]),
        "limited_actions": st.sampled_from([None, "", "limited_replies", "?", 1]),
        "withheld_in_countries": st.sampled_from([None, [], ["FR"], "?"]),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(st.tuples(moments, actions), max_size=3),
    fields=visibility_fields,
    circle=st.lists(st.integers(1, 3), max_size=2),
)
def test_a_public_post_comes_only_from_what_says_public(
    tmp_path: Path, history: list[Any], fields: dict[str, Any], circle: list[int]
) -> None:
    entries = [{"protectedHistory": {"protectedAt": at, "action": action}} for at, action in history]
    write(tmp_path, tweets=[tweet(1, **fields)], protected_history=entries, twitter_circle_tweet=[*map(tweet, circle)])
    found = posts(everything(tmp_path))
    told = [(at, action.lower()) for at, action in history if at and at != "noon" and action in actions_known]
    shown = all(not fields.get(name) for name in ("scopes", "community_id_str", "withheld_in_countries"))
    never_protected = len(told) == len(history) and not any(action == "protect" for _, action in told)
    opened_before = all(at < "2024" for at, _ in told)
    public = shown and fields.get("limited_actions") in {None, "", "limited_replies"} and 1 not in circle
    if found:
        assert public
        assert len(told) == len(history)
    if public and never_protected and opened_before:
        assert found


actions_known = {"Protect", "Unprotect", "protect"}


def lifelike(folder: Path) -> Path:
    """Write an export with every kind of file, for tests that damage it."""
    return write(
        folder,
        tweets=[tweet(1), tweet(2, "RT @ann: hers"), tweet(3, SHORT), tweet(4, edit_info=EDITED), tweet(5, lang="qme")],
        note_tweet=[note()],
        like=[{"like": {"tweetId": "9", "fullText": "hers"}}],
        deleted_tweets=[tweet(6)],
        deleted_tweet_headers=[{"tweet": {"tweet_id": "7", "user_id": "100"}}],
        twitter_circle_tweet=[tweet(5)],
        community_tweet=[tweet(8)],
        protected_history=switched(("2020-01-01T00:00:00.000Z", "Unprotect")),
    )


EDITED = {"initial": {"editTweetIds": ["3000", "4"]}}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_export_never_raises_and_never_gives_a_closed_post(data: st.DataObject, tmp_path: Path) -> None:
    folder = lifelike(tmp_path)
    file = data.draw(st.sampled_from(sorted((folder / "data").iterdir())))
    mutated = bytearray(file.read_bytes())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, 5000), st.integers(-1, 255)), max_size=5)):
        place = at % len(mutated)
        mutated[place : place + 1] = b"" if byte < 0 else bytes([byte])
    file.write_bytes(mutated)
    check(folder)


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=odd)
def test_every_tweet_gives_something_whatever_one_value_is(data: st.DataObject, value: object, tmp_path: Path) -> None:
    entry = tweet(
        1, edit_info={"initial": {"editTweetIds": ["1"]}}, retweeted_status={"id_str": "9", "user": {"id_str": "300"}}
    )
    part: dict[str, Any] = entry
    while True:
        key = data.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = value
    _, *records = check(write(tmp_path, tweets=[entry, tweet(2)]))
    assert len(records) >= 2
    assert "x:2" in posts(records)


def check(path: Path) -> list[Ingested]:
    """Read an export: every reason is known, no person's contact comes out, and no post is other than public."""
    try:
        records = everything(path)
    except InputError:
        return []
    assert reasons(records).keys() <= SKIP_REASONS.keys()
    for post in posts(records).values():
        assert post.visibility is Visibility.PUBLIC
        assert post.text.encode()
        assert "hers" not in post.text or "RT" not in post.text
    assert "@example.com" not in repr(records)
    return records


def test_the_order_of_the_tweets_changes_nothing(tmp_path: Path) -> None:
    entries = [tweet(1, SHORT), *(tweet(n, f"number {n}") for n in range(2, 30))]
    first = posts(everything(write(tmp_path, tweets=entries, note_tweet=[note()])))
    random.Random(7).shuffle(entries)  # noqa: S311 - no secret
    assert posts(everything(write(tmp_path, tweets=entries, note_tweet=[note()]))) == first
