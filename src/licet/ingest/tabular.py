"""The adapter for any table: CSV, JSON Lines or Parquet, with a mapping that says which column is what."""

import math
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from licet.ingest.mapping import REGION, Kind, Mapping, parse_mapping
from licet.ingest.reasons import SKIP_REASONS, SetAside
from licet.ingest.rows import Row, read_rows
from licet.ingest.said import Said
from licet.model.members import UNKNOWN_REGION, AccountChange, AccountStatus, AgeBand, Member, MemberId, Protection
from licet.model.records import Ingested, Interaction, Post, PostId, Skipped, Table, Visibility

__all__ = ["SKIP_REASONS", "Mapping", "parse_mapping", "read_table"]

LONGEST_MEMBER_ID = 255
LONGEST_RECORD_ID = 700
LONGEST_PLATFORM = 64
_LANG = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9_-]{1,32})?")
_FLAG = "RT @"


def read_table(path: Path, mapping: Mapping) -> Iterator[Ingested]:
    """Read a table: each row gives one record, or one Skipped; each member is introduced before their first record.

    A row of a members table gives a Member, and an AccountChange where it states status or protection.

    Raises:
        InputError: the file cannot be opened, is damaged, or its format is not known.
    """
    said = Said()
    build = _BUILDERS[mapping.kind]
    for found in read_rows(path, mapping):
        if isinstance(found, Skipped):
            yield found
            continue
        where, row = found
        try:
            records = build(mapping, row)
        except SetAside as aside:
            yield Skipped(where=where, reason=aside.reason)
            continue
        for record in records:
            if not isinstance(record, Member) or mapping.kind is Kind.MEMBERS or said.first(record):
                yield record


def _members(mapping: Mapping, row: Row) -> list[Ingested]:
    platform = _platform(mapping, row)
    member = _member(mapping, row, _member_id(mapping, row, "member_id", platform, "unknown_member"), platform)
    if member.status is AccountStatus.UNKNOWN and member.protection is Protection.UNKNOWN:
        return [member]
    # A members table states the account's state on purpose, so it may also reopen what was closed.
    change = AccountChange(
        member_id=member.member_id, platform=platform, status=member.status, protection=member.protection
    )
    return [member, change]


def _posts(mapping: Mapping, row: Row) -> list[Ingested]:
    platform = _platform(mapping, row)
    author = _member_id(mapping, row, "author_id", platform, "unknown_author")
    post = Post(
        post_id=_post_id(mapping, row, "post_id", platform),
        author_id=author,
        created_at=_time(mapping, row),
        text=_own_words(mapping, row),
        platform=platform,
        visibility=_visibility(mapping, row),
        lang=_lang(_plain(_value(mapping, row, "lang"))),
        in_reply_to=_reference(mapping, row, "in_reply_to", platform),
        quote_of=_reference(mapping, row, "quote_of", platform),
    )
    return [_member(mapping, row, author, platform), post]


def _interactions(mapping: Mapping, row: Row) -> list[Ingested]:
    platform = _platform(mapping, row)
    actor = _member_id(mapping, row, "actor_id", platform, "unknown_actor")
    interaction = Interaction(
        table=Table(mapping.kind),
        actor_id=actor,
        post_id=_post_id(mapping, row, "post_id", platform),
        post_author_id=_member_id(mapping, row, "post_author_id", platform, "unknown_post_author"),
        created_at=_time(mapping, row),
        platform=platform,
        interaction_id=_reference(mapping, row, "interaction_id", platform),
    )
    return [_member(mapping, row, actor, platform), interaction]


_BUILDERS = {
    Kind.POSTS: _posts,
    Kind.LIKES: _interactions,
    Kind.BOOKMARKS: _interactions,
    Kind.REPOSTS: _interactions,
    Kind.MEMBERS: _members,
}


def _value(mapping: Mapping, row: Row, field: str) -> object:
    """Give a field's value: the constant, or the column (dots step into JSON objects), or None."""
    if field in mapping.constants:
        return mapping.constants[field]
    column = mapping.columns.get(field)
    if column is None:
        return None
    value: object = row.get(column)
    if column not in row and "." in column:
        value = row
        for step in column.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    pattern = mapping.patterns.get(field)
    if pattern is None:
        return value
    match = pattern.search(_plain(value))
    return match[1] if match else None


