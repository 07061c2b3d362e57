"""Write pages of the X API v2 as twarc does, one page of 100 posts a line."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_SEED = 20_221_003
_PER_PAGE = 100
_MEMBERS = 4_000
_EPOCH_MS = 1_288_834_974_657
_BEGIN = datetime(2022, 10, 3, tzinfo=UTC)
_WORDS = ("bread", "is", "better", "when", "nobody", "asks", "how", "long", "it", "took", "and", "coffee", "helps")


def write(path: Path, records: int) -> None:
    """Write so many posts, replies, quotes and reposts, the same ones every time."""
    chance = random.Random(_SEED)  # noqa: S311 - a sample, not a secret
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, records, _PER_PAGE):
            numbers = range(start, min(start + _PER_PAGE, records))
            file.write(json.dumps(_page([_tweet(chance, number) for number in numbers], chance)) + "\n")


def _id(number: int) -> str:
    milliseconds = int(_at(number).timestamp() * 1000) - _EPOCH_MS
    return str((milliseconds << 22) + number % 4096)


def _at(number: int) -> datetime:
    return _BEGIN + timedelta(milliseconds=731 * number)


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tweet(chance: random.Random, number: int) -> dict[str, Any]:
    words = chance.choices(_WORDS, k=chance.randint(4, 30))
    tweet: dict[str, Any] = {
        "id": _id(number),
        "author_id": str(1_000_000 + chance.randrange(_MEMBERS)),
        "created_at": _stamp(_at(number)),
        "text": " ".join(words).capitalize()
        + chance.choice((".", "!", " \N{HOT BEVERAGE}", " https://t.co/abcdefghij")),
        "lang": chance.choice(("en", "en", "en", "es", "ja", "qme")),
        "conversation_id": _id(number),
        "edit_history_tweet_ids": [_id(number)],
        "edit_controls": {"edits_remaining": 5, "is_edit_eligible": True, "editable_until": _stamp(_at(number))},
        "public_metrics": {"retweet_count": chance.randrange(90), "reply_count": 1, "like_count": 3, "quote_count": 0},
        "entities": {"hashtags": [{"start": 0, "end": 5, "tag": word} for word in words[:2]]},
        "possibly_sensitive": False,
        "reply_settings": "everyone",
        "source": "Twitter for iPhone",
    }
    kind = chance.choice(("", "", "", "replied_to", "quoted", "retweeted", "retweeted"))
    if kind and number:
        tweet["referenced_tweets"] = [{"type": kind, "id": _id(chance.randrange(number))}]
    if kind == "retweeted":
        tweet["text"] = f"RT @someone: {tweet['text']}"
    return tweet


def _page(tweets: list[dict[str, Any]], chance: random.Random) -> dict[str, Any]:
    originals = [
        _original(tweet["referenced_tweets"][0]["id"], chance) for tweet in tweets if "referenced_tweets" in tweet
    ]
    authors = sorted({tweet["author_id"] for tweet in (*tweets, *originals)})
    includes = {"users": [_user(author) for author in authors], "tweets": originals}
    twarc = {"url": "https://api.twitter.com/2/tweets/search/recent?query=bread", "version": "2.14.0"}
    twarc["retrieved_at"] = (_BEGIN + timedelta(days=30)).isoformat()
    meta = {"newest_id": tweets[0]["id"], "oldest_id": tweets[-1]["id"], "result_count": len(tweets)}
    return {"data": tweets, "includes": includes, "meta": meta, "__twarc": twarc}


def _original(name: str, chance: random.Random) -> dict[str, Any]:
    original = _tweet(chance, 0)
    return original | {"id": name, "conversation_id": name, "edit_history_tweet_ids": [name]}


def _user(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": f"Member {name}",
        "username": f"member{name}",
        "created_at": "2014-08-09T05:17:14.000Z",
        "description": "Bread, books and long walks.",
        "location": "Terra firma",
        "profile_image_url": "https://pbs.twimg.com/profile_images/1/a_normal.jpg",
        "protected": int(name) % 97 == 0,
        "public_metrics": {"followers_count": 58, "following_count": 49, "tweet_count": 14483, "listed_count": 0},
        "url": "",
        "verified": False,
    }
