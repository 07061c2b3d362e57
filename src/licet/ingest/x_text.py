"""What a tweet's fields mean in every form of X's data: words, time, language, audience, versions, references."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from licet.ingest.instants import rfc3339, utc
from licet.ingest.reasons import SetAside
from licet.ingest.x_ids import PLATFORM, member_id, post_id
from licet.model.members import MemberId
from licet.model.records import Deletion, Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

_REPOSTED = "RT @"
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_INSTANT = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2}) ([0-9]{4})"
)
_OLDEST = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2} ([0-9:]{8})) ([+-][0-9]{2})([0-9]{2})")
_NO_HOUR = "00:00:00"
_LANG = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9-]{1,32})?")
_LONGEST_LANG = 36
_RENAMED = {"in": "id", "iw": "he", "ji": "yi"}
# What the standard keeps for no language at all, and for private use: X's own codes for posts of links, tags, pictures.
_NO_LANG = re.compile(r"zxx|art|mul|mis|q[a-t][a-z]")
_CLOSED = {
    "community_id": "community_only",
    "community_id_str": "community_only",
    "ext_trusted_friends_metadata": "circle_only",
    "trusted_friends_info": "circle_only",
    "exclusive_tweet_info": "members_only",
    "withheld_in_countries": "withheld",
    "withheld_copyright": "withheld",
    "withheld_scope": "withheld",
    "scopes": "unknown_visibility",
}
_OPEN_TO_ALL = frozenset({None, "", "limited_replies"})


def gathered(records: Iterator[Ingested], where: str) -> list[Ingested]:
    """Give one tweet's records, and why the rest was set aside: a withdrawal holds whatever follows it."""
    found: list[Ingested] = []
    try:
        for record in records:
            found.append(record)  # noqa: PERF402 - what came before the exception is kept
    except SetAside as aside:
        found.append(Skipped(where=where, reason=aside.reason))
    return found


def own_words(text: object) -> str:
    """Give a tweet's text as its author typed it, links as X shortened them.

    Raises:
        SetAside: there is none, it cannot be stored, or it begins with `RT @`.
    """
    if not isinstance(text, str) or not text.strip():
        raise SetAside("no_text")
    if text.lstrip().startswith(_REPOSTED):
        raise SetAside("someone_elses_words")
    if "&" in text:
        # X escapes these three and nothing else; the ampersand last, so that a typed "&lt;" stays as it was typed.
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SetAside("unreadable_text") from error
    return text


def instant(text: object) -> datetime:
    """Read a time as X writes it: `Wed Sep 04 13:51:55 +0000 2019`, `2013-02-19 03:21:39 +0000` or RFC 3339.

    Raises:
        SetAside: it is missing or is none of these.
    """
    match = _INSTANT.fullmatch(text) if isinstance(text, str) else None
    moment = _moment(match) if match else rfc3339(_oldest(text))
    if moment is None:
        raise SetAside("unknown_time")
    return moment


def lang(value: object) -> str:
    """Give the language without its region, under its present code; `und` where X names none."""
    return _code(value) if isinstance(value, str) and len(value) <= _LONGEST_LANG else "und"


@lru_cache(maxsize=1024)
def _code(tag: str) -> str:
    match = _LANG.fullmatch(tag)
    code = match[1].lower() if match else "und"
    return "und" if _NO_LANG.fullmatch(code) else _RENAMED.get(code, code)


def audience(tweet: dict[str, Any]) -> str:
    """Give the reason why a tweet is not for everybody, empty where nothing in it says so."""
    if not _CLOSED.keys().isdisjoint(tweet.keys()):
        for field, reason in _CLOSED.items():
            if tweet.get(field):
                return reason
    limited = tweet.get("limited_actions")
    return "" if limited is None or (isinstance(limited, str) and limited in _OPEN_TO_ALL) else "unknown_visibility"


