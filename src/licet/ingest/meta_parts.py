"""What the exports of Facebook and Instagram have in common: parts, records, times, audiences, names of posts."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from licet.ingest import meta_labels as labels
from licet.ingest.instants import after_epoch
from licet.ingest.json_parts import document, items
from licet.ingest.meta_text import mended_all
from licet.ingest.opened import Opened, Part
from licet.ingest.reasons import SetAside
from licet.model.errors import InputError, UsageError
from licet.model.members import MemberId
from licet.model.records import Ingested, PostId, Skipped, Visibility

LONGEST_MEMBER_ID = 255
MOST_SECONDS = 500_000
"""How many posts of one account can be told apart; further ones are set aside as posts without a name."""

# The second at which the calendar ends: the year 10000.
_END = 253_402_300_800
_MESSAGES = re.compile(r"(^|/)messages/")
_PAGE = re.compile(r"\.(json|html)$")
_MARK = b"\xef\xbb\xbf"

Record = dict[str, Any]
ReadRecord = Callable[[Record, str], list[Ingested]]
"""Read one record at a place; raises SetAside where it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of file: its name, how its path ends, how its content looks, and under which keys its records lie."""

    name: str
    path: re.Pattern[str]
    looks: re.Pattern[bytes]
    keys: tuple[str, ...] = ()


def kind(name: str, ending: str, looks: str, *keys: str) -> Kind:
    """Describe files whose path ends so (without `.json`); one large file is continued in `_2`, `_3`."""
    path = re.compile(rf"(^|/)(?:{ending})(_\d+)?\.(json|html)")
    return Kind(name=name, path=path, looks=re.compile(looks.encode()), keys=keys)


@dataclass(frozen=True, slots=True)
class Sorted:
    """An export's parts by kind, and the places of the pages that hold none of them."""

    known: dict[str, list[Part]]
    pages: list[Part]
    others: list[Skipped]


def sort_parts(source: Opened, kinds: Sequence[Kind]) -> Sorted:
    """Sort parts by their path alone; messages are never opened, pictures and films are no records."""
    found = Sorted({each.name: [] for each in kinds}, [], [])
    for number, part in enumerate(source.parts, start=1):
        if not _PAGE.search(part.name):
            continue
        fits = None if _MESSAGES.search(part.name) else kind_of(part, kinds)
        if fits is None:
            found.others.append(_other(part, number))
        elif part.name.endswith(".html"):
            found.pages.append(part)
        else:
            found.known[fits.name].append(part)
    return found


def kind_of(part: Part, kinds: Sequence[Kind]) -> Kind | None:
    """Give the kind of file that a part is, or None."""
    return next((each for each in kinds if _ends(each, part.name)), None)


def _ends(each: Kind, name: str) -> bool:
    match = each.path.search(name)
    return match is not None and match.end() == len(name)


def _other(part: Part, number: int) -> Skipped:
    # Names of folders hold the names of people (the other side of a conversation), so a place is a number.
    reason = "direct_message" if _MESSAGES.search(part.name) else "not_a_record"
    return Skipped(where=f"part {number}", reason=reason)


def sees_export(source: Opened, kinds: Sequence[Kind], platform: str) -> str:
    """Say that this is the platform's account export, or nothing; one part must look as such a part does."""
    found = sort_parts(source, kinds)
    for each in kinds:
        if any(each.looks.search(source.head(part)) for part in found.known[each.name]):
            count = sum(map(len, found.known.values()))
            return f"{_article(platform)} {platform} account export with {count} part{'s' * (count != 1)} to read"
    if any(source.head(part).lstrip().startswith(b"<") for part in found.pages):
        return f"{_article(platform)} {platform} account export in its HTML form, which cannot be read"
    return ""


def _article(platform: str) -> str:
    return "an" if platform[0] in "AEIOU" else "a"


def refuse_html(found: Sorted, platform: str) -> None:
    """Refuse an export that has only pages for people.

    Raises:
        InputError: it is in its HTML form.
    """
    if found.pages and not any(found.known.values()):
        raise InputError(
            f"this {platform} account export is in its HTML form, which does not state what each text is",
            f"ask {platform} for the export again and choose the format JSON",
        )


def check_vouched(member_id: MemberId | None, visibility: Visibility | None) -> None:
    """Check what whoever brings the export says of it.

    Raises:
        UsageError: the member id is no id, or the visibility is not one that a post can be licensed with.
    """
    if visibility not in {None, Visibility.PUBLIC, Visibility.UNLISTED}:
        raise UsageError("only public or unlisted can be stated for a whole export", "leave the visibility out")
    plain = member_id is None or (0 < len(member_id) <= LONGEST_MEMBER_ID and member_id.isprintable())
    if not plain or (member_id and any(map(str.isspace, member_id))):
        raise UsageError("the member id is empty, too long or has white space", "give it as in the members table")


def records(source: Opened, part: Part, keys: tuple[str, ...]) -> Iterator[tuple[str, object] | Skipped]:
    """Give a part's records, each with its place: the items of its list, or the part itself if it is one record."""
    name = part.name.rpartition("/")[2]
    path = _path(source.head(part), keys)
    if path:
        yield from items(source, part, path=path)
        return
    try:
        yield f"{name}#1", document(source, part)
    except InputError:
        yield Skipped(where=name, reason="malformed_row")


