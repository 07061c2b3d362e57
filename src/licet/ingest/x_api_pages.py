"""What one page of the X API v2 says: posts, reposts, likes, bookmarks, and the accounts behind them."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from licet.ingest.instants import rfc3339
from licet.ingest.reasons import SetAside
from licet.ingest.x_ids import PLATFORM, member_id, post_id
from licet.ingest.x_text import audience, lang, older_versions, own_words, reference
from licet.model.members import AccountChange, AccountStatus, Member, MemberId, Protection
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

_LISTED = re.compile(r"https://api\.(?:twitter|x)\.com/2/users/([0-9]{1,20})/(liked_tweets|bookmarks)(?![A-Za-z0-9_])")
_TABLES = {"liked_tweets": Table.LIKES, "bookmarks": Table.BOOKMARKS}
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
# Where X shows a post to nobody it may put a sentence of its own in the place of the author's words.
_NOTICE = re.compile(
    r"(?:@\w+'s account|This (?:Tweet|Post) from @\w+) (?:is temporarily unavailable|has been withheld)\b.*",
    re.IGNORECASE | re.DOTALL,
)

_Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is known of the request that a page answers: when, and whose likes or bookmarks it asked for."""

    at: datetime | None = None
    table: Table | None = None
    actor: MemberId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a page states of an account."""

    member_id: MemberId
    protection: Protection
    withheld: bool

    @property
    def stated(self) -> tuple[str, bool, bool, bool]:
        """Give all that is stated, as a key."""
        protection = self.protection
        return self.member_id, protection is Protection.OPEN, protection is Protection.PROTECTED, self.withheld

    def introduced(self) -> list[Member | AccountChange]:
        """Give the member, and what the page tells that closes the account; nothing here ever reopens one."""
        status = AccountStatus.UNKNOWN if self.withheld else AccountStatus.ACTIVE
        member = Member(member_id=self.member_id, platform=PLATFORM, protection=self.protection, status=status)
        if not self.withheld and self.protection is not Protection.PROTECTED:
            return [member]
        status = AccountStatus.SUSPENDED if self.withheld else AccountStatus.UNKNOWN
        closed = Protection.PROTECTED if self.protection is Protection.PROTECTED else Protection.UNKNOWN
        change = AccountChange(member_id=self.member_id, platform=PLATFORM, status=status, protection=closed)
        return [member, change]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page while it is read: its accounts and the authors of its tweets, both by X's number."""

    request: Request = field(default_factory=Request)
    accounts: dict[str, Account] = field(default_factory=dict)
    authors: dict[str, object] = field(default_factory=dict)

    def know(self, user: object) -> None:
        """Keep what a user object states; of two that disagree the stricter counts."""
        try:
            account = account_of(user)
        except SetAside:
            return
        name = account.member_id.removeprefix(f"{PLATFORM}:")
        known = self.accounts.get(name)
        self.accounts[name] = _stricter(known, account) if known else account

    def write(self, tweet: object) -> None:
        """Keep whose tweet it is."""
        if isinstance(tweet, dict):
            self.authors.setdefault(str(tweet.get("id")), tweet.get("author_id"))

    def read(self, tweet: object, where: str) -> list[Ingested]:
        """Read one tweet: a post, a repost, or why it is neither; its older versions fall in any case."""
        found: list[Ingested] = []
        try:
            self._tweet(tweet, found)
        except SetAside as aside:
            if aside.reason == "withheld" and isinstance(tweet, dict):
                found.extend(self._hidings(tweet))
            found.append(Skipped(where=where, reason=aside.reason))
        return found

    def read_listed(self, tweet: object, where: str) -> Ingested:
        """Read the like or bookmark that a tweet's place in a list of likes or bookmarks is."""
        try:
            return self._listed(tweet)
        except SetAside as aside:
            return Skipped(where=where, reason=aside.reason)

    def _tweet(self, tweet: object, found: list[Ingested]) -> None:
        """Add to what was found, for what came before a SetAside is kept."""
        if not isinstance(tweet, dict):
            raise SetAside("malformed_row")
        name = post_id(tweet.get("id"))
        history = tweet.get("edit_history_tweet_ids")
        if history and history != [tweet.get("id")]:
            older, stands = older_versions(name, history)
            author = self._author_or_nobody(tweet)
            found += (Deletion(table=Table.POSTS, record_id=version, member_id=author) for version in older)
            if not stands:
                return
        author = self._author(tweet)
        _check_audience(tweet)
        if withheld(tweet.get("withheld")):
            raise SetAside("withheld")
        original = referenced(tweet, "retweeted")
        found.append(
            self._post(tweet, name, author) if original is None else self._repost(tweet, name, author, original)
        )

    def _post(self, tweet: _Object, name: PostId, author: MemberId) -> Post:
        account = self._checked(tweet.get("author_id"))
        if account is None or account.protection is not Protection.OPEN:
            raise SetAside("unknown_visibility")
        replied = quoted = None
        if "referenced_tweets" in tweet:
            replied, quoted = referenced(tweet, "replied_to"), referenced(tweet, "quoted")
        return Post(
            post_id=name,
            author_id=author,
            created_at=_time(tweet),
            text=_text(tweet),
            platform=PLATFORM,
            visibility=Visibility.PUBLIC,
            lang=lang(tweet.get("lang")),
            in_reply_to=reference(replied.get("id")) if replied else "",
            quote_of=reference(quoted.get("id")) if quoted else "",
        )

    def _repost(self, tweet: _Object, name: PostId, actor: MemberId, original: _Object) -> Interaction:
        post, author = self._target(original)
        self._checked(tweet.get("author_id"))
        return Interaction(
            table=Table.REPOSTS,
            actor_id=actor,
            post_id=post,
            post_author_id=author,
            created_at=_time(tweet),
            platform=PLATFORM,
            interaction_id=name,
        )

    def _listed(self, tweet: object) -> Interaction:
        if not isinstance(tweet, dict):
            raise SetAside("malformed_row")
        table, actor = self.request.table, self.request.actor
        if table is None or actor is None:
            raise SetAside("unknown_actor")
        _check_audience(tweet)
        if withheld(tweet.get("withheld")):
            raise SetAside("withheld")
        # Whoever likes a repost likes the post.
        post, author = self._target(referenced(tweet, "retweeted") or tweet)
        self._checked(actor.removeprefix(f"{PLATFORM}:"))
        if self.request.at is None:
            raise SetAside("unknown_time")
        return Interaction(
            table=table,
            actor_id=actor,
            post_id=post,
            post_author_id=author,
            created_at=self.request.at,
            platform=PLATFORM,
        )

    def _target(self, tweet: _Object) -> tuple[PostId, MemberId]:
        """Give the post that an interaction is with and its author, as far as neither is closed to others."""
        post = post_id(tweet.get("id"))
        number = tweet.get("author_id") or self.authors.get(str(tweet.get("id")))
        author = member_id(number, "unknown_post_author")
        self._checked(number)
        return post, author

    def _checked(self, number: object) -> Account | None:
        """Give what is known of an account that has been found to be neither protected nor withheld."""
        account = self.accounts.get(str(number))
        if account is None:
            return None
        if account.protection is Protection.PROTECTED:
            raise SetAside("protected")
        if account.withheld:
            raise SetAside("withheld")
        return account

    def _author(self, tweet: _Object) -> MemberId:
        number = tweet.get("author_id")
        account = self.accounts.get(number) if isinstance(number, str) else None
        return member_id(number, "unknown_author") if account is None else account.member_id

    def _author_or_nobody(self, tweet: _Object) -> MemberId:
        try:
            return self._author(tweet)
        except SetAside:
            return MemberId("")

    def _hidings(self, tweet: _Object) -> list[Hiding]:
        """Hide a withheld tweet that may be known already, where it is told when it was seen to be withheld."""
        if self.request.at is None:
            return []
        table = Table.POSTS if referenced(tweet, "retweeted") is None else Table.REPOSTS
        name, author = post_id(tweet.get("id")), self._author_or_nobody(tweet)
        return [
            Hiding(table=table, record_id=name, member_id=author, hidden=True, at=self.request.at, cause="withheld")
        ]


