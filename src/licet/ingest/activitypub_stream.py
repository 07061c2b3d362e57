"""The adapter for a stream of ActivityPub activities, one JSON object a line, as an outbox gives them over time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import orjson

from licet.ingest.activitypub import ACTORS, PLATFORM, TRAINING, read_activity
from licet.ingest.json_parts import lines
from licet.ingest.opened import Opened, Part
from licet.ingest.said import Said
from licet.model.members import AccountStatus, Member, Protection
from licet.model.records import Ingested, Interaction, Post

_ACTIVITIES: Final = frozenset({"Create", "Update", "Announce", "Like", "Delete", "Undo", "Follow", "Accept", "Block"})
_SUFFIXES: Final = (".jsonl", ".ndjson")
_PROBED = 5


def sees(source: Opened) -> str:
    """Say what is recognized, or nothing."""
    return "ActivityPub activities, one a line" if any(_looks(source, part) for part in _parts(source)) else ""


def read(source: Opened, *, purposes: Sequence[str] = TRAINING) -> Iterator[Ingested]:
    """Read activities in their order; each account is introduced once, before its first public record.

    An account that does not want to be indexed denies the given purposes.
    """
    said = Said()
    for part in _parts(source):
        for found in lines(source, part):
            if isinstance(found, tuple):
                yield from _introduced(read_activity(found[1], found[0], purposes=purposes), said)
            else:
                yield found


def _parts(source: Opened) -> tuple[Part, ...]:
    """Give the parts that hold lines; a single file is read whatever its name."""
    if len(source.parts) == 1:
        return source.parts
    return tuple(part for part in source.parts if part.name.lower().endswith(_SUFFIXES))


def _looks(source: Opened, part: Part) -> bool:
    whole = source.head(part).split(b"\n")[:_PROBED]
    return any(_is_activity(line) for line in whole)


def _is_activity(line: bytes) -> bool:
    try:
        thing = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(thing, dict):
        return False
    kind = thing.get("type")
    if not isinstance(kind, str):
        return False
    described = (kind in ACTORS and "inbox" in thing) or kind == "Tombstone"
    return (kind in _ACTIVITIES and "actor" in thing and "object" in thing) or (described and "id" in thing)


def _introduced(records: Iterable[Ingested], said: Said) -> Iterator[Ingested]:
    """Put an account's introduction before its first record; who is read by everybody is open, and region unknown."""
    for record in records:
        if isinstance(record, Post | Interaction):
            member_id = record.author_id if isinstance(record, Post) else record.actor_id
            if said.first(member_id):
                yield Member(
                    member_id=member_id,
                    platform=PLATFORM,
                    protection=Protection.OPEN,
                    status=AccountStatus.ACTIVE,
                )
        yield record
