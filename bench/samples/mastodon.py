"""A Mastodon account export as a folder, lifelike and always the same."""

import json
import random
from pathlib import Path
from typing import Any

from activitypub import PUBLIC, activity, note

ACTOR = "https://social.example/users/ann"


def write(path: Path, records: int) -> None:
    """Write an export with that many activities in its outbox, and a tenth as many likes and bookmarks."""
    chance = random.Random(20241115)  # noqa: S311 - a sample, no secret
    path.mkdir(parents=True, exist_ok=True)
    liked = [f"https://other.example/users/friend{n % 50}/statuses/{n}" for n in range(records // 10)]
    _dump(path / "actor.json", _actor())
    _dump(path / "outbox.json", _collection("outbox.json", [_published(chance, n) for n in range(records)]))
    _dump(path / "likes.json", _collection("likes.json", liked))
    _dump(path / "bookmarks.json", _collection("bookmarks.json", liked[::2]))


def _actor() -> dict[str, Any]:
    whole: dict[str, Any] = {"id": ACTOR, "type": "Person", "preferredUsername": "ann", "name": "Ann"}
    whole |= {"inbox": f"{ACTOR}/inbox", "followers": f"{ACTOR}/followers", "outbox": "outbox.json"}
    whole |= {"manuallyApprovesFollowers": False, "discoverable": True, "indexable": True, "memorial": False}
    return whole | {"likes": "likes.json", "bookmarks": "bookmarks.json", "published": "2022-11-05T00:00:00Z"}


def _published(chance: random.Random, number: int) -> dict[str, Any]:
    """Make a post or a repost: an export holds nothing that was taken back."""
    made = activity(chance, ACTOR, number)
    if made["type"] == "Announce":
        return made
    post = note(chance, ACTOR, f"{ACTOR}/statuses/{number}", made["published"])
    return made | {"type": "Create", "to": post["to"], "cc": post["cc"], "object": post}


def _collection(name: str, items: list[Any]) -> dict[str, Any]:
    whole = {"@context": PUBLIC.partition("#")[0], "id": name, "type": "OrderedCollection"}
    return whole | {"totalItems": len(items), "orderedItems": items}


def _dump(path: Path, whole: dict[str, Any]) -> None:
    path.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