def post(tweet: dict[str, Any], name: PostId, author: MemberId, text: object) -> Post:
    """Build the author's own post, public by what its caller knows, with `text` as X wrote it.

    Raises:
        SetAside: a part of it is missing or doubtful, or it is not for everybody.
    """
    closed = audience(tweet)
    if closed:
        raise SetAside(closed)
    return Post(
        post_id=name,
        author_id=author,
        created_at=instant(tweet.get("created_at")),
        text=own_words(text),
        platform=PLATFORM,
        visibility=Visibility.PUBLIC,
        lang=lang(tweet.get("lang")),
        in_reply_to=reference(identifier(tweet, "in_reply_to_status_id")),
        quote_of=reference(identifier(tweet, "quoted_status_id")),
    )


def repost(tweet: dict[str, Any], name: PostId, actor: MemberId, original: dict[str, Any]) -> Interaction:
    """Build the repost that a tweet is: ids only, the original's author among them.

    Raises:
        SetAside: an end, the original's author or the time is missing, or either is not for everybody.
    """
    closed = audience(tweet) or audience(original)
    if closed:
        raise SetAside(closed)
    author = original.get("user")
    return Interaction(
        table=Table.REPOSTS,
        actor_id=actor,
        post_id=post_id(identifier(original)),
        post_author_id=member_id(identifier(author) if isinstance(author, dict) else None, "unknown_post_author"),
        created_at=instant(tweet.get("created_at")),
        platform=PLATFORM,
        interaction_id=name,
    )


def identifier(whole: dict[str, Any], field: str = "id") -> object:
    """Give the id of a tweet or user as text where it is there, else as a number."""
    return whole.get(f"{field}_str") or whole.get(field)


def owner(value: object) -> MemberId:
    """Give the member a deletion names, or nobody: it stands without one, for the lake knows whose post it was."""
    try:
        return member_id(value, "unknown_author")
    except SetAside:
        return MemberId("")


def deletions(name: PostId, owner: MemberId) -> list[Deletion]:
    """Withdraw whatever a tweet's id names: a deletion does not say whether it was a post or a repost."""
    return [Deletion(table=table, record_id=name, member_id=owner) for table in (Table.POSTS, Table.REPOSTS)]


def older_versions(own: PostId, ids: object) -> tuple[list[PostId], bool]:
    """Give the versions that edits replaced, and whether `own` is the one that stands; `ids` are all versions' ids.

    Raises:
        SetAside: the ids are no list, or one is no id.
    """
    if not ids:
        return [], True
    if not isinstance(ids, list):
        raise SetAside("malformed_row")
    versions = {own, *map(post_id, ids)}
    if len(versions) == 1:
        return [], True
    older = sorted(versions, key=_number)
    newest = older.pop()
    return older, newest == own


def reference(value: object) -> str:
    """Give the name of a post that is replied to or quoted; empty where none is named."""
    try:
        return post_id(value)
    except SetAside:
        return ""


def _moment(match: re.Match[str]) -> datetime | None:
    name, day, hour, minute, second, sign, east, minutes, year = match.groups()
    try:
        zone = UTC
        if east + minutes != "0000":
            offset = timedelta(hours=int(east), minutes=int(minutes))
            zone = timezone(-offset if sign == "-" else offset)
        return utc(datetime(int(year), _MONTHS[name], int(day), int(hour), int(minute), int(second), tzinfo=zone))
    except (ValueError, KeyError):
        return None


def _oldest(text: object) -> object:
    """Bring the time of an archive of 2012 to 2018 into RFC 3339; what is none stays as it is."""
    match = _OLDEST.fullmatch(text) if isinstance(text, str) else None
    if not match:
        return text
    # These archives write midnight where X had kept the day only, which was until late in 2010.
    return None if match[2] == _NO_HOUR else f"{match[1]}{match[3]}:{match[4]}"


def _number(name: PostId) -> int:
    return int(name.removeprefix(f"{PLATFORM}:"))
