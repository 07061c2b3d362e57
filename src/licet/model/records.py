"""Records: posts and interactions, their deletions, and what an adapter sets aside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from licet.model.members import AccountChange, Member, MemberId, SettingChange

PostId = NewType("PostId", str)
"""A post, unique in the house: adapters prefix the platform (`x:12`) unless the id is global (an AT URI)."""


class Table(StrEnum):
    """The four kinds of record, each a table of the lake."""

    POSTS = "posts"
    LIKES = "likes"
    BOOKMARKS = "bookmarks"
    REPOSTS = "reposts"


INTERACTIONS = (Table.LIKES, Table.BOOKMARKS, Table.REPOSTS)


class Visibility(StrEnum):
    """Who may read a record on its platform."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    PRIVATE = "private"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A member's own words; `in_reply_to` and `quote_of` are empty where the post refers to none."""

    post_id: PostId
    author_id: MemberId
    created_at: datetime
    text: str
    platform: str
    visibility: Visibility
    lang: str = "und"
    in_reply_to: str = ""
    quote_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An actor liked, bookmarked or reposted a post; the target's author is one of its subjects."""

    table: Table
    actor_id: MemberId
    post_id: PostId
    post_author_id: MemberId
    created_at: datetime
    platform: str
    interaction_id: str = ""
    """The platform's own id of the interaction (an AT URI), where a later deletion names it by that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A record was deleted on its platform; it may arrive before its record.

    `record_id` is the post's id, or an interaction's `interaction_key`, or its `interaction_id`.
    With `superseded` the record was edited: the text ingested earlier falls, the new one stands;
    `revision` names the edit, so that reading the same input twice edits once.
    """

    table: Table
    record_id: str
    member_id: MemberId
    superseded: bool = False
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hiding:
    """The platform hid a record for a cause, or took that cause back; a record with any cause left stays hidden.

    Of several about one cause the latest `at` counts, in whatever order they arrive. `record_id` is as in a Deletion,
    which is final and outlives every showing.
    """

    table: Table
    record_id: str
    member_id: MemberId
    hidden: bool
    at: datetime
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An input record was set aside: where (a line or path), and why (a reason code of the adapter)."""

    where: str
    reason: str


Ingested = Member | AccountChange | SettingChange | Post | Interaction | Deletion | Hiding | Skipped
"""What an adapter yields."""


def interaction_key(actor_id: str, post_id: str) -> str:
    """Name an interaction by its two ends, for platforms that give it no id of its own."""
    return f"{actor_id} {post_id}"
