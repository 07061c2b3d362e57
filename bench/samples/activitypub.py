"""A stream of ActivityPub activities, one JSON object a line, lifelike and always the same."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
_WORDS = ("the", "garden", "rain", "train", "late", "again", "coffee", "&amp;", "birds", "song", "&lt;3", "night", "we")
_START = datetime(2024, 1, 1, tzinfo=UTC)


def write(path: Path, records: int) -> None:
    """Write that many activities to a file of JSON Lines."""
    chance = random.Random(20241115)  # noqa: S311 - a sample, no secret
    with path.open("w", encoding="utf-8") as out:
        for number in range(records):
            actor = f"https://social{chance.randrange(9)}.example/users/member{chance.randrange(1000)}"
            out.write(json.dumps(activity(chance, actor, number), ensure_ascii=False) + "\n")


def activity(chance: random.Random, actor: str, number: int) -> dict[str, Any]:
    """Make one activity of an account: mostly new posts, also reposts, deletions and reposts taken back."""
    kind = chance.choices(("Create", "Announce", "Delete", "Undo"), (70, 22, 5, 3))[0]
    own, published = f"{actor}/statuses/{number}", f"{_START + timedelta(seconds=37 * number):%Y-%m-%dT%H:%M:%SZ}"
    whole: dict[str, Any] = {"id": f"{own}/activity", "type": kind, "actor": actor, "published": published}
    whole |= {"to": [PUBLIC], "cc": [f"{actor}/followers"]}
    if kind == "Create":
        return whole | {"object": note(chance, actor, own, published)}
    if kind == "Delete":
        return whole | {"object": {"id": own, "type": "Tombstone"}}
    target = f"https://other.example/users/friend{chance.randrange(100)}/statuses/{chance.randrange(10**6)}"
    if kind == "Announce":
        return whole | {"object": target}
    return whole | {"object": {"id": f"{own}/activity", "type": "Announce", "actor": actor, "object": target}}


def note(chance: random.Random, actor: str, own: str, published: str) -> dict[str, Any]:
    """Make one post with the fields that Mastodon writes; one in ten is for followers, one in ten unlisted."""
    followers = f"{actor}/followers"
    to, cc = chance.choices((([PUBLIC], [followers]), ([followers], [PUBLIC]), ([followers], [])), (80, 10, 10))[0]
    content = markup(chance)
    whole: dict[str, Any] = {"id": own, "type": "Note", "summary": None, "inReplyTo": None, "published": published}
    whole |= {"url": own, "attributedTo": actor, "to": to, "cc": cc, "sensitive": False, "atomUri": own}
    whole |= {"conversation": f"tag:social.example,2024:objectId={published}", "content": content}
    replies = {"id": f"{own}/replies", "type": "Collection", "first": {"type": "CollectionPage", "items": []}}
    return whole | {"contentMap": {"en": content}, "attachment": [], "tag": [], "replies": replies}


def markup(chance: random.Random) -> str:
    """Make the HTML of a post: paragraphs, line breaks, mentions and links as Mastodon writes them."""
    words = " ".join(chance.choices(_WORDS, k=chance.randrange(5, 60)))
    if chance.random() < 0.3:
        user = f"user{chance.randrange(100)}"
        link = f'<a href="https://other.example/@{user}" class="u-url mention">@<span>{user}</span></a>'
        words = f'<span class="h-card" translate="no">{link}</span> {words}'
    if chance.random() < 0.2:
        words += '<br /><a href="https://example.com/a/b" rel="nofollow noopener" target="_blank">'
        words += '<span class="invisible">https://</span><span class="">example.com/a/b</span></a>'
    return f"<p>{words}</p>" + ("<p>More of it.</p>" if chance.random() < 0.3 else "")
