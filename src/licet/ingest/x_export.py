"""The adapter for the account export that X gives its members: a zip or folder with `data/tweets.js` and others."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from licet.ingest.archives import shown
from licet.ingest.json_parts import items
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.ingest.said import Said
from licet.ingest.x_ids import PLATFORM, member_id, post_id
from licet.ingest.x_notes import Notes
from licet.ingest.x_text import deletions, gathered, identifier, instant, older_versions, owner, post, repost
from licet.model.errors import InputError
from licet.model.members import AccountStatus, Member, MemberId, Protection
from licet.model.records import Deletion, Ingested, Interaction, Post, PostId, Skipped, Table

_FILE = re.compile(r"(?:(?P<folder>.*)/)?(?P<name>[a-z0-9-]+?)(?:-part[0-9]{1,6})?\.js")
_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*window\.YTD\.[a-z_]{1,64}\.part[0-9]{1,6}\s*=\s*\[")
_HEAD_BYTES = 256
_HEADS_TRIED = 8
_TWEETS = ("tweets", "tweet")
_NOTES = ("note-tweet", "note-tweets")
_DELETED = ("deleted-tweets", "deleted-tweet", "deleted-tweet-headers")
_CLOSED = {
    "twitter-circle-tweet": "circle_only",
    "twitter-circle-tweets": "circle_only",
    "community-tweet": "community_only",
    "community-tweets": "community_only",
}
_LIKED = {"like": "like", "likes": "like", "bookmark": "bookmark", "bookmarks": "bookmark"}
_STATES = ("account", "protected-history", "account-suspension")
_OTHERS = {
    "direct-messages": "direct_message",
    "direct-messages-group": "direct_message",
    "deleted-note-tweet": "deleted_on_platform",
}
_OURS = {*_TWEETS, *_NOTES, *_DELETED, *_CLOSED, *_LIKED, *_STATES}
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Switch:
    """How a switch of the account was set over time: moments in order, and whether each turned it on."""

    moments: tuple[datetime, ...] = ()
    turned_on: tuple[bool, ...] = ()
    readable: bool = True

    def last(self) -> bool | None:
        """Tell how it is set now, None where nothing says."""
        return self.turned_on[-1] if self.readable and self.turned_on else None

    def at(self, moment: datetime) -> bool:
        """Tell how it was set at a moment; before the first change it was the other way round."""
        if not self.moments:
            return False
        before = bisect_right(self.moments, moment)
        return self.turned_on[before - 1] if before else not self.turned_on[0]


@dataclass(slots=True, kw_only=True)
class _Export:
    """One account's export: its files by name, and what is known of the account before its tweets are read."""

    source: Opened
    files: dict[str, list[Part]]
    author: MemberId | None = None
    protected: _Switch = field(default_factory=_Switch)
    suspended: _Switch = field(default_factory=_Switch)
    closed: dict[PostId, str] = field(default_factory=dict)
    closed_known: bool = True
    notes: Notes = field(default_factory=Notes)
    said: Said = field(default_factory=Said)

    def records(self, names: tuple[str, ...], wrapper: str) -> Iterator[tuple[str, dict[str, Any]] | Skipped]:
        """Give the objects of all files of these names, out of their wrapper where they have one."""
        for part in (part for name in names for part in self.files.get(name, [])):
            if not _is_ours(self.source, part):
                yield Skipped(where=shown(part.name), reason="malformed_row")
                continue
            for found in items(self.source, part, prefix=b"="):
                if isinstance(found, Skipped):
                    yield found
                    continue
                where, whole = found
                inner = whole.get(wrapper, whole) if isinstance(whole, dict) else None
                yield (where, inner) if isinstance(inner, dict) else Skipped(where=where, reason="malformed_row")


def sees(source: Opened) -> str:
    """Say how many parts of tweets an X account export has, empty where it is none."""
    exports = _exports(source)
    parts = [part for export in exports for names in export.files.values() for part in names]
    if not any(_is_ours(source, part) for part in parts[:_HEADS_TRIED]):
        return ""
    tweets = sum(len(export.files.get(name, [])) for export in exports for name in _TWEETS)
    return f"an X account export with {tweets} part{'s' * (tweets != 1)} of tweets"


