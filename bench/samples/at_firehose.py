"""A sample of a recorded firehose: commits of one record each, as `subscribeRepos` sends them, with sizes between."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from bluesky_repo import Cid, Link, encode
from jetstream import account, interaction, post, tid

_BEGIN = datetime(2026, 7, 4, 14, 38, tzinfo=UTC)
_KINDS = ("like", "post", "repost", "delete")
_WEIGHTS = (70, 14, 11, 5)


def write(path: Path, records: int) -> None:
    """Write so many frames, each after its size in four bytes, the same ones each time."""
    chance = random.Random(20260704)  # noqa: S311 - a sample needs no secrets
    with path.open("wb") as recording:
        for number in range(records):
            frame = _frame(chance, number, _BEGIN + timedelta(microseconds=1500 * number))
            recording.write(len(frame).to_bytes(4, "little") + frame)


def _frame(chance: random.Random, number: int, at: datetime) -> bytes:
    kind, did = chance.choices(_KINDS, _WEIGHTS)[0], account(chance)
    micros = round(at.timestamp() * 1_000_000)
    collection = f"app.bsky.feed.{'like' if kind == 'delete' else kind}"
    operation: dict[str, Any] = {"action": "delete" if kind == "delete" else "create", "cid": None}
    blocks: dict[Cid, bytes] = {}
    if kind != "delete":
        record = post(chance, at) if kind == "post" else interaction(chance, kind, at)
        operation["cid"] = Link(_stored(blocks, record))
    # The real thing carries the changed part of the repository's tree too, about four nodes of a kilobyte.
    for node in range(4):
        _stored(blocks, {"l": None, "e": [], "filler": f"{number} {node} " + "x" * 900})
    rev = tid(micros, 1)
    signed = {"did": did, "version": 3, "data": Link(next(iter(blocks))), "rev": rev, "prev": None, "sig": bytes(64)}
    root = _stored(blocks, signed)
    body = {
        "seq": number + 1,
        "repo": did,
        "rev": rev,
        "since": None,
        "commit": Link(root),
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ops": [operation | {"path": f"{collection}/{tid(micros)}"}],
        "blobs": [],
        "blocks": _car(root, blocks),
    }
    return encode({"t": "#commit", "op": 1}) + encode(body)


def _stored(blocks: dict[Cid, bytes], value: Mapping[str, Any]) -> Cid:
    block = encode(value)
    cid = Cid(b"\x01\x71\x12\x20" + sha256(block).digest())
    blocks[cid] = block
    return cid


def _car(root: Cid, blocks: Mapping[Cid, bytes]) -> bytes:
    header = encode({"version": 1, "roots": [Link(root)]})
    whole = [_length(len(header)) + header]
    whole += [_length(len(cid) + len(block)) + cid + block for cid, block in blocks.items()]
    return b"".join(whole)


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128]) + _length(size >> 7)
