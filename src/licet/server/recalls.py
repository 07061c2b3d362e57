"""What a recipient asks about its recalls, and what it says: the feed, acknowledgements, attestations, files of keys.

A recipient whose license is suspended or over still owes, so nothing here asks for an active license.
"""

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy import Connection

from licet.model.licenses import Delivery
from licet.model.recalls import Departure, Recall
from licet.protocol import attestation as wire
from licet.protocol.recall_notices import FEED
from licet.server.access import AsRecipient
from licet.server.desk import AtDesk, Desk
from licet.server.errors import JSON, WireError, invalid, malformed, missing
from licet.store import attestations, recall_notices, recalls
from licet.store.database import reading, transaction
from licet.store.parties import record_delivery
from licet.store.recall_notices import ENDPOINT, RecallNotice
from licet.store.shared import KEYS_FOLDER

PARQUET: Final = "application/vnd.apache.parquet"
_STATUS: Final = {wire.Refusal.REPLAYED: 409, wire.Refusal.NOTHING_OWED: 409}
_PLACES: Final = 18
"""Digits of a cursor: as many as a database's whole number holds."""

router = APIRouter(prefix=FEED, tags=["recalls"])


def _json(value: dict[str, Any], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(json.dumps(value, separators=(",", ":")), status, headers, JSON)


@router.get("")
def read_feed(
    desk: AtDesk, who: AsRecipient, cursor: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Response:
    """Give a recipient's recalls after a cursor, oldest first; those up to the cursor count as acknowledged."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _PLACES):
        raise invalid("the cursor is not one that the feed gave: leave it out to begin again")
    after, database = int(cursor or 0), desk.house.database
    with reading(database) as conn:
        found = recall_notices.feed(conn, who, after, limit + 1)
        passed = recall_notices.passed(conn, who, after)
    shown, fresh = found[:limit], [each.n for each in found[:limit] if each.read is None]
    if passed or fresh:
        # Only what is news is written: whoever asks every second costs no transaction.
        with transaction(database) as conn:
            recall_notices.pass_over(conn, who, after, desk.now())
            recall_notices.mark_read(conn, fresh, desk.now())
    with reading(database) as conn:
        known = {each.recall_id: each for each in recalls.recalls_named(conn, [each.recall_id for each in shown])}
    place = shown[-1].n if shown else after
    items = [_item(each, known[each.recall_id]) for each in shown]
    return _json({"recalls": items, "cursor": str(place), "more": len(found) > limit})


def _item(notice: RecallNotice, recall: Recall) -> dict[str, Any]:
    acknowledged = notice.acknowledged.isoformat() if notice.acknowledged else None
    said = {"notice_id": notice.notice_id, "state": str(recall.state), "acknowledged_at": acknowledged}
    return {**json.loads(notice.body), **said}


def _own(conn: Connection, who: str, recall_id: str) -> tuple[Recall, RecallNotice]:
    """Give a recall that the caller was told of.

    Raises:
        WireError: 404, there is none of that name, or it is somebody else's.
    """
    # A path may hold anything, and a database may not even take it as text.
    notice = recall_notices.notice_of(conn, recall_id) if recall_id.isprintable() else None
    if notice is None or notice.recipient_id != who:
        raise missing("no such recall")
    return recalls.recall_of(conn, recall_id), notice


@router.get("/{recall_id}")
def get_recall(desk: AtDesk, who: AsRecipient, recall_id: str) -> Response:
    """Give one recall, its steps so far, and what was found of its attestations."""
    with reading(desk.house.database) as conn:
        recall, notice = _own(conn, who, recall_id)
        steps, kept = recalls.steps(conn, recall_id), attestations.attestations_of(conn, recall_id)
    if notice.read is None:
        with transaction(desk.house.database) as conn:
            recall_notices.mark_read(conn, [notice.n], desk.now())
    told = [{"state": str(state), "detail": detail, "at": at.isoformat()} for state, detail, at in steps]
    heard = [
        {"digest": each.attestation.digest, "verdict": each.verdict, "received_at": each.received.isoformat()}
        for each in kept
    ]
    return _json({**_item(notice, recall), "steps": told, "attestations": heard})


@router.post("/{recall_id}/acknowledgement")
def acknowledge(desk: AtDesk, who: AsRecipient, recall_id: str) -> Response:
    """Note that the recipient knows of a recall; said twice, the first time counts."""
    with transaction(desk.house.database) as conn:
        _own(conn, who, recall_id)
        recall_notices.acknowledge(conn, recall_id, ENDPOINT, desk.now())
        recall, notice = _own(conn, who, recall_id)
    return _json(_item(notice, recall))


async def _attestation(request: Request) -> wire.Attestation:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WireError(415, "MALFORMED_REQUEST", "send application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > wire.MOST:
            raise malformed(f"an attestation has at most {wire.MOST} bytes")
    return wire.read_attestation(body)


@router.post("/{recall_id}/attestation")
def attest(
    desk: AtDesk, who: AsRecipient, recall_id: str, said: Annotated[wire.Attestation, Depends(_attestation)]
) -> Response:
    """Take an attestation, unless the facts speak against it; the recall is settled once it is judged, in a moment."""
    with transaction(desk.house.database) as conn:
        recall, _ = _own(conn, who, recall_id)
        found = wire.refusal(said, attestations.claim_of(conn, recall, said), desk.now())
        if found is not None:
            raise WireError(_STATUS.get(found, 403), found.upper(), f"{found}: {wire.SAID[found]}")
        attestations.receive(conn, recall, said, desk.now())
    return _json({"recall_id": recall_id, "attestation": said.digest, "verdict": attestations.RECEIVED}, 202)


@router.get("/{recall_id}/keys/{file}")
def get_keys(desk: AtDesk, who: AsRecipient, recall_id: str, file: str) -> Response:
    """Give one of a recall's files of keys: what has to go, by pseudonym, and why."""
    with reading(desk.house.database) as conn:
        recall, _ = _own(conn, who, recall_id)
    for departure in recall.departures:
        if file in {each.name for each in departure.keys}:
            return _key_file(desk, recall, departure, file)
    raise missing("no such file in this recall")


def _key_file(desk: Desk, recall: Recall, departure: Departure, file: str) -> Response:
    path = desk.house.shared.folder(recall.license_id, departure.table) / KEYS_FOLDER / file
    if not path.is_file():
        raise WireError(410, "RESOURCE_DOES_NOT_EXIST", "the file is no longer kept: ask the operator")
    delivery = Delivery(
        recipient_id=recall.recipient_id,
        license_id=recall.license_id,
        table=departure.table,
        version=departure.version,
        file=file,
        bytes=path.stat().st_size,
        at=desk.now(),
    )
    with transaction(desk.house.database) as conn:
        record_delivery(conn, delivery)
    return FileResponse(path, media_type=PARQUET, headers={"Cache-Control": "private, no-store"})
