"""The routes of Delta Sharing. A share is a license, its one schema `licensed` holds the license's tables."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from licet.model.errors import Unavailable
from licet.protocol import sharing as wire
from licet.protocol.urls import FileClaim, file_path
from licet.server.access import AsRecipient, Grant, grant_of, licenses_of, require_active, require_schema, share_of
from licet.server.desk import AtDesk, Desk
from licet.server.errors import JSON, invalid
from licet.server.questions import (
    Question,
    capabilities_of,
    file_scheme,
    no_history,
    read_instant,
    read_question,
)
from licet.store.database import reading
from licet.store.parties import versions
from licet.store.shared import DataFile, Snapshot

PREFIX = "/delta-sharing"
NDJSON = "application/x-ndjson; charset=utf-8"
TABLE = "/shares/{share}/schemas/{schema}/tables/{table}"

router = APIRouter(prefix=PREFIX, tags=["sharing"])


def _json(value: dict[str, Any]) -> Response:
    # One line: the official client reads the first line of a list and no more.
    return Response(json.dumps(value, separators=(",", ":")), media_type=JSON)


def _page(request: Request, items: list[wire.Item], listing: str) -> Response:
    asked = request.query_params
    return _json(wire.page(items, listing, wire.page_size(asked.get("maxResults")), asked.get("pageToken")))


@router.get("/shares")
def list_shares(request: Request, desk: AtDesk, who: AsRecipient) -> Response:
    """List the caller's shares."""
    items = [wire.share_item(license_.license_id) for license_, _ in licenses_of(desk, who)]
    return _page(request, items, "shares")


@router.get("/shares/{share}")
def get_share(desk: AtDesk, who: AsRecipient, share: str) -> Response:
    """Give one share."""
    return _json({"share": wire.share_item(share_of(desk, who, share).license_id)})


@router.get("/shares/{share}/schemas")
def list_schemas(request: Request, desk: AtDesk, who: AsRecipient, share: str) -> Response:
    """List a share's one schema."""
    license_ = share_of(desk, who, share)
    return _page(request, [wire.schema_item(license_.license_id)], "schemas")


@router.get("/shares/{share}/schemas/{schema}/tables")
def list_tables(request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str) -> Response:
    """List a schema's tables."""
    license_ = share_of(desk, who, share)
    require_schema(schema)
    return _page(request, [wire.table_item(license_.license_id, str(t)) for t in license_.tables], "tables")


@router.get("/shares/{share}/all-tables")
def list_all_tables(request: Request, desk: AtDesk, who: AsRecipient, share: str) -> Response:
    """List a share's tables."""
    license_ = share_of(desk, who, share)
    return _page(request, [wire.table_item(license_.license_id, str(t)) for t in license_.tables], "all-tables")


def _active(desk: Desk, who: str, share: str, schema: str, table: str) -> Grant:
    grant = grant_of(desk, who, share, schema, table)
    require_active(grant.license, grant.state, desk.now())
    return grant


@router.head(TABLE)
@router.get(TABLE + "/version")
@router.head(TABLE + "/version")
def get_version(request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str) -> Response:
    """Give a table's current version, or the first at or after `startingTimestamp`, in a header."""
    grant = _active(desk, who, share, schema, table)
    version = desk.snapshot(grant.license, grant.table).version
    starting = request.query_params.get("startingTimestamp")
    if starting is not None:
        version = _version_at(desk, grant, starting)
    return Response(headers={"Delta-Table-Version": str(version)})


def _version_at(desk: Desk, grant: Grant, starting: str) -> int:
    at = read_instant(starting)
    with reading(desk.house.database) as conn:
        known = [version for version, _ in versions(conn, grant.license.license_id, grant.table)]
    for version in known:
        if version.at >= at:
            return version.version
    last = f"{known[-1].version} ({known[-1].at.isoformat()})" if known else "none"
    raise invalid(f"The provided timestamp ({starting[:40]})\nis after the latest available version {last}.")


