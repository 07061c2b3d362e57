"""The routes of Delta Sharing. A share is a license; its one schema `licensed` holds its tables and the removals."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from licet.model.licenses import License
from licet.protocol import sharing as wire
from licet.protocol.lines import Head
from licet.server import answers, changes
from licet.server.access import AsRecipient, licenses_of, require_schema, share_of
from licet.server.answers import TABLE, Answer, Asked, Entry, Manner, current, told
from licet.server.desk import AtDesk, Desk
from licet.server.errors import JSON, invalid
from licet.server.offers import Offer, about, described, place_of, settle
from licet.server.questions import Question, no_history, read_instant, read_question, read_version, too_early, too_late
from licet.store.database import reading
from licet.store.history import first_since

PREFIX = answers.PREFIX

router = APIRouter(prefix=PREFIX, tags=["sharing"])
router.add_api_route(TABLE + "/changes", changes.get_changes, methods=["GET"])


def _json(value: dict[str, Any]) -> Response:
    # One line: the official client reads the first line of a list and no more.
    return Response(json.dumps(value, separators=(",", ":")), media_type=JSON)


def _page(request: Request, items: list[wire.Item], listing: str) -> Response:
    asked = request.query_params
    return _json(wire.page(items, listing, wire.page_size(asked.get("maxResults")), asked.get("pageToken")))


def _share(license_: License, state: str) -> wire.Item:
    return wire.share_item(license_.license_id, wire.terms_of(license_, state))


@router.get("/shares")
async def list_shares(request: Request, desk: AtDesk, who: AsRecipient) -> Response:
    """List the caller's shares."""
    items = [_share(license_, state) for license_, state in await desk.aside(licenses_of, desk, who)]
    return _page(request, items, "shares")


@router.get("/shares/{share}")
async def get_share(desk: AtDesk, who: AsRecipient, share: str) -> Response:
    """Give one share."""
    name = (await desk.aside(share_of, desk, who, share)).license_id
    everyone = await desk.aside(licenses_of, desk, who)
    return _json(
        {"share": next(_share(license_, state) for license_, state in everyone if license_.license_id == name)}
    )


@router.get("/shares/{share}/schemas")
async def list_schemas(request: Request, desk: AtDesk, who: AsRecipient, share: str) -> Response:
    """List a share's one schema."""
    license_ = await desk.aside(share_of, desk, who, share)
    return _page(request, [wire.schema_item(license_.license_id)], f"{license_.license_id}/schemas")


def _tables(license_: License) -> list[wire.Item]:
    return [wire.table_item(license_.license_id, name) for name in (*map(str, license_.tables), wire.REMOVALS)]


@router.get("/shares/{share}/schemas/{schema}/tables")
async def list_tables(request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str) -> Response:
    """List a schema's tables."""
    license_ = await desk.aside(share_of, desk, who, share)
    require_schema(schema)
    return _page(request, _tables(license_), f"{license_.license_id}/tables")


@router.get("/shares/{share}/all-tables")
async def list_all_tables(request: Request, desk: AtDesk, who: AsRecipient, share: str) -> Response:
    """List a share's tables."""
    license_ = await desk.aside(share_of, desk, who, share)
    return _page(request, _tables(license_), f"{license_.license_id}/all-tables")


@router.head(TABLE)
@router.get(TABLE + "/version")
@router.head(TABLE + "/version")
async def get_version(
    request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str
) -> Response:
    """Give a table's current version, or the first at or after `startingTimestamp`, in a header."""
    place = await desk.aside(place_of, desk, who, share, schema, table)
    starting = request.query_params.get("startingTimestamp")
    if starting is not None and place.table is None:
        raise no_history(place.asked)
    offer = await about(desk, place, described, desk, place)
    version = offer.version if starting is None else await run_in_threadpool(_version_at, desk, offer, starting)
    return Response(headers={"Delta-Table-Version": str(version)})


def _version_at(desk: Desk, offer: Offer, starting: str) -> int:
    at = read_instant(starting)
    versions = changes.versions_of(desk, offer)
    first = versions[0].version
    with reading(desk.house.database) as conn:
        earlier = first_since(conn, offer.place.license.license_id, offer.place.name, at, first)
    if earlier is not None:
        raise invalid(
            f"You can only query table data since version {first}."
            f"The provided timestamp({starting[:40]}) corresponds to {earlier}."
        )
    for each in versions:
        if each.at >= at:
            return each.version
    raise too_late(starting, offer.version, offer.at)


