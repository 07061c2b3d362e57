"""Write events of an X compliance stream, as the platform sends them, one a line."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_SEED = 20_221_223
_MEMBERS = 50_000
_BEGIN = datetime(2022, 12, 23, tzinfo=UTC)
_TWEET_EVENTS = ("delete", "delete", "delete", "delete", "drop", "undrop", "withheld", "tweet_edit")
_USER_EVENTS = ("user_delete", "user_undelete", "user_protect", "user_unprotect", "user_suspend", "user_unsuspend")


def write(path: Path, records: int) -> None:
    """Write so many events, the same ones every time."""
    chance = random.Random(_SEED)  # noqa: S311 - a sample, not a secret
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"data": _event(chance, number)}) + "\r\n" for number in range(records))


def _event(chance: random.Random, number: int) -> dict[str, Any]:
    at = (_BEGIN + timedelta(milliseconds=97 * number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    user = str(1_000_000 + chance.randrange(_MEMBERS))
    if chance.random() < 1 / 10:
        return {chance.choice(_USER_EVENTS): {"user": {"id": user}, "event_at": at}}
    kind = chance.choice(_TWEET_EVENTS)
    tweet = str(1_606_000_000_000_000_000 + chance.randrange(10**15))
    body: dict[str, Any] = {"tweet": {"id": tweet, "author_id": user}, "event_at": at}
    if kind == "withheld":
        body["withheld_in_countries"] = chance.choice((["DE"], ["IN", "TR"], []))
    if kind == "tweet_edit":
        first = str(int(tweet) - 4_194_304_000)
        body |= {"initial_tweet_id": first, "edit_tweet_ids": [first, tweet]}
    return {kind: body}
