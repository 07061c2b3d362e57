"""The adapter for Bluesky: events of a Jetstream, one JSON object a line."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from licet.ingest.bluesky_records import INTENTS, Change, Intents, Stream, account_change, read_change
from licet.ingest.json_parts import lines as json_lines
from licet.ingest.marks import Mark
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.model.records import Ingested, Skipped

_KINDS = frozenset({"commit", "identity", "account"})
_EARLY_TIME = re.compile(r'\{"did":"[^"\\]*","time_us":([1-9][0-9]{0,17}),')
_START = re.compile(rb'\s*\{\s*"did"\s*:\s*"did:[^"\\]*"\s*,\s*"time_us"\s*:\s*[0-9]+\s*,')


def sees(source: Opened) -> str:
    """Say what this adapter recognizes in an input, or nothing."""
    if not source.parts or not all(_is_recording(source, part) for part in source.parts):
        return ""
    return f"Bluesky Jetstream events in {len(source.parts)} file{'s' if len(source.parts) > 1 else ''}"


def read(source: Opened, intents: Intents = INTENTS) -> Iterator[Ingested]:
    """Read recorded events, file by file in the order of their names; each account is introduced once."""
    stream = Stream()
    for part in source.parts:
        for item in json_lines(source, part):
            if isinstance(item, Skipped):
                yield item
            else:
                where, event = item
                yield from stream.tell(_event(event, where, intents), where)


def read_event(line: str | bytes, where: str, intents: Intents = INTENTS) -> list[Ingested]:
    """Read one event: its records, or one Skipped at `where`; never raises on what a line may hold.

    An edit gives a superseding Deletion and then the new record; the Deletion stands even where the new one is
    set aside, for the old words were withdrawn.
    """
    event = _parse(line)
    if event is None:
        return [Skipped(where=where, reason="malformed_event")]
    return _event(event, where, intents)


def read_lines(lines: Iterable[str | bytes], intents: Intents = INTENTS) -> Iterator[Ingested]:
    """Read a file of events; each account is introduced once, before its first record."""
    stream = Stream()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            where = f"line {number}"
            yield from stream.tell(read_event(line, where, intents), where)


def read_feed(events: Iterable[tuple[int, str]], intents: Intents = INTENTS) -> Iterator[Ingested | Mark]:
    """Read a live stream of (time in microseconds, line); after each event a Mark says how far it was read.

    An empty line says that the stream is quiet.
    """
    stream = Stream()
    for time_us, line in events:
        if line:
            where = f"event {time_us}"
            yield from stream.tell(read_event(line, where, intents), where)
        yield Mark(cursor=str(time_us or ""), quiet=not line)


def time_of(line: str | bytes) -> int | None:
    """Give an event's time in microseconds since 1970, or None where it has none."""
    # Servers write the time near the beginning: the live stream need not parse each event twice.
    early = _EARLY_TIME.match(line) if isinstance(line, str) else None
    if early:
        return int(early[1])
    time_us = (_parse(line) or {}).get("time_us")
    return time_us if type(time_us) is int and 0 < time_us < 2**63 else None


def _is_recording(source: Opened, part: Part) -> bool:
    first = source.head(part).lstrip().partition(b"\n")[0]
    try:
        event = orjson.loads(first)
    except orjson.JSONDecodeError:
        # A first event longer than the head is cut off: its beginning must do.
        return bool(_START.match(first)) and b'"kind"' in first
    return isinstance(event, dict) and event.get("kind") in _KINDS and {"did", "time_us"} <= event.keys()


def _parse(line: str | bytes) -> dict[str, Any] | None:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            # The stricter and faster parser refuses a whole line for half a character in its text.
            event = json.loads(line)
        except (ValueError, RecursionError):
            return None
    return event if isinstance(event, dict) else None


def _event(event: dict[str, Any], where: str, intents: Intents) -> list[Ingested]:
    kind = event.get("kind")
    if kind == "commit":
        commit = event.get("commit")
        if isinstance(commit, dict):
            return read_change(_change(event, commit), where, intents)
    elif kind == "account":
        return [_account(event, where)]
    return [Skipped(where=where, reason="not_a_record" if kind == "identity" else "malformed_event")]


def _change(event: dict[str, Any], commit: dict[str, Any]) -> Change:
    get = commit.get
    return Change(event.get("did"), get("collection"), get("rkey"), get("operation"), get("rev"), get("record"))


def _account(event: dict[str, Any], where: str) -> Ingested:
    account, did = event.get("account"), event.get("did")
    if not isinstance(account, dict) or account.get("did", did) != did:
        return Skipped(where=where, reason="malformed_event")
    try:
        return account_change(did, account.get("active"), account.get("status"), account.get("time"))
    except SetAside as aside:
        return Skipped(where=where, reason=aside.reason)
