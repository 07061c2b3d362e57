"""Laws of ingestion over all platforms: twice is once, several ways are one record, deletions win in any order."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.ingest.every_form import (
    TOLD,
    Act,
    bluesky_post,
    bring,
    facts,
    firehose,
    jetstream,
    lines,
    members,
    repository,
    rows,
    sample,
    standing,
    state,
    versions,
    x_export,
)

from licet.ingest.formats import NAMES, NOTHING_TOLD
from licet.ingest.mapping import parse_mapping
from licet.ingest.tabular import read_table
from licet.ingest.write import IngestReport, ingest
from licet.model.records import Table
from licet.store.asof import deletions_as_of
from licet.store.database import reading
from licet.store.facts import last_seq
from licet.store.house import House, open_house

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ANN, CAT = "https://social.example/users/ann", "https://other.example/users/cat"
HOUR = "2024-05-01T00:00:00.000Z"
OLD_HOUR = "Wed May 01 00:00:00 +0000 2024"
NOTE, BOOST, LIKING = f"{ANN}/statuses/1", f"{ANN}/statuses/2/activity", f"{ANN}#likes/3"
TARGET = "at://did:plc:" + "c" * 24 + "/app.bsky.feed.post/3mptbypuw3t2q"

POST = Act(operation="create", rkey="3mptbypuw3t2b", record=bluesky_post("hello"))
SUBJECT = {"createdAt": HOUR, "subject": {"uri": TARGET, "cid": "bafyreib2rxk3rh6kzwq"}}
LIKE = Act(operation="create", rkey="3mptbypuw3t2c", collection="app.bsky.feed.like", record=SUBJECT)
REPOST = Act(operation="create", rkey="3mptbypuw3t2d", collection="app.bsky.feed.repost", record=SUBJECT)
EDIT = Act(operation="update", rkey=POST.rkey, record=bluesky_post("hello again"), rev="3mptbypuw3t2z")

Write = Callable[[Path], Path]


def page(tweets: Sequence[dict[str, Any]], *, url: str = "") -> dict[str, Any]:
    """Make a page of the API, by members 7 and 9, who are open to all."""
    users = [{"id": number, "username": f"user{number}", "name": "A", "protected": False} for number in ("7", "9")]
    whole: dict[str, Any] = {"data": list(tweets), "includes": {"users": users}, "meta": {"result_count": len(tweets)}}
    return whole | ({"__twarc": {"url": url, "retrieved_at": HOUR}} if url else {})


def tweet(number: str, author: str, **changes: object) -> dict[str, Any]:
    """Make a tweet as the API gives it."""
    return {"id": number, "author_id": author, "created_at": HOUR, "text": "hello", "lang": "en"} | changes


def old_tweet(number: str, author: str, **changes: object) -> dict[str, Any]:
    """Make a tweet as exports and the old API write it, with its author inside."""
    user = {"id_str": author, "protected": False}
    return {"id_str": number, "created_at": OLD_HOUR, "full_text": "hello", "lang": "en", "user": user} | changes


def note(**changes: object) -> dict[str, Any]:
    """Make the activity that publishes a post."""
    thing = {"id": NOTE, "type": "Note", "attributedTo": ANN, "published": HOUR, "to": [PUBLIC], "content": "hello"}
    whole = {"id": f"{NOTE}/activity", "type": "Create", "actor": ANN, "published": HOUR, "to": [PUBLIC]}
    return whole | {"object": thing | changes}


def about(kind: str, name: str, thing: object) -> dict[str, Any]:
    """Make another activity of the same account."""
    return {"id": name, "type": kind, "actor": ANN, "published": HOUR, "to": [PUBLIC], "object": thing}


def mastodon(folder: Path, *activities: dict[str, Any], **actor: object) -> Path:
    """Write a Mastodon export."""
    folder.mkdir()
    owner = {"id": ANN, "type": "Person", "inbox": f"{ANN}/inbox", "manuallyApprovesFollowers": False} | actor
    (folder / "actor.json").write_text(json.dumps(owner))
    box = {"id": "outbox.json", "type": "OrderedCollection", "orderedItems": list(activities)}
    (folder / "outbox.json").write_text(json.dumps(box))
    return folder


def account(number: str) -> list[dict[str, Any]]:
    """Make the entry of an X export that says whose it is."""
    return [{"account": {"accountId": number}}]


def declaration(path: Path) -> Path:
    """Write a Bluesky member's declaration that nobody may train on their posts."""
    record = {"$type": "org.user-intents.declaration", "bulkDataset": {"allow": False}}
    path.write_text(jetstream([Act(operation="create", rkey="self", collection=record["$type"], record=record)]))  # type: ignore[arg-type]
    return path


