"""What an ActivityPub activity means, wherever it lies: in an account's export or in a stream of an outbox."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from licet.ingest.activitypub_audience import audience, seen_by
from licet.ingest.activitypub_ids import author_of, check_own, member_uri, own_uri, uri_of
from licet.ingest.html_text import html_text
from licet.ingest.instants import rfc3339
from licet.ingest.reasons import SetAside
from licet.model.members import AccountChange, AccountStatus, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import (
    Deletion,
    Ingested,
    Interaction,
    Post,
    PostId,
    Skipped,
    Table,
    interaction_key,
)

PLATFORM: Final = "activitypub"
TRAINING: Final = ("third_party_training", "first_party_training")
"""The purposes that an account which does not want to be indexed is taken to deny."""

ACTORS: Final = frozenset({"Person", "Service", "Application", "Group", "Organization"})
POSTS: Final = frozenset({"Note", "Question", "Article", "Page"})

Json = dict[str, Any]

_TITLED = frozenset({"Article", "Page"})
_LANG = re.compile(r"([A-Za-z]{2,3})(-[A-Za-z0-9-]{1,32})?")
_LONGEST_TIME = 64
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?Z")
_NOBODY = dict.fromkeys(("Create", "Update"), "unknown_author") | dict.fromkeys(("Announce", "Like"), "unknown_actor")
_QUOTES = ("quote", "quoteUrl", "quoteUri", "_misskey_quote")


def read_activity(activity: Json, where: str, *, owner: str = "", purposes: Sequence[str] = TRAINING) -> list[Ingested]:
    """Read one activity, account or tombstone: its records, or one Skipped at `where`; never raises.

    With an `owner`, only that account's own activities count: an export is one account's.
    """
    try:
        return _read(activity, where, owner, purposes)
    except SetAside as aside:
        return [Skipped(where=where, reason=aside.reason)]


def _read(activity: Json, where: str, owner: str, purposes: Sequence[str]) -> list[Ingested]:
    kind = activity.get("type")
    if not isinstance(kind, str):
        raise SetAside("malformed_event")
    if not owner and kind in ACTORS:
        return read_actor(activity, purposes)
    if not owner and kind == "Tombstone":
        return _tombstone(activity)
    actor = member_uri(activity.get("actor"), _NOBODY.get(kind, "malformed_event"))
    if owner and actor != owner:
        raise SetAside("unknown_author")
    if kind not in _READERS:
        raise SetAside("not_a_record")
    denied = _embedded_actor(activity["actor"], actor, purposes)
    found = _READERS[kind](activity, actor, where, purposes)
    return denied + found if denied else found


def read_actor(actor: Json, purposes: Sequence[str] = TRAINING) -> list[Ingested]:
    """Read an account's own description: the member, what they deny, and whether the account is closed.

    Raises:
        SetAside: the account has no id.
    """
    member_id = member_uri(actor.get("id"), "unknown_member")
    closed = _closed(actor)
    # Approving followers protects nothing that is public: every post says itself who may see it.
    stated = isinstance(actor.get("manuallyApprovesFollowers"), bool)
    member = Member(
        member_id=member_id,
        platform=PLATFORM,
        protection=Protection.OPEN if stated else Protection.UNKNOWN,
        status=closed or AccountStatus.ACTIVE,
    )
    found: list[Ingested] = [member, *_denials(actor, member_id, purposes)]
    if closed or actor.get("suspended") is False:
        found.append(AccountChange(member_id=member_id, platform=PLATFORM, status=member.status))
    return found


def _embedded_actor(described: object, actor: MemberId, purposes: Sequence[str]) -> list[Ingested]:
    """Give what an account denies where its description stands inside an activity."""
    return _denials(described, actor, purposes) if isinstance(described, dict) else []


def _denials(actor: Json, member_id: MemberId, purposes: Sequence[str]) -> list[Ingested]:
    indexable = actor.get("indexable")
    if indexable is None or indexable is True:
        return []
    return [_denial(member_id, purpose) for purpose in purposes]


def _denial(member_id: MemberId, purpose: str) -> SettingChange:
    return SettingChange(member_id=member_id, purpose=purpose, choice=Choice.DENY, source="platform")


def _closed(actor: Json) -> AccountStatus | None:
    """Give the state of an account that is closed; one whose owner moved away or died can be asked nothing."""
    if actor.get("suspended") not in (None, False):
        return AccountStatus.SUSPENDED
    if actor.get("movedTo") not in (None, "") or actor.get("memorial") not in (None, False):
        return AccountStatus.DEACTIVATED
    return None


def _attributed(thing: object, actor: MemberId, reason: str) -> None:
    """Set aside a thing that names somebody else as its author."""
    stated = thing.get("attributedTo") if isinstance(thing, dict) else None
    if stated == actor:
        return
    stated = stated[0] if isinstance(stated, list) and len(stated) == 1 else stated
    if stated is not None and (isinstance(stated, list) or uri_of(stated, reason) != actor):
        raise SetAside(reason)


def _create(activity: Json, actor: MemberId, where: str, _: Sequence[str]) -> list[Ingested]:
    note = activity.get("object")
    if not isinstance(note, dict):
        # Only the address of the post is here, and not its words.
        raise SetAside("no_text")
    if note.get("type") == "Tombstone":
        return _delete(activity, actor, where, ())
    _posted(note)
    _attributed(note, actor, "someone_elses_words")
    updated = note.get("updated")
    edited = updated != note.get("published") and _is_time(updated)
    return _written(activity, note, actor, where, str(updated) if edited else "")


def _update(activity: Json, actor: MemberId, where: str, purposes: Sequence[str]) -> list[Ingested]:
    thing = activity.get("object")
    uri = uri_of(thing, "unknown_post")
    note: Json = thing if isinstance(thing, dict) else {"id": uri, "type": "Note", "attributedTo": actor}
    kind = note.get("type")
    if isinstance(kind, str) and kind in ACTORS:
        if uri != actor:
            raise SetAside("unknown_author")
        return read_actor(note, purposes)
    if uri == actor or not isinstance(kind, str) or kind not in POSTS:
        raise SetAside("not_a_record")
    _attributed(note, actor, "unknown_author")
    updated, name = note.get("updated"), activity.get("id")
    revision = str(updated) if _is_time(updated) else _reference(name)
    if not revision:
        # An edit without a name cannot be told from the next: the old words fall, and no new ones stand.
        check_own(actor, uri)
        return [
            Deletion(table=Table.POSTS, record_id=uri, member_id=actor),
            Skipped(where=where, reason="unknown_time"),
        ]
    return _written(activity, note, actor, where, revision)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TIME and rfc3339(value) is not None


def _posted(note: Json) -> None:
    kind = note.get("type")
    if not isinstance(kind, str) or kind not in POSTS:
        raise SetAside("not_a_post")


def _written(activity: Json, note: Json, actor: MemberId, where: str, revision: str) -> list[Ingested]:
    """Give a post; an edit withdraws the old words first, also where the new ones are set aside."""
    post_id = PostId(own_uri(actor, note, "unknown_post"))
    edits: list[Ingested] = []
    if revision:
        edit = Deletion(table=Table.POSTS, record_id=post_id, member_id=actor, superseded=True, revision=revision)
        edits.append(edit)
    try:
        return [*edits, _post(activity, note, actor, post_id)]
    except SetAside as aside:
        return [*edits, Skipped(where=where, reason=aside.reason)]


def _post(activity: Json, note: Json, actor: MemberId, post_id: PostId) -> Post:
    if note.get("attributedTo") is None:
        raise SetAside("unknown_author")
    visibility = seen_by(activity, note)
    created_at = _instant(note.get("published"))
    markup, lang = _content(note)
    return Post(
        post_id=post_id,
        author_id=actor,
        created_at=created_at,
        text=_words(note, markup),
        platform=PLATFORM,
        visibility=visibility,
        lang=lang,
        in_reply_to=_reference(note.get("inReplyTo")),
        quote_of=_quoted(note),
    )


def _instant(value: object) -> datetime:
    if isinstance(value, str) and _UTC.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise SetAside("unknown_time") from error
    moment = rfc3339(value)
    if moment is None:
        raise SetAside("unknown_time")
    return moment


def _quoted(note: Json) -> str:
    for key in _QUOTES:
        if key in note and (uri := _reference(note[key])):
            return uri
    return ""


def _content(note: Json) -> tuple[str, str]:
    """Give the content and its language, which is the key that `contentMap` has for it."""
    content, by_lang = note.get("content"), note.get("contentMap")
    texts = by_lang if isinstance(by_lang, dict) else {}
    if content is None:
        content = next(iter(texts.values()), "")
    if not isinstance(content, str):
        raise SetAside("no_text")
    for key, text in texts.items():
        if text == content:
            return content, _language(key)
    return content, "und"


@lru_cache(maxsize=4096)
def _language(tag: str) -> str:
    match = _LANG.fullmatch(tag)
    return match[1].lower() if match else "und"


def _words(note: Json, markup: str) -> str:
    """Give all that the author wrote: title or content warning, content, and the options of a poll."""
    heading = note.get("name" if note["type"] in _TITLED else "summary")
    if heading is None and note["type"] == "Note" and (text := html_text(markup)):
        return text
    parts = [html_text(heading) if isinstance(heading, str) else "", html_text(markup)]
    if note["type"] == "Question":
        parts.append("\n".join(_options(note)))
    text = "\n\n".join(filter(None, parts))
    if not text:
        raise SetAside("no_text")
    return text


def _options(note: Json) -> list[str]:
    options = note.get("oneOf") or note.get("anyOf")
    names = [one.get("name") for one in options if isinstance(one, dict)] if isinstance(options, list) else []
    return [html_text(name) for name in names if isinstance(name, str)]


def _reference(value: object) -> str:
    """Give the post that is referred to; empty where the value names none."""
    if not value or (isinstance(value, dict) and value.get("type") == "Tombstone"):
        return ""
    try:
        return uri_of(value, "unknown_post")
    except SetAside:
        return ""


def _announce(activity: Json, actor: MemberId, _: str, __: Sequence[str]) -> list[Ingested]:
    return [_interaction(Table.REPOSTS, activity, actor)]


def _like(activity: Json, actor: MemberId, _: str, __: Sequence[str]) -> list[Ingested]:
    return [_interaction(Table.LIKES, activity, actor)]


def _interaction(table: Table, activity: Json, actor: MemberId) -> Interaction:
    post_id, author = _target(activity.get("object"), actor)
    audience(activity)
    created_at = _instant(activity.get("published"))
    name = "" if activity.get("id") is None else own_uri(actor, activity, "unknown_post")
    return Interaction(
        table=table,
        actor_id=actor,
        post_id=post_id,
        post_author_id=author,
        created_at=created_at,
        platform=PLATFORM,
        interaction_id=name,
    )


def _target(thing: object, actor: MemberId) -> tuple[PostId, MemberId]:
    """Give the post that was liked or reposted, and its author; an embedded post must be public itself."""
    post_id = uri_of(thing, "unknown_post")
    author = author_of(post_id)
    if isinstance(thing, dict):
        if "type" in thing:
            _posted(thing)
        if thing.get("to") is not None or thing.get("cc") is not None:
            audience(thing)
        if thing.get("attributedTo") is not None:
            # Whoever embeds a post can speak for themselves only.
            _attributed(thing, author or actor, "unknown_post_author")
            author = author or actor
            check_own(author, post_id)
    if author is None:
        raise SetAside("unknown_post_author")
    return PostId(post_id), author


_FORMER = {"Announce": Table.REPOSTS, "Like": Table.LIKES}


def _delete(activity: Json, actor: MemberId, _: str, __: Sequence[str]) -> list[Ingested]:
    thing = activity.get("object")
    uri = uri_of(thing, "unknown_post")
    if uri == actor:
        return [AccountChange(member_id=actor, platform=PLATFORM, status=AccountStatus.DELETED)]
    check_own(actor, uri)
    _attributed(thing, actor, "unknown_author")
    return [Deletion(table=_former_table(thing), record_id=uri, member_id=actor)]


def _former_table(thing: object) -> Table:
    former = (thing.get("formerType") or thing.get("type")) if isinstance(thing, dict) else None
    return _FORMER.get(former, Table.POSTS) if isinstance(former, str) else Table.POSTS


def _tombstone(tombstone: Json) -> list[Ingested]:
    """Read what is left of something deleted; whose it was must stand in it, or in its address."""
    uri, former = uri_of(tombstone, "unknown_post"), tombstone.get("formerType")
    if isinstance(former, str) and former in ACTORS:
        return [AccountChange(member_id=member_uri(uri, ""), platform=PLATFORM, status=AccountStatus.DELETED)]
    author = author_of(uri)
    owner = member_uri(tombstone.get("attributedTo") or tombstone.get("actor") or author, "unknown_author")
    check_own(owner, uri)
    return [Deletion(table=_former_table(tombstone), record_id=uri, member_id=owner)]


def _undo(activity: Json, actor: MemberId, _: str, __: Sequence[str]) -> list[Ingested]:
    undone = activity.get("object")
    kind = undone.get("type") if isinstance(undone, dict) else None
    if kind is None:
        uri = uri_of(undone, "unknown_post")
        check_own(actor, uri)
        # The address alone does not say which of the two it was.
        return [Deletion(table=table, record_id=uri, member_id=actor) for table in (Table.LIKES, Table.REPOSTS)]
    if not isinstance(kind, str) or kind not in _FORMER or not isinstance(undone, dict):
        raise SetAside("not_a_record")
    if undone.get("actor") is not None and uri_of(undone["actor"], "unknown_author") != actor:
        raise SetAside("unknown_author")
    names = _names(undone, actor)
    return [Deletion(table=_FORMER[kind], record_id=name, member_id=actor) for name in names]


def _names(undone: Json, actor: MemberId) -> list[str]:
    """Give the names by which the interaction may be stored: its own id, and its two ends."""
    own, target = _reference(undone), _reference(undone.get("object"))
    if own:
        check_own(actor, own)
    names = [own] if own else []
    if target:
        names.append(interaction_key(actor, target))
    if not names:
        raise SetAside("malformed_event")
    return names


_READERS: Final[dict[str, Callable[[Json, MemberId, str, Sequence[str]], list[Ingested]]]] = {
    "Create": _create,
    "Update": _update,
    "Announce": _announce,
    "Like": _like,
    "Delete": _delete,
    "Undo": _undo,
}
