"""The adapter for account exports of Facebook: the member's own posts; everything else is set aside by name."""

import re
from collections.abc import Iterator

from licet.ingest.meta_parts import (
    PostNames,
    Record,
    Sorted,
    audiences,
    check_vouched,
    instant,
    is_time,
    kind,
    objects,
    only_document,
    own_words,
    read_part,
    refuse_html,
    seconds_of,
    sees_export,
    sort_parts,
    visibility,
)
from licet.ingest.opened import Opened
from licet.ingest.reasons import SetAside
from licet.model.members import AccountStatus, Member, MemberId
from licet.model.records import Deletion, Ingested, Post, PostId, Skipped, Table, Visibility

PLATFORM = "facebook"

_NAME = "Facebook"
_PROFILE = kind("profile", "profile_information/profile_information", r'"profile(_v\d)?"')
_POSTS = kind(
    "posts", "your_posts(__check_ins__photos_and_videos)?", r'"(data|attachments)"|"status_updates"', "status_updates"
)
_GROUPS = kind(
    "groups",
    "groups/[a-z_]*(posts|comments)[a-z_]*",
    r'"group_(posts|comments)',
    *("group_posts_v2", "group_posts_v3", "group_posts", "group_comments_v2", "group_comments"),
)
_COMMENTS = kind("comments", "comments(_and_reactions)?/comments", r'"comments(_v\d)?"', "comments_v2", "comments")
_REACTIONS = kind(
    "reactions",
    "(your_)?likes_and_reactions|posts_and_comments",
    r'"reaction"|"reactions(_v\d)?"',
    *("reactions_v2", "reactions"),
)
_SAVED = kind("saved", "saved_items_and_collections/your_saved_items", r'"saves(_v\d)?"', "saves_v2", "saves")
_KINDS = (_PROFILE, _POSTS, _GROUPS, _COMMENTS, _REACTIONS, _SAVED)
_ADDRESS = re.compile(
    r"https?://(?:www\.|m\.)?facebook\.com/"
    r"(?:profile\.php\?id=(?P<id>[1-9]\d{0,19})|people/[^/]+/(?P<page>[1-9]\d{0,19})|(?P<name>[A-Za-z0-9.]{1,50}))/?"
)
_USERNAME = re.compile(r"(?=.*[a-z])[a-z0-9.]{1,50}")


def sees(source: Opened) -> str:
    """Say in a phrase that this is a Facebook account export, also in its HTML form, or nothing."""
    return sees_export(source, _KINDS, _NAME)


def read(source: Opened, member_id: MemberId | None = None, visibility: Visibility | None = None) -> Iterator[Ingested]:
    """Read an account export as posts and Skipped; `member_id` and `visibility` are what the member vouches for.

    Without `member_id` the export's own profile names the member. `visibility` counts where the export is silent.

    Raises:
        InputError: the export is in its HTML form, or exceeds a limit.
        UsageError: what is vouched for cannot be.
    """
    check_vouched(member_id, visibility)
    found = sort_parts(source, _KINDS)
    refuse_html(found, _NAME)
    return _Export(source, found, member_id, visibility).records()


class _Export:
    """One export while it is read."""

    def __init__(self, source: Opened, found: Sorted, member_id: MemberId | None, vouched: Visibility | None) -> None:
        self._source = source
        self._found = found
        self._member_id = member_id
        self._vouched = vouched
        self._names = PostNames()

    def records(self) -> Iterator[Ingested]:
        yield from self._profile()
        if self._member_id is not None:
            yield Member(member_id=self._member_id, platform=PLATFORM, status=AccountStatus.ACTIVE)
        read_as = {_POSTS: self._post, _GROUPS: _group, _COMMENTS: _comment, _REACTIONS: _nameless, _SAVED: _nameless}
        for each, read_record in read_as.items():
            for part in self._found.known[each.name]:
                yield from read_part(self._source, part, each.keys, read_record)
        for page in self._found.pages:
            yield Skipped(where=page.name.rpartition("/")[2], reason="not_a_record")
        yield from self._found.others

    def _profile(self) -> Iterator[Skipped]:
        """Learn who the member is, unless that was said; two profiles that differ name nobody."""
        stated: set[MemberId | None] = set()
        for part in self._found.known[_PROFILE.name]:
            try:
                stated.add(_member_of(only_document(self._source, part)))
            except SetAside as aside:
                stated.add(None)
                yield Skipped(where="profile_information.json", reason=aside.reason)
        if len(stated) > 1:
            yield Skipped(where="profile_information.json", reason="unknown_member")
        elif self._member_id is None and stated:
            (self._member_id,) = stated

    def _post(self, record: Record, where: str) -> list[Ingested]:
        if self._member_id is None:
            raise SetAside("unknown_author")
        data = objects(record.get("data"))
        text = own_words("\n".join(each["post"] for each in data if isinstance(each.get("post"), str)))
        seconds = seconds_of(record.get("timestamp"))
        post_id = self._names.name(self._member_id, "posts", seconds, text)
        edit = _edit(self._member_id, post_id, data, seconds)
        try:
            seen = self._seen_by(record, data)
        except SetAside as aside:
            return [*edit, Skipped(where=where, reason=aside.reason)]
        post = Post(
            post_id=post_id,
            author_id=self._member_id,
            created_at=instant(seconds),
            text=text,
            platform=PLATFORM,
            visibility=seen,
        )
        return [*edit, post]

    def _seen_by(self, record: Record, data: list[Record]) -> Visibility:
        if any("group" in each for each in (record, *data)):
            raise SetAside("community_only")
        return visibility(audiences(record, data), self._vouched)


def _edit(member_id: MemberId, post_id: PostId, data: list[Record], seconds: int) -> list[Ingested]:
    """Withdraw the words that stood before the newest edit, which the export tells by its time alone."""
    times = [each["update_timestamp"] for each in data if is_time(each.get("update_timestamp"))]
    if max(times, default=seconds) <= seconds:
        return []
    revision = str(max(times))
    return [Deletion(table=Table.POSTS, record_id=post_id, member_id=member_id, superseded=True, revision=revision)]


def _group(_record: Record, where: str) -> list[Ingested]:
    return [Skipped(where=where, reason="community_only")]


def _comment(record: Record, where: str) -> list[Ingested]:
    """Set a comment aside: the one on whose post it stands decided who may see it, and the export does not say."""
    inner = [each.get("comment") for each in objects(record.get("data"))]
    grouped = any("group" in each for each in objects(inner))
    return [Skipped(where=where, reason="community_only" if grouped else "unknown_visibility")]


def _nameless(_record: Record, where: str) -> list[Ingested]:
    """Set a reaction or saved post aside: it tells a name of its author, which many people bear, and no id."""
    return [Skipped(where=where, reason="unknown_post_author")]


def _member_of(profile: Record) -> MemberId:
    """Give the member that a profile names: its number, else its user name; never two that differ."""
    inner = next((each for key in ("profile_v2", "profile") if isinstance(each := profile.get(key), dict)), {})
    address = inner.get("profile_uri")
    match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    number = (match["id"] or match["page"]) if match else None
    if number:
        return MemberId(f"{PLATFORM}:{number}")
    said = (match["name"] if match else None, inner.get("username"))
    names = {name.lower() for name in said if isinstance(name, str) and name}
    if len(names) != 1 or not _USERNAME.fullmatch(name := names.pop()) or name == "profile.php":
        raise SetAside("unknown_member")
    return MemberId(f"{PLATFORM}:{name}")
