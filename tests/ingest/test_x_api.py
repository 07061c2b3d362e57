"""X API v2: real pages become their authors' posts, id-only interactions and account states, whatever they may hold."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.opened import Opened, open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.ingest.said import Said
from licet.ingest.x_api import read, read_page, sees
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, Member, Protection
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, Skipped, Table, Visibility

OBSERVED = datetime(2023, 1, 8, 23, 2, 38, tzinfo=UTC)
NOT_PAGES = ("empty", "tweets_compliance", "users_compliance")


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


def held(data: bytes, name: str = "pages.jsonl") -> Opened:
    """Open bytes as an input of one part."""
    return Opened(name=name, parts=(Held(name, data),))


@pytest.fixture(scope="module")
def twarc(test_data: Path) -> Path:
    """The folder of pages that twarc wrote."""
    return test_data / "x_api_samples" / "v2_twarc"


@pytest.fixture(scope="module")
def tweepy(test_data: Path) -> dict[str, list[Any]]:
    """The answers that tweepy recorded, by the name of the call; they are pages without a word on the request."""
    folder = test_data / "x_api_samples" / "v2_tweepy"
    calls = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    return {name: [call["body"] for call in recorded] for name, recorded in calls.items()}


@pytest.fixture(scope="module")
def pages(twarc: Path) -> list[dict[str, Any]]:
    """Every real page and flat tweet that is whole, each cut to a size that can be mutated often."""
    lines = [line for path in sorted(twarc.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return [_cut(json.loads(line)) for line in lines if line.endswith(b"}")]


def _cut(page: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(page, dict):
        return {key: _cut(value) for key, value in page.items()}
    return [_cut(value) for value in page[:4]] if isinstance(page, list) else page


def records(path: Path) -> list[Ingested]:
    """Read a file."""
    with open_input(path) as source:
        return list(read(source))


def told(page: object) -> list[Ingested]:
    """Read one page."""
    return list(read_page(page, "here", Said()))


def user(number: str = "7", **fields: object) -> dict[str, object]:
    """Make an account that shows its posts to everybody."""
    return {"id": number, "name": "Ann", "username": "ann", "protected": False} | fields


def tweet(number: str = "100", author: str = "7", **fields: object) -> dict[str, object]:
    """Make a tweet."""
    stated = {
        "id": number,
        "author_id": author,
        "created_at": "2022-10-03T17:57:11.000Z",
        "text": "hello",
        "lang": "en",
    }
    return stated | {"edit_history_tweet_ids": [number]} | fields


def page(*tweets: object, users: tuple[object, ...] = (user(),), url: str = "", **fields: object) -> dict[str, Any]:
    """Make a page; with a URL also what twarc writes down of the request."""
    stated = {"data": list(tweets), "includes": {"users": list(users)}} | fields
    return stated | ({"__twarc": {"url": url, "retrieved_at": "2023-01-08T23:02:38+00:00"}} if url else {})


def reasons(found: list[Ingested]) -> list[str]:
    """Give why things were set aside."""
    return [record.reason for record in found if isinstance(record, Skipped)]


def posts(found: list[Ingested]) -> list[Post]:
    """Give the posts."""
    return [record for record in found if isinstance(record, Post)]


def interactions(found: list[Ingested]) -> list[Interaction]:
    """Give the interactions."""
    return [record for record in found if isinstance(record, Interaction)]


def test_every_real_page_is_recognized_and_nothing_else_is(test_data: Path, twarc: Path) -> None:
    samples = test_data / "x_api_samples"
    for path in sorted(twarc.iterdir()):
        with open_input(path) as source:
            assert bool(sees(source)) == (path.stem not in NOT_PAGES), path.stem
    ours = {samples / "v2_twarc", samples / "v2_tweepy"}
    others = [path for path in test_data.rglob("*.js*") if path.suffix != ".zst" and path.parent not in ours]
    assert len(others) > 3
    for path in others:
        with open_input(path) as source:
            assert not sees(source), path.name


def test_recorded_pages_are_recognized_also_where_little_was_asked_for(tweepy: dict[str, list[Any]]) -> None:
    for call in ("get_tweets", "get_users_tweets", "get_liked_tweets", "get_liking_users", "get_quote_tweets"):
        body = json.dumps(tweepy[call][0], indent=1).encode()
        assert sees(held(body, "answer.json")) == "pages of the X API v2 in 1 file"
    for call in ("like_and_unlike", "hide_and_unhide_reply"):
        assert not sees(held(json.dumps(tweepy[call][0]).encode()))


@pytest.mark.parametrize(
    "line",
    [
        b'{"data": {"delete": {"tweet": {"id": "1", "author_id": "2"}, "event_at": "2022-12-23T12:34:56.789Z"}}}',
        b'{"data": [{"id": "17841400000000000", "username": "ann", "name": "Ann"}], "paging": {}}',
        b'{"data": [{"id": "1_2", "message": "hello", "created_time": "2022-10-03T17:57:11+0000"}]}',
        b'{"kind": "Listing", "data": {"children": [], "author_id": 1}}',
        b'{"id": 1, "text": "hello", "user": {"id": 2}, "edit_history_tweet_ids": []}',
        b"[1, 2]",
        b"\x00\xff{",
        b"",
    ],
)
def test_what_only_looks_alike_is_not_recognized(line: bytes) -> None:
    assert sees(held(line)) == ""


def test_a_page_is_recognized_after_a_damaged_line() -> None:
    assert sees(held(b'{"data": [{"id"\n' + json.dumps(page(tweet())).encode()))


def test_a_tweet_becomes_its_authors_public_post() -> None:
    member, post = told(page(tweet("100", "7", lang="en")))
    assert isinstance(member, Member)
    assert (member.member_id, member.protection, member.status) == ("x:7", Protection.OPEN, AccountStatus.ACTIVE)
    assert isinstance(post, Post)
    assert (post.post_id, post.author_id, post.text, post.lang) == ("x:100", "x:7", "hello", "en")
    assert post.visibility is Visibility.PUBLIC
    assert post.created_at == datetime(2022, 10, 3, 17, 57, 11, tzinfo=UTC)


def test_every_real_tweet_account_and_problem_gives_something(twarc: Path) -> None:
    for path in sorted(twarc.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines() if path.stem not in NOT_PAGES else ():
            if line.endswith("}"):
                whole = json.loads(line)
                found = Counter(type(record).__name__ for record in told(whole))
                data, includes = whole.get("data", [whole]), whole.get("includes", {})
                items = data if isinstance(data, list) else [data]
                users = sum("username" in item for item in items)
                owed = len(items) - users + len(whole.get("errors", ()))
                owed += sum(len(values) for kind, values in includes.items() if kind != "users")
                assert found.total() - found["Member"] >= owed, path.stem
                assert found["Member"] >= users


def test_a_flat_file_and_the_pages_it_was_made_of_give_the_same(twarc: Path) -> None:
    flat, whole = records(twarc / "flat.jsonl"), records(twarc / "noflat.jsonl")
    assert {post.post_id: post for post in posts(flat)} == {post.post_id: post for post in posts(whole)}
    assert set(interactions(flat)) == set(interactions(whole))
    assert len(set(interactions(whole))) == 47


def test_a_document_on_many_lines_is_read_like_a_page_on_one(twarc: Path) -> None:
    whole = json.loads((twarc / "noflat.jsonl").read_text(encoding="utf-8"))
    pretty = list(read(held(json.dumps(whole, indent=2).encode(), "page.json")))
    assert [r for r in pretty if not isinstance(r, Skipped)] == [
        r for r in records(twarc / "noflat.jsonl") if not isinstance(r, Skipped)
    ]


def test_members_come_before_their_records_and_their_location_is_no_region(twarc: Path) -> None:
    for path in sorted(twarc.glob("*.jsonl")):
        seen = set()
        for record in records(path) if path.stem not in NOT_PAGES else ():
            if isinstance(record, Member):
                assert (record.region, record.age_band) == ("unknown", "unknown")
                seen.add(record.member_id)
            elif isinstance(record, Post):
                assert record.author_id in seen


def test_a_real_repost_is_ids_only_and_never_its_words(twarc: Path) -> None:
    for path in sorted(twarc.glob("*.jsonl")):
        found = records(path) if path.stem not in NOT_PAGES else []
        assert not [post for post in posts(found) if post.text.startswith("RT @")]
        for repost in interactions(found):
            assert repost.table is Table.REPOSTS
            assert repost.interaction_id not in {"", repost.post_id}
    page_ = json.loads((twarc / "brexit.jsonl").read_text(encoding="utf-8"))
    authors = {f"x:{t['id']}": f"x:{t['author_id']}" for t in page_["includes"]["tweets"]}
    reposts = interactions(told(page_))
    assert len(reposts) == sum(t["text"].startswith("RT @") for t in page_["data"])
    assert all(repost.post_author_id == authors[repost.post_id] for repost in reposts)


def test_a_repost_whose_original_is_not_in_the_page_is_set_aside() -> None:
    repost = tweet(text="RT @bob: truncated…", referenced_tweets=[{"type": "retweeted", "id": "99"}])
    assert reasons(told(page(repost))) == ["unknown_post_author"]


def test_a_repost_that_is_only_told_by_its_text_is_set_aside(tweepy: dict[str, list[Any]]) -> None:
    assert reasons(told(page(tweet(text="RT @bob: hello")))) == ["someone_elses_words"]
    assert not posts(told(tweepy["get_quote_tweets"][0]))


def test_replies_and_quotes_are_carried(twarc: Path) -> None:
    found = {post.post_id: post for post in posts(records(twarc / "quoted_edit.jsonl"))}
    quoting = found[next(name for name in found if name == "x:1576995594388000768")]
    assert (quoting.in_reply_to, quoting.quote_of) == ("x:1576994789110992896", "x:1576994746135764992")


def test_a_long_post_is_read_in_full() -> None:
    (post,) = posts(told(page(tweet(text="the first 280…", note_tweet={"text": "the whole of it &amp; more"}))))
    assert post.text == "the whole of it & more"


@pytest.mark.parametrize("name", ["edited", "edited_before", "edited_after", "quoted_edit"])
def test_only_the_newest_version_of_a_real_edited_post_stands(twarc: Path, name: str) -> None:
    found = records(twarc / f"{name}.jsonl")
    gone = {(r.record_id, r.member_id, r.superseded) for r in found if isinstance(r, Deletion)}
    assert gone == {("x:1576994746135764992", "x:337119125", False)}
    kept = {post.post_id for post in posts(found)}
    assert "x:1576994789110992896" in kept
    assert "x:1576994746135764992" not in kept


def test_an_older_version_falls_also_where_its_author_is_not_told() -> None:
    found = told(page(tweet(author_id=None, edit_history_tweet_ids=["99", "100"])))
    assert [r.record_id for r in found if isinstance(r, Deletion)] == ["x:99"]
    assert reasons(found) == ["unknown_author"]


def test_what_is_withheld_in_real_pages_is_hidden_where_it_may_be_known(twarc: Path) -> None:
    found = records(twarc / "withheld.jsonl")
    assert reasons(found).count("withheld") == 15
    hidden = [r for r in found if isinstance(r, Hiding)]
    assert all(r.hidden and r.at.tzinfo for r in hidden)
    assert {"x:1388424788171841537"} <= {r.record_id for r in hidden}
    assert not {r.record_id for r in hidden} & {post.post_id for post in posts(found)}
    closed = [r for r in found if isinstance(r, AccountChange) and r.status is AccountStatus.SUSPENDED]
    assert len(closed) == 5


def test_the_platforms_own_sentence_in_place_of_a_post_is_nobodys_post(twarc: Path) -> None:
    open_, closed = (records(twarc / f"media_policy_violation_{state}.jsonl") for state in ("off", "on"))
    assert not [post for post in posts(closed) if "temporarily unavailable" in post.text]
    assert reasons(closed).count("withheld") == len(posts(open_)) - len(posts(closed)) == 60


def test_a_post_of_a_protected_account_is_set_aside_and_the_account_is_closed() -> None:
    found = told(page(tweet(), users=(user(protected=True),)))
    assert not posts(found)
    assert reasons(found) == ["protected"]
    assert [r.protection for r in found if isinstance(r, AccountChange)] == [Protection.PROTECTED]


def test_of_two_statements_on_an_account_the_stricter_counts() -> None:
    for users in ((user(protected=True), user()), (user(), user(protected=True))):
        assert reasons(told(page(tweet(), users=users))) == ["protected"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (page(tweet(), users=()), "unknown_visibility"),
        (page(tweet(), users=({"id": "7", "username": "ann", "name": "Ann"},)), "unknown_visibility"),
        (page(tweet(), users=(user(protected="false"),)), "unknown_visibility"),
        (page(tweet(), users=(user(withheld={"country_codes": ["IN"]}),)), "withheld"),
        (page(tweet(withheld={"country_codes": ["DE"]})), "withheld"),
        (page(tweet(withheld={})), "withheld"),
        (page(tweet(community_id="12")), "community_only"),
        (page(tweet(author_id=None)), "unknown_author"),
        (page(tweet(author_id="ann")), "malformed_id"),
        (page(tweet(id=None)), "unknown_post"),
        (page(tweet(id=1.5)), "malformed_id"),
        (page(tweet(created_at=None)), "unknown_time"),
        (page(tweet(created_at="2022-10-03")), "unknown_time"),
        (page(tweet(text=None)), "no_text"),
        (page(tweet(edit_history_tweet_ids="100,99")), "malformed_row"),
        (page(7), "malformed_row"),
        (page({"start": "2021", "tweet_count": 3}), "not_a_record"),
        (
            page({"id": "1", "text": "psst", "event_type": "MessageCreate", "dm_conversation_id": "1-2"}),
            "direct_message",
        ),
        ({"meta": {"result_count": 0}}, "not_a_record"),
        ({"errors": [{"title": "operational-disconnect"}]}, "not_a_record"),
        ({"id": "1"}, "malformed_event"),
        ([], "malformed_row"),
    ],
)
def test_what_is_doubtful_or_not_public_is_set_aside_by_name(found: object, reason: str) -> None:
    records_ = told(found)
    assert reasons(records_) == [reason]
    assert not posts(records_)
    assert reason in SKIP_REASONS


def test_a_list_of_likes_gives_the_likes_of_whoever_was_asked_about() -> None:
    for table, path in ((Table.LIKES, "liked_tweets?max_results=5"), (Table.BOOKMARKS, "bookmarks")):
        url = f"https://api.twitter.com/2/users/12/{path}"
        found = told(page(tweet("100", "7"), users=(user("7"),), url=url))
        (liked,) = interactions(found)
        assert (liked.table, liked.actor_id, liked.post_id, liked.post_author_id) == (table, "x:12", "x:100", "x:7")
        assert liked.created_at == OBSERVED
        assert [member.member_id for member in found if isinstance(member, Member)] == ["x:12", "x:7"]
        assert [post.post_id for post in posts(found)] == ["x:100"]


def test_a_liked_repost_is_a_like_of_the_post() -> None:
    repost = tweet("101", "8", text="RT @ann: hello", referenced_tweets=[{"type": "retweeted", "id": "100"}])
    found = told(
        page(
            repost,
            url="https://api.x.com/2/users/12/liked_tweets",
            includes={"users": [user("7"), user("8")], "tweets": [tweet("100", "7")]},
        )
    )
    assert {(r.table, r.post_id, r.post_author_id) for r in interactions(found)} == {
        (Table.LIKES, "x:100", "x:7"),
        (Table.REPOSTS, "x:100", "x:7"),
    }


def test_likes_without_a_time_an_author_or_an_audience_are_set_aside() -> None:
    url = "https://api.twitter.com/2/users/12/liked_tweets"
    untimed = page(tweet(), __twarc={"url": url})
    assert reasons(told(untimed)) == ["unknown_time"]
    assert reasons(told(page(tweet(author_id=None), url=url))) == ["unknown_author", "unknown_post_author"]
    assert reasons(told(page(tweet(), users=(user(protected=True),), url=url))) == ["protected", "protected"]
    assert reasons(told(page(tweet(withheld={"country_codes": ["IN"]}), url=url))) == ["withheld", "withheld"]
    assert reasons(told(page(tweet(), users=(user(), user("12", protected=True)), url=url))) == ["protected"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://api.twitter.com/2/users/12/liked_tweets_of_friends",
        "https://api.twitter.com/2/users/12/tweets",
        "https://example.test/2/users/12/liked_tweets",
        "https://api.twitter.com/2/users/0/liked_tweets",
    ],
)
def test_a_page_that_does_not_tell_whose_likes_it_lists_has_no_likes(url: str) -> None:
    found = told(page(tweet(), url=url))
    assert not interactions(found)
    assert len(posts(found)) == 1


def test_recorded_likes_and_bookmarks_name_nobody(tweepy: dict[str, list[Any]]) -> None:
    for body in (*tweepy["get_liked_tweets"], *tweepy["bookmarks"]):
        found = told(body)
        assert not interactions(found)
        assert not posts(found)


def test_real_lists_of_users_give_their_accounts(twarc: Path, tweepy: dict[str, list[Any]]) -> None:
    found = records(twarc / "users.jsonl")
    members = [r for r in found if isinstance(r, Member)]
    assert len(members) == 96
    assert sum(r.protection is Protection.PROTECTED for r in members) == 1
    assert len(posts(found)) > 40
    for call in ("get_liking_users", "get_retweeters"):
        users = tweepy[call][0]["data"]
        states = [r for r in told(tweepy[call][0]) if isinstance(r, Member)]
        assert [r.member_id for r in states] == [f"x:{u['id']}" for u in users]
        assert {r.protection for r in states} == {Protection.UNKNOWN}


def problem(detail: str, kind: str, resource: str, number: str, parameter: str = "ids") -> dict[str, object]:
    """Make an entry of a page's errors."""
    problem_type = f"https://api.twitter.com/2/problems/{kind}"
    stated: dict[str, object] = {
        "detail": detail,
        "type": problem_type,
        "resource_type": resource,
        "resource_id": number,
    }
    return stated | {"parameter": parameter, "value": number, "title": "?"}


