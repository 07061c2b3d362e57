"""The adapter for a Mastodon account export: `actor.json`, `outbox.json`, `likes.json` and `bookmarks.json`."""

from collections.abc import Iterator, Sequence
from typing import Final

from licet.ingest.activitypub import TRAINING, read_activity, read_actor
from licet.ingest.activitypub_ids import author_of, uri_of
from licet.ingest.archives import shown
from licet.ingest.json_parts import document, items
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.model.errors import InputError
from licet.model.members import Member
from licet.model.records import Ingested, Skipped

ACTOR: Final = "actor.json"
OUTBOX: Final = "outbox.json"
LISTS: Final = ("likes.json", "bookmarks.json")
_ITEMS = "orderedItems.item"


def sees(source: Opened) -> str:
    """Say what is recognized, or nothing."""
    found = [parts for parts in _exports(source) if _looks(source, parts)]
    if not found:
        return ""
    names = ", ".join(sorted(found[0], key=(ACTOR, OUTBOX, *LISTS).index))
    return f"a Mastodon account export ({names})"


def read(source: Opened, *, purposes: Sequence[str] = TRAINING) -> Iterator[Ingested]:
    """Read an export: the member first, then what they published, then what cannot be used of likes and bookmarks.

    An account that does not want to be indexed denies the given purposes.
    """
    for parts in _exports(source):
        described = _described(source, parts[ACTOR], purposes)
        yield from described
        owner = next((found.member_id for found in described if isinstance(found, Member)), "")
        yield from _outbox(source, parts[OUTBOX], owner, purposes)
        for name in LISTS:
            if name in parts:
                yield from _list(source, parts[name])


def _exports(source: Opened) -> list[dict[str, Part]]:
    """Give the parts of each export by their names; a folder may hold several exports, each in a folder of its own."""
    folders: dict[str, dict[str, Part]] = {}
    for part in source.parts:
        folder, _, name = part.name.rpartition("/")
        if name in (ACTOR, OUTBOX, *LISTS):
            folders.setdefault(folder, {})[name] = part
    return [parts for parts in folders.values() if ACTOR in parts and OUTBOX in parts]


def _looks(source: Opened, parts: dict[str, Part]) -> bool:
    actor, outbox = source.head(parts[ACTOR]), source.head(parts[OUTBOX])
    return b'"inbox"' in actor and b"OrderedCollection" in outbox


def _described(source: Opened, part: Part, purposes: Sequence[str]) -> list[Ingested]:
    """Read whose export it is; where that cannot be read, nothing in it has a known author."""
    try:
        actor = document(source, part)
        if isinstance(actor, dict):
            return read_actor(actor, purposes)
    except (InputError, SetAside):
        pass
    return [Skipped(where=shown(part.name), reason="malformed_member")]


def _outbox(source: Opened, part: Part, owner: str, purposes: Sequence[str]) -> Iterator[Ingested]:
    for found in items(source, part, path=_ITEMS):
        if isinstance(found, Skipped):
            yield found
            continue
        where, activity = found
        if not isinstance(activity, dict):
            yield Skipped(where=where, reason="malformed_row")
        elif not owner:
            yield Skipped(where=where, reason="unknown_author")
        else:
            yield from read_activity(activity, where, owner=owner, purposes=purposes)


def _list(source: Opened, part: Part) -> Iterator[Skipped]:
    """Set aside what was liked or bookmarked: an export says only which posts, not when."""
    for found in items(source, part, path=_ITEMS):
        yield found if isinstance(found, Skipped) else Skipped(where=found[0], reason=_lacking(found[1]))


def _lacking(item: object) -> str:
    """Name what an item lacks most: a post, its author, or only the time, which no item has."""
    try:
        post_id = uri_of(item, "unknown_post")
    except SetAside as aside:
        return aside.reason
    return "unknown_time" if author_of(post_id) else "unknown_post_author"
