"""The adapter for X compliance: events of its streams and results of its batch jobs, one JSON object a line."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import orjson

from licet.ingest.archives import shown
from licet.ingest.instants import after_epoch, reader, rfc3339
from licet.ingest.json_parts import lines
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.ingest.x_ids import PLATFORM, member_id, post_id
from licet.ingest.x_text import deletions, identifier, older_versions
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, MemberId, Protection
from licet.model.records import Deletion, Hiding, Ingested, PostId, Skipped, Table, interaction_key

NOBODY = MemberId("")
"""The member of a deletion or hiding whose author X does not tell; the lake knows the post's author."""

REMEMBERED = 200_000
"""Of how many accounts one reading remembers the latest events, so that older ones may come late."""

# A repost is a tweet with an id of its own, and events do not tell which it is.
_TWEETS = (Table.POSTS, Table.REPOSTS)
_USERS = "users"
_POSTS = "tweets"
_FINAL = frozenset({"deleted", "bounced"})
_STATUSES = {
    "deleted": AccountStatus.DELETED,
    "suspended": AccountStatus.SUSPENDED,
    "deactivated": AccountStatus.DEACTIVATED,
}
_WORDS = {
    **dict.fromkeys(("user", "users", "account", "accounts"), _USERS),
    **dict.fromkeys(("tweet", "tweets", "post", "posts", "status", "statuses"), _POSTS),
}
_WORD = re.compile(r"[a-z]+")
_JSON = re.compile(r".*\.(json|jsonl|ndjson|txt)(\.gz)?", re.IGNORECASE)
_SNOWFLAKE_BITS = 22
_SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
_HEAD_LINES = 20
_BODY = frozenset({"event_at", "timestamp_ms", "timestampMs"})
_milliseconds = reader("unix_ms")

_Event = dict[str, Any]


class _Accounts:
    """What one reading knows of accounts, so that their events may come in any order."""

    def __init__(self) -> None:
        self._latest: dict[MemberId, dict[str, tuple[datetime, bool]]] = {}

    def change(self, member: MemberId, cause: str, on: bool, at: datetime) -> AccountChange:  # noqa: FBT001 - one flag
        """Give the account's state after an event; of events at one instant the one that closes counts."""
        if member not in self._latest and len(self._latest) >= REMEMBERED:
            del self._latest[next(iter(self._latest))]
        known = self._latest.setdefault(member, {})
        known[cause] = max(known.get(cause, (at, on)), (at, on))
        return _state(member, cause, {name for name, (_, is_on) in known.items() if is_on}, at)


def sees(source: Opened) -> str:
    """Recognize compliance events and results of compliance jobs by the first lines of their parts."""
    found = [kind for part in _readable(source) if (kind := _kind_of(_head(source, part)))]
    if not found:
        return ""
    return "X compliance events" if "events" in found else "results of an X compliance job"


def read(source: Opened) -> Iterator[Ingested]:
    """Read events and results; within one reading the order of events does not matter."""
    accounts, readable = _Accounts(), {part.name for part in _readable(source)}
    for part in source.parts:
        if part.name not in readable:
            yield Skipped(where=shown(part.name), reason="not_a_record")
            continue
        about = _about(f"{source.name}/{part.name}")
        for found in lines(source, part):
            if isinstance(found, Skipped):
                yield found
                continue
            where, event = found
            try:
                yield from _read(event, about, accounts)
            except SetAside as aside:
                yield Skipped(where=where, reason=aside.reason)


def _readable(source: Opened) -> tuple[Part, ...]:
    return source.parts if len(source.parts) == 1 else tuple(p for p in source.parts if _JSON.fullmatch(p.name))


def _head(source: Opened, part: Part) -> bytes:
    """Give the beginning of a part; nothing where it cannot be read, for then it is no stream of events."""
    try:
        return source.head(part)
    except InputError:
        return b""