@pytest.mark.parametrize(
    ("entry", "status", "protection"),
    [
        (problem("User has been suspended: [9].", "resource-not-found", "user", "9"), "suspended", "unknown"),
        (problem("Could not find user.", "resource-not-found", "user", "9"), "deactivated", "unknown"),
        (problem("Sorry, you are not authorized", "not-authorized-for-resource", "user", "9"), "unknown", "protected"),
    ],
)
def test_an_account_that_cannot_be_shown_is_closed(entry: dict[str, object], status: str, protection: str) -> None:
    (change,) = told({"errors": [entry]})
    assert isinstance(change, AccountChange)
    assert (change.member_id, change.status, change.protection) == ("x:9", status, protection)


def test_a_post_that_cannot_be_shown_is_hidden_as_of_the_answer() -> None:
    entry = problem("Could not find tweet", "resource-not-found", "tweet", "99", "referenced_tweets.id")
    hidden = told({"errors": [entry], "__twarc": {"retrieved_at": "2023-01-08T23:02:38+00:00"}})
    assert {(r.table, r.record_id, r.hidden, r.at) for r in hidden if isinstance(r, Hiding)} == {
        (table, "x:99", True, OBSERVED) for table in (Table.POSTS, Table.REPOSTS)
    }
    assert reasons(told({"errors": [entry]})) == ["not_a_record"]


