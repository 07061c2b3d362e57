"""The adapter for Bluesky: events of a Jetstream, one JSON object a line."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from licet.ingest.instants import rfc3339
from licet.ingest.marks import Mark
from licet.ingest.reasons import SetAside
from licet.ingest.said import Said
from licet.model.members import AccountChange, AccountStatus, Member, MemberId, Protection
from licet.model.records import Deletion, Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

PLATFORM = "bluesky"
COLLECTIONS = {
    "app.bsky.feed.post": Table.POSTS,
    "app.bsky.feed.like": Table.LIKES,
    "app.bsky.feed.repost": Table.REPOSTS,
}
"""The collections of a repository that hold records; bookmarks are private and never in the stream."""

_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]{1,230}")
_RKEY = re.compile(r"[A-Za-z0-9._:~-]{1,400}")
_REVISION = re.compile(r"[A-Za-z0-9]{1,64}")
_POST_URI = re.compile(rf"at://({_DID.pattern})/app\.bsky\.feed\.post/{_RKEY.pattern}")
_LANG = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9-]{1,32})?")
_LONGEST_MEMBER_ID = 255
_NO_UNAUTHENTICATED = "!no-unauthenticated"
_CLOSED = {
    "deactivated": AccountStatus.DEACTIVATED,
    "suspended": AccountStatus.SUSPENDED,
    "takendown": AccountStatus.SUSPENDED,
    "deleted": AccountStatus.DELETED,
}


def read_event(line: str | bytes, where: str) -> list[Ingested]:
    """Read one event: its records, or one Skipped at `where`; never raises on what a line may hold.

    An edit gives a superseding Deletion and then the new record; the Deletion stands even where the new one is
    set aside, for the old words were withdrawn.
    """
    try:
        event = _parse(line)
        if event.get("kind") == "account":
            return [_account(event)]
        if event.get("kind") == "commit":
            return _commit(event, where)
    except SetAside as aside:
        return [Skipped(where=where, reason=aside.reason)]
    reason = "not_a_record" if event.get("kind") == "identity" else "malformed_event"
    return [Skipped(where=where, reason=reason)]


def read_lines(lines: Iterable[str | bytes]) -> Iterator[Ingested]:
    """Read a file of events; each account is introduced once, before its first record."""
    said = Said()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield from _introduced(read_event(line, f"line {number}"), said)


def read_feed(events: Iterable[tuple[int, str]]) -> Iterator[Ingested | Mark]:
    """Read a live stream of (time in microseconds, line); after each event a Mark says how far it was read.

    An empty line says that the stream is quiet.
    """
    said = Said()
    for time_us, line in events:
        if line:
            yield from _introduced(read_event(line, f"event {time_us}"), said)
        yield Mark(cursor=str(time_us or ""), quiet=not line)


def time_of(line: str | bytes) -> int | None:
    """Give an event's time in microseconds since 1970, or None where it has none."""
    try:
        time_us = _parse(line).get("time_us")
    except SetAside:
        return None
    return time_us if type(time_us) is int and 0 < time_us < 2**63 else None


def _introduced(records: list[Ingested], said: Said) -> Iterator[Ingested]:
    """Put an account's introduction before its first record; region and age stay unknown, which denies."""
    for record in records:
        status = AccountStatus.ACTIVE
        if isinstance(record, Post):
            member_id = record.author_id
        elif isinstance(record, Interaction):
            member_id = record.actor_id
        elif isinstance(record, AccountChange):
            # What the event says of the account's status counts; being seen does not.
            member_id, status = record.member_id, AccountStatus.UNKNOWN
        else:
            yield record
            continue
        if said.first(member_id):
            yield Member(member_id=member_id, platform=PLATFORM, protection=Protection.OPEN, status=status)
        yield record