def read(source: Opened) -> Iterator[Ingested]:
    """Read the account, what it deleted and what was never public, and then its tweets and long posts.

    Of several exports in one folder each is read by itself: a tweet belongs to the account beside it.
    """
    exports = _exports(source)
    for export in exports:
        yield from _account(export)
        yield from _closed(export)
        yield from _deleted(export)
        yield from _notes(export)
        yield from _tweets(export)
        yield from _liked(export)
    yield from _others(source, exports)


def _exports(source: Opened) -> list[_Export]:
    folders: defaultdict[str, dict[str, list[Part]]] = defaultdict(dict)
    for part in source.parts:
        match = _FILE.fullmatch(part.name)
        if match and match["name"] in _OURS:
            folders[match["folder"] or ""].setdefault(match["name"], []).append(part)
    return [_Export(source=source, files=files) for _, files in sorted(folders.items())]


def _is_ours(source: Opened, part: Part) -> bool:
    try:
        return _HEAD.match(source.head(part, _HEAD_BYTES)) is not None
    except InputError:
        return False


def _account(export: _Export) -> Iterator[Ingested]:
    """Introduce the account; without a readable one, or with two, nobody is the author of what follows."""
    named: set[MemberId] = set()
    for found in export.records(("account",), "account"):
        if isinstance(found, Skipped):
            yield found
            continue
        where, account = found
        try:
            named.add(member_id(account.get("accountId"), "unknown_member"))
        except SetAside as aside:
            yield Skipped(where=where, reason=aside.reason)
    export.protected = yield from _switch(export, "protected-history", "protectedHistory", "protect")
    export.suspended = yield from _switch(export, "account-suspension", "accountSuspension", "suspend")
    if len(named) == 1:
        export.author = named.pop()
        yield _member(export, export.author)


def _member(export: _Export, name: MemberId) -> Member:
    protections = {None: Protection.UNKNOWN, True: Protection.PROTECTED, False: Protection.OPEN}
    status = AccountStatus.SUSPENDED if export.suspended.last() else AccountStatus.ACTIVE
    return Member(
        member_id=name,
        platform=PLATFORM,
        protection=protections[export.protected.last()],
        status=status if export.suspended.readable else AccountStatus.UNKNOWN,
    )


def _switch(export: _Export, name: str, wrapper: str, action: str) -> Generator[Skipped, None, _Switch]:
    """Read how a switch was set over time; of a history with one unreadable entry nothing is believed."""
    turns: list[tuple[datetime, bool]] = []
    readable = True
    for found in export.records((name,), wrapper):
        turn = None if isinstance(found, Skipped) else _turn(found[1], action)
        if turn:
            turns.append(turn)
            continue
        readable = False
        yield found if isinstance(found, Skipped) else Skipped(where=found[0], reason="malformed_member")
    # At one instant on comes after off, so that in doubt the account is closed.
    turns.sort()
    return _Switch(
        moments=tuple(moment for moment, _ in turns), turned_on=tuple(on for _, on in turns), readable=readable
    )


def _turn(entry: dict[str, Any], action: str) -> tuple[datetime, bool] | None:
    stated = entry.get("action")
    plain = stated.lower() if isinstance(stated, str) else ""
    on = {action: True, f"{action}ed": True, f"un{action}": False, f"un{action}ed": False}.get(plain)
    try:
        return None if on is None else (instant(entry.get("protectedAt") or entry.get("timeStamp")), on)
    except SetAside:
        return None


def _closed(export: _Export) -> Iterator[Ingested]:
    """Set aside what was for a circle or a community, and remember its ids: it may stand among the tweets as well.

    One that cannot be read leaves open which tweet it named, and then no tweet is known to be public.
    """
    for name, reason in _CLOSED.items():
        for found in export.records((name,), "tweet"):
            if isinstance(found, Skipped):
                export.closed_known = False
                yield found
                continue
            where, tweet = found
            try:
                export.closed[post_id(identifier(tweet))] = reason
                yield Skipped(where=where, reason=reason)
            except SetAside as aside:
                export.closed_known = False
                yield Skipped(where=where, reason=aside.reason)