def _path(head: bytes, keys: tuple[str, ...]) -> str:
    start = head.removeprefix(_MARK).lstrip()
    if start.startswith(b"["):
        return "item"
    return next((f"{key}.item" for key in keys if re.match(rb'\{\s*"%b"\s*:\s*\[' % key.encode(), start)), "")


def read_part(source: Opened, part: Part, keys: tuple[str, ...], read_record: ReadRecord) -> Iterator[Ingested]:
    """Read a part's records, their texts mended; a record that cannot be used costs that record alone."""
    for found in records(source, part, keys):
        if isinstance(found, Skipped):
            yield found
            continue
        where, record = found
        try:
            yield from read_record(_mended(record), where)
        except SetAside as aside:
            yield Skipped(where=where, reason=aside.reason)


def only_document(source: Opened, part: Part) -> Record:
    """Give a part that is one object.

    Raises:
        SetAside: it is damaged, or something else.
    """
    try:
        return _mended(document(source, part))
    except InputError as error:
        raise SetAside("malformed_row") from error


def _mended(record: object) -> Record:
    try:
        whole = mended_all(record)
    except RecursionError as error:
        raise SetAside("malformed_row") from error
    if not isinstance(whole, dict):
        raise SetAside("malformed_row")
    return whole


def is_time(value: object) -> bool:
    """Tell whether a value is a time in whole seconds after 1970."""
    return type(value) is int and 0 < value < _END


def seconds_of(value: object) -> int:
    """Give a time as whole seconds after 1970; exports write 0 where they know none.

    Raises:
        SetAside: it is no time.
    """
    if not isinstance(value, int) or not is_time(value):
        raise SetAside("unknown_time")
    return value


def instant(value: object) -> datetime:
    """Give a time in seconds after 1970 as an instant.

    Raises:
        SetAside: it is no time.
    """
    moment = after_epoch(seconds_of(value) * 1_000_000)
    if moment is None:
        raise SetAside("unknown_time")
    return moment


def own_words(text: object) -> str:
    """Give a text as it stands.

    Raises:
        SetAside: there is none, or it has characters that do not exist.
    """
    if not isinstance(text, str) or not text.strip():
        raise SetAside("no_text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SetAside("unreadable_text") from error
    return text


def objects(value: object) -> list[Record]:
    """Give the objects of a list; nothing where it is no list."""
    return [inner for inner in value if isinstance(inner, dict)] if isinstance(value, list) else []


def labelled(record: Record, names: frozenset[str]) -> list[object]:
    """Give the values under any of the labels, in a list of labels or in a map by label."""
    listed = [each.get("value") for each in objects(record.get("label_values")) if _label(each) in names]
    mapped = record.get("string_map_data")
    if isinstance(mapped, Mapping):
        listed += [_value(inner) for key, inner in mapped.items() if labels.folded(key) in names]
    return listed


def _label(entry: Record) -> str:
    return labels.folded(entry.get("label") or entry.get("title"))


def _value(inner: object) -> object:
    return inner.get("value") if isinstance(inner, dict) else inner


def audiences(record: Record, *within: list[Record]) -> list[object]:
    """Give every word that a record, or an object within it, says about who may see it."""
    said = [*labelled(record, labels.AUDIENCE), *_narrowing(record)]
    for holders in ([record], *within):
        for holder in holders:
            said += [_value(holder[key]) for key in holder if labels.folded(key) in labels.AUDIENCE]
    return said


def _narrowing(record: Record) -> list[object]:
    """Give words for a smaller audience under labels that are not understood: they count all the same."""
    entries = objects(record.get("label_values"))
    return [
        word for each in entries if labels.narrows(word := each.get("value")) and _label(each) not in labels.CAPTION
    ]


def visibility(said: list[object], vouched: Visibility | None) -> Visibility:
    """Give who may see a post: what the export says comes first, then what the member vouches for.

    Raises:
        SetAside: not everybody may, or nobody says.
    """
    for word in said:
        reason = labels.against(word)
        if reason:
            raise SetAside(reason)
    if vouched is not None:
        return vouched
    if not said:
        raise SetAside("unknown_visibility")
    return Visibility.PUBLIC


class PostNames:
    """Names for posts that an export does not name: by member, kind, second, and place among that second's texts."""

    def __init__(self, most: int = MOST_SECONDS) -> None:
        """Tell up to `most` posts apart."""
        self._most = most
        self._count = 0
        self._first: dict[tuple[str, int], int] = {}
        self._later: dict[tuple[str, int, int], int] = {}
        self._places: dict[tuple[str, int], int] = {}

    def name(self, member_id: MemberId, kind: str, seconds: int, text: str) -> PostId:
        """Name a post; the same words of the same second are the same post, in whatever file they stand.

        Raises:
            SetAside: there are more posts than can be told apart.
        """
        place = self._place(kind, seconds, hash(text))
        return PostId(f"{member_id}/{kind}/{seconds}" + (f"/{place}" if place > 1 else ""))

    def _place(self, kind: str, seconds: int, words: int) -> int:
        second = (kind, seconds)
        if self._first.get(second) == words:
            return 1
        place = self._later.get((*second, words))
        if place is not None:
            return place
        if self._count >= self._most:
            raise SetAside("unknown_post")
        self._count += 1
        if second not in self._first:
            self._first[second] = words
            return 1
        self._places[second] = place = self._places.get(second, 1) + 1
        self._later[*second, words] = place
        return place
