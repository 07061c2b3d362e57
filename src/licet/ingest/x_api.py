"""The adapter for pages of the X API v2: JSON documents, one page a line, or one tweet a line with its author in it."""

import itertools
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from licet.ingest.archives import shown
from licet.ingest.json_parts import document, lines
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.ingest.said import Said
from licet.ingest.x_api_pages import Page, account_of, request_of
from licet.ingest.x_ids import PLATFORM, member_id, post_id
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, Member, MemberId, Protection
from licet.model.records import Hiding, Ingested, Skipped, Table

_JSON = re.compile(r".*\.(json|jsonl|ndjson)(\.gz)?", re.IGNORECASE)
_PAGE = frozenset({"data", "includes", "errors", "meta", "matching_rules", "__twarc"})
_TWEET = frozenset({"text", "author_id", "edit_history_tweet_ids"})
_MESSAGE = frozenset({"event_type", "dm_conversation_id"})
_OURS = frozenset({"author_id", "edit_history_tweet_ids", "tweet_count", "public_metrics", "owner_id", "member_count"})
_USER = frozenset({"id", "name", "username"})
_MARKS = frozenset({("meta", True), ("errors.item.type", False)})
_PROBLEM = re.compile(r"https://api\.(?:twitter|x)\.com/2/problems/[a-z-]{1,64}")
_MARK = re.compile(rf"result_count|{_PROBLEM.pattern}")
_GONE = ("/resource-not-found", "/resource-unavailable", "/not-authorized-for-resource")
_OPEN = (b"{", b"[", b",")
_ITEMS = frozenset({"data", "data.item", "includes.tweets.item", "includes.users.item"})
_OBJECT = re.compile(rb"(?<=\n)\{\s*\"")
_TOKEN = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*+)"(?P<colon>\s*:)?|(?P<bracket>[\[\]{}])')
_CANDIDATES = 8
_HEAD = 65_536
_STEPS = 8_000

_Object = dict[str, Any]


def sees(source: Opened) -> str:
    """Recognize pages by the fields with which they begin."""
    count = sum(1 for part in _readable(source) if _is_pages(_head(source, part)))
    return f"pages of the X API v2 in {count} file{'s' * (count > 1)}" if count else ""


def read(source: Opened) -> Iterator[Ingested]:
    """Read the pages of every part; an account is introduced before its first record, again only where it changed."""
    said, readable = Said(), {part.name for part in _readable(source)}
    for part in source.parts:
        if part.name not in readable:
            yield Skipped(where=shown(part.name), reason="not_a_record")
            continue
        for found in _pages(source, part):
            if isinstance(found, Skipped):
                yield found
            else:
                yield from read_page(found[1], found[0], said)


def read_page(page: object, where: str, said: Said) -> Iterator[Ingested]:
    """Read one page, or one flat tweet; never raises on what it may hold."""
    if not isinstance(page, dict):
        yield Skipped(where=where, reason="malformed_row")
        return
    told = False
    read_it = _flat if _PAGE.isdisjoint(page.keys() - {"__twarc"}) else _whole
    for record in read_it(page, where, said):
        told = True
        yield record
    if not told:
        yield Skipped(where=where, reason="not_a_record")


def _readable(source: Opened) -> tuple[Part, ...]:
    return source.parts if len(source.parts) == 1 else tuple(p for p in source.parts if _JSON.fullmatch(p.name))


def _head(source: Opened, part: Part) -> bytes:
    """Give the beginning of a part; nothing where it cannot be read, for then it is no page."""
    try:
        return source.head(part, _HEAD)
    except InputError:
        return b""


def _pages(source: Opened, part: Part) -> Iterator[tuple[str, object] | Skipped]:
    """Give the pages of a part: it is one document where its first line ends in the middle, else one page a line."""
    first = source.head(part, _HEAD).lstrip().split(b"\n", 1)[0].rstrip()
    if not first.endswith(_OPEN):
        yield from lines(source, part)
        return
    try:
        yield shown(part.name), document(source, part)
    except InputError:
        yield Skipped(where=shown(part.name), reason="malformed_row")


def _flat(tweet: _Object, where: str, said: Said) -> Iterator[Ingested]:
    """Read a tweet whose author and referenced tweets are inside it, each of them its own author's post."""
    if _TWEET.isdisjoint(tweet):
        yield Skipped(where=where, reason="malformed_event")
        return
    page = Page(request=request_of(tweet))
    inner = [found for found in _list(tweet.get("referenced_tweets")) if isinstance(found, dict)]
    inner = [found for found in inner if not _TWEET.isdisjoint(found)]
    for found in (tweet, *inner):
        page.know(found.get("author"))
    yield from _introduced(page, said)
    yield from _tweet(page, tweet, where)
    for number, found in enumerate(inner):
        yield from page.read(found, f"{where} referenced_tweets[{number}]")


def _whole(page: _Object, where: str, said: Said) -> Iterator[Ingested]:
    data, includes, known = page.get("data"), _includes(page), Page(request=request_of(page))
    items = data if isinstance(data, list) else [] if data is None else [data]
    for user in includes.get("users", ()):
        known.know(user)
    for tweet in (*items, *includes.get("tweets", ())):
        known.write(tweet)
    yield from _introduced(known, said)
    for user in items:
        # The accounts that were asked for are introduced in their own place, also where they come twice.
        if isinstance(user, dict) and "username" in user:
            known.know(user)
    for number, item in enumerate(items):
        yield from _item(known, item, f"{where} data[{number}]")
    for kind, values in includes.items():
        for number, value in enumerate(values):
            if found := _included(known, kind, value, f"{where} {kind}[{number}]"):
                yield from found
    for number, problem in enumerate(_list(page.get("errors"))):
        yield from _problem(known, problem, f"{where} errors[{number}]")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _includes(page: _Object) -> dict[str, list[Any]]:
    includes = page.get("includes")
    return {kind: _list(values) for kind, values in includes.items()} if isinstance(includes, dict) else {}


