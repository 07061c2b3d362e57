"""The adapter for recorded AT Protocol streams: repositories (`subscribeRepos`) and moderation (`subscribeLabels`)."""

import io
from collections.abc import Collection, Iterable, Iterator
from typing import Any, BinaryIO

import libipld

from licet.ingest.archives import shown
from licet.ingest.bluesky_records import (
    INTENTS,
    MODERATORS,
    WANTED,
    Change,
    Intents,
    Stream,
    account_change,
    read_change,
    read_label,
)
from licet.ingest.car import blocks, decode, root
from licet.ingest.opened import Opened
from licet.ingest.reasons import SetAside
from licet.model.records import Ingested, Skipped

LARGEST_FRAME = 5 * 2**20
"""Bytes of a frame; the protocol allows five million."""

_PREFIX = 4
_CHUNK = 2**16
_HEADER_STARTS = (b"\xa2at", b"\xa2bop", b"\xa1bop")
_HEADER_SIZE = 64
_UNREAD = frozenset({"#identity", "#info", "#handle", "#migrate"})
"""Kinds of message that change neither a record nor whether an account is open."""


def sees(source: Opened) -> str:
    """Say what this adapter recognizes in an input, or nothing."""
    heads = [source.head(part, _PREFIX + _HEADER_SIZE) for part in source.parts]
    if not heads or not all(_is_recording(head) for head in heads):
        return ""
    return f"recorded AT Protocol stream frames in {len(heads)} file{'s' if len(heads) > 1 else ''}"


def read(source: Opened, intents: Intents = INTENTS, moderators: Collection[str] = MODERATORS) -> Iterator[Ingested]:
    """Read recorded frames, file by file in the order of their names; each account is introduced once."""
    stream = Stream()
    for part in source.parts:
        with part.open() as recording:
            for number, frame in enumerate(frames(recording), start=1):
                where = f"{shown(part.name)} frame {number}"
                yield from _told(stream, read_frame(frame, where, intents, moderators), where)


def read_frames(messages: Iterable[bytes], intents: Intents = INTENTS) -> Iterator[Ingested]:
    """Read frames as a web socket gives them; each account is introduced once, before its first record."""
    stream = Stream()
    for number, frame in enumerate(messages, start=1):
        where = f"frame {number}"
        yield from _told(stream, read_frame(frame, where, intents), where)


def frames(recording: BinaryIO) -> Iterator[bytes]:
    """Give the frames of a recording: each after its length in four bytes, little-endian; b"" for one too large."""
    while prefix := _exactly(recording, _PREFIX):
        size = int.from_bytes(prefix, "little")
        if len(prefix) < _PREFIX:
            yield b""
        elif size <= LARGEST_FRAME:
            frame = _exactly(recording, size)
            yield frame if len(frame) == size else b""
        else:
            yield b""
            while size > 0 and (passed := recording.read(min(size, _CHUNK))):
                size -= len(passed)


def read_frame(
    frame: bytes, where: str, intents: Intents = INTENTS, moderators: Collection[str] = MODERATORS
) -> list[list[Ingested]]:
    """Read one frame: what each of its operations gives, at least one thing; never raises on what it may hold."""
    try:
        kind, body = _message(frame)
        if kind == "#commit":
            return _commit(body, where, intents)
        if kind == "#labels":
            return _labels(body, where, moderators)
        return [[_account(kind, body)]]
    except SetAside as aside:
        return [_aside(where, aside.reason)]


def _told(stream: Stream, operations: list[list[Ingested]], where: str) -> Iterator[Ingested]:
    for records in operations:
        yield from stream.tell(records, where)


def _is_recording(head: bytes) -> bool:
    size, start = int.from_bytes(head[:_PREFIX], "little"), head[_PREFIX:]
    return 0 < size <= LARGEST_FRAME and start.startswith(_HEADER_STARTS) and b"bop" in start