def _kind_of(head: bytes) -> str:
    """Tell what the first whole line that is an event or a result makes of the part; empty where none is."""
    for line in head.split(b"\n")[:_HEAD_LINES]:
        try:
            event = orjson.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict):
            continue
        if {"user", "created_at"} <= event.keys():
            return ""  # A recorded stream of tweets, which has deletions in between.
        if _is_result(event):
            return "results"
        if any(_is_event(name, body) for name, body in _inner(event).items()):
            return "events"
    return ""


def _is_result(event: _Event) -> bool:
    return isinstance(event.get("reason"), str) and event.get("action") == "delete" and "id" in event


def _is_event(name: str, body: object) -> bool:
    return name in _READERS and isinstance(body, dict) and not _BODY.isdisjoint(body)


def _inner(event: _Event) -> _Event:
    inner = event.get("data", event)
    return inner if isinstance(inner, dict) else {}


def _read(event: _Event, about: str, accounts: _Accounts) -> list[Ingested]:
    if "action" in event or "reason" in event:
        return _result(event, about)
    found: list[Ingested] = []
    for name, body in _inner(event).items():
        reads = _READERS.get(name)
        if reads is None:
            continue
        if not isinstance(body, dict):
            raise SetAside("malformed_event")
        found += reads(name, body, accounts)
    if found:
        return found
    raise SetAside("not_a_record" if "errors" in event else "malformed_event")


def _tweet(body: _Event) -> tuple[PostId, MemberId]:
    part = body.get("tweet") or body.get("status") or body
    if not isinstance(part, dict):
        raise SetAside("malformed_event")
    post = post_id(identifier(part))
    try:
        return post, member_id(part.get("author_id") or identifier(part, "user_id"), "unknown_author")
    except SetAside:
        # What an event takes away falls whoever wrote it.
        return post, NOBODY


def _at(body: _Event) -> datetime | None:
    value = body.get("event_at") or body.get("timestamp_ms") or body.get("timestampMs")
    return rfc3339(value) or _milliseconds(value)


def _delete(_name: str, body: _Event, _accounts: _Accounts) -> list[Ingested]:
    favorite = body.get("favorite")
    if favorite is None:
        return [*deletions(*_tweet(body))]
    if not isinstance(favorite, dict):
        raise SetAside("malformed_event")
    actor = member_id(identifier(favorite, "user_id"), "unknown_actor")
    post = post_id(identifier(favorite, "tweet_id") or identifier(favorite))
    return [Deletion(table=Table.LIKES, record_id=interaction_key(actor, post), member_id=actor)]


def _hide(name: str, body: _Event, _accounts: _Accounts) -> list[Ingested]:
    # A list of countries that cannot be read hides too: withheld somewhere is shared nowhere.
    hidden = name == "drop" or (name != "undrop" and body.get("withheld_in_countries") != [])
    post, author = _tweet(body)
    return _hidings(post, author, _at(body), _cause(name), hidden=hidden)


def _cause(name: str) -> str:
    return "drop" if name in {"drop", "undrop"} else "withheld"


def _hidings(post: PostId, author: MemberId, at: datetime | None, cause: str, *, hidden: bool) -> list[Ingested]:
    if at is None and hidden:
        # Without a time a later showing could not be told from an earlier one: then it is gone for good.
        return [*deletions(post, author)]
    if at is None:
        raise SetAside("unknown_time")
    return [
        Hiding(table=table, record_id=post, member_id=author, hidden=hidden, at=at, cause=cause) for table in _TWEETS
    ]


def _edit(_name: str, body: _Event, _accounts: _Accounts) -> list[Ingested]:
    post, author = _tweet(body)
    versions = body.get("edit_tweet_ids") or []
    initial = identifier(body, "initial_tweet_id")
    if not isinstance(versions, list):
        raise SetAside("malformed_event")
    older, _ = older_versions(post, [*versions, initial] if initial else versions)
    if not older:
        raise SetAside("nothing_kept")
    return [Deletion(table=Table.POSTS, record_id=version, member_id=author) for version in older]