def request_of(page: _Object) -> Request:
    """Give what twarc wrote down of the request that a page answers."""
    twarc = page.get("__twarc")
    if not isinstance(twarc, dict):
        return Request()
    url, at = twarc.get("url"), rfc3339(twarc.get("retrieved_at"))
    listed = _LISTED.match(url) if isinstance(url, str) else None
    if not listed:
        return Request(at=at)
    try:
        return Request(at=at, table=_TABLES[listed[2]], actor=member_id(listed[1], "unknown_actor"))
    except SetAside:
        return Request(at=at)


def account_of(user: object) -> Account:
    """Give what a user object states.

    Raises:
        SetAside: it is none, or has no number.
    """
    if not isinstance(user, dict):
        raise SetAside("malformed_row")
    number, stated = user.get("id"), user.get("protected")
    if isinstance(number, str) and isinstance(stated, bool) and user.get("withheld") is None:
        return _plain_account(number, stated)
    protection = Protection.PROTECTED if stated is True else Protection.OPEN if stated is False else Protection.UNKNOWN
    return Account(
        member_id=member_id(number, "unknown_member"),
        protection=protection,
        withheld=withheld(user.get("withheld")),
    )


@lru_cache(maxsize=65_536)
def _plain_account(number: str, protected: bool) -> Account:  # noqa: FBT001 - one flag
    """Give an account as nearly all are; pages name the same ones over and over."""
    protection = Protection.PROTECTED if protected else Protection.OPEN
    return Account(member_id=member_id(number, "unknown_member"), protection=protection, withheld=False)


def withheld(stated: object) -> bool:
    """Tell whether something is withheld anywhere; what cannot be read counts as withheld."""
    return stated is not None and not (isinstance(stated, dict) and stated.get("country_codes") == [])


def referenced(tweet: _Object, kind: str) -> _Object | None:
    """Give the reference of a kind (`retweeted`, `quoted`, `replied_to`), None where there is none."""
    references = tweet.get("referenced_tweets")
    if isinstance(references, list):
        for found in references:
            if isinstance(found, dict) and found.get("type") == kind:
                return found
    return None


def _stricter(one: Account, other: Account) -> Account:
    order = (Protection.PROTECTED, Protection.UNKNOWN, Protection.OPEN)
    protection = min(one.protection, other.protection, key=order.index)
    return Account(member_id=one.member_id, protection=protection, withheld=one.withheld or other.withheld)


def _check_audience(tweet: _Object) -> None:
    closed = audience(tweet)
    if closed:
        raise SetAside(closed)


def _time(tweet: _Object) -> datetime:
    stated = tweet.get("created_at")
    if isinstance(stated, str) and _UTC.fullmatch(stated):
        try:
            return datetime.fromisoformat(stated)
        except ValueError as error:
            raise SetAside("unknown_time") from error
    created_at = rfc3339(stated)
    if created_at is None:
        raise SetAside("unknown_time")
    return created_at


def _text(tweet: _Object) -> str:
    """Give the author's words in full: a long post's short text ends in the middle."""
    note = tweet.get("note_tweet")
    whole = note.get("text") if isinstance(note, dict) else None
    text = own_words(whole or tweet.get("text"))
    if _NOTICE.fullmatch(text):
        raise SetAside("withheld")
    return text