def _message(frame: bytes) -> tuple[str, dict[str, Any]]:
    """Give kind and body; a frame is two values, and the first says what the second is."""
    try:
        parts = libipld.decode_dag_cbor_multi(frame)
    except (ValueError, RecursionError) as error:
        raise SetAside("malformed_event") from error
    if len(parts) != 2 or not all(isinstance(part, dict) for part in parts):  # noqa: PLR2004 - header and body
        raise SetAside("malformed_event")
    header, body = parts
    if header.get("op") == -1:
        raise SetAside("not_a_record")
    if header.get("op") != 1 or not isinstance(header.get("t"), str):
        raise SetAside("malformed_event")
    return header["t"], body


def _labels(body: dict[str, Any], where: str, moderators: Collection[str]) -> list[list[Ingested]]:
    labels = body.get("labels")
    if not isinstance(labels, list):
        raise SetAside("malformed_event")
    return [[read_label(label, where, moderators)] for label in labels] or [_aside(where, "not_a_record")]


def _commit(body: dict[str, Any], where: str, intents: Intents) -> list[list[Ingested]]:
    operations = body.get("ops")
    if not isinstance(operations, list):
        raise SetAside("malformed_event")
    parsed = [operation if isinstance(operation, dict) else {} for operation in operations]
    carried = _carried(body, {cid for cid in map(_needed, parsed) if cid})
    told = [read_change(_change(body, operation, carried), where, intents) for operation in parsed]
    if body.get("tooBig"):
        told.append(_aside(where, "not_carried"))
    return told or [_aside(where, "not_a_record")]


def _account(kind: str, body: dict[str, Any]) -> Ingested:
    if kind == "#account":
        return account_change(body.get("did"), body.get("active"), body.get("status"), body.get("time"))
    if kind == "#tombstone":
        return account_change(body.get("did"), active=False, status="deleted", time=body.get("time"))
    if kind == "#sync":
        # The repository jumped: what was created or deleted in between is not told.
        raise SetAside("not_carried")
    raise SetAside("not_a_record" if kind in _UNREAD else "malformed_event")


def _aside(where: str, reason: str) -> list[Ingested]:
    return [Skipped(where=where, reason=reason)]


def _path(operation: dict[str, Any]) -> tuple[str | None, str]:
    path = operation.get("path")
    collection, _, rkey = path.partition("/") if isinstance(path, str) else (None, "", "")
    return collection, rkey


def _needed(operation: dict[str, Any]) -> bytes:
    """Give the name of the block that an operation needs, if it needs one."""
    cid = operation.get("cid")
    return cid if _path(operation)[0] in WANTED and isinstance(cid, bytes) else b""


def _change(body: dict[str, Any], operation: dict[str, Any], carried: dict[bytes, bytes]) -> Change:
    collection, rkey = _path(operation)
    record: object = None
    if needed := _needed(operation):
        try:
            record = decode(carried[needed]) if needed in carried else SetAside("not_carried")
        except SetAside as aside:
            record = aside
    return Change(body.get("repo"), collection, rkey, operation.get("action"), body.get("rev"), record)


def _carried(body: dict[str, Any], needed: set[bytes]) -> dict[bytes, bytes]:
    """Give the blocks that are needed, out of those that a commit carries, provided the commit is this account's."""
    data = body.get("blocks")
    if not needed or not isinstance(data, bytes):
        return {}
    stream = io.BytesIO(data)
    try:
        signed = root(stream)
        found = {b.cid: b.data for b in blocks(stream) if b and (b.cid in needed or b.cid == signed)}
        commit = decode(found[signed]) if signed in found else None
    except SetAside:
        return {}
    same = isinstance(commit, dict) and (commit.get("did"), commit.get("rev")) == (body.get("repo"), body.get("rev"))
    return found if same else {}


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read so many bytes, fewer only at the end."""
    found = stream.read(size)
    while len(found) < size and (more := stream.read(size - len(found))):
        found += more
    return found