def test_a_handle_of_digits_is_no_number_of_an_account() -> None:
    entry = problem("User has been suspended: [12345].", "resource-not-found", "user", "12345")
    for parameter in ("entities.mentions.username", "usernames"):
        assert reasons(told({"errors": [entry | {"parameter": parameter}]})) == ["not_a_record"]


def test_a_field_that_may_not_be_seen_says_nothing_of_the_post() -> None:
    entry = problem("not allowed", "not-authorized-for-field", "tweet", "99")
    assert reasons(told({"errors": [entry], "__twarc": {"retrieved_at": "2023-01-08T23:02:38Z"}})) == ["not_a_record"]


def test_places_are_never_given_on(twarc: Path) -> None:
    found = records(twarc / "geo_tweets.jsonl")
    raw = (twarc / "geo_tweets.jsonl").read_text(encoding="utf-8")
    whole = [json.loads(line) for line in raw.splitlines()]
    places = {place["full_name"] for each in whole for place in each["includes"].get("places", ())}
    places |= {str(tweet_["geo"].get("place_id", "Point")) for each in whole for tweet_ in each["data"]}
    assert places
    assert len(posts(found)) == 3
    assert not [place for place in places if place in repr(found)]


def test_a_damaged_line_costs_itself_only(twarc: Path) -> None:
    found = records(twarc / "streaming_output_with_error.jsonl")
    assert reasons(found).count("malformed_row") == 1
    assert len(posts(found)) == 11


