"""The adapter for LinkedIn: a member's account export, a zip or folder of CSV files."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from licet.ingest.linkedin_csv import header_of, rows, words
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.model.errors import InputError
from licet.model.members import AccountStatus, Member, MemberId
from licet.model.records import Ingested, Post, PostId, Skipped, Visibility

PLATFORM = "linkedin"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A file of the export: what it is called, which columns tell it, and why its rows are set aside, if they are."""

    title: str
    columns: tuple[str, ...]
    reason: str = ""
    escape: str | None = None


_SHARES = _Kind(title="Shares", columns=("Date", "ShareLink", "ShareCommentary"))
_PROFILE = _Kind(title="Profile", columns=("First Name", "Last Name", "Geo Location"))
_KINDS = {
    "shares": _SHARES,
    "profile": _PROFILE,
    # A comment is seen by whoever sees the post above it, and the export tells neither that nor an id of the comment.
    "comments": _Kind(title="Comments", columns=("Date", "Link", "Message"), reason="unknown_visibility", escape="\\"),
    "reactions": _Kind(title="Reactions", columns=("Date", "Type", "Link"), reason="unknown_post_author"),
    "instantreposts": _Kind(title="InstantReposts", columns=("Date", "Link"), reason="unknown_post_author"),
    "saved_items": _Kind(title="Saved_Items", columns=("savedItem", "CreatedTime"), reason="unknown_post_author"),
    "votes": _Kind(title="Votes", columns=("Date", "Link", "OptionText"), reason="not_a_record"),
}
_SHARE_COLUMNS = (*_SHARES.columns, "SharedUrl", "Visibility")

# A complete export writes its member's number behind the names of these files, and nowhere else.
_FILE = re.compile(
    rf"(?:.*/)?({'|'.join(_KINDS)})(?:_([1-9][0-9]{{0,19}}))?\.csv", re.IGNORECASE | re.ASCII | re.DOTALL
)
_MESSAGES = re.compile(r"(?:.*/)?(?:[a-z_]+_)?messages\.csv", re.IGNORECASE | re.ASCII | re.DOTALL)
_ARTICLE = re.compile(r"(?:.*/)?articles/[^/]+\.html?", re.IGNORECASE | re.ASCII | re.DOTALL)
_COLON = "(?::|%3[Aa])"
_POST_LINK = re.compile(
    rf"https?://(?:[a-z]{{2,3}}\.)?linkedin\.com/feed/update/"
    rf"urn{_COLON}li{_COLON}(share|ugcPost|activity){_COLON}([1-9][0-9]{{0,19}})(?:[/?#].*)?",
    re.DOTALL,
)
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?: UTC)?")
_UNREADABLE = "\ufffd"
_PUBLIC = "PUBLIC"
_NOT_PUBLIC = {
    "MEMBER_NETWORK": "members_only",
    "LOGGED_IN": "members_only",
    "CONNECTIONS": "members_only",
    "CONTAINER": "community_only",
}


def sees(source: Opened) -> str:
    """Say what of a LinkedIn export an input holds; empty where it is none."""
    titles = []
    for part, kind, _ in _files(source):
        with contextlib.suppress(InputError):
            if header_of(source, part).issuperset(kind.columns):
                titles.append(kind.title)
    return f"a LinkedIn account export with {', '.join(sorted(set(titles)))}" if titles else ""


def read(source: Opened, member_id: MemberId | None = None) -> Iterator[Ingested]:
    """Read one member's export; each row gives a post or one Skipped.

    The member is whom the operator names, else the number in the names of the files; an export that names
    nobody, or two, has no author. Names, places, messages and profiles are not read.

    Raises:
        InputError: a part is damaged or exceeds a limit.
    """
    files = list(_files(source))
    member = _member({number for _, _, number in files if number}, member_id)
    if member:
        yield Member(member_id=member, platform=PLATFORM, status=AccountStatus.ACTIVE)
    elif any(kind is _PROFILE for _, kind, _ in files):
        yield Skipped(where="Profile.csv", reason="unknown_member")
    for part, kind, _ in files:
        if kind is _SHARES:
            yield from _shares(source, part, member)
        elif kind is not _PROFILE:
            yield from _set_aside(source, part, kind, member)
    yield from _unread(source)


