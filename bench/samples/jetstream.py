"""A sample of a Jetstream recording: likes, posts, reposts, a few deletions, edits and account states."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_BASE32 = "234567abcdefghijklmnopqrstuvwxyz"
_BEGIN = datetime(2026, 7, 4, 14, 38, tzinfo=UTC)
_WORDS = ("the", "a", "morning", "coffee", "train", "rain", "late", "again", "nobody", "said", "ほんとに", "🌧️", "über")
_KINDS = ("like", "post", "repost", "delete", "update", "follow", "account")
_WEIGHTS = (690, 130, 100, 40, 5, 30, 5)
_ACTIONS = {"delete": "delete", "update": "update"}


def write(path: Path, records: int) -> None:
    """Write so many events, one a line, the same ones each time."""
    chance = random.Random(20260704)  # noqa: S311 - a sample needs no secrets
    with path.open("w", encoding="utf-8") as lines:
        for number in range(records):
            at = _BEGIN + timedelta(microseconds=1500 * number)
            event = _event(chance, number, at)
            lines.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")


def tid(microseconds: int, clock: int = 0) -> str:
    """Give the key that sorts by time: 53 bits of microseconds and ten of a clock's number."""
    value = (microseconds << 10) | clock
    return "".join(_BASE32[value >> 5 * place & 31] for place in range(12, -1, -1))


def account(chance: random.Random) -> str:
    """Give one of some hundred thousand accounts."""
    name = random.Random(chance.randrange(100_000))  # noqa: S311 - a sample needs no secrets
    return "did:plc:" + "".join(name.choices(_BASE32, k=24))


def post(chance: random.Random, at: datetime) -> dict[str, Any]:
    """Give a post's record; every third is a reply."""
    record: dict[str, Any] = {"$type": "app.bsky.feed.post", "createdAt": _written(at), "langs": ["en"]}
    if chance.random() < 1 / 3:
        record["reply"] = {"parent": _reference(chance, at), "root": _reference(chance, at)}
    return record | {"text": " ".join(chance.choices(_WORDS, k=chance.randint(3, 40)))}


def interaction(chance: random.Random, kind: str, at: datetime) -> dict[str, Any]:
    """Give the record of a like or a repost."""
    return {"$type": f"app.bsky.feed.{kind}", "createdAt": _written(at), "subject": _reference(chance, at)}


def _event(chance: random.Random, number: int, at: datetime) -> dict[str, Any]:
    kind, did, micros = chance.choices(_KINDS, _WEIGHTS)[0], account(chance), round(at.timestamp() * 1_000_000)
    event: dict[str, Any] = {"did": did, "time_us": micros}
    if kind == "account":
        state = {"active": False, "status": "deactivated"} if chance.random() < 1 / 2 else {"active": True}
        return event | {"kind": "account", "account": state | {"did": did, "seq": number, "time": _written(at)}}
    commit = {"rev": tid(micros, 1), "operation": _ACTIONS.get(kind, "create"), **_commit(chance, kind, at)}
    return event | {"kind": "commit", "commit": commit | {"rkey": tid(micros)}}


def _commit(chance: random.Random, kind: str, at: datetime) -> dict[str, Any]:
    cid = {"cid": _cid(chance)}
    if kind == "delete":
        return {"collection": chance.choice(("app.bsky.feed.like", "app.bsky.feed.post"))}
    if kind == "follow":
        record = {"$type": "app.bsky.graph.follow", "createdAt": _written(at), "subject": account(chance)}
        return {"collection": "app.bsky.graph.follow", "record": record, **cid}
    if kind in {"post", "update"}:
        return {"collection": "app.bsky.feed.post", "record": post(chance, at), **cid}
    return {"collection": f"app.bsky.feed.{kind}", "record": interaction(chance, kind, at), **cid}


def _reference(chance: random.Random, at: datetime) -> dict[str, str]:
    key = tid(round(at.timestamp() * 1_000_000) - chance.randrange(10**11))
    return {"cid": _cid(chance), "uri": f"at://{account(chance)}/app.bsky.feed.post/{key}"}


def _cid(chance: random.Random) -> str:
    return "bafyrei" + "".join(chance.choices(_BASE32[::-1], k=52))


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