def _account(name: str, body: _Event, accounts: _Accounts) -> list[Ingested]:
    user = body.get("user", body)
    if not isinstance(user, dict):
        raise SetAside("malformed_event")
    member = member_id(identifier(user), "unknown_member")
    if name == "user_withheld" and body.get("withheld_in_countries") == []:
        # Nothing says whether the account is otherwise open, so this reopens nothing.
        raise SetAside("nothing_kept")
    opened = name.removeprefix("user_").startswith("un")
    cause = name.removeprefix("user_").removeprefix("un")
    at = _at(body)
    if at is not None:
        return [accounts.change(member, cause, not opened, at)]
    if opened:
        raise SetAside("unknown_time")
    return [_state(member, cause, {cause}, None)]


def _state(member: MemberId, cause: str, on: set[str], at: datetime | None) -> AccountChange:
    """Give an account's protection or status, whichever an event is about; several reasons may close an account."""
    if cause == "protect":
        protection = Protection.PROTECTED if "protect" in on else Protection.OPEN
        return AccountChange(member_id=member, platform=PLATFORM, protection=protection, at=at)
    status = AccountStatus.DELETED if "delete" in on else AccountStatus.ACTIVE
    if status is AccountStatus.ACTIVE and on & {"suspend", "withheld"}:
        status = AccountStatus.SUSPENDED
    return AccountChange(member_id=member, platform=PLATFORM, status=status, at=at)


def _nothing(_name: str, _body: _Event, _accounts: _Accounts) -> list[Ingested]:
    raise SetAside("nothing_kept")


_READERS: dict[str, Callable[[str, _Event, _Accounts], list[Ingested]]] = {
    "delete": _delete,
    "drop": _hide,
    "undrop": _hide,
    "withheld": _hide,
    "status_withheld": _hide,
    "tweet_withheld": _hide,
    "tweet_edit": _edit,
    "user_delete": _account,
    "user_undelete": _account,
    "user_suspend": _account,
    "user_unsuspend": _account,
    "user_protect": _account,
    "user_unprotect": _account,
    "user_withheld": _account,
    "scrub_geo": _nothing,
    "user_profile_modification": _nothing,
}


def _about(name: str) -> str:
    """Tell from a file's name whether a job was about posts or users; empty where it names neither or both."""
    found = {_WORDS[word] for word in _WORD.findall(name.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else ""


def _result(event: _Event, about: str) -> list[Ingested]:
    reason = event.get("reason")
    if event.get("action") != "delete" or not isinstance(reason, str):
        raise SetAside("malformed_event")
    if reason == "scrub_geo":
        raise SetAside("nothing_kept")
    about = _POSTS if _made_with_its_id(event) else about
    if not about:
        raise SetAside("unknown_kind")
    return [_closed(event, reason)] if about == _USERS else _redacted(event, reason)


def _made_with_its_id(event: _Event) -> bool:
    """Tell whether the time in an id is to the millisecond that of its creation: of posts it is, of accounts not."""
    post, created_at = post_id(event.get("id")), rfc3339(event.get("created_at"))
    if created_at is None or not created_at.microsecond:
        return False
    milliseconds = (int(post.removeprefix(f"{PLATFORM}:")) >> _SNOWFLAKE_BITS) + _SNOWFLAKE_EPOCH_MS
    return after_epoch(milliseconds * 1000) == created_at


def _closed(event: _Event, reason: str) -> AccountChange:
    member = member_id(event.get("id"), "unknown_member")
    at = rfc3339(event.get("redacted_at")) or rfc3339(event.get("created_at"))
    if reason == "protected":
        return AccountChange(member_id=member, platform=PLATFORM, protection=Protection.PROTECTED, at=at)
    # An account that a job names for a reason we have no word for is closed all the same.
    status = _STATUSES.get(reason, AccountStatus.DEACTIVATED)
    return AccountChange(member_id=member, platform=PLATFORM, status=status, at=at)


def _redacted(event: _Event, reason: str) -> list[Ingested]:
    post = post_id(event.get("id"))
    if reason in _FINAL:
        return [*deletions(post, NOBODY)]
    # Without the time of the redaction it is only known that it came after the post itself.
    at = rfc3339(event.get("redacted_at")) or rfc3339(event.get("created_at"))
    return _hidings(post, NOBODY, at, reason[:64], hidden=True)
