"""A made-up dump of X tweets as of API v1.1: JSON Lines with users inside, reposts, quotes and deletions."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_TEXT = """the garden rain coffee train morning bridge letters music quiet market winter bread river lamp idea
yesterday again maybe finally small bright slow early &amp; people really think about this one thing"""
_WORDS = _TEXT.split()
_BEGAN = datetime(2019, 9, 1, 8, tzinfo=UTC)
_EPOCH_MS = 1_288_834_974_657


def write(path: Path, records: int) -> None:
    """Write a file of that many lines: of a hundred, about 30 are reposts, 8 quotes and 2 deletions."""
    rng = random.Random(7)  # noqa: S311 - no secret
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            file.write(json.dumps(_line(rng, number), ensure_ascii=False) + "\n")


def _line(rng: random.Random, number: int) -> dict[str, Any]:
    kind = rng.random()
    tweet = _tweet(rng, number)
    if kind < 0.02:
        status = {"id": tweet["id"], "id_str": tweet["id_str"], "user_id": 7, "user_id_str": "7"}
        return {"delete": {"status": status}}
    other = _tweet(rng, number - 1)
    if kind < 0.32:
        return tweet | {"retweeted_status": other, "full_text": f"RT @{other['user']['screen_name']}: …"}
    if kind < 0.4:
        quoted = {"is_quote_status": True, "quoted_status_id_str": other["id_str"], "quoted_status": other}
        return tweet | quoted
    return tweet


def _tweet(rng: random.Random, number: int) -> dict[str, Any]:
    moment = _BEGAN + timedelta(seconds=3 * number)
    tweet_id = (int(moment.timestamp() * 1000) - _EPOCH_MS) << 22 | rng.randint(1, 4095)
    text = " ".join(rng.choices(_WORDS, k=rng.randint(6, 30)))
    return {
        "created_at": moment.strftime("%a %b %d %H:%M:%S +0000 %Y"),
        "id": tweet_id,
        "id_str": str(tweet_id),
        "full_text": text,
        "truncated": False,
        "display_text_range": [0, len(text)],
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        "source": '<a href="https://mobile.twitter.com" rel="nofollow">Twitter Web App</a>',
        "in_reply_to_status_id_str": str(tweet_id - 4_194_304_000) if rng.random() < 0.25 else None,
        "user": _user(rng),
        "geo": None,
        "coordinates": None,
        "place": None,
        "is_quote_status": False,
        "retweet_count": rng.randint(0, 9),
        "favorite_count": rng.randint(0, 40),
        "favorited": False,
        "retweeted": False,
        "lang": rng.choice(("en", "en", "en", "es", "ja", "und", "in")),
    }


def _user(rng: random.Random) -> dict[str, Any]:
    number = int(rng.paretovariate(1.1) * 100)
    return {
        "id": number,
        "id_str": str(number),
        "name": f"Member {number}",
        "screen_name": f"member{number}",
        "location": "",
        "description": "Likes rain, trains and small bright things.",
        "url": None,
        "protected": rng.random() < 0.03,
        "followers_count": rng.randint(0, 5000),
        "friends_count": rng.randint(0, 900),
        "created_at": "Wed Nov 15 13:18:50 +0000 2006",
        "verified": False,
        "statuses_count": rng.randint(1, 90_000),
        "profile_image_url_https": "https://pbs.twimg.com/profile_images/0/normal.jpeg",
        "default_profile": True,
    }
