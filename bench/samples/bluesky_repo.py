"""A sample of an account's repository: a CAR of a signed-looking commit, its tree, and posts, likes and reposts."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NewType

DID = "did:plc:" + "s" * 24
_BASE32 = "234567abcdefghijklmnopqrstuvwxyz"
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_WORDS = ("the", "a", "morning", "coffee", "train", "rain", "late", "again", "nobody", "said", "ほんとに", "🌧️", "über")

Cid = NewType("Cid", bytes)


def write(path: Path, records: int) -> None:
    """Write a repository of so many records, the same one each time."""
    blocks: dict[Cid, bytes] = {}
    keys = {key: _stored(blocks, record) for key, record in _records(records)}
    signed = {"did": DID, "version": 3, "data": Link(_tree(blocks, keys)), "rev": _tid(2 * records), "prev": None}
    root = _stored(blocks, signed | {"sig": bytes(64)})
    header = encode({"version": 1, "roots": [Link(root)]})
    with path.open("wb") as car:
        car.write(_length(len(header)) + header)
        for cid, block in ((root, blocks.pop(root)), *blocks.items()):
            car.write(_length(len(cid) + len(block)) + cid + block)


class Link:
    """A reference from one block to another."""

    def __init__(self, cid: Cid) -> None:
        """Refer to a block."""
        self.cid = cid


def encode(value: object) -> bytes:
    """Encode a value as DAG-CBOR."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value)
    if isinstance(value, Link):
        return b"\xd8\x2a" + encode(b"\0" + value.cid)
    if isinstance(value, bytes | str):
        data = value if isinstance(value, bytes) else value.encode()
        return _head(2 if data is value else 3, len(data)) + data
    if isinstance(value, Mapping):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    assert isinstance(value, list)
    return _head(4, len(value)) + b"".join(map(encode, value))


def _head(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    width = next(width for width in range(4) if size < 1 << (8 << width))
    return bytes([kind << 5 | 24 + width]) + size.to_bytes(1 << width, "big")


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128]) + _length(size >> 7)


def _stored(blocks: dict[Cid, bytes], value: Mapping[str, Any]) -> Cid:
    block = encode(value)
    cid = Cid(b"\x01\x71\x12\x20" + sha256(block).digest())
    blocks[cid] = block
    return cid


def _tree(blocks: dict[Cid, bytes], keys: Mapping[str, Cid]) -> Cid:
    """Build the tree: a key's height is half the number of zero bits that its hash begins with."""
    leaves = [(key.encode(), cid, _height(key)) for key, cid in sorted(keys.items())]
    return _node(blocks, leaves, max((height for _, _, height in leaves), default=0))


def _height(key: str) -> int:
    zeros = 256 - int.from_bytes(sha256(key.encode()).digest(), "big").bit_length()
    return zeros // 2


def _node(blocks: dict[Cid, bytes], leaves: list[tuple[bytes, Cid, int]], height: int) -> Cid:
    here = [at for at, leaf in enumerate(leaves) if leaf[2] == height]
    bounds = list(zip([0, *(at + 1 for at in here)], [*here, len(leaves)], strict=True))
    below = [Link(_node(blocks, leaves[a:b], height - 1)) if a < b else None for a, b in bounds]
    entries, before = [], b""
    for at, subtree in zip(here, below[1:], strict=True):
        key, cid, _ = leaves[at]
        shared = next(
            (n for n, (x, y) in enumerate(zip(before, key, strict=False)) if x != y), min(len(before), len(key))
        )
        entries.append({"p": shared, "k": key[shared:], "v": Link(cid), "t": subtree})
        before = key
    return _stored(blocks, {"l": below[0], "e": entries})


def _records(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    chance = random.Random(20250101)  # noqa: S311 - a sample needs no secrets
    for number in range(count):
        kind = chance.choices(("like", "post", "repost"), (70, 20, 10))[0]
        at = _BEGIN + timedelta(minutes=7 * number)
        record: dict[str, Any] = {"$type": f"app.bsky.feed.{kind}", "createdAt": at.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
        if kind == "post":
            record |= {"langs": ["en"], "text": " ".join(chance.choices(_WORDS, k=chance.randint(3, 40)))}
        else:
            author = "did:plc:" + "".join(chance.choices(_BASE32, k=24))
            uri = f"at://{author}/app.bsky.feed.post/{_tid(chance.randrange(10**6))}"
            record["subject"] = {"cid": "bafyrei" + "".join(chance.choices(_BASE32, k=52)), "uri": uri}
        yield f"app.bsky.feed.{kind}/{_tid(number)}", record


def _tid(number: int) -> str:
    value = (round(_BEGIN.timestamp()) * 1_000_000 + number * 420_000_000) << 10
    return "".join(_BASE32[value >> 5 * place & 31] for place in range(12, -1, -1))