def _deleted(export: _Export) -> Iterator[Ingested]:
    """Withdraw what the account deleted; its words are not looked at."""
    for found in export.records(_DELETED, "tweet"):
        if isinstance(found, Skipped):
            yield found
            continue
        where, tweet = found
        try:
            name = post_id(tweet.get("tweet_id") or identifier(tweet))
        except SetAside as aside:
            yield Skipped(where=where, reason=aside.reason)
            continue
        yield from deletions(name, export.author or owner(identifier(tweet, "user_id")))


def _notes(export: _Export) -> Iterator[Ingested]:
    for found in export.records(_NOTES, "noteTweet"):
        if isinstance(found, Skipped):
            yield found
            continue
        where, note = found
        try:
            export.notes.add(note, where)
        except SetAside as aside:
            yield Skipped(where=where, reason=aside.reason)


def _tweets(export: _Export) -> Iterator[Ingested]:
    for found in export.records(_TWEETS, "tweet"):
        if isinstance(found, Skipped):
            yield found
            continue
        where, tweet = found
        for record in gathered(_tweet(export, tweet), where):
            if not (isinstance(record, Post) and export.notes.holds(record)):
                yield record
    yield from export.notes.joined()


def _tweet(export: _Export, tweet: dict[str, Any]) -> Iterator[Ingested]:
    if export.author is None:
        raise SetAside("unknown_author")
    name = post_id(identifier(tweet))
    if name in export.closed:
        raise SetAside(export.closed[name])
    older, stands = older_versions(name, _versions(tweet.get("edit_info")))
    for version in older:
        yield Deletion(table=Table.POSTS, record_id=version, member_id=export.author)
    if not stands:
        return
    record = _record(tweet, name, export.author)
    if not (export.closed_known and export.protected.readable):
        raise SetAside("unknown_visibility")
    if _was_protected(export.protected, record.created_at):
        raise SetAside("protected")
    if not export.said.first(name):
        raise SetAside("read_already")
    yield record


def _record(tweet: dict[str, Any], name: PostId, author: MemberId) -> Post | Interaction:
    """Build the post, or the repost where the export says whose post it was; most do not."""
    original = tweet.get("retweeted_status")
    if isinstance(original, dict):
        return repost(tweet, name, author, original)
    user = tweet.get("user")
    if isinstance(user, dict) and member_id(identifier(user), "unknown_author") != author:
        raise SetAside("someone_elses_words")
    return post(tweet, name, author, tweet.get("full_text") or tweet.get("text"))


def _was_protected(switch: _Switch, moment: datetime) -> bool:
    """Tell whether a post was written for followers, or stands behind the switch now.

    X shows posts of a protected time again once the switch is off; their author wrote them for followers all the same.
    A tweet's time is cut to the second, so the whole second counts.
    """
    return bool(switch.last()) or switch.at(moment) or switch.at(moment + _SECOND)


def _versions(info: object) -> object:
    """Give the ids of all versions of an edited tweet, from the first version's form or a later one's."""
    if not isinstance(info, dict):
        return None
    initial, edit = info.get("initial"), info.get("edit")
    if isinstance(edit, dict):
        initial = edit.get("editControlInitial")
    return initial.get("editTweetIds") if isinstance(initial, dict) else None


def _liked(export: _Export) -> Iterator[Ingested]:
    """Set aside likes: the export says neither whose post it was nor when it was liked."""
    for name, wrapper in _LIKED.items():
        for found in export.records((name,), wrapper):
            if isinstance(found, Skipped):
                yield found
            else:
                where, like = found
                yield Skipped(where=where, reason="unknown_post_author" if like.get("tweetId") else "unknown_post")


def _others(source: Opened, exports: list[_Export]) -> Iterator[Ingested]:
    """Name the export's other files, which are not opened."""
    folders = {part.name.rpartition("/")[0] for export in exports for parts in export.files.values() for part in parts}
    for part in source.parts:
        match = _FILE.fullmatch(part.name)
        if match and (match["folder"] or "") in folders and match["name"] not in _OURS:
            yield Skipped(where=shown(part.name), reason=_OTHERS.get(match["name"], "not_a_record"))
