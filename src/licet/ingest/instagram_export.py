"""The adapter for account exports of Instagram: the member's own captions, likes and saved posts."""

import re
from collections.abc import Iterator
from functools import partial

from licet.ingest import meta_labels as labels
from licet.ingest.meta_parts import (
    PostNames,
    Record,
    Sorted,
    audiences,
    check_vouched,
    instant,
    kind,
    labelled,
    objects,
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
from licet.model.members import AccountStatus, Member, MemberId, Protection
from licet.model.records import Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

PLATFORM = "instagram"

_NAME = "Instagram"
_PROFILE = kind("profile", "personal_information/personal_information", r'"profile_user"', "profile_user")
_LISTED = r'"(string_list_data|string_map_data|label_values)"'
_MEDIA = r'"creation_timestamp"|"label_values"'
_POSTS = kind("posts", r"(content|media|posts)/posts|posts(?=_\d)", _MEDIA, "ig_posts", "ig_posts_media")
_REELS = kind("reels", "(content|media|reels)/reels", r'"ig_reels_media"', "ig_reels_media")
_FILMS = kind("igtv", "(content|media)/igtv_videos", r'"ig_igtv_media"', "ig_igtv_media")
_STORIES = kind("stories", "(content|media|stories)/stories", r'"ig_stories"', "ig_stories")
_ARCHIVED = kind("archived", "archived_posts", r'"ig_archived_post_media"', "ig_archived_post_media")
_DELETED = kind("deleted", "recently_deleted_content", r'"ig_recently_deleted_media"', "ig_recently_deleted_media")
_COMMENTS = kind(
    "comments", "post_comments|reels_comments", _LISTED, "comments_media_comments", "comments_reels_comments"
)
_LIKES = kind("likes", "liked_posts", _LISTED, "likes_media_likes")
_LIKED_COMMENTS = kind("liked comments", "liked_comments", _LISTED, "likes_comment_likes")
_SAVED = kind("saved", "saved_posts", _LISTED, "saved_saved_media")
_KINDS = (
    *(_PROFILE, _POSTS, _REELS, _FILMS, _STORIES, _ARCHIVED, _DELETED),
    *(_COMMENTS, _LIKES, _LIKED_COMMENTS, _SAVED),
)
_SET_ASIDE = {
    _STORIES: "no_longer_shown",
    _ARCHIVED: "no_longer_shown",
    _DELETED: "deleted_on_platform",
    _COMMENTS: "unknown_visibility",
    _LIKED_COMMENTS: "not_a_post",
}

# Digits and dots alone would also fit a telephone number or an address on the Internet.
_USERNAME = re.compile(r"(?=.*[a-z_])[a-z0-9._]{1,30}")
_SITE = r"https?://(?:www\.)?instagram\.com/"
_ON_SITE = re.compile(_SITE)
_POST_ADDRESS = re.compile(
    rf"{_SITE}(?:(?P<user>[A-Za-z0-9._]{{1,30}})/)?(?:p|reels?|tv)/(?P<code>[A-Za-z0-9_-]{{1,64}})/?(?:\?.*)?"
)
_PROFILE_ADDRESS = re.compile(rf"{_SITE}(?:_u/)?(?P<user>[A-Za-z0-9._]{{1,30}})/?(?:\?.*)?")


def sees(source: Opened) -> str:
    """Say in a phrase that this is an Instagram account export, also in its HTML form, or nothing."""
    return sees_export(source, _KINDS, _NAME)


def read(source: Opened, member_id: MemberId | None = None, visibility: Visibility | None = None) -> Iterator[Ingested]:
    """Read an account export as posts, likes, bookmarks and Skipped; the arguments are what the member vouches for.

    Without `member_id` the export's own account information names the member. `visibility` counts where the export is
    silent, and never over an account that the export calls private.

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
        self._own_name = ""
        self._private: set[str] = set()
        self._names = PostNames()

    def records(self) -> Iterator[Ingested]:
        yield from self._profile()
        if self._member_id is not None:
            yield Member(
                member_id=self._member_id,
                platform=PLATFORM,
                protection=self._protection(),
                status=AccountStatus.ACTIVE,
            )
        yield from self._own()
        yield from self._others()

    def _own(self) -> Iterator[Ingested]:
        for each in (_POSTS, _REELS, _FILMS):
            for part in self._found.known[each.name]:
                yield from read_part(self._source, part, each.keys, partial(self._post, each.name))
        for each, table in ((_LIKES, Table.LIKES), (_SAVED, Table.BOOKMARKS)):
            for part in self._found.known[each.name]:
                yield from read_part(self._source, part, each.keys, partial(self._interactions, table))

    def _others(self) -> Iterator[Ingested]:
        for each, reason in _SET_ASIDE.items():
            for part in self._found.known[each.name]:
                yield from read_part(self._source, part, each.keys, partial(_aside, reason))
        for page in self._found.pages:
            yield Skipped(where=page.name.rpartition("/")[2], reason="not_a_record")
        yield from self._found.others

    def _profile(self) -> Iterator[Skipped]:
        """Learn who the member is and whether the account is private; two names that differ name nobody."""
        names: set[str] = set()
        for part in self._found.known[_PROFILE.name]:
            for found in read_part(self._source, part, _PROFILE.keys, partial(self._account, names)):
                names.add("")
                if isinstance(found, Skipped):
                    yield found
        if len(names) > 1:
            yield Skipped(where="personal_information.json", reason="unknown_member")
        self._own_name = names.pop() if len(names) == 1 else ""
        if self._member_id is None and self._own_name:
            self._member_id = MemberId(f"{PLATFORM}:{self._own_name}")

    def _account(self, names: set[str], record: Record, _where: str) -> list[Ingested]:
        """Learn from one file of account information; one that cannot be understood leaves privacy unknown."""
        self._private |= {labels.folded(value) for value in labelled(record, labels.PRIVATE_ACCOUNT)}
        said = {labels.folded(value) for value in labelled(record, labels.USERNAME)}
        if len(said) != 1 or not _USERNAME.fullmatch(name := said.pop()):
            raise SetAside("unknown_member")
        names.add(name)
        return []

    def _protection(self) -> Protection:
        if self._private & labels.YES:
            return Protection.PROTECTED
        return Protection.OPEN if self._private and self._private <= labels.NO else Protection.UNKNOWN

    def _post(self, kind_name: str, record: Record, where: str) -> list[Ingested]:
        if self._member_id is None:
            raise SetAside("unknown_author")
        media = objects(record.get("media"))
        if _has_owner(record) and _owners(record) != {self._own_name}:
            raise SetAside("someone_elses_words")
        text, seconds = own_words(_caption(record, media)), _seconds(record, media)
        post_id = self._names.name(self._member_id, kind_name, seconds, text)
        if self._private & labels.YES:
            return [Skipped(where=where, reason="protected")]
        post = Post(
            post_id=post_id,
            author_id=self._member_id,
            created_at=instant(seconds),
            text=text,
            platform=PLATFORM,
            visibility=visibility(audiences(record, media), self._vouched),
        )
        return [post]

    def _interactions(self, table: Table, record: Record, where: str) -> list[Ingested]:
        """Read what was liked or saved: one post in the later shape, a list or map of posts in the earlier one."""
        if self._member_id is None:
            raise SetAside("unknown_actor")
        if "label_values" in record:
            return [self._interaction(table, _only_address(record), _owners(record), record.get("timestamp"))]
        mapped = record.get("string_map_data")
        listed = objects(list(mapped.values()) if isinstance(mapped, dict) else record.get("string_list_data"))
        authors = {labels.folded(record.get("title"))}
        found: list[Ingested] = []
        for each in listed:
            if each.get("href"):
                try:
                    found.append(self._interaction(table, each["href"], authors, each.get("timestamp")))
                except SetAside as aside:
                    found.append(Skipped(where=where, reason=aside.reason))
        if not found:
            raise SetAside("unknown_post")
        return found

    def _interaction(self, table: Table, address: object, authors: set[str], seconds: object) -> Interaction:
        match = _POST_ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if not match:
            on_site = isinstance(address, str) and _ON_SITE.match(address)
            raise SetAside("not_a_post" if on_site else "unknown_post")
        authors = authors | ({match["user"].lower()} if match["user"] else set())
        if len(authors) != 1 or not _USERNAME.fullmatch(author := authors.pop()):
            raise SetAside("unknown_post_author")
        if self._member_id is None:
            raise SetAside("unknown_actor")
        return Interaction(
            table=table,
            actor_id=self._member_id,
            post_id=PostId(f"{PLATFORM}:{match['code']}"),
            post_author_id=MemberId(f"{PLATFORM}:{author}"),
            created_at=instant(seconds),
            platform=PLATFORM,
        )


def _aside(reason: str, _record: Record, where: str) -> list[Ingested]:
    return [Skipped(where=where, reason=reason)]


def _only_address(record: Record) -> object:
    """Give the one link among a record's labels; two that differ name no post."""
    links = {each["href"] for each in objects(record.get("label_values")) if isinstance(each.get("href"), str)}
    return links.pop() if len(links) == 1 else None


def _has_owner(record: Record) -> bool:
    return bool(_owner_groups(record))


def _owner_groups(record: Record) -> list[Record]:
    return [each for each in objects(record.get("label_values")) if labels.folded(each.get("title")) in labels.OWNER]


def _owners(record: Record) -> set[str]:
    """Give every user name that a record states for the owner of its post, by label and by profile address."""
    said: set[str] = set()
    for group in _owner_groups(record):
        for inner in objects(group.get("dict")):
            for entry in objects(inner["dict"]) if "dict" in inner else [inner]:
                said |= _names_in(entry)
    return said


def _names_in(entry: Record) -> set[str]:
    if labels.folded(entry.get("label")) in labels.USERNAME:
        return {labels.folded(entry.get("value"))}
    links = (entry.get("value"), entry.get("href"))
    matches = [_PROFILE_ADDRESS.fullmatch(link) for link in links if isinstance(link, str)]
    return {match["user"].lower() for match in matches if match}


def _caption(record: Record, media: list[Record]) -> object:
    """Give a post's words: its own caption, else the captions of its pictures, each once."""
    for text in (*labelled(record, labels.CAPTION), record.get("title")):
        if isinstance(text, str) and text.strip():
            return text
    titles = [each["title"] for each in media if isinstance(each.get("title"), str) and each["title"].strip()]
    return "\n".join(dict.fromkeys(titles))


def _seconds(record: Record, media: list[Record]) -> int:
    """Give a post's time, which one picture alone carries for its post; pictures that differ tell none."""
    for key in ("creation_timestamp", "timestamp"):
        if key in record:
            return seconds_of(record[key])
    times = [each.get("creation_timestamp") for each in media]
    if not times or any(time != times[0] for time in times):
        raise SetAside("unknown_time")
    return seconds_of(times[0])
