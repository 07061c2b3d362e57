"""What records, labels and account states of AT Protocol mean: streams and repositories of Bluesky share it."""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from licet.ingest.bluesky_syntax import (
    LONGEST_MEMBER_ID,
    POST_URI,
    RECORD_URI,
    account_id,
    instant,
    language,
    record_key,
    revision,
)
from licet.ingest.reasons import SetAside
from licet.ingest.said import LIMIT, Said
from licet.model.members import AccountChange, AccountStatus, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

PLATFORM = "bluesky"
COLLECTIONS = {
    "app.bsky.feed.post": Table.POSTS,
    "app.bsky.feed.like": Table.LIKES,
    "app.bsky.feed.repost": Table.REPOSTS,
}
"""The collections of a repository that hold records; bookmarks are private and never in the stream."""

PROFILE = "app.bsky.actor.profile"
DECLARATIONS = ("org.user-intents.declaration", "org.user-intents.demo.declaration")
WANTED = frozenset((*COLLECTIONS, PROFILE, *DECLARATIONS))
"""Every collection that means something here; whoever filters a stream must let these through."""

Intents = Mapping[str, tuple[str, ...]]
INTENTS: Intents = {
    "syntheticContentGeneration": ("third_party_training", "first_party_training"),
    "bulkDataset": ("third_party_training",),
}
"""Which purposes a member denies who declares `allow: false` for an intent; a declaration never allows one."""

MODERATORS = frozenset({"did:plc:ar7c4by46qjdydhdevvrndac"})
"""Whose labels hide a post here: Bluesky's own moderation; anybody may publish labels."""

_NO_UNAUTHENTICATED = "!no-unauthenticated"
_HIDING = frozenset({"!takedown", "!hide", "!suspend", _NO_UNAUTHENTICATED})
_CLOSED = {
    "deactivated": AccountStatus.DEACTIVATED,
    "suspended": AccountStatus.SUSPENDED,
    "takendown": AccountStatus.SUSPENDED,
    "deleted": AccountStatus.DELETED,
}


class Change(NamedTuple):
    """One change of a repository, as yet unread; a tuple, for there are thousands a second.

    `record` may be the SetAside that says why it is not there.
    """

    did: object
    collection: object
    rkey: object
    operation: object
    revision: object = ""
    record: object = None


