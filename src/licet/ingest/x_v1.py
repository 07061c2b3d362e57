"""The adapter for X's tweets of API v1.1: dumps, streams and archives of 2012 to 2018, each with its `user` inside."""

import json
import re
from collections.abc import Iterator
from typing import Any

from licet.ingest.archives import shown
from licet.ingest.instants import after_epoch
from licet.ingest.json_parts import items, lines
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.ingest.said import Said
from licet.ingest.x_ids import PLATFORM, member_id, post_id
from licet.ingest.x_text import deletions, gathered, identifier, older_versions, owner, post, repost
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, Member, MemberId, Protection
from licet.model.records import Deletion, Hiding, Ingested, Skipped, Table, interaction_key

_DATA = (".json", ".jsonl", ".ndjson", ".js")
_BLANK = " \t\r\n\ufeff"
_OLD_ARCHIVE = re.compile(r"Grailbird\.data\.tweets_[0-9_]{1,16}\s*=")
_LINES_TRIED = 20
_MESSAGES = {
    "scrub_geo": "nothing_kept",
    "direct_message": "direct_message",
    **dict.fromkeys(
        ("limit", "warning", "disconnect", "friends", "friends_str", "event", "for_user", "control"), "not_a_record"
    ),
}
_DECODER = json.JSONDecoder()


def sees(source: Opened) -> str:
    """Say how many files of v1.1 tweets there are, empty where there are none."""
    files = sum(1 for part in source.parts if _form(source, part))
    return f"X tweets as of API v1.1 in {files} file{'s' * (files > 1)}" if files else ""


def read(source: Opened) -> Iterator[Ingested]:
    """Read every file of v1.1 tweets; each account is introduced once, before its first record."""
    said = Said()
    for part in source.parts:
        form = _form(source, part)
        if not form:
            if part.name.endswith(_DATA):
                yield Skipped(where=shown(part.name), reason="not_a_record")
            continue
        for found in _found(source, part, form):
            if isinstance(found, Skipped):
                yield found
                continue
            where, tweet = found
            for record in read_tweet(tweet, where):
                if not isinstance(record, Member) or said.first((record.member_id, record.protection)):
                    yield record


def read_tweet(tweet: object, where: str) -> list[Ingested]:
    """Read one tweet or message of the stream, and the tweet that it quotes; never raises on what it may hold."""
    if not isinstance(tweet, dict):
        return [Skipped(where=where, reason="malformed_row")]
    if "user" not in tweet and "created_at" not in tweet:
        return gathered(_message(tweet), where)
    records = gathered(_tweet(tweet), where)
    quoted = tweet.get("quoted_status")
    if isinstance(quoted, dict):
        records += gathered(_tweet(quoted), f"{where} quoted_status")
    return records


def _tweet(tweet: dict[str, Any]) -> Iterator[Ingested]:
    user = tweet.get("user")
    author = _author(user)
    name = post_id(identifier(tweet))
    history = tweet.get("edit_history")
    older, stands = older_versions(name, history.get("edit_tweet_ids") if isinstance(history, dict) else None)
    for version in older:
        yield Deletion(table=Table.POSTS, record_id=version, member_id=author)
    if not stands:
        return
    yield from _shown(user, author)
    original = tweet.get("retweeted_status")
    if isinstance(original, dict):
        interaction = repost(tweet, name, author, original)
        yield from _shown(original.get("user"), interaction.post_author_id)
        yield interaction
    else:
        yield post(tweet, name, author, _text(tweet))


def _author(user: object) -> MemberId:
    return member_id(identifier(user) if isinstance(user, dict) else None, "unknown_author")


def _shown(user: object, name: MemberId) -> Iterator[Member]:
    """Introduce an account by what the tweet says of it, and go on only where everybody may read it."""
    protected = user.get("protected") if isinstance(user, dict) else None
    if not isinstance(user, dict) or not isinstance(protected, bool):
        raise SetAside("unknown_visibility")
    protection = Protection.PROTECTED if protected else Protection.OPEN
    yield Member(member_id=name, platform=PLATFORM, protection=protection, status=AccountStatus.ACTIVE)
    if protected:
        raise SetAside("protected")
    if user.get("withheld_in_countries") or user.get("withheld_scope"):
        raise SetAside("withheld")