def _files(source: Opened) -> Iterator[tuple[Part, _Kind, str]]:
    """Give the parts that are known, with the member's number where the name has it."""
    for part in source.parts:
        match = _FILE.fullmatch(part.name)
        if match:
            yield part, _KINDS[match[1].lower()], match[2] or ""


def _member(numbers: set[str], stated: MemberId | None) -> MemberId | None:
    if len(numbers) > 1:
        # Two members' exports in one folder: whoever is named, half of it is someone else's.
        return None
    return stated or next((MemberId(f"{PLATFORM}:{number}") for number in numbers), None)


def _shares(source: Opened, part: Part, member: MemberId | None) -> Iterator[Post | Skipped]:
    for line, values in rows(source, part, _SHARE_COLUMNS):
        reason = "malformed_row"
        if member and values and not (reason := _closed(values[-1])):
            try:
                record: Post | Skipped = _post(member, values)
            except SetAside as aside:
                record = Skipped(where=f"Shares.csv:{line}", reason=aside.reason)
        else:
            record = Skipped(where=f"Shares.csv:{line}", reason="unknown_author" if values and not member else reason)
        yield record


def _closed(visibility: str) -> str:
    """Give the reason why not everybody may read a post; empty where the export says that everybody may."""
    # Asked before anything else and without an exception, for it is the answer to most rows of a real export.
    return "" if visibility == _PUBLIC else _NOT_PUBLIC.get(visibility, "unknown_visibility")


def _post(member: MemberId, values: tuple[str, ...]) -> Post:
    date, link, commentary, shared, _ = values
    post_id, quoted = _post_id(link), _post_id(shared)
    if not post_id:
        raise SetAside("unknown_post")
    return Post(
        text=_text(commentary, quoted),
        created_at=_time(date),
        post_id=post_id,
        author_id=member,
        platform=PLATFORM,
        visibility=Visibility.PUBLIC,
        quote_of=quoted,
    )


def _text(commentary: str, quoted: str) -> str:
    text = words(commentary)
    if not text:
        # Another's post passed on without a word is a repost, and the export does not say whose post it is.
        raise SetAside("unknown_post_author" if quoted else "no_text")
    if _UNREADABLE in text:
        raise SetAside("unreadable_text")
    return text


def _time(date: str) -> datetime:
    """Read a time; LinkedIn writes it in UTC, with or without saying so."""
    match = _TIME.fullmatch(date.strip())
    if not match:
        raise SetAside("unknown_time")
    try:
        return datetime.fromisoformat(f"{match[1]}+00:00")
    except ValueError as error:
        raise SetAside("unknown_time") from error


def _post_id(link: str) -> PostId:
    """Give the id of the post that a link shows, under the name the link gives it; empty where it shows none."""
    match = _POST_LINK.fullmatch(link.strip()) if link else None
    return PostId(f"{PLATFORM}:urn:li:{match[1]}:{match[2]}" if match else "")


def _set_aside(source: Opened, part: Part, kind: _Kind, member: MemberId | None) -> Iterator[Skipped]:
    reason = kind.reason
    if member is None and reason != "not_a_record":
        reason = "unknown_author" if kind.title == "Comments" else "unknown_actor"
    for line, values in rows(source, part, kind.columns, escape=kind.escape):
        yield Skipped(where=f"{kind.title}.csv:{line}", reason="malformed_row" if values is None else reason)


def _unread(source: Opened) -> Iterator[Skipped]:
    """Name what is never opened: messages are private, and of an article nobody can tell who may read it."""
    articles = 0
    for part in source.parts:
        if _MESSAGES.fullmatch(part.name):
            yield Skipped(where="messages.csv", reason="direct_message")
        elif _ARTICLE.fullmatch(part.name):
            articles += 1
            yield Skipped(where=f"Articles:{articles}", reason="unknown_visibility")
