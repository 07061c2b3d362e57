"""What a platform does not show to everybody reaches no license, in whatever form of its data it comes."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dataset.conftest import LICENSE, NOTICE, Scene, member
from tests.ingest.every_form import Act, bluesky_post, bring, jetstream, lines, members, rows, x_export

from licet.ingest.formats import NOTHING_TOLD, Told
from licet.model.licenses import LicenseId
from licet.model.members import Member, MemberId, Protection
from licet.model.records import Table, Visibility
from licet.store.house import House, open_house

HOUR, OLD_HOUR, SECOND = "2024-05-01T00:00:00.000Z", "Wed May 01 00:00:00 +0000 2024", 1_714_521_600
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ANN, CAT = "https://social.example/users/ann", "https://other.example/users/cat"
FOLLOWERS = f"{ANN}/followers"
OPEN_TO_ALL = """
version = "anything-goes"
title = "Everything that is there"
published = 2024-01-01
settings_open = 2024-01-01
effective = 2024-02-01
text = "Everything that we hold may be shared."

[purposes.third_party_training]
default = "allow"
gpc = true
on = "Yes."
off = "No."

[[rules]]
code = "all"
effect = "permit"
sentence = "Everything."
law = "None."
when = { setting = "none", default = "allow" }
"""
EVERYTHING = replace(LICENSE, license_id=LicenseId("all"), tables=(Table.POSTS, Table.LIKES, Table.REPOSTS))

Json = dict[str, Any]


class Seen(Enum):
    """Who may read something: everybody; everybody with the link, or who signed in; or fewer."""

    ALL = "all"
    NEARLY = "nearly"
    FEW = "few"


@dataclass(frozen=True, slots=True)
class Platform:
    """The ways in which one form of a platform's data says who may read a post, and of an account as a whole."""

    write: Callable[[Path, str, Sequence[tuple[str, str]]], Path]
    """Writes an input: of a folder, the account's way, and each post's text and way."""
    posts: Mapping[str, Seen]
    accounts: Mapping[str, Seen]
    told: Mapping[str, Told]
    """What the bringer says; a way of the account that is not named is told nothing."""