def _text(tweet: dict[str, Any]) -> object:
    """Give the whole text: the short one ends in the middle where a long one is there."""
    extended = tweet.get("extended_tweet")
    if isinstance(extended, dict) and extended.get("full_text"):
        return extended["full_text"]
    return tweet.get("full_text") or tweet.get("text")


def _message(message: dict[str, Any]) -> Iterator[Ingested]:
    """Read what a stream says that is no tweet: a deletion, a post withheld in some countries, or nothing for us."""
    if "delete" in message:
        yield from _deleted(_part(message, "delete"))
    elif "status_withheld" in message:
        yield from _withheld(_part(message, "status_withheld"))
    elif "user_withheld" in message:
        yield _closed(_part(message, "user_withheld"))
    else:
        known = [reason for kind, reason in _MESSAGES.items() if kind in message]
        raise SetAside(known[0] if known else "malformed_row")


def _deleted(notice: dict[str, Any]) -> list[Deletion]:
    if "favorite" in notice:
        like = _part(notice, "favorite")
        actor = member_id(identifier(like, "user_id"), "unknown_actor")
        key = interaction_key(actor, post_id(identifier(like, "tweet_id")))
        return [Deletion(table=Table.LIKES, record_id=key, member_id=actor)]
    status = _part(notice, "status")
    return deletions(post_id(identifier(status)), owner(identifier(status, "user_id")))


def _withheld(notice: dict[str, Any]) -> Iterator[Ingested]:
    name, author = post_id(identifier(notice)), owner(identifier(notice, "user_id"))
    stamp = notice.get("timestamp_ms")
    plain = stamp if isinstance(stamp, str) and stamp.isascii() and stamp.isdecimal() else ""
    at = after_epoch(int(plain) * 1000) if 0 < len(plain) < len(str(2**64)) else None
    if at is None:
        # Without a time a later showing could not be told from an earlier one; X calls the withholding permanent.
        yield from deletions(name, author)
        return
    for table in (Table.POSTS, Table.REPOSTS):
        yield Hiding(table=table, record_id=name, member_id=author, hidden=True, at=at, cause="withheld")


def _closed(notice: dict[str, Any]) -> AccountChange:
    """Close an account that is withheld somewhere: what not everybody may read is shared with nobody."""
    name = member_id(identifier(notice), "unknown_member")
    return AccountChange(member_id=name, platform=PLATFORM, status=AccountStatus.SUSPENDED)


def _part(whole: dict[str, Any], key: str) -> dict[str, Any]:
    part = whole.get(key)
    if not isinstance(part, dict):
        raise SetAside("malformed_row")
    return part


def _found(source: Opened, part: Part, form: str) -> Iterator[tuple[str, object] | Skipped]:
    if form == "lines":
        return lines(source, part)
    return items(source, part, prefix=b"=" if form == "old archive" else b"")


def _form(source: Opened, part: Part) -> str:
    """Tell how a file holds v1.1 tweets: `lines`, `array` or `old archive`; empty where it holds none."""
    if len(source.parts) > 1 and not part.name.endswith(_DATA):
        return ""
    try:
        head = source.head(part).decode("utf-8", "replace").lstrip(_BLANK)
    except InputError:
        return ""
    if head.startswith("{"):
        tried = head.splitlines()[:_LINES_TRIED]
        return "lines" if any(_is_ours(line, 0) for line in tried) else ""
    old = _OLD_ARCHIVE.match(head)
    if old:
        return "old archive"
    return "array" if head.startswith("[") and _is_ours(head, head.find("{")) else ""


def _is_ours(text: str, start: int) -> bool:
    try:
        found, _ = _DECODER.raw_decode(text, max(start, 0))
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    notice = found.get("delete")
    if isinstance(notice, dict) and "timestamp_ms" not in notice:
        return isinstance(notice.get("status") or notice.get("favorite"), dict)
    return isinstance(found.get("user"), dict) and {"id_str", "created_at"} <= found.keys() and _has_text(found)


def _has_text(found: dict[str, Any]) -> bool:
    return isinstance(found.get("full_text", found.get("text")), str)
