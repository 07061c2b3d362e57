"""A made-up X account export: one account's tweets, likes, long posts, and what it deleted."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_TEXT = """the garden rain coffee train morning bridge letters music quiet market winter bread river lamp idea
yesterday again maybe finally small bright slow early &amp; people really think about this one thing"""
_WORDS = _TEXT.split()
_BEGAN = datetime(2015, 3, 1, 8, tzinfo=UTC)
_EPOCH_MS = 1_288_834_974_657
_PER_PART = 100_000


def write(path: Path, records: int) -> None:
    """Write an export of that many records into a folder: of ten, five are own tweets, two reposts, three likes."""
    rng = random.Random(7)  # noqa: S311 - no secret
    data = path / "data"
    data.mkdir(parents=True, exist_ok=True)
    account = {"email": "ann@example.com", "username": "ann", "accountId": "1042", "accountDisplayName": "Ann"}
    _part(data, "account", 0, [{"account": account}])
    likes = records * 3 // 10
    notes = records // 100
    deleted = records // 100
    tweets = records - likes - notes - deleted
    for part, first in enumerate(range(0, tweets, _PER_PART)):
        numbers = range(first, min(tweets, first + _PER_PART))
        _part(data, "tweets", part, [{"tweet": _tweet(rng, number, long=number < notes)} for number in numbers])
    _part(data, "note_tweet", 0, [{"noteTweet": _note(number)} for number in range(notes)])
    _part(data, "deleted_tweets", 0, [{"tweet": _tweet(rng, tweets + number)} for number in range(deleted)])
    _part(data, "like", 0, [{"like": _like(rng)} for _ in range(likes)])


def _part(data: Path, name: str, number: int, entries: list[dict[str, Any]]) -> None:
    suffix = f"-part{number}" if number else ""
    body = json.dumps(entries, indent=2, ensure_ascii=False)
    file = data / f"{name.replace('_', '-')}{suffix}.js"
    file.write_text(f"window.YTD.{name}.part{number} = {body}", encoding="utf-8")


def _when(number: int) -> datetime:
    return _BEGAN + timedelta(minutes=37 * number)


def _id(moment: datetime) -> str:
    return str((int(moment.timestamp() * 1000) - _EPOCH_MS) << 22 | 4097)


def _tweet(rng: random.Random, number: int, *, long: bool = False) -> dict[str, Any]:
    moment = _when(number)
    text = " ".join(rng.choices(_WORDS, k=rng.randint(6, 30)))
    name = _id(moment)
    if long:
        text = f"{_long(number)[:240]}…"
    elif rng.random() < 2 / 7:
        text = f"RT @ben: {text}"
    tweet: dict[str, Any] = {
        "edit_info": {
            "initial": {"editTweetIds": [name], "editableUntil": "2015-03-01T09:00:00.000Z", "editsRemaining": "5"}
        },
        "retweeted": False,
        "source": '<a href="https://mobile.twitter.com" rel="nofollow">Twitter Web App</a>',
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        "display_text_range": ["0", str(len(text))],
        "favorite_count": str(rng.randint(0, 40)),
        "id_str": name,
        "truncated": False,
        "retweet_count": str(rng.randint(0, 9)),
        "id": name,
        "created_at": moment.strftime("%a %b %d %H:%M:%S +0000 %Y"),
        "favorited": False,
        "full_text": text,
        "lang": "en",
    }
    if rng.random() < 1 / 4:
        tweet |= {"in_reply_to_status_id_str": _id(moment - timedelta(hours=1)), "in_reply_to_user_id_str": "2001"}
    return tweet


def _long(number: int) -> str:
    rng = random.Random(number)  # noqa: S311 - no secret
    return " ".join(word for word in rng.choices(_WORDS, k=120) if "&" not in word)


def _note(number: int) -> dict[str, Any]:
    moment = _when(number)
    return {
        "noteTweetId": str(int(_id(moment)) + 5),
        "updatedAt": f"{moment:%Y-%m-%dT%H:%M:%S}.000Z",
        "lifecycle": {"value": "1", "name": "Active", "originalName": "Active", "annotations": {}},
        "createdAt": f"{moment:%Y-%m-%dT%H:%M:%S}.000Z",
        "core": {"styletags": [], "urls": [], "text": _long(number), "mentions": [], "cashtags": [], "hashtags": []},
    }


def _like(rng: random.Random) -> dict[str, str]:
    liked = str(rng.randint(10**17, 10**18))
    text = " ".join(rng.choices(_WORDS, k=20))
    return {"tweetId": liked, "fullText": text, "expandedUrl": f"https://twitter.com/i/web/status/{liked}"}