class Stream:
    """What one run has told: each account is introduced before its first record, and no older words come back."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._said = Said()
        self._edits: dict[str, str] = {}

    def tell(self, records: list[Ingested], where: str) -> list[Ingested]:
        """Give what one event holds, introductions included; a record older than its edit is set aside."""
        if self._stale(records[0]):
            return [Skipped(where=where, reason="stale_revision")]
        told: list[Ingested] = []
        for record in records:
            about = _about(record)
            if about and self._said.first(about):
                told.append(_introduction(about, record))
            told.append(record)
        return told

    def _stale(self, first: Ingested) -> bool:
        """Tell whether an event repeats what an edit replaced: a replay may bring a creation after its edits."""
        if isinstance(first, Post):
            return first.post_id in self._edits
        if isinstance(first, Interaction):
            return first.interaction_id in self._edits
        if not isinstance(first, Deletion) or not first.superseded:
            return False
        if first.revision < self._edits.get(first.record_id, ""):
            return True
        if len(self._edits) >= LIMIT:
            del self._edits[next(iter(self._edits))]
        self._edits[first.record_id] = first.revision
        return False


def read_change(change: Change, where: str, intents: Intents = INTENTS) -> list[Ingested]:
    """Read one change: its records, or one Skipped at `where`; never raises on what it may hold.

    An edit gives a superseding Deletion and then the new record; the Deletion stands even where the new one is
    set aside, for the old words were withdrawn.
    """
    try:
        table = COLLECTIONS.get(change.collection) if isinstance(change.collection, str) else None
        return _of_record(change, table, where) if table else _of_member(change, intents)
    except SetAside as aside:
        return [Skipped(where=where, reason=aside.reason)]


def account_change(did: object, active: object, status: object, time: object) -> AccountChange:
    """Give what the platform says of an account.

    Raises:
        SetAside: it does not say whether the account is active, or which.
    """
    member_id = account_id(did)
    if not isinstance(active, bool):
        raise SetAside("malformed_event")
    # An account that is closed for a reason we have no word for (throttled, desynchronized) is closed all the same.
    fallback = AccountStatus.ACTIVE if active else AccountStatus.DEACTIVATED
    stated = _CLOSED.get(status, fallback) if isinstance(status, str) else fallback
    return AccountChange(member_id=member_id, platform=PLATFORM, status=stated, at=instant(time))


def read_label(label: object, where: str, moderators: Collection[str] = MODERATORS) -> Ingested:
    """Read a moderation label: a post hidden or shown again, an account closed, or one Skipped at `where`."""
    try:
        return _labeled(label, moderators)
    except SetAside as aside:
        return Skipped(where=where, reason=aside.reason)


def protection_of(profile: Mapping[str, Any]) -> Protection:
    """Give whether a profile hides its account from people who are not signed in; unreadable labels hide it."""
    try:
        return Protection.PROTECTED if _signed_in_only(profile.get("labels")) else Protection.OPEN
    except SetAside:
        return Protection.PROTECTED


def _about(record: Ingested) -> MemberId | None:
    if isinstance(record, Post):
        return record.author_id
    if isinstance(record, Interaction):
        return record.actor_id
    return record.member_id if isinstance(record, AccountChange | SettingChange) else None


def _introduction(member_id: MemberId, record: Ingested) -> Member:
    """Introduce an account; region and age stay unknown, which denies."""
    status, protection = AccountStatus.ACTIVE, Protection.OPEN
    if isinstance(record, AccountChange) and record.protection is not Protection.UNKNOWN:
        protection = record.protection
    elif isinstance(record, AccountChange):
        # What the event says of the account's status counts; being seen does not.
        status = AccountStatus.UNKNOWN
    return Member(member_id=member_id, platform=PLATFORM, protection=protection, status=status)


def _whole(record: object) -> dict[str, Any]:
    if isinstance(record, dict):
        return record
    raise record if isinstance(record, SetAside) else SetAside("malformed_event")


def _of_record(change: Change, table: Table, where: str) -> list[Ingested]:
    did = account_id(change.did)
    uri = f"at://{did}/{change.collection}/{record_key(change.rkey)}"
    if change.operation == "create":
        return [_record(table, did, uri, _whole(change.record))]
    if change.operation == "delete":
        return [Deletion(table=table, record_id=uri, member_id=did)]
    if change.operation != "update":
        raise SetAside("malformed_event")
    edited = revision(change.revision)
    edit = Deletion(table=table, record_id=uri, member_id=did, superseded=True, revision=edited)
    try:
        return [edit, _record(table, did, uri, _whole(change.record))]
    except SetAside as aside:
        return [edit, Skipped(where=where, reason=aside.reason)]


def _record(table: Table, did: MemberId, uri: str, record: dict[str, Any]) -> Post | Interaction:
    created_at = instant(record.get("createdAt"))
    if created_at is None:
        raise SetAside("unknown_time")
    if table is Table.POSTS:
        return Post(
            post_id=PostId(uri),
            author_id=did,
            created_at=created_at,
            text=_text(record.get("text")),
            platform=PLATFORM,
            visibility=Visibility.UNLISTED if _signed_in_only(record.get("labels")) else Visibility.PUBLIC,
            lang=language(record.get("langs")),
            in_reply_to=_post_uri(record, "reply", "parent", "uri") if "reply" in record else "",
            quote_of=_quoted(record) if "embed" in record else "",
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


def _of_member(change: Change, intents: Intents) -> list[Ingested]:
    """Read a profile or a declaration of intents; other collections say nothing of posts and accounts."""
    if not isinstance(change.collection, str):
        raise SetAside("malformed_event")
    declared = change.collection in DECLARATIONS
    if not declared and (change.collection != PROFILE or change.rkey != "self"):
        raise SetAside("not_a_record")
    did = account_id(change.did)
    if change.operation == "delete":
        # What a member said stands until they say otherwise; saying nothing any more is not that.
        raise SetAside("nothing_kept")
    if change.operation not in {"create", "update"}:
        raise SetAside("malformed_event")
    record = _whole(change.record)
    return _denials(did, record, intents) if declared else [_profile(did, record, edited=change.operation == "update")]


def _profile(did: MemberId, record: dict[str, Any], *, edited: bool) -> AccountChange:
    protection = protection_of(record)
    # Only an edit can have taken the label away: a new profile without one may replace a deleted one that had it.
    if protection is Protection.OPEN and not edited:
        raise SetAside("not_a_record")
    return AccountChange(member_id=did, platform=PLATFORM, protection=protection)


def _denials(did: MemberId, record: dict[str, Any], intents: Intents) -> list[Ingested]:
    denied = [purpose for intent, purposes in intents.items() if _refused(record.get(intent)) for purpose in purposes]
    if not denied:
        raise SetAside("nothing_kept")
    return [
        SettingChange(member_id=did, purpose=purpose, choice=Choice.DENY, source="platform")
        for purpose in dict.fromkeys(denied)
    ]


def _refused(intent: object) -> bool:
    """Tell whether an intent says no; absent says nothing, and what is stated but cannot be read counts as a no."""
    if intent is None:
        return False
    return not isinstance(intent, dict) or intent.get("allow") not in (None, True)


def _labeled(label: object, moderators: Collection[str]) -> Ingested:
    value = label.get("val") if isinstance(label, dict) else None
    if not isinstance(label, dict) or not isinstance(value, str):
        raise SetAside("malformed_event")
    if value not in _HIDING or label.get("src") not in moderators:
        raise SetAside("not_a_record")
    match = RECORD_URI.fullmatch(label["uri"]) if isinstance(label.get("uri"), str) else None
    if match and match[2] in COLLECTIONS:
        return _hiding(label, match)
    if match and (match[2], match[3], value) != (PROFILE, "self", _NO_UNAUTHENTICATED):
        raise SetAside("not_a_record")
    did = account_id(match[1] if match else label.get("uri"))
    if label.get("neg") is True:
        # The account may have been closed meanwhile by its owner: only its own events open it again.
        raise SetAside("nothing_kept")
    if value == _NO_UNAUTHENTICATED:
        return AccountChange(member_id=did, platform=PLATFORM, protection=Protection.PROTECTED)
    return AccountChange(member_id=did, platform=PLATFORM, status=AccountStatus.SUSPENDED)


def _hiding(label: dict[str, Any], match: re.Match[str]) -> Hiding:
    at = instant(label.get("cts"))
    if at is None:
        raise SetAside("unknown_time")
    return Hiding(
        table=COLLECTIONS[match[2]],
        record_id=match[0],
        member_id=account_id(match[1]),
        hidden=label.get("neg") is not True,
        at=at,
        cause=f"{label['src']} {label['val']}",
    )


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise SetAside("no_text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SetAside("unreadable_text") from error
    return text


def _signed_in_only(labels: object) -> bool:
    """Read the author's own labels; labels that cannot be read leave it unknown who may see the post."""
    if labels is None:
        return False
    values = labels.get("values") if isinstance(labels, dict) else None
    if not isinstance(values, list) or not all(isinstance(v, dict) and isinstance(v.get("val"), str) for v in values):
        raise SetAside("unknown_visibility")
    return any(value["val"] == _NO_UNAUTHENTICATED for value in values)


def _post_uri(record: dict[str, Any], *path: str) -> str:
    """Follow a path to the URI of a post; empty where it leads to none."""
    value: object = record
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) and POST_URI.fullmatch(value) else ""


def _quoted(record: dict[str, Any]) -> str:
    """Give the post that is quoted, alone or beside pictures."""
    return _post_uri(record, "embed", "record", "uri") or _post_uri(record, "embed", "record", "record", "uri")


def _target(record: dict[str, Any]) -> tuple[PostId, MemberId]:
    subject = record.get("subject")
    uri = subject.get("uri") if isinstance(subject, dict) else None
    if not isinstance(uri, str):
        raise SetAside("unknown_post")
    match = POST_URI.fullmatch(uri)
    if match and len(match[1]) <= LONGEST_MEMBER_ID:
        return PostId(uri), MemberId(match[1])
    if "/app.bsky.feed.post/" in uri:
        # The authority may be a handle, which can move to another account: it does not say whose post it is.
        raise SetAside("unknown_post_author")
    raise SetAside("not_a_post")
