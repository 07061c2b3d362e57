"""Long posts of an X account export: their whole words are kept apart from the tweet that has their id."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from licet.ingest.reasons import SetAside
from licet.ingest.x_text import instant, own_words, reference
from licet.model.records import Post, Skipped

_APART = 5
_LEAST = 20
_CROWD = 16
_CHARACTERS_HELD = 64 * 2**20
_POSTS_HELD = 100_000
_MENTIONS = re.compile(r"(?:@\w+\s+)+")
_CUT = re.compile(r"(?:\s*(?:…|https://t\.co/\w+))+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A long post's words: where they stand, the post they name (empty where none), when, and the whole text."""

    where: str
    post_id: str
    at: datetime
    text: str


class Notes:
    """Gather an export's notes, hold back the posts that one may complete, and join the two where there is no doubt.

    A note joins a post that it names, or the only one written within five seconds whose words begin it, if that
    post in turn has no other such note. In doubt the post keeps the short text.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._notes: list[Note] = []
        self._named: defaultdict[str, list[Note]] = defaultdict(list)
        self._nearby: defaultdict[int, list[Note]] = defaultdict(list)
        self._held: list[Post] = []
        self._characters = 0

    def add(self, note: dict[str, Any], where: str) -> None:
        """Keep a note.

        Raises:
            SetAside: it has no words or no time, or too many are held already.
        """
        words = note.get("core")
        kept = Note(
            where=where,
            post_id=reference(note.get("tweetId")),
            at=instant(note.get("createdAt")),
            text=own_words(words.get("text") if isinstance(words, dict) else None),
        )
        self._characters += len(kept.text)
        if self._characters > _CHARACTERS_HELD:
            raise SetAside("unknown_post")
        self._notes.append(kept)
        if kept.post_id:
            self._named[kept.post_id].append(kept)
            return
        second = int(kept.at.timestamp())
        for near in range(second - _APART, second + _APART + 1):
            self._nearby[near].append(kept)

    def holds(self, post: Post) -> bool:
        """Hold a post back if a note may complete it, and tell whether."""
        if not self._notes or len(self._held) >= _POSTS_HELD:
            return False
        if post.post_id not in self._named and int(post.created_at.timestamp()) not in self._nearby:
            return False
        self._held.append(post)
        return True

    def joined(self) -> Iterator[Post | Skipped]:
        """Give the posts held back, each with one text, then what became of each note."""
        candidates = [self._candidates(post) for post in self._held]
        wanted = Counter(note.where for notes in candidates for note in notes)
        used: set[str] = set()
        for post, notes in zip(self._held, candidates, strict=True):
            if len(notes) == 1 and wanted[notes[0].where] == 1:
                used.add(notes[0].where)
                yield replace(post, text=notes[0].text)
            else:
                yield post
        for note in self._notes:
            yield Skipped(where=note.where, reason="read_already" if note.where in used else "unknown_post")

    def _candidates(self, post: Post) -> list[Note]:
        named = self._named.get(post.post_id)
        if named:
            return named
        nearby = self._nearby.get(int(post.created_at.timestamp()), [])
        # Comparing many with many would take their product in time, and so many in one moment tell nothing apart.
        return [note for note in nearby if _begins(post.text, note.text)] if len(nearby) <= _CROWD else []


def _begins(short: str, whole: str) -> bool:
    """Tell whether a shortened text is the beginning of a whole one; a reply's mentions may stand in one only."""
    start, words = _words(_CUT.sub("", short)), _words(whole)
    bare = _words(_MENTIONS.sub("", start, count=1)) if start.startswith("@") else start
    return any(len(text) >= _LEAST and words.startswith(text) for text in (start, bare))


def _words(text: str) -> str:
    return " ".join(text.split())