def test_a_folder_of_pages_is_read_whole_and_what_is_none_is_named(twarc: Path, tmp_path: Path) -> None:
    for name in ("cotweet", "edited"):
        (tmp_path / f"{name}.jsonl").write_bytes((twarc / f"{name}.jsonl").read_bytes())
    (tmp_path / "broken.json").write_text("{\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with open_input(tmp_path) as source:
        assert sees(source) == "pages of the X API v2 in 2 files"
        found = list(read(source))
    assert len({post.post_id for post in posts(found)}) == 3 - 1
    assert {(r.where, r.reason) for r in found if isinstance(r, Skipped)} == {
        ("broken.json", "malformed_row"),
        ("picture.png", "not_a_record"),
    }


def test_reading_twice_gives_the_same(twarc: Path) -> None:
    assert records(twarc / "withheld.jsonl") == records(twarc / "withheld.jsonl")


stated_values: st.SearchStrategy[object] = st.sampled_from(
    [None, True, False, 0, 1, "", "true", "false", [], {}, {"country_codes": []}, {"country_codes": ["IN"]}, "12"]
)


@settings(max_examples=300, deadline=None)
@given(protected=stated_values, account=stated_values, own=stated_values, community=stated_values, scopes=stated_values)
def test_only_an_account_that_is_said_to_be_open_gives_public_posts(
    protected: object, account: object, own: object, community: object, scopes: object
) -> None:
    author = user(protected=protected, withheld=account)
    found = told(page(tweet(withheld=own, community_id=community, scopes=scopes), users=(author,)))
    for post in posts(found):
        assert post.visibility is Visibility.PUBLIC
        assert protected is False
        assert account in (None, {"country_codes": []})
        assert own in (None, {"country_codes": []})
        assert not community
    assert posts(found) or reasons(found)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("7") | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def _paths(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from _paths(each, (*path, key))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=json_values)
def test_real_pages_with_any_part_replaced_never_raise(
    data: st.DataObject, value: object, pages: list[dict[str, Any]]
) -> None:
    whole: Any = json.loads(json.dumps(data.draw(st.sampled_from(pages))))
    *path, last = data.draw(st.sampled_from(sorted(_paths(whole), key=str)))
    part = whole
    for step in path:
        part = part[step]
    part[last] = value
    check(told(whole))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_real_pages_never_raise(data: st.DataObject, pages: list[dict[str, Any]]) -> None:
    some = data.draw(st.lists(st.sampled_from(pages), min_size=1, max_size=3))
    mutated = bytearray(b"\n".join(json.dumps(each).encode() for each in some))
    at = st.integers(0, len(mutated) - 1)
    for place, byte in data.draw(st.lists(st.tuples(at, st.integers(0, 255)), max_size=6)):
        mutated[place] = byte
    cut = data.draw(st.one_of(st.none(), at))
    if cut is not None:
        del mutated[cut : cut + data.draw(st.integers(1, 40))]
    source = held(bytes(mutated))
    assert isinstance(sees(source), str)
    try:
        check(list(read(source)))
    except InputError:
        return


def check(found: list[Ingested]) -> None:
    """Something comes of every page, with a known reason or with all that a record needs; nothing reopens anything."""
    assert found
    for record in found:
        if isinstance(record, Skipped):
            assert record.reason in SKIP_REASONS
        elif isinstance(record, Post):
            assert record.text.encode()
            assert record.visibility is Visibility.PUBLIC
            assert record.author_id.startswith("x:")
        elif isinstance(record, Interaction):
            assert record.post_author_id.startswith("x:")
            assert record.created_at.tzinfo is not None
        elif isinstance(record, AccountChange):
            assert record.status is not AccountStatus.ACTIVE
            assert record.protection is not Protection.OPEN
        elif isinstance(record, Hiding):
            assert record.hidden