def _introduced(page: Page, said: Said) -> Iterator[Ingested]:
    actor = page.request.actor
    if actor is not None and said.first(asked := Member(member_id=actor, platform=PLATFORM)):
        yield asked
    for account in page.accounts.values():
        # Asked by what an account states, for building its records again and again takes longer.
        if said.first(account.stated):
            yield from (record for record in account.introduced() if said.first(record))


def _item(page: Page, item: object, where: str) -> list[Ingested]:
    """Read what a page was asked for: a tweet, a user, or something that is neither."""
    if not isinstance(item, dict):
        return [Skipped(where=where, reason="malformed_row")]
    if not _MESSAGE.isdisjoint(item):
        return [Skipped(where=where, reason="direct_message")]
    if not _TWEET.isdisjoint(item):
        return _tweet(page, item, where)
    if "username" in item:
        return _user(item, where)
    return [Skipped(where=where, reason="not_a_record")]


def _tweet(page: Page, tweet: _Object, where: str) -> list[Ingested]:
    found = page.read(tweet, where)
    return found if page.request.table is None else [*found, page.read_listed(tweet, where)]


def _user(user: object, where: str) -> list[Ingested]:
    try:
        return [*account_of(user).introduced()]
    except SetAside as aside:
        return [Skipped(where=where, reason=aside.reason)]


def _included(page: Page, kind: str, value: object, where: str) -> list[Ingested]:
    if kind == "tweets":
        return page.read(value, where)
    if kind != "users":
        return [Skipped(where=where, reason="not_a_record")]
    known = isinstance(value, dict) and str(value.get("id")) in page.accounts
    return [] if known else _user(value, where)


def _problem(page: Page, problem: object, where: str) -> list[Ingested]:
    """Read why X did not show something: a post or an account that others cannot see now, or nothing of ours."""
    if not isinstance(problem, dict):
        return [Skipped(where=where, reason="malformed_row")]
    try:
        return _gone(problem, page.request.at)
    except SetAside:
        return [Skipped(where=where, reason="not_a_record")]


def _gone(problem: _Object, at: datetime | None) -> list[Ingested]:
    kind, parameter, number = problem.get("type"), problem.get("parameter"), problem.get("resource_id")
    # Accounts are also named by handles, and a handle may be all digits: only a parameter that takes ids names one.
    by_id = isinstance(parameter, str) and parameter.endswith(("id", "ids"))
    if not by_id or not isinstance(kind, str) or not _PROBLEM.fullmatch(kind) or not kind.endswith(_GONE):
        raise SetAside("not_a_record")
    if problem.get("resource_type") == "user":
        return [_closed(problem, member_id(number, "unknown_member"), kind, at)]
    if problem.get("resource_type") != "tweet" or at is None:
        raise SetAside("not_a_record")
    post = post_id(number)
    return [
        Hiding(table=table, record_id=post, member_id=MemberId(""), hidden=True, at=at, cause="unavailable")
        for table in (Table.POSTS, Table.REPOSTS)
    ]


def _closed(problem: _Object, member: MemberId, kind: str, at: datetime | None) -> AccountChange:
    if kind.endswith("/not-authorized-for-resource"):
        return AccountChange(member_id=member, platform=PLATFORM, protection=Protection.PROTECTED, at=at)
    suspended = "suspended" in str(problem.get("detail"))
    status = AccountStatus.SUSPENDED if suspended else AccountStatus.DEACTIVATED
    return AccountChange(member_id=member, platform=PLATFORM, status=status, at=at)


def _is_pages(head: bytes) -> bool:
    """Tell whether a part begins with a page or a flat tweet, perhaps after a few lines that are damaged."""
    starts = [0, *(match.start() for match in _OBJECT.finditer(head))][:_CANDIDATES]
    return any(_is_page(*_keys(head[start:])) for start in starts)


def _is_page(tops: set[str], inner: set[str]) -> bool:
    if not _PAGE.issuperset(tops):
        return {"id", "text"} <= tops and not _OURS.isdisjoint(tops) and "user" not in tops
    return not _OURS.isdisjoint(inner) or inner >= _USER


def _keys(head: bytes) -> tuple[set[str], set[str]]:
    """Give the names at the top of the first object and those within its items; X's own where it has X's marks.

    A head is cut off somewhere, so it is no document: its names and brackets have to be enough.
    """
    tops: set[str] = set()
    inner: set[str] = set()
    path: list[tuple[str, bool]] = []
    name = ""
    for token in itertools.islice(_TOKEN.finditer(head.decode(errors="replace")), _STEPS):
        bracket, text = token["bracket"], token["text"]
        if bracket is None:
            prefix = ".".join(step for step, _ in path[1:])
            if token["colon"]:
                name = text
                tops |= {text} if len(path) == 1 else set()
                inner |= {text} if prefix in _ITEMS else set()
            place = prefix if token["colon"] else f"{prefix}.{name}"
            inner |= _OURS if (place, bool(token["colon"])) in _MARKS and _MARK.fullmatch(text) else set()
        elif bracket in "[{":
            path.append(("item" if path and path[-1][1] else name, bracket == "["))
        elif path:
            path.pop()
            if not path:
                break
    return tops, inner
