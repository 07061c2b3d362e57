"""The adapter for a Bluesky account's repository, which the account exports as one CAR file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from licet.ingest.archives import shown
from licet.ingest.bluesky_records import (
    INTENTS,
    PLATFORM,
    PROFILE,
    WANTED,
    Change,
    Intents,
    protection_of,
    read_change,
)
from licet.ingest.bluesky_syntax import account_id
from licet.ingest.car import Block, blocks, decode, root
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.model.errors import InputError
from licet.model.members import AccountStatus, Member, MemberId, Protection
from licet.model.records import Ingested, Skipped

LARGEST_TREE = 256 * 2**20
"""Bytes of a repository's tree that are held in memory: some four million records."""

_NODE = b"\xa2ae"
_LONGEST_PATH = 1024
_COMMIT_VERSIONS = (2, 3)
_HEADS = (b"\xa2eroots", b"\xa2gversion")


@dataclass(slots=True)
class _Repository:
    """What the first reading found: whose it is, and which record each wanted block is."""

    did: MemberId | None = None
    root: bytes = b""
    nodes: dict[bytes, bytes] = field(default_factory=dict)
    records: dict[bytes, list[str]] = field(default_factory=dict)
    profile: bytes = b""
    damaged: int = 0


def sees(source: Opened) -> str:
    """Say what this adapter recognizes in an input, or nothing."""
    heads = [source.head(part, 64) for part in source.parts]
    if not heads or not all(any(start in head[1:12] for start in _HEADS) for head in heads):
        return ""
    return f"AT Protocol repositories of {len(heads)} account{'s' if len(heads) > 1 else ''}"


def read(source: Opened, intents: Intents = INTENTS) -> Iterator[Ingested]:
    """Read repositories, each with its account first; a block that no key names is not a record of it.

    Raises:
        InputError: a repository is larger than this adapter holds.
    """
    for part in source.parts:
        yield from _read(part, intents)


def _read(part: Part, intents: Intents) -> Iterator[Ingested]:
    found = _Repository()
    try:
        _index(part, found)
    except SetAside as aside:
        yield Skipped(where=shown(part.name), reason=aside.reason)
        return
    if found.did is not None:
        protection = _protection(part, found)
        yield Member(member_id=found.did, platform=PLATFORM, status=AccountStatus.ACTIVE, protection=protection)
    for _ in range(found.damaged):
        yield Skipped(where=f"{shown(part.name)} tree", reason="not_carried")
    yield from _records(part, found, intents)
    for _ in (path for paths in found.records.values() for path in paths):
        yield Skipped(where=f"{shown(part.name)} tree", reason="not_carried")


def _blocks(part: Part) -> Iterator[Block | None]:
    with part.open() as stream:
        root(stream)
        yield from blocks(stream)


def _index(part: Part, found: _Repository) -> None:
    """Read commit and tree: they may stand anywhere in the file, also after the records that they name."""
    with part.open() as stream:
        found.root = root(stream)
    commit, held = b"", 0
    for block in _blocks(part):
        if block and block.cid == found.root:
            commit = block.data
        elif block and block.data.startswith(_NODE) and block.cid not in found.nodes:
            held += len(block.data)
            if held > LARGEST_TREE:
                raise InputError(
                    f"{shown(part.name)} holds a tree of more than {LARGEST_TREE >> 20} MiB", "read the stream"
                )
            found.nodes[block.cid] = block.data
    found.did, top = _signed(commit)
    if found.did is not None:
        _walk(found, top)


def _signed(data: bytes) -> tuple[MemberId | None, bytes]:
    """Give whose repository a commit says this is, and the top of its tree; nobody's where it cannot be read."""
    try:
        commit = decode(data)
        if not isinstance(commit, dict) or commit.get("version") not in _COMMIT_VERSIONS:
            return None, b""
        did, top = account_id(commit.get("did")), commit.get("data")
    except SetAside:
        return None, b""
    return (did, top) if isinstance(top, bytes) and isinstance(commit.get("sig"), bytes) else (None, b"")


def _walk(found: _Repository, top: bytes) -> None:
    """Go through the tree in order: keys rise strictly, and no node comes twice, or the tree is damaged there."""
    waiting: list[bytes | tuple[bytes, bytes]] = [top]
    seen: set[bytes] = set()
    last = b""
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes):
            entries = _entries(found.nodes.get(item, b"")) if item not in seen else None
            seen.add(item)
            found.damaged += entries is None
            waiting += reversed(entries or [])
        elif item[0] <= last:
            found.damaged += 1
        else:
            last = item[0]
            _keep(found, *item)
    found.nodes = {cid: b"" for cid in seen if cid in found.nodes}


def _keep(found: _Repository, key: bytes, cid: bytes) -> None:
    path = key.decode("ascii", errors="replace")
    collection = path.partition("/")[0]
    if collection in WANTED:
        found.records.setdefault(cid, []).append(path)
    if path == f"{PROFILE}/self":
        found.profile = cid


def _entries(data: bytes) -> list[bytes | tuple[bytes, bytes]] | None:
    """Give a node's subtrees and its (key, record), in order; None where it is no node."""
    try:
        node = decode(data)
    except SetAside:
        return None
    entries = node.get("e") if isinstance(node, dict) else None
    if not isinstance(entries, list) or not isinstance(node, dict):
        return None
    found: list[bytes | tuple[bytes, bytes]] = [node["l"]] if isinstance(node.get("l"), bytes) else []
    key = b""
    for entry in entries:
        if not isinstance(entry, dict) or not _is_entry(entry, key):
            return None
        key = key[: entry["p"]] + entry["k"]
        found.append((key, entry["v"]))
        if isinstance(entry.get("t"), bytes):
            found.append(entry["t"])
    return found


def _is_entry(entry: dict[str, Any], before: bytes) -> bool:
    shared, rest, value = entry.get("p"), entry.get("k"), entry.get("v")
    if type(shared) is not int or not isinstance(rest, bytes) or not isinstance(value, bytes):
        return False
    return 0 <= shared <= len(before) and shared + len(rest) <= _LONGEST_PATH


def _protection(part: Part, found: _Repository) -> Protection:
    """Read the profile before anything else: it may hide every post of the account from strangers."""
    if found.damaged:
        return Protection.UNKNOWN
    if not found.profile:
        return Protection.OPEN
    for block in _blocks(part):
        if block and block.cid == found.profile:
            try:
                profile = decode(block.data)
            except SetAside:
                break
            return protection_of(profile) if isinstance(profile, dict) else Protection.PROTECTED
    return Protection.UNKNOWN


def _records(part: Part, found: _Repository, intents: Intents) -> Iterator[Ingested]:
    """Read the file again, now that it is known which block is which record."""
    for number, block in enumerate(_blocks(part), start=1):
        where = f"{shown(part.name)} block {number}"
        if block is None:
            yield Skipped(where=where, reason="malformed_block")
        elif paths := found.records.pop(block.cid, None):
            for path in paths:
                yield from read_change(_change(found, path, block.data), where, intents)
        elif found.did is None:
            yield Skipped(where=where, reason="unknown_author")
        elif block.cid != found.root and block.cid not in found.nodes:
            yield Skipped(where=where, reason="not_a_record")


def _change(found: _Repository, path: str, data: bytes) -> Change:
    collection, _, rkey = path.partition("/")
    try:
        record = decode(data)
    except SetAside as aside:
        record = aside
    return Change(found.did, collection, rkey, "create", "", record)