def facebook(folder: Path) -> Path:
    """Write a Facebook export of one post, for everybody, that was edited."""
    data = [{"post": "hello"}, {"update_timestamp": 1_714_600_000}]
    (folder / "posts").mkdir()
    post = {"timestamp": 1_714_521_600, "data": data, "privacy": "Public"}
    (folder / "posts" / "your_posts_1.json").write_text(json.dumps([post]))
    return folder


def written(path: Path, content: str | bytes) -> Path:
    """Write a file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SAID_TWICE: dict[str, Write] = {
    "a mastodon account that will not be indexed": lambda folder: mastodon(folder / "m", note(), indexable=False),
    "a bluesky account that declares": lambda folder: declaration(folder / "e.jsonl"),
    "a bluesky post that was edited": lambda folder: written(folder / "e.jsonl", jetstream([POST, EDIT])),
    "a mastodon post that was edited": lambda folder: mastodon(folder / "m", note(updated="2024-05-02T00:00:00Z")),
    "a facebook post that was edited": facebook,
}


def twice(house: House, path: Path, form: str) -> tuple[IngestReport, IngestReport]:
    """Ingest an input two times, cut into batches in two ways, and see that the second time leaves no trace."""
    told = TOLD.get(form, NOTHING_TOLD)
    first = bring(house, path, told)
    before = (facts(house), versions(house))
    second = bring(house, path, told, batch=17)
    assert (facts(house), versions(house)) == before
    return first, second


@pytest.mark.parametrize("form", NAMES)
def test_the_same_input_twice_changes_nothing(form: str, any_house: House, tmp_path: Path) -> None:
    first, second = twice(any_house, sample(form, tmp_path), form)
    assert any(first.counts.values())
    assert not any(second.counts.values())
    assert second.skipped == first.skipped
    assert second.duplicates >= sum(first.counts.get(table, 0) for table in Table)


@pytest.mark.parametrize("what", SAID_TWICE)
def test_edits_and_denials_read_twice_change_nothing_either(what: str, any_house: House, tmp_path: Path) -> None:
    first, second = twice(any_house, SAID_TWICE[what](tmp_path), "facebook-export" if "facebook" in what else "")
    assert any(first.counts.values())
    assert not any(second.counts.values())


def x_ways(folder: Path) -> dict[str, Path]:
    """Write one post and one repost in every form that X has for them."""
    old = old_tweet("200", "7", retweeted_status=old_tweet("50", "9"))
    bare = [{"tweet": {k: v for k, v in each.items() if k != "user"}} for each in (old_tweet("100", "7"), old)]
    reposted = tweet("200", "7", text="RT @user9: hello", referenced_tweets=[{"type": "retweeted", "id": "50"}])
    shown = page([tweet("100", "7"), reposted])
    shown["includes"]["tweets"] = [tweet("50", "9")]
    return {
        "export": x_export(folder / "export", account=account("7"), tweets=bare),
        "pages": lines(folder / "pages.jsonl", shown),
        "v1": lines(folder / "v1.jsonl", old_tweet("100", "7"), old),
    }


@pytest.mark.parametrize("order", list(itertools.permutations(("export", "pages", "v1"))))
def test_a_post_of_x_is_one_record_whichever_way_it_comes(order: tuple[str, ...], house: House, tmp_path: Path) -> None:
    ways = x_ways(tmp_path)
    for way in order:
        bring(house, ways[way])
    found = [row for row in rows(house, Table.POSTS) if row["post_id"] != "x:50"]
    assert [(row["post_id"], row["author_id"], row["text"]) for row in found] == [("x:100", "x:7", "hello")]
    reposts = [(row["actor_id"], row["post_id"], row["post_author_id"]) for row in rows(house, Table.REPOSTS)]
    assert reposts == [("x:7", "x:50", "x:9")]


def bluesky_ways(folder: Path, history: Sequence[Act], now: Sequence[Act]) -> dict[str, Path]:
    """Write what an account did as both streams, and what it holds now as a repository."""
    return {
        "jetstream": written(folder / "events.jsonl", jetstream(history)),
        "firehose": written(folder / "frames.bin", firehose(history)),
        "repository": written(folder / "repo.car", repository(now)),
    }


@pytest.mark.parametrize("order", list(itertools.permutations(("jetstream", "firehose", "repository"))))
@pytest.mark.parametrize("edits", [[], [EDIT]])
def test_overlapping_inputs_of_bluesky_give_each_record_once(
    order: tuple[str, ...], edits: list[Act], house: House, tmp_path: Path
) -> None:
    newest = [POST, *edits][-1]
    ways = bluesky_ways(tmp_path, [POST, LIKE, REPOST, *edits], [newest, LIKE, REPOST])
    for way in order:
        bring(house, ways[way])
        found = standing(house)
        assert [len(found[table]) for table in (Table.POSTS, Table.LIKES, Table.REPOSTS)] == [1, 1, 1]
    (post,) = standing(house)[Table.POSTS]
    assert post["text"] == newest.record["text"]
    assert len(members(house)) == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_real_moment_is_stored_once_from_both_streams(
    order: tuple[int, int], house: House, test_data: Path, tmp_path: Path
) -> None:
    corpus = test_data / "bluesky" / "jetstream-corpus"
    packed = (corpus / "frames.bin.zst").read_bytes()
    frames = written(tmp_path / "frames.bin", zstandard.ZstdDecompressor().decompressobj().decompress(packed))
    both = (corpus / "expected_v1.jsonl", frames)
    first, second = (bring(house, both[number]) for number in order)
    assert [first.counts[table] for table in (Table.POSTS, Table.LIKES, Table.REPOSTS)] == [17, 105, 15]
    assert not any(second.counts.values())
    assert second.duplicates == 137


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_outbox_and_an_export_of_the_same_account_give_one_record(
    order: tuple[int, int], house: House, tmp_path: Path
) -> None:
    activities = (note(), about("Announce", BOOST, f"{CAT}/statuses/5"))
    both = (mastodon(tmp_path / "m", *activities), lines(tmp_path / "outbox.jsonl", *activities))
    for number in order:
        bring(house, both[number])
    assert [row["post_id"] for row in rows(house, Table.POSTS)] == [NOTE]
    assert [row["post_id"] for row in rows(house, Table.REPOSTS)] == [f"{CAT}/statuses/5"]


def gone(act: Act) -> Act:
    """Make the deletion of a record."""
    return Act(operation="delete", rkey=act.rkey, collection=act.collection, rev="3mptbypuw3t2y")


def liked(path: Path) -> Path:
    """Write the page that tells that member 7 likes a post."""
    return lines(path, page([tweet("50", "9")], url="https://api.twitter.com/2/users/7/liked_tweets"))


def undone(path: Path, event: dict[str, Any]) -> Path:
    """Write an event of a compliance stream."""
    return lines(path, {"data": event})


STATUS = {"status": {"id": 100, "id_str": "100", "user_id": 7, "user_id_str": "7"}}
REPOSTED = tweet("200", "7", text="RT @user9: hello", referenced_tweets=[{"type": "retweeted", "id": "50"}])
CREATIONS: dict[str, dict[str, Write]] = {
    "x post": {
        "export": lambda p: x_export(p, account=account("7"), tweets=[{"tweet": old_tweet("100", "7")}]),
        "page": lambda p: lines(p, page([tweet("100", "7")])),
        "v1": lambda p: lines(p, old_tweet("100", "7")),
    },
    "x repost": {
        "page": lambda p: lines(
            p, page([REPOSTED]) | {"includes": page([])["includes"] | {"tweets": [tweet("50", "9")]}}
        ),
        "v1": lambda p: lines(p, old_tweet("200", "7", retweeted_status=old_tweet("50", "9"))),
    },
    "x like": {"page": liked},
    **{
        f"bluesky {name}": {
            "jetstream": lambda p, act=act: written(p, jetstream([act])),
            "firehose": lambda p, act=act: written(p, firehose([act])),
            "repository": lambda p, act=act: written(p, repository([act])),
        }
        for name, act in {"post": POST, "like": LIKE, "repost": REPOST}.items()
    },
    "activitypub post": {
        "outbox": lambda p: lines(p, note()),
        "export": lambda p: mastodon(p, note()),
    },
    "activitypub repost": {"outbox": lambda p: lines(p, about("Announce", BOOST, f"{CAT}/statuses/5"))},
    "activitypub like": {"outbox": lambda p: lines(p, about("Like", LIKING, f"{CAT}/statuses/5"))},
}
DELETIONS: dict[str, dict[str, Write]] = {
    "x post": {
        "export": lambda p: x_export(p, account=account("7"), deleted_tweets=[{"tweet": old_tweet("100", "7")}]),
        "compliance": lambda p: undone(p, {"delete": {"tweet": {"id": "100", "author_id": "7"}, "event_at": HOUR}}),
        "result": lambda p: lines(p, {"id": "100", "action": "delete", "reason": "deleted", "created_at": HOUR}),
        "v1": lambda p: lines(p, {"delete": STATUS}),
    },
    "x repost": {
        "compliance": lambda p: undone(p, {"delete": {"tweet": {"id": "200", "author_id": "7"}, "event_at": HOUR}}),
    },
    "x like": {
        "compliance": lambda p: undone(p, {"delete": {"favorite": {"id": "50", "user_id": "7"}, "event_at": HOUR}}),
    },
    **{
        f"bluesky {name}": {
            "jetstream": lambda p, act=act: written(p, jetstream([gone(act)])),
            "firehose": lambda p, act=act: written(p, firehose([gone(act)])),
        }
        for name, act in {"post": POST, "like": LIKE, "repost": REPOST}.items()
    },
    "activitypub post": {
        "outbox": lambda p: lines(p, about("Delete", f"{NOTE}#delete", {"id": NOTE, "type": "Tombstone"})),
    },
    "activitypub repost": {
        "outbox": lambda p: lines(
            p, about("Undo", f"{BOOST}/undo", {"id": BOOST, "type": "Announce", "object": f"{CAT}/statuses/5"})
        ),
    },
    "activitypub like": {
        "outbox": lambda p: lines(
            p, about("Undo", f"{LIKING}/undo", {"type": "Like", "actor": ANN, "object": f"{CAT}/statuses/5"})
        ),
    },
}
PAIRS = [(what, how, by) for what in CREATIONS for how in CREATIONS[what] for by in DELETIONS[what]]
ORDERS = ("cd", "dc", "d", "cdc")
TABLES = {"post": Table.POSTS, "like": Table.LIKES, "repost": Table.REPOSTS}


def as_built(house: House) -> tuple[dict[Table, Any], list[tuple[str, str, int]]]:
    """Give what a build goes by: the records that stand, and what has fallen."""
    with reading(house.database) as conn:
        fallen = deletions_as_of(conn, last_seq(conn)).to_pylist()
    return standing(house), sorted({(row["record_table"], row["record_id"], row["before_seq"]) for row in fallen})


@pytest.mark.parametrize(("what", "how", "by"), PAIRS)
def test_a_deletion_before_after_or_without_its_record_ends_in_the_same_state(
    what: str, how: str, by: str, tmp_path: Path
) -> None:
    # Results of a compliance job say only by the file's name whether they are about tweets.
    inputs = {"c": CREATIONS[what][how](tmp_path / "created"), "d": DELETIONS[what][by](tmp_path / "gone_tweets")}
    table = TABLES[what.rpartition(" ")[2]]
    ends = []
    for order in ("c", *ORDERS):
        house = open_house(tmp_path / order)
        for step in order:
            bring(house, inputs[step])
        ends.append(as_built(house))
        house.database.dispose()
    (before, nothing), *rest = ends
    assert nothing == []
    assert len(before[table]) == 1
    assert rest[0][1]
    for found, fallen in rest:
        assert found[table] == []
        assert fallen == rest[0][1]


EDITED = {
    "bluesky": [jetstream([POST]), jetstream([EDIT]), jetstream([gone(POST)])],
    "firehose": [firehose([POST]), firehose([EDIT]), firehose([gone(POST)])],
    "activitypub": [
        json.dumps(note()),
        json.dumps(about("Update", f"{NOTE}#edit", note(updated="2024-05-02T00:00:00Z", content="new")["object"])),
        json.dumps(about("Delete", f"{NOTE}#delete", {"id": NOTE, "type": "Tombstone"})),
    ],
}


@pytest.mark.parametrize("platform", EDITED)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_deleted_post_stays_away_wherever_its_edit_comes(
    platform: str, order: tuple[int, ...], house: House, tmp_path: Path
) -> None:
    for number in order:
        bring(house, written(tmp_path / f"{number}", EDITED[platform][number]))
    assert standing(house)[Table.POSTS] == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("last", ["drop", "undrop"])
def test_of_hiding_and_showing_the_later_one_counts_in_any_order(
    order: tuple[int, ...], last: str, house: House, tmp_path: Path
) -> None:
    kinds = ("undrop", "drop") if last == "drop" else ("drop", "undrop")
    events = [
        undone(tmp_path / f"{n}.jsonl", {kind: {"tweet": {"id": "100"}, "event_at": f"2024-05-0{n + 2}T00:00:00.000Z"}})
        for n, kind in enumerate(kinds)
    ]
    inputs = [lines(tmp_path / "pages.jsonl", page([tweet("100", "7")])), *events]
    for number in order:
        bring(house, inputs[number])
    assert len(standing(house)[Table.POSTS]) == (last == "undrop")


@pytest.mark.parametrize("form", ["jetstream", "activitypub", "x-v1", "x-compliance"])
def test_how_a_recording_is_cut_into_batches_makes_no_difference(form: str, tmp_path: Path) -> None:
    path = sample(form, tmp_path, 600)
    ends = []
    for batch in (50_000, 211, 75):
        house = open_house(tmp_path / str(batch))
        bring(house, path, batch=batch)
        ends.append(state(house))
        house.database.dispose()
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("form", ["x-v1", "at-repo", "mastodon-export", "linkedin-export"])
def test_a_members_table_may_come_before_or_after_their_data(form: str, tmp_path: Path) -> None:
    path, told = sample(form, tmp_path), TOLD.get(form, NOTHING_TOLD)
    ends = []
    for order in ("first", "last"):
        house = open_house(tmp_path / order)
        steps = [lambda house=house: bring(house, path, told), lambda house=house: told_of_members(house, tmp_path)]
        for step in steps if order == "last" else reversed(steps):
            step()
        ends.append(state(house))
        house.database.dispose()
    assert ends[0] == ends[1]
    assert {row["age_band"] for row in ends[0]["members"]} >= {"adult"}


def told_of_members(house: House, folder: Path) -> None:
    """Ingest a table that tells where some members live and how old they are."""
    who = ("x:100", "x:101", "did:plc:" + "s" * 24, ANN, "linkedin:17000001", "nobody else")
    table = folder / "members.csv"
    table.write_text("id\n" + "\n".join(who) + "\n")
    constants = 'platform = "x"\nregion = "US"\nage_band = "adult"\n'
    text = f'[records]\nkind = "members"\nmember_prefix = ""\n[columns]\nmember_id = "id"\n[constants]\n{constants}'
    ingest(house.database, house.lake, "members", read_table(table, parse_mapping(text, "members.toml")))