def _parse(line: str | bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SetAside("malformed_event") from error
    if not isinstance(event, dict):
        raise SetAside("malformed_event")
    return event


def _part(whole: dict[str, Any], key: str) -> dict[str, Any]:
    part = whole.get(key)
    if not isinstance(part, dict):
        raise SetAside("malformed_event")
    return part


def _shaped(value: object, shape: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise SetAside("malformed_event")
    return value


def _did(value: object) -> MemberId:
    did = _shaped(value, _DID)
    if len(did) > _LONGEST_MEMBER_ID:
        raise SetAside("malformed_event")
    return MemberId(did)


def _account(event: dict[str, Any]) -> AccountChange:
    account = _part(event, "account")
    did = _did(event.get("did"))
    active, status = account.get("active"), account.get("status")
    if not isinstance(active, bool) or account.get("did", did) != did:
        raise SetAside("malformed_event")
    # An account that is closed for a reason we have no word for (throttled, desynchronized) is closed all the same.
    fallback = AccountStatus.ACTIVE if active else AccountStatus.DEACTIVATED
    stated = _CLOSED.get(status, fallback) if isinstance(status, str) else fallback
    return AccountChange(member_id=did, platform=PLATFORM, status=stated)


def _commit(event: dict[str, Any], where: str) -> list[Ingested]:
    commit = _part(event, "commit")
    collection = commit.get("collection")
    if not isinstance(collection, str):
        raise SetAside("malformed_event")
    if collection not in COLLECTIONS:
        raise SetAside("not_a_record")
    table, did = COLLECTIONS[collection], _did(event.get("did"))
    uri = f"at://{did}/{collection}/{_shaped(commit.get('rkey'), _RKEY)}"
    operation = commit.get("operation")
    if operation == "delete":
        return [Deletion(table=table, record_id=uri, member_id=did)]
    if operation == "create":
        return [_record(table, did, uri, _part(commit, "record"))]
    if operation != "update":
        raise SetAside("malformed_event")
    revision = _shaped(commit.get("rev"), _REVISION)
    edit = Deletion(table=table, record_id=uri, member_id=did, superseded=True, revision=revision)
    try:
        return [edit, _record(table, did, uri, _part(commit, "record"))]
    except SetAside as aside:
        return [edit, Skipped(where=where, reason=aside.reason)]


def _record(table: Table, did: MemberId, uri: str, record: dict[str, Any]) -> Post | Interaction:
    created_at = rfc3339(record.get("createdAt"))
    if created_at is None:
        raise SetAside("unknown_time")
    if table is Table.POSTS:
        return Post(
            post_id=PostId(uri),
            author_id=did,
            created_at=created_at,
            text=_text(record.get("text")),
            platform=PLATFORM,
            visibility=_visibility(record.get("labels")),
            lang=_lang(record.get("langs")),
            in_reply_to=_post_uri(record, "reply", "parent", "uri"),
            quote_of=_quoted(record),
        )
    post_id, post_author_id = _target(record)
    return Interaction(
        table=table,
        actor_id=did,
        post_id=post_id,
        post_author_id=post_author_id,
        created_at=created_at,
        platform=PLATFORM,
        interaction_id=uri,
    )


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise SetAside("no_text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SetAside("unreadable_text") from error
    return text


def _visibility(labels: object) -> Visibility:
    """Read the author's own labels; labels that cannot be read leave it unknown who may see the post."""
    if labels is None:
        return Visibility.PUBLIC
    values = labels.get("values") if isinstance(labels, dict) else None
    if not isinstance(values, list) or not all(isinstance(v, dict) and isinstance(v.get("val"), str) for v in values):
        raise SetAside("unknown_visibility")
    hidden = any(value["val"] == _NO_UNAUTHENTICATED for value in values)
    return Visibility.UNLISTED if hidden else Visibility.PUBLIC


def _lang(langs: object) -> str:
    first = langs[0] if isinstance(langs, list) and langs else None
    match = _LANG.fullmatch(first) if isinstance(first, str) else None
    return match[1].lower() if match else "und"


def _post_uri(record: dict[str, Any], *path: str) -> str:
    """Follow a path to the URI of a post; empty where it leads to none."""
    value: object = record
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) and _POST_URI.fullmatch(value) else ""


def _quoted(record: dict[str, Any]) -> str:
    """Give the post that is quoted, alone or beside pictures."""
    return _post_uri(record, "embed", "record", "uri") or _post_uri(record, "embed", "record", "record", "uri")


def _target(record: dict[str, Any]) -> tuple[PostId, MemberId]:
    subject = record.get("subject")
    uri = subject.get("uri") if isinstance(subject, dict) else None
    if not isinstance(uri, str):
        raise SetAside("unknown_post")
    match = _POST_URI.fullmatch(uri)
    if match:
        return PostId(uri), _did(match[1])
    if "/app.bsky.feed.post/" in uri:
        # The authority is a handle, which can move to another account: it does not say whose post it is.
        raise SetAside("unknown_post_author")
    raise SetAside("not_a_post")
