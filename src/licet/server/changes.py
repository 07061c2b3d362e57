"""The change data feed: what came, and the keys of what left; never the content of what left.

A reader who begins at the newest build is handed the current files as what came with it, so whatever left since is in
none of them, and the keys of every version from then on. What was before that build cannot be read any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi import Request, Response

from licet.protocol.lines import Kind
from licet.protocol.sharing import Format
from licet.server.access import AsRecipient
from licet.server.answers import Answer, Asked, Entry, Manner, current, told
from licet.server.desk import AtDesk, Desk
from licet.server.errors import WireError, invalid
from licet.server.offers import Offer, place_of, settle
from licet.server.questions import (
    ChangesQuestion,
    Question,
    read_changes_question,
    read_instant,
    require_ends,
    too_early,
    too_late,
)
from licet.store.history import Change, since_build


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Versions of a table, both ends inclusive."""

    start: int
    end: int


def versions_of(desk: Desk, offer: Offer) -> tuple[Change, ...]:
    """Give the versions of a license's table that can be read step by step, oldest first; the last is the current one.

    Raises:
        WireError: 400, the table is the removals.
    """
    place = offer.place
    if offer.snapshot is None:
        raise no_feed(place.asked)
    license_id, snapshot = place.license.license_id, offer.snapshot
    return desk.memory.ask(
        ("changes", license_id, place.name, snapshot.version),
        lambda conn: since_build(conn, license_id, snapshot, place.name),
    )


def no_feed(asked: str) -> WireError:
    """Give the refusal of changes where there is no feed."""
    return invalid(f"cdf is not enabled on table {asked}")


async def get_changes(
    request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str
) -> Response:
    """Give what came to a table and which keys left it, once nothing withdrawn before the question is in its files."""
    manner = Manner.of(request, desk)
    question = read_changes_question(request.query_params, manner.said)
    place = await desk.aside(place_of, desk, who, share, schema, table)
    if place.table is None:
        raise no_feed(place.asked)
    require_ends(question)
    await settle(desk, place)
    asked = Asked(manner=manner, paging=question.paging, has_token=bool(question.paging.token))
    return await told(desk, place, asked, lambda offer: _changes(desk, offer, question, manner))


def _changes(desk: Desk, offer: Offer, question: ChangesQuestion, manner: Manner) -> Response:
    versions = versions_of(desk, offer)
    span = Span(start=_start(question, versions), end=_end(question, versions))
    if span.end < span.start:
        raise invalid(f"CDF range from start {span.start} to end {span.end} was invalid. End cannot be before start.")
    entries = list(_fed(offer, versions, span, manner.answered))
    answer = Answer(desk=desk, manner=manner, offer=offer, paging=question.paging)
    return answer.write(span.start, offer.head(span.start if question.historical else None), entries)


def _start(question: ChangesQuestion, versions: Sequence[Change]) -> int:
    fold, last = versions[0], versions[-1]
    said = question.starting_timestamp
    if said is None:
        start = int(question.starting_version or 0)
    else:
        at = read_instant(said)
        if at > last.at:
            raise too_late(said, last.version, last.at)
        if fold.version and at < fold.at:
            raise too_early(said, fold.version, fold.at)
        start = next(each.version for each in versions if each.at >= at)
    if start < fold.version:
        raise invalid(f"You can only query table changes since version {fold.version}.")
    if start > last.version:
        raise _beyond(start, last.version)
    return start


def _end(question: ChangesQuestion, versions: Sequence[Change]) -> int:
    last = versions[-1].version
    if question.ending_timestamp is None:
        return last if question.ending_version is None else min(int(question.ending_version), last)
    at = read_instant(question.ending_timestamp)
    if at < versions[0].at:
        raise too_early(question.ending_timestamp, versions[0].version, versions[0].at)
    return max(each.version for each in versions if each.at <= at)


def _beyond(start: int, last: int) -> WireError:
    return invalid(
        f"Provided Start version({start}) for reading change data is invalid. "
        f"Start version cannot be greater than the latest version of the table({last})."
    )


def streamed(desk: Desk, offer: Offer, question: Question, manner: Manner) -> Response:
    """Answer a query with a starting version: files that came and, as removed, files of the keys that left.

    Raises:
        WireError: 400, the table has no such versions.
    """
    versions = versions_of(desk, offer)
    span = _asked(question, versions)
    entries = list(_stepped(offer, versions, span))
    answer = Answer(desk=desk, manner=manner, offer=offer, paging=question.paging)
    return answer.write(span.start, offer.head(span.start), entries)


def _asked(question: Question, versions: Sequence[Change]) -> Span:
    first, last = versions[0].version, versions[-1].version
    start, end = question.starting or 0, question.ending
    if start < first:
        raise invalid(f"You can only query table data since version {first}.")
    if end is not None and start > end:
        raise invalid(f"startingVersion({start}) must be smaller than or equal to endingVersion({end}).")
    if start > last:
        raise _beyond(start, last)
    if end is not None and end > last:
        raise invalid(
            f"Provided end version({end}) is invalid. "
            f"End version cannot be greater than the latest version of the table({last})."
        )
    return Span(start=start, end=last if end is None else end)


def _fed(offer: Offer, versions: Sequence[Change], span: Span, answered: Format) -> Iterator[Entry]:
    fold = versions[0]
    if span.start == fold.version:
        yield from current(offer, Kind.ADD, fold.version, fold.at)
        # Where a version of a Delta log has files of both kinds, readers of the log pass over what was added.
        yield from _keys(fold, Kind.REMOVE if answered == "delta" else Kind.CDF)
    for change in versions[1:]:
        if span.start <= change.version <= span.end:
            yield from _keys(change, Kind.CDF)


def _stepped(offer: Offer, versions: Sequence[Change], span: Span) -> Iterator[Entry]:
    fold = versions[0]
    if span.start == fold.version:
        yield from current(offer, Kind.ADD, fold.version, fold.at)
    for change in versions:
        if span.start <= change.version <= span.end:
            yield from _keys(change, Kind.REMOVE)


def _keys(change: Change, kind: Kind) -> Iterator[Entry]:
    for file in change.keys:
        yield Entry(
            kind=kind,
            name=file.name,
            size=file.size,
            rows=file.rows,
            claimed=change.version,
            at=change.at,
            version=change.version,
        )