@router.get(TABLE + "/metadata")
def get_metadata(request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str) -> Response:
    """Give a table's protocol and metadata."""
    said = capabilities_of(request)
    asked = {"version", "timestamp"} & set(request.query_params)
    if len(asked) > 1:
        raise invalid("Please only provide one of: version,timestamp")
    grant = _active(desk, who, share, schema, table)
    if asked:
        raise no_history(grant.asked)
    snapshot = desk.snapshot(grant.license, grant.table)
    headers = {"Delta-Table-Version": str(snapshot.version), "Delta-Sharing-Capabilities": said.answer()}
    return Response(wire.ndjson(_head(snapshot)), headers=headers, media_type=NDJSON)


def _head(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    sizes = [file.size for file in snapshot.files]
    yield wire.protocol_line()
    yield wire.metadata_line(snapshot.table_id, snapshot.schema_string, snapshot.version, sizes)


@router.post(TABLE + "/query")
async def query_table(
    request: Request, desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str
) -> Response:
    """Give a table's current files, once nothing withdrawn before the question is left in them."""
    said = capabilities_of(request)
    question = read_question(await request.body())
    scheme = file_scheme(request)
    grant = await run_in_threadpool(_active, desk, who, share, schema, table)
    if question.wants_history:
        raise no_history(grant.asked)
    await desk.barrier.settle(grant.license.license_id)
    base = desk.options.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    version, lines = await run_in_threadpool(_answer, desk, grant, question, base + PREFIX, scheme, said.end_stream)
    headers = {"Delta-Table-Version": str(version), "Delta-Sharing-Capabilities": said.answer()}
    if scheme:
        headers["fileidhash"] = scheme
    return Response(lines, headers=headers, media_type=NDJSON)


def _answer(
    desk: Desk,
    grant: Grant,
    question: Question,
    base: str,
    scheme: str | None,
    end_stream: bool,  # noqa: FBT001
) -> tuple[int, str]:
    snapshot = desk.snapshot(grant.license, grant.table)
    desk.require_current_rules(grant.license, snapshot)
    require_licensed_columns(grant, snapshot)
    expires = int(desk.now().timestamp()) + desk.options.horizon_s
    lines = list(_head(snapshot))
    for file in _enough(snapshot.files, question.limit):
        claim = FileClaim(
            license_id=grant.license.license_id,
            table=str(grant.table),
            version=snapshot.version,
            file=file.name,
            expires=expires,
        )
        url = f"{base}/{file_path(desk.options.secret, claim)}"
        lines.append(wire.file_line(url, wire.file_id(file.name, scheme or "parquet"), file.size, file.rows, expires))
    if end_stream:
        lines.append(wire.end_line(expires))
    return snapshot.version, wire.ndjson(lines)


def require_licensed_columns(grant: Grant, snapshot: Snapshot) -> None:
    """Refuse a version with columns that the license no longer covers.

    Raises:
        Unavailable: the table awaits a build.
    """
    held = {field["name"] for field in json.loads(snapshot.schema_string)["fields"]}
    if not held <= set(grant.license.columns_of(grant.table)):
        raise Unavailable("the license covers fewer columns than were built", "try again after its next build")


def _enough(files: tuple[DataFile, ...], limit: int | None) -> Iterator[DataFile]:
    rows = 0
    for file in files:
        if limit is not None and rows >= limit:
            return
        yield file
        rows += file.rows


@router.get(TABLE + "/changes")
def get_changes(desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str) -> Response:
    """Refuse changes: a change feed would repeat rows that were withdrawn."""
    grant = grant_of(desk, who, share, schema, table)
    raise invalid(f"cdf is not enabled on table {grant.asked}")


@router.post(TABLE + "/temporary-table-credentials")
def get_credentials(desk: AtDesk, who: AsRecipient, share: str, schema: str, table: str) -> Response:
    """Refuse credentials for a folder: no withdrawal could reach who holds them."""
    grant = grant_of(desk, who, share, schema, table)
    raise invalid(
        "Temporary table credentials are not supported because history sharing is not enabled on table: " + grant.asked
    )