@router.get(TABLE + "/metadata")
async def get_metadata(
    request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str
) -> Response:
    """Give a table's protocol and metadata, at the current version or at one since the newest build."""
    manner = Manner.of(request, desk)
    version, at = request.query_params.get("version"), request.query_params.get("timestamp")
    if version is not None and at is not None:
        raise invalid("Please only provide one of: version,timestamp")
    wanted = None if version is None else read_version(version)
    place = await desk.aside(place_of, desk, who, share, schema, table)
    if (version or at) is not None and place.table is None:
        raise no_history(place.asked)
    offer = await about(desk, place, described, desk, place)
    if at is not None:
        wanted = await run_in_threadpool(_version_before, desk, offer, at)
    head = offer.head() if wanted is None else await run_in_threadpool(_head, desk, offer, wanted)
    return manner.head(head.version, head)


def _head(desk: Desk, offer: Offer, version: int) -> Head:
    if version > offer.version:
        raise _too_high(version, offer)
    first = changes.versions_of(desk, offer)[0].version
    if version < first:
        raise invalid(f"You can only query table data since version {first}.")
    return offer.head(version)


def _version_before(desk: Desk, offer: Offer, said: str) -> int:
    at, versions = read_instant(said), changes.versions_of(desk, offer)
    _require_past(desk, offer, said, at)
    if at < versions[0].at:
        raise too_early(said, versions[0].version, versions[0].at)
    return max(each.version for each in versions if each.at <= at)


def _require_past(desk: Desk, offer: Offer, said: str, at: datetime) -> None:
    if at > max(desk.now(), offer.at):
        raise too_late(said, offer.version, offer.at)


def _too_high(version: int, offer: Offer) -> Exception:
    return invalid(f"Cannot load table version {version} as the latest version is {offer.version}.")


@router.post(TABLE + "/query")
async def query_table(
    request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str
) -> Response:
    """Give a table's current files, once nothing withdrawn before the question is left in them."""
    manner = Manner.of(request, desk)
    question = read_question(await request.body(), manner.said)
    place = await desk.aside(place_of, desk, who, share, schema, table)
    if question.wants_history and place.table is None:
        raise no_history(place.asked)
    await settle(desk, place)
    paging = question.paging
    asked = Asked(manner=manner, paging=paging, has_token=bool(paging.token or question.refresh))
    return await told(desk, place, asked, lambda offer: _answer(desk, offer, question, manner))


def _answer(desk: Desk, offer: Offer, question: Question, manner: Manner) -> Response:
    if question.starting is not None:
        return changes.streamed(desk, offer, question, manner)
    _require_current(desk, offer, question)
    answer = Answer(desk=desk, manner=manner, offer=offer, paging=question.paging, wants_refresh=question.wants_refresh)
    if question.refresh:
        answer.tokens().require_refresh(question.refresh)
    told = offer.version if question.wants_history else None
    return answer.write(offer.version, offer.head(), list(_wanted(offer, question, told)))


def _require_current(desk: Desk, offer: Offer, question: Question) -> None:
    """Refuse every version but the current one: an older one may hold what was withdrawn since."""
    if question.version is not None and question.version > offer.version:
        raise _too_high(question.version, offer)
    if question.version is not None and question.version < offer.version:
        raise invalid(f"You can only query table data since version {offer.version}.")
    if question.timestamp is not None:
        at = read_instant(question.timestamp)
        _require_past(desk, offer, question.timestamp, at)
        if at < offer.at:
            raise too_early(question.timestamp, offer.version, offer.at)


def _wanted(offer: Offer, question: Question, told: int | None) -> Iterator[Entry]:
    """Give the files that may hold a wanted row, until they hold as many rows as are wanted."""
    rows = 0
    for file, entry in zip(offer.files, current(offer, version=told), strict=True):
        if question.limit is not None and rows >= question.limit:
            return
        if not question.hints.nodes or question.hints.may_match(offer.ranges(file)):
            yield entry
            rows += file.rows


@router.post(TABLE + "/temporary-table-credentials")
def get_credentials(desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str) -> Response:
    """Refuse credentials for a folder: no withdrawal could reach who holds them."""
    place = place_of(desk, who, share, schema, table)
    raise invalid(
        "Temporary table credentials are not supported because history sharing is not enabled on table: " + place.asked
    )