def _plain(value: object) -> str:
    """Give a text or whole number as stripped text; empty for nothing; a fraction is no id."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value.strip()
    # Past 2**53 a float no longer tells two ids apart, so one that was stored as a float names nobody.
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= LONGEST_MEMBER_ID:
        return str(value)
    raise SetAside("malformed_id")


def _identifier(prefix: str, plain: str, longest: int) -> str:
    whole = prefix + plain
    if len(whole) > longest or not whole.isprintable() or any(map(str.isspace, whole)):
        raise SetAside("malformed_id")
    return whole


def _platform(mapping: Mapping, row: Row) -> str:
    plain = _plain(_value(mapping, row, "platform"))
    if not plain:
        raise SetAside("unknown_platform")
    return _identifier("", plain, LONGEST_PLATFORM)


def _member_id(mapping: Mapping, row: Row, field: str, platform: str, reason: str) -> MemberId:
    plain = _plain(_value(mapping, row, field))
    if not plain:
        raise SetAside(reason)
    prefix = f"{platform}:" if mapping.member_prefix is None else mapping.member_prefix
    return MemberId(_identifier(prefix, plain, LONGEST_MEMBER_ID))


def _reference(mapping: Mapping, row: Row, field: str, platform: str) -> str:
    """Give the prefixed id of a post or interaction, empty where there is none."""
    plain = _plain(_value(mapping, row, field))
    prefix = f"{platform}:" if mapping.id_prefix is None else mapping.id_prefix
    return _identifier(prefix, plain, LONGEST_RECORD_ID) if plain else ""


def _post_id(mapping: Mapping, row: Row, field: str, platform: str) -> PostId:
    post_id = _reference(mapping, row, field, platform)
    if not post_id:
        raise SetAside("unknown_post")
    return PostId(post_id)


def _time(mapping: Mapping, row: Row) -> datetime:
    moment = mapping.read_time(_value(mapping, row, "created_at"))
    if moment is None:
        raise SetAside("unknown_time")
    return moment


def _own_words(mapping: Mapping, row: Row) -> str:
    text = _value(mapping, row, "text")
    if not isinstance(text, str) or not text.strip():
        raise SetAside("no_text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SetAside("unreadable_text") from error
    if text.lstrip().startswith(_FLAG):
        raise SetAside("someone_elses_words")
    return text


def _visibility(mapping: Mapping, row: Row) -> Visibility:
    plain = _plain(_value(mapping, row, "visibility")).lower()
    if plain not in set(Visibility) - {Visibility.UNKNOWN}:
        raise SetAside("unknown_visibility")
    return Visibility(plain)


def _lang(plain: str) -> str:
    """Give the language without its region (`pt-BR` is `pt`), as licenses name it; `und` where it is none."""
    match = _LANG.fullmatch(plain)
    return match[1].lower() if match else "und"


def _member(mapping: Mapping, row: Row, member_id: MemberId, platform: str) -> Member:
    return Member(
        member_id=member_id,
        platform=platform,
        region=_region(_plain(_value(mapping, row, "region"))),
        age_band=AgeBand(_known(mapping, row, "age_band", AgeBand)),
        protection=Protection(_known(mapping, row, "protection", Protection)),
        status=AccountStatus(_known(mapping, row, "status", AccountStatus)),
    )


def _region(plain: str) -> str:
    region = plain.upper()
    if region in {"", UNKNOWN_REGION.upper()}:
        return UNKNOWN_REGION
    # Blank is unknown; a value that is no code would leave an older region standing without anybody noticing.
    if not REGION.fullmatch(region):
        raise SetAside("malformed_member")
    return region


def _known(mapping: Mapping, row: Row, field: str, vocabulary: type[StrEnum]) -> str:
    plain = _plain(_value(mapping, row, field)).lower() or "unknown"
    if plain not in set(vocabulary):
        raise SetAside("malformed_member")
    return plain