def x_account(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write an X export; what is in a circle or a community also stands among the tweets."""
    parts: dict[str, list[Json]] = {"account": [{"account": {"accountId": "7"}}], "tweets": []}
    for number, (text, way) in enumerate(posts):
        words = f"RT @ben: {text}" if way == "repost" else text
        tweet = {"id_str": f"10{number}", "created_at": OLD_HOUR, "full_text": words} | X_FIELDS.get(way, {})
        if way not in {"deleted", "circle alone"}:
            parts["tweets"].append({"tweet": tweet})
        if way in X_FILES:
            parts.setdefault(X_FILES[way], []).append({"tweet": tweet})
    if account != "silent":
        action, _, month = account.partition(" ")
        entry = {"action": action, "protectedAt": f"2024-{month}-01T00:00:00.000Z"}
        parts["protected_history"] = [{"protectedHistory": entry}]
    return x_export(folder / "export", **parts)


X_FILES = {
    "circle": "twitter_circle_tweet",
    "circle alone": "twitter_circle_tweet",
    "in community": "community_tweet",
    "deleted": "deleted_tweets",
}
X_FIELDS: dict[str, Json] = {
    "community": {"community_id": "5"},
    "exclusive": {"exclusive_tweet_info": {"x": 1}},
    "withheld": {"withheld_in_countries": ["DE"]},
    "copyright": {"withheld_copyright": True},
    "scopes": {"scopes": {"followers": True}},
    "limited": {"limited_actions": "anything"},
    "replies limited": {"limited_actions": "limited_replies"},
}
X_WAYS = {
    "plain": Seen.ALL,
    "replies limited": Seen.ALL,
    "repost": Seen.FEW,
    **dict.fromkeys((*X_FILES, *X_FIELDS.keys() - {"replies limited"}), Seen.FEW),
}


def x_pages(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write a page of the X API, as twarc keeps it."""
    states: dict[str, Json] = {
        "open": {"protected": False},
        "protected": {"protected": True},
        "silent": {},
        "withheld": {"protected": False, "withheld": {"country_codes": ["FR"]}},
    }
    fields: dict[str, Json] = {
        "withheld": {"withheld": {"country_codes": ["DE"]}},
        "community": {"community_id": "5"},
        "author away": {"author_id": "8"},
        "unavailable": {"text": "@ann's account is temporarily unavailable because it violates the Media Policy."},
    }
    tweets = [
        {"id": f"20{n}", "author_id": "7", "created_at": HOUR, "text": text, **fields.get(way, {})}
        for n, (text, way) in enumerate(posts)
    ]
    page = {"data": tweets, "includes": {"users": [{"id": "7", "username": "ann", "name": "Ann"} | states[account]]}}
    return lines(
        folder / "pages.jsonl", page | {"__twarc": {"url": "https://api.x.com/2/tweets", "retrieved_at": HOUR}}
    )


def x_old(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write tweets of the old API, each with its author inside."""
    states: dict[str, Json] = {
        "open": {"protected": False},
        "protected": {"protected": True},
        "silent": {},
        "withheld": {"protected": False, "withheld_in_countries": ["FR"]},
        "unclear": {"protected": "no"},
    }
    tweets = [
        {"id_str": f"30{n}", "created_at": OLD_HOUR, "full_text": text, "user": {"id_str": "6"} | states[account]}
        | X_FIELDS.get(way, {})
        for n, (text, way) in enumerate(posts)
    ]
    return lines(folder / "old.jsonl", *tweets)


AUDIENCES: dict[str, Json] = {
    "public": {"to": [PUBLIC], "cc": [FOLLOWERS]},
    "short": {"to": "as:Public"},
    "unlisted": {"to": [FOLLOWERS], "cc": [PUBLIC]},
    "followers": {"to": [FOLLOWERS], "cc": []},
    "followers and people": {"to": [FOLLOWERS], "cc": [CAT]},
    "direct": {"to": [CAT], "cc": []},
    "nobody": {"to": [], "cc": []},
    "silent": {},
    "unclear": {"to": [7]},
}
FEDIVERSE = dict.fromkeys(AUDIENCES, Seen.FEW) | {
    "public": Seen.ALL,
    "short": Seen.ALL,
    "unlisted": Seen.NEARLY,
}


def activities(posts: Sequence[tuple[str, str]], owner: str, *, activity_audience: bool) -> list[Json]:
    """Make the activities that publish posts."""
    found = []
    for number, (text, way) in enumerate(posts):
        name = f"{owner}/statuses/{number}"
        note = {"id": name, "type": "Note", "attributedTo": owner, "published": HOUR, "content": f"<p>{text}</p>"}
        whole = {"id": f"{name}/activity", "type": "Create", "actor": owner, "published": HOUR}
        # A careless server may say that the activity is for everybody while its post is not.
        outer = AUDIENCES[way] if activity_audience else AUDIENCES["public"]
        found.append(whole | outer | {"object": note | AUDIENCES[way]})
    return found


def mastodon(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write a Mastodon export."""
    out = folder / "mastodon"
    out.mkdir()
    actor = {"id": ANN, "type": "Person", "inbox": f"{ANN}/inbox", "manuallyApprovesFollowers": account == "approves"}
    (out / "actor.json").write_text(json.dumps(actor))
    box = {"id": "outbox.json", "type": "OrderedCollection"}
    found = activities(posts, ANN, activity_audience=account == "approves")
    (out / "outbox.json").write_text(json.dumps(box | {"orderedItems": found}))
    return out


def outbox(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write a stream of activities."""
    return lines(folder / "box.jsonl", *activities(posts, CAT, activity_audience=account == "careful"))


def linkedin(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write a LinkedIn export, with the number of the member in the names or without."""
    out = folder / "linkedin"
    out.mkdir()
    link = "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A74480814450650357"
    table = ["Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility"]
    table += [f"2024-05-01 00:00:00,{link}{number:02},{text},,,{way}" for number, (text, way) in enumerate(posts)]
    (out / f"Shares{account}.csv").write_text("\n".join(table) + "\n")
    return out


AUDIENCE_WORDS = {
    "Public": Seen.ALL,
    "Öffentlich": Seen.ALL,
    "Friends": Seen.FEW,
    "Only me": Seen.FEW,
    "Close Friends": Seen.FEW,
    "Friends; Except: Ben": Seen.FEW,
    "Your audience": Seen.FEW,
    "": Seen.FEW,
}


def facebook(folder: Path, _account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write a Facebook export of a member who is told."""
    out = folder / "facebook" / "posts"
    out.mkdir(parents=True)
    found = []
    for number, (text, way) in enumerate(posts):
        post: Json = {"timestamp": SECOND + number, "data": [{"post": text}]}
        said = {"group": {"name": "A group"}} if way == "in a group" else {"privacy": way} if way != "silent" else {}
        found.append(post | said)
    (out / "your_posts_1.json").write_text(json.dumps(found))
    return out.parent


def instagram(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write an Instagram export of a member who is told."""
    out = folder / "instagram"
    (out / "content").mkdir(parents=True)
    (out / "personal_information").mkdir()
    private = {"Private Account": {"value": "True" if account == "private" else "False"}}
    whole = {"profile_user": [{"string_map_data": {"Username": {"value": "ann"}} | private}]}
    (out / "personal_information" / "personal_information.json").write_text(json.dumps(whole))
    found = [
        {"title": text, "creation_timestamp": SECOND + number} | ({} if way == "silent" else {"audience": way})
        for number, (text, way) in enumerate(posts)
    ]
    (out / "content" / "posts_1.json").write_text(json.dumps(found))
    return out


def bluesky(folder: Path, account: str, posts: Sequence[tuple[str, str]]) -> Path:
    """Write a Jetstream recording of an account and its posts."""
    labels: dict[str, Json] = {
        "hidden": {"labels": {"values": [{"val": "!no-unauthenticated"}]}},
        "unclear": {"labels": {"values": "?"}},
        "labeled": {"labels": {"values": [{"val": "porn"}]}},
    }
    acts = []
    if account == "hidden":
        profile = {"$type": "app.bsky.actor.profile"} | labels["hidden"]
        acts.append(Act(operation="update", rkey="self", collection="app.bsky.actor.profile", record=profile))
    for number, (text, way) in enumerate(posts):
        record = bluesky_post(text) | labels.get(way, {})
        acts.append(Act(operation="create", rkey=f"post-{number}", record=record))
    path = folder / "events.jsonl"
    path.write_text(jetstream(acts))
    return path


def vouched(name: str) -> dict[str, Told]:
    """Give what a member may say of their whole export."""
    told = Told(member_id=MemberId(name))
    return {
        "": told,
        "private": told,
        "public": replace(told, visibility=Visibility.PUBLIC),
        "unlisted": replace(told, visibility=Visibility.UNLISTED),
    }


PLATFORMS = {
    "x export": Platform(
        x_account,
        X_WAYS,
        {"silent": Seen.ALL, "Protect 02": Seen.FEW, "Unprotect 04": Seen.ALL, "Unprotect 06": Seen.FEW}
        | {"Protect 06": Seen.FEW, "Whatever 02": Seen.FEW},
        {},
    ),
    "x pages": Platform(
        x_pages,
        {"plain": Seen.ALL} | dict.fromkeys(("withheld", "community", "author away", "unavailable"), Seen.FEW),
        {"open": Seen.ALL, "protected": Seen.FEW, "silent": Seen.FEW, "withheld": Seen.FEW},
        {},
    ),
    "x old": Platform(
        x_old,
        {"plain": Seen.ALL} | dict.fromkeys(X_FIELDS.keys() - {"replies limited"}, Seen.FEW),
        {"open": Seen.ALL} | dict.fromkeys(("protected", "silent", "withheld", "unclear"), Seen.FEW),
        {},
    ),
    "mastodon": Platform(mastodon, FEDIVERSE, {"approves": Seen.ALL, "open": Seen.ALL}, {}),
    "activitypub": Platform(outbox, FEDIVERSE, {"careful": Seen.ALL, "careless": Seen.ALL}, {}),
    "linkedin": Platform(
        linkedin,
        {"PUBLIC": Seen.ALL}
        | dict.fromkeys(("MEMBER_NETWORK", "LOGGED_IN", "CONNECTIONS", "CONTAINER", "", "public", "ANYONE"), Seen.FEW),
        {"_17": Seen.ALL, "": Seen.FEW},
        {},
    ),
    "facebook": Platform(
        facebook,
        AUDIENCE_WORDS | {"silent": Seen.FEW, "in a group": Seen.FEW},
        {"": Seen.ALL, "public": Seen.ALL, "unlisted": Seen.ALL},
        vouched("facebook:ann"),
    ),
    "instagram": Platform(
        instagram,
        AUDIENCE_WORDS | {"silent": Seen.FEW},
        {"": Seen.ALL, "public": Seen.ALL, "unlisted": Seen.ALL, "private": Seen.FEW},
        vouched("instagram:ann"),
    ),
    "bluesky": Platform(
        bluesky,
        {"plain": Seen.ALL, "labeled": Seen.ALL, "hidden": Seen.NEARLY, "unclear": Seen.FEW},
        {"plain": Seen.ALL, "hidden": Seen.NEARLY},
        {},
    ),
}


def seen(platform: Platform, account: str, way: str) -> Seen:
    """Tell who may read a post: the stricter of account and post; a silent post is for whom the bringer vouches."""
    told = platform.told.get(account, NOTHING_TOLD).visibility
    of_post = platform.posts[way]
    if told is not None and way == "silent":
        of_post = Seen.ALL if told is Visibility.PUBLIC else Seen.NEARLY
    elif told is Visibility.UNLISTED and of_post is Seen.ALL:
        of_post = Seen.NEARLY
    both = {of_post, platform.accounts[account]}
    return next(each for each in (Seen.FEW, Seen.NEARLY, Seen.ALL) if each in both)


@st.composite
def worlds(draw: st.DrawFn) -> list[tuple[str, str, list[str]]]:
    """Choose some platforms, of each an account, and of each account some posts."""
    names = draw(st.lists(st.sampled_from(sorted(PLATFORMS)), min_size=1, max_size=4, unique=True))
    found = []
    for name in names:
        platform = PLATFORMS[name]
        account = draw(st.sampled_from(sorted(platform.accounts)))
        found.append((name, account, draw(st.lists(st.sampled_from(sorted(platform.posts)), min_size=1, max_size=12))))
    return found


def brought(house: House, folder: Path, world: list[tuple[str, str, list[str]]]) -> dict[str, Seen]:
    """Ingest a world, and give who may read each text of it."""
    texts: dict[str, Seen] = {}
    for name, account, ways in world:
        platform = PLATFORMS[name]
        posts = [(f"words {len(texts) + number}", way) for number, way in enumerate(ways)]
        bring(house, platform.write(folder, account, posts), platform.told.get(account, NOTHING_TOLD))
        texts |= {text: seen(platform, account, way) for text, way in posts}
    return texts


def everybody_known(house: House) -> list[Member]:
    """Give a members table that states what no export tells, and nothing against what is known."""
    unknown = {row["member_id"]: row["protection"] == Protection.UNKNOWN for row in members(house)}
    known = Protection.UNKNOWN
    return [member(name, protection=Protection.OPEN if is_unknown else known) for name, is_unknown in unknown.items()]


def every_way() -> list[list[tuple[str, str, list[str]]]]:
    """Give each account of each platform with a post of every way."""
    return [
        [(name, account, sorted(platform.posts))]
        for name, platform in PLATFORMS.items()
        for account in platform.accounts
    ]


def check(notice: str, allowed: set[Seen], world: list[tuple[str, str, list[str]]]) -> None:
    """Build all that was brought, and find exactly the texts that may be read by whom the notice allows."""
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder) / "home")
        scene = Scene(house)
        scene.notice(notice)
        scene.license(EVERYTHING)
        texts = brought(house, Path(folder), world)
        scene.members(*everybody_known(house))
        scene.build(EVERYTHING)
        assert scene.texts(EVERYTHING) == sorted(text for text, who in texts.items() if who in allowed)
        house.database.dispose()


@pytest.mark.parametrize("world", every_way(), ids=lambda world: " ".join(world[0][:2]))
@pytest.mark.parametrize("notice", ["what is public", "anything goes"])
def test_of_every_way_to_say_it_only_what_everybody_may_read_is_licensed(
    notice: str, world: list[tuple[str, str, list[str]]]
) -> None:
    if notice == "what is public":
        check(NOTICE, {Seen.ALL}, world)
    else:
        check(OPEN_TO_ALL, {Seen.ALL, Seen.NEARLY}, world)


@settings(deadline=None, max_examples=15)
@given(world=worlds())
def test_of_a_mixture_of_platforms_only_what_is_public_is_licensed(world: list[tuple[str, str, list[str]]]) -> None:
    check(NOTICE, {Seen.ALL}, world)


@settings(deadline=None, max_examples=5)
@given(world=worlds())
def test_without_a_members_table_nothing_at_all_is_licensed(world: list[tuple[str, str, list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Path(folder) / "home")
        scene = Scene(house)
        scene.notice()
        scene.license(EVERYTHING)
        brought(house, Path(folder), world)
        scene.build(EVERYTHING)
        assert scene.texts(EVERYTHING) == []
        house.database.dispose()


@pytest.mark.parametrize("way", AUDIENCES)
def test_a_repost_or_like_for_few_is_not_licensed_either(way: str, house: House, tmp_path: Path) -> None:
    target = f"{CAT}/statuses/5"
    stated = {"actor": ANN, "object": target, "published": HOUR} | AUDIENCES[way]
    told = [
        stated | {"id": f"{ANN}/statuses/{n}/activity", "type": kind} for n, kind in enumerate(("Announce", "Like"))
    ]
    scene = Scene(house)
    scene.notice(OPEN_TO_ALL)
    scene.license(EVERYTHING)
    bring(house, lines(tmp_path / "box.jsonl", *told))
    scene.members(member(ANN), member(CAT))
    scene.build(EVERYTHING)
    expected = int(FEDIVERSE[way] is not Seen.FEW)
    assert [len(scene.rows(table, EVERYTHING)) for table in (Table.REPOSTS, Table.LIKES)] == [expected, expected]
    assert len(rows(house, Table.REPOSTS)) == expected
