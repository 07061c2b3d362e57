"""Hand out the bytes of one file to whoever holds its signed address, while they may have them.

A data file is given as long as the current version lists it. Files of removed keys hold no content and stay.
"""

import asyncio
import mmap
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from licet.model.errors import NotFound, Refused
from licet.model.licenses import Delivery, License
from licet.model.records import Table
from licet.protocol.sharing import REMOVALS, file_id
from licet.protocol.urls import EXPIRES, SIGNATURE, FileClaim, is_signed
from licet.server.access import license_of_file, require_active
from licet.server.answers import PREFIX
from licet.server.desk import AtDesk, Desk
from licet.server.errors import WireError
from licet.server.offers import require_licensed_columns
from licet.server.ranges import read_range
from licet.store.database import reading, transaction
from licet.store.history import key_file
from licet.store.parties import record_delivery
from licet.store.removals import removals_path
from licet.store.shared import KEYS_FOLDER

CHUNK = 1 << 20
"""Bytes handed to the connection at a time."""

router = APIRouter(prefix=PREFIX, tags=["files"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file that may be handed out: where it lies, its bytes, and what writes the delivery down, if it is one."""

    path: Path
    size: int
    receipt: "Receipt | None"


@router.api_route("/files/{license_id}/{table}/{version}/{file}", methods=["GET", "HEAD"])
async def get_file(request: Request, desk: AtDesk, license_id: str, table: str, version: str, file: str) -> Response:
    """Give a file's bytes, or a range of them, if it still holds nothing that was withdrawn."""
    claim = _claim(request, desk, (license_id, table, version, file))
    found = await _find(desk, claim)
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{file_id(claim.file)}"', "Cache-Control": "private, no-store"}
    asked = request.headers.get("range")
    if request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        asked = None
    try:
        part = read_range(asked, found.size)
    except ValueError as error:
        told = {"Content-Range": f"bytes */{found.size}"}
        raise WireError(416, "INVALID_PARAMETER_VALUE", str(error), told) from error
    first, end = part or (0, found.size)
    headers["Content-Length"] = str(end - first)
    if part:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{found.size}"
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=PARQUET)
    view = await run_in_threadpool(_map, found.path)
    return FileBytes(status, headers, view[first:end], found.receipt)


async def _find(desk: Desk, claim: FileClaim) -> Found:
    """Find what an address names.

    Raises:
        WireError: 410, it is no longer there to be read.
        Refused: the license does not cover it now.
        Unavailable: rows are being withdrawn from it.
    """
    if claim.table == REMOVALS:
        return await run_in_threadpool(_found_removals, desk, claim)
    license_ = await desk.aside(_license, desk, claim)
    kept = await run_in_threadpool(_found_keys, desk, license_, claim)
    if kept is not None:
        return kept
    await desk.barrier.settle(license_.license_id)
    return await run_in_threadpool(_found_listed, desk, license_, claim)


PARQUET = "application/vnd.apache.parquet"


def _claim(request: Request, desk: Desk, path: tuple[str, str, str, str]) -> FileClaim:
    """Read and check a signed address.

    Raises:
        Refused: the signature is not ours, or its time is over.
    """
    license_id, table, version, file = path
    try:
        expires = int(request.query_params.get(EXPIRES, ""))
        claim = FileClaim(license_id=license_id, table=table, version=int(version), file=file, expires=expires)
    except ValueError as error:
        raise Refused("the file address is malformed", "query the table again") from error
    if not is_signed(desk.options.secret, claim, request.query_params.get(SIGNATURE, "")):
        raise Refused("the file address is not signed by this server", "query the table again")
    if claim.expires <= desk.now().timestamp():
        raise Refused("the file address has expired", "query the table again")
    return claim


def _license(desk: Desk, claim: FileClaim) -> License:
    try:
        license_, state = license_of_file(desk, claim.license_id)
    except NotFound as error:
        raise _gone() from error
    require_active(license_, state, desk.now())
    if claim.table not in {str(table) for table in license_.tables}:
        raise Refused(f"license `{license_.license_id}` no longer covers this table", "ask the operator")
    return license_


def _found_removals(desk: Desk, claim: FileClaim) -> Found:
    path = removals_path(desk.house.shared, claim.license_id, claim.file)
    try:
        # No delivery: nothing of what the license covers is in it.
        return Found(path=path, size=path.stat().st_size, receipt=None)
    except FileNotFoundError as error:
        raise _gone() from error


def _found_keys(desk: Desk, license_: License, claim: FileClaim) -> Found | None:
    """Find a file of the keys that left with the version named, or None if it is none."""
    with reading(desk.house.database) as conn:
        named = key_file(conn, license_.license_id, claim.table, claim.version, claim.file)
    if named is None:
        snapshot = desk.snapshot(license_, Table(claim.table))
        newest = snapshot.facts.keys if snapshot.version == claim.version else ()
        named = next((file for file in newest if file.name == claim.file), None)
    if named is None:
        return None
    path = desk.house.shared.folder(license_.license_id, Table(claim.table)) / KEYS_FOLDER / named.name
    return Found(path=path, size=named.size, receipt=Receipt(desk=desk, license=license_, claim=claim))


def _found_listed(desk: Desk, license_: License, claim: FileClaim) -> Found:
    """Find a file that the current version still lists.

    Raises:
        WireError: 410, rows were withdrawn from it since the address was given.
    """
    table = Table(claim.table)
    snapshot = desk.snapshot(license_, table)
    desk.require_current_rules(license_, snapshot)
    require_licensed_columns(license_, table, snapshot)
    for file in snapshot.files:
        if file.name == claim.file:
            path = desk.house.shared.folder(license_.license_id, table) / file.name
            return Found(path=path, size=file.size, receipt=Receipt(desk=desk, license=license_, claim=claim))
    raise _gone()


def _gone() -> WireError:
    return WireError(410, "RESOURCE_DOES_NOT_EXIST", "the file is no longer part of the table: query the table again")


def _map(path: Path) -> memoryview:
    try:
        with path.open("rb") as handle:
            # Files are only ever unlinked, never cut or rewritten, so the map stays whole while it is read.
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise _gone() from error
    mapped.madvise(mmap.MADV_SEQUENTIAL)
    return memoryview(mapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a delivery is recorded with."""

    desk: Desk
    license: License
    claim: FileClaim

    def write(self, sent: int) -> None:
        """Record that so many bytes were handed out."""
        delivery = Delivery(
            recipient_id=self.license.recipient_id,
            license_id=self.license.license_id,
            table=Table(self.claim.table),
            version=self.claim.version,
            file=self.claim.file,
            bytes=sent,
            at=self.desk.now(),
        )
        with transaction(self.desk.house.database) as conn:
            record_delivery(conn, delivery)


class FileBytes(Response):
    """Sends bytes straight from the page cache; the delivery is on record before the last of them leaves."""

    def __init__(self, status: int, headers: dict[str, str], view: memoryview, receipt: Receipt | None) -> None:
        """Hold the bytes to send, and the receipt to write, if there is one."""
        super().__init__(status_code=status, headers=headers, media_type=PARQUET)
        self._view = view
        self._receipt = receipt

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes; a client that hangs up early is charged with what it was sent."""
        gone = asyncio.create_task(_hung_up(receive))
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        size, sent = len(self._view), 0
        try:
            while size - sent > CHUNK and not gone.done():
                await send(_body(self._view[sent : sent + CHUNK], more=True))
                sent += CHUNK
            last = not gone.done()
            if self._receipt is not None:
                await run_in_threadpool(self._receipt.write, size if last else sent)
            if last:
                await send(_body(self._view[sent:], more=False))
        finally:
            gone.cancel()


def _body(view: memoryview, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": view, "more_body": more}


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
