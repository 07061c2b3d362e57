"""A mapping file: which column of a table is which field of a record."""

import codecs
import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from licet.ingest.instants import ReadTime, reader
from licet.model.errors import InputError
from licet.model.members import AccountStatus, AgeBand, Protection
from licet.model.records import Visibility

REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
"""An ISO 3166-1 alpha-2 code, optionally with a subdivision."""


class Kind(StrEnum):
    """What each row of a table is."""

    POSTS = "posts"
    LIKES = "likes"
    BOOKMARKS = "bookmarks"
    REPOSTS = "reposts"
    MEMBERS = "members"


_MEMBER = ("region", "age_band", "protection", "status")
_INTERACTION = ("actor_id", "post_id", "post_author_id", "created_at", "platform")
REQUIRED: dict[Kind, tuple[str, ...]] = {
    Kind.POSTS: ("post_id", "author_id", "created_at", "text", "visibility", "platform"),
    Kind.LIKES: _INTERACTION,
    Kind.BOOKMARKS: _INTERACTION,
    Kind.REPOSTS: _INTERACTION,
    Kind.MEMBERS: ("member_id", "platform"),
}
"""Fields without which a row is nobody's, nowhere or never."""

OPTIONAL: dict[Kind, tuple[str, ...]] = {
    Kind.POSTS: ("lang", "in_reply_to", "quote_of", *_MEMBER),
    Kind.LIKES: ("interaction_id", *_MEMBER),
    Kind.BOOKMARKS: ("interaction_id", *_MEMBER),
    Kind.REPOSTS: ("interaction_id", *_MEMBER),
    Kind.MEMBERS: _MEMBER,
}
FORMATS = ("csv", "jsonl", "parquet")

_VOCABULARIES: dict[str, type[StrEnum]] = {
    "visibility": Visibility,
    "age_band": AgeBand,
    "protection": Protection,
    "status": AccountStatus,
}
_SECTIONS = ("records", "columns", "constants", "patterns")
_SETTINGS = ("kind", "format", "encoding", "delimiter", "time_format", "id_prefix", "member_prefix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How to read one table; a prefix of None means the row's platform and a colon (`x:`)."""

    name: str
    kind: Kind
    read_time: ReadTime
    columns: dict[str, str]
    constants: dict[str, str]
    patterns: dict[str, re.Pattern[str]] = field(default_factory=dict)
    format: str = ""
    """`csv`, `jsonl`, `parquet`, or empty: the file's suffix says."""
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    id_prefix: str | None = None
    member_prefix: str | None = None


def parse_mapping(text: str, name: str) -> Mapping:
    """Read a mapping from TOML; `name` is what messages call it.

    Raises:
        InputError: names the file and the key, and says what to write there.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{name}: not TOML: {error}", "mend the line that is named") from error
    _only(name, "", document, _SECTIONS)
    settings = _strings(name, "records", document)
    _only(name, "records.", settings, _SETTINGS)
    kind = _kind(name, settings)
    columns, constants = _strings(name, "columns", document), _strings(name, "constants", document)
    _check_fields(name, kind, columns, constants)
    return Mapping(
        name=name,
        kind=kind,
        read_time=_read_time(name, settings.get("time_format", "iso")),
        columns=columns,
        constants={key: _constant(name, key, value) for key, value in constants.items()},
        patterns=_patterns(name, columns, _strings(name, "patterns", document)),
        format=_one_of(name, "records.format", settings.get("format", ""), ("", *FORMATS)),
        encoding=_encoding(name, settings.get("encoding", "utf-8-sig")),
        delimiter=_delimiter(name, settings.get("delimiter", ",")),
        id_prefix=settings.get("id_prefix"),
        member_prefix=settings.get("member_prefix"),
    )


def _only(name: str, where: str, found: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in found:
        if key not in known:
            raise InputError(f"{name}: unknown key {where}{key}", f"use one of {', '.join(known)}")


def _strings(name: str, section: str, document: dict[str, Any]) -> dict[str, str]:
    found = document.get(section, {})
    if not isinstance(found, dict):
        raise InputError(f"{name}: {section} is not a table", f"write [{section}] and its keys below it")
    for key, value in found.items():
        if not isinstance(value, str):
            raise InputError(f"{name}: {section}.{key} is not a string", "put the value in quotes")
    return found


def _kind(name: str, settings: dict[str, str]) -> Kind:
    if "kind" not in settings:
        raise InputError(f"{name}: records.kind is missing", f"write one of {', '.join(Kind)}")
    return Kind(_one_of(name, "records.kind", settings["kind"], tuple(Kind)))


def _one_of(name: str, key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        choices = ", ".join(choice for choice in known if choice)
        raise InputError(f"{name}: {key} is {value!r}", f"write one of {choices}")
    return value


def _check_fields(name: str, kind: Kind, columns: dict[str, str], constants: dict[str, str]) -> None:
    fields = REQUIRED[kind] + OPTIONAL[kind]
    _only(name, "columns.", columns, fields)
    _only(name, "constants.", constants, fields)
    for key in REQUIRED[kind]:
        if key not in columns and key not in constants:
            raise InputError(
                f"{name}: columns.{key} is missing; {kind} without it are set aside",
                f'name its column under [columns], or write one value for all: [constants] {key} = "..."',
            )
    for key in columns:
        if key in constants:
            raise InputError(f"{name}: {key} is both a column and a constant", "remove one of the two")


def _constant(name: str, key: str, value: str) -> str:
    if key == "region":
        if not REGION.fullmatch(value):
            raise InputError(f"{name}: constants.region is {value!r}", "write an ISO 3166 code such as US or US-CA")
    elif key in _VOCABULARIES:
        _one_of(name, f"constants.{key}", value, tuple(_VOCABULARIES[key]))
    elif key != "lang" and (not value.isprintable() or not value.strip()):
        raise InputError(f"{name}: constants.{key} is blank or has a control character", "write a printable value")
    return value


def _patterns(name: str, columns: dict[str, str], patterns: dict[str, str]) -> dict[str, re.Pattern[str]]:
    compiled: dict[str, re.Pattern[str]] = {}
    for key, value in patterns.items():
        if key not in columns:
            raise InputError(f"{name}: patterns.{key} has no column", f"name the column under [columns] {key}")
        try:
            compiled[key] = re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise InputError(f"{name}: patterns.{key}: {error}", "write a regular expression") from error
        if compiled[key].groups != 1:
            raise InputError(f"{name}: patterns.{key} has no single group", "put ( ) around the part to keep")
    return compiled


def _read_time(name: str, time_format: str) -> ReadTime:
    try:
        return reader(time_format)
    except (ValueError, re.error) as error:
        raise InputError(
            f"{name}: records.time_format is {time_format!r}: {error}",
            "write iso, unix, unix_ms, or strptime directives such as %Y-%m-%d %H:%M:%S",
        ) from error


def _encoding(name: str, encoding: str) -> str:
    try:
        # A codec that is not of text (rot13, base64) has no business here.
        if codecs.lookup(encoding)._is_text_encoding:  # noqa: SLF001
            return encoding
    except LookupError:
        pass
    raise InputError(f"{name}: records.encoding is {encoding!r}", "write a character encoding such as utf-8 or cp1252")


def _delimiter(name: str, delimiter: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError(f"{name}: records.delimiter is {delimiter!r}", "write one character")
    return delimiter
