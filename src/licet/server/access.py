"""Who asks, and what is theirs: a recipient sees the shares of their own licenses and no others."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request

from licet.model.errors import LicetError, Refused
from licet.model.licenses import License, RecipientId
from licet.model.records import Table
from licet.protocol.sharing import SCHEMA
from licet.protocol.urls import EXPIRES, SIGNATURE, FileClaim, is_signed
from licet.server.audit import recording_of
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing, signed_out
from licet.server.limits import network_of
from licet.store.asof import license_as_of, licenses_as_of
from licet.store.credentials import Holder, holder_of_license, holder_of_token, token_hash
from licet.store.facts import last_seq


async def recipient_of(request: Request, desk: AtDesk) -> RecipientId:
    """Give the recipient whose bearer or access token a request carries, if they may ask from there and now.

    Raises:
        WireError: 401, there is no token, or it opens nothing now; 429, they ask too much.
        Refused: the address is not one of theirs.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise failed(request, desk, signed_out("a bearer token is missing"))
    holder = await desk.aside(_bearer, desk, token.strip())
    if holder is None or holder.until <= desk.now():
        raise failed(request, desk, signed_out("the bearer token is unknown or has expired"))
    admit(request, desk, holder)
    desk.limits.requests.take(holder.recipient_id)
    return holder.recipient_id


def _bearer(desk: Desk, token: str) -> Holder | None:
    return desk.memory.ask(("bearer", token_hash(token)), lambda conn: holder_of_token(conn, token, desk.now()))


def failed(request: Request, desk: Desk, error: LicetError) -> LicetError:
    """Give an error back after counting it against the caller's network.

    Whoever proves who they are is never refused for it, so a neighbor behind the same address can lock nobody out.

    Raises:
        WireError: 429, too many requests of nobody we know came from there.
        Unavailable: the request could not be put on record.
    """
    _put_on_record(request)
    host = request.client.host if request.client else ""
    desk.limits.failures.take(network_of(host, 32, 64))
    return error


def admit(request: Request, desk: Desk, holder: Holder) -> None:
    """Note who is asking, and refuse an address that is not theirs.

    Raises:
        Refused: the address lies in none of the networks that the recipient is accepted from.
        Unavailable: the request could not be put on record.
    """
    request.state.holder = holder
    _put_on_record(request)
    host = request.client.host if request.client else ""
    if holder.networks and not _lies_in(host, holder):
        raise failed(
            request,
            desk,
            Refused("this address is in none of the networks that the recipient is accepted from", "ask the operator"),
        )


def _put_on_record(request: Request) -> None:
    recording_of(request).promise()


def _lies_in(host: str, holder: Holder) -> bool:
    exact = network_of(host, 32, 128).partition("/")[0]
    return bool(exact) and any(ip_address(exact) in network for network in holder.networks)


async def file_gate(request: Request, desk: AtDesk) -> None:
    """Let a request for a file through at the pace of its recipient.

    A request early by less than a query may wait is held back, not refused: the official client asks a dozen times
    for each file, and gives up at the first refusal.

    Raises:
        WireError: 429, the recipient asks too much.
        Refused: the address is not signed, was given out before access was revoked, or is asked from elsewhere.
    """
    holder = await desk.aside(_file_holder, request, desk)
    wait = desk.limits.files.take(holder.recipient_id, desk.options.wait_s)
    if wait:
        await asyncio.sleep(wait)


def _file_holder(request: Request, desk: Desk) -> Holder:
    claim = _signed_claim(request, desk)
    if claim is None:
        raise failed(request, desk, Refused("the file address is not signed by this server", "query the table again"))
    holder = desk.memory.ask(("holder", claim.license_id), lambda conn: holder_of_license(conn, claim.license_id))
    if holder is None:
        raise Refused("the file address names no license of a recipient", "query the table again")
    admit(request, desk, holder)
    # In whole seconds, as the address says it: one given out in the very second of the revocation is refused too.
    if claim.expires - desk.options.horizon_s <= int(holder.revoked.timestamp()):
        raise Refused("the file address was given out before access was revoked", "query the table again")
    return holder


def _signed_claim(request: Request, desk: Desk) -> FileClaim | None:
    path, query = request.path_params, request.query_params
    try:
        claim = FileClaim(
            license_id=path["license_id"],
            table=path["table"],
            version=int(path["version"]),
            file=path["file"],
            expires=int(query.get(EXPIRES, "")),
        )
    except ValueError:
        return None
    return claim if is_signed(desk.options.secret, claim, query.get(SIGNATURE, "")) else None


AsRecipient = Annotated[RecipientId, Depends(recipient_of)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A table that a recipient's license names, and the license's state."""

    license: License
    state: str
    table: Table
    asked: str
    """The table as the recipient wrote it: share.schema.table."""


def licenses_of(desk: Desk, recipient_id: str) -> list[tuple[License, str]]:
    """Give a recipient's licenses and their states."""
    everyone = desk.memory.ask("licenses", lambda conn: licenses_as_of(conn, last_seq(conn)))
    return [(license_, state) for license_, state in everyone if license_.recipient_id == recipient_id]


def share_of(desk: Desk, recipient_id: str, share: str) -> License:
    """Give the license behind a share's name.

    Raises:
        WireError: 404, this recipient has no such share.
    """
    for license_, _ in licenses_of(desk, recipient_id):
        if license_.license_id.lower() == share.lower():
            return license_
    raise missing(f"share '{share}' not found")


def require_schema(schema: str) -> None:
    """Refuse any schema but the one that there is.

    Raises:
        WireError: 404, no such schema.
    """
    if schema.lower() != SCHEMA:
        raise missing(f"schema '{schema}' not found")


def grant_of(desk: Desk, recipient_id: str, share: str, schema: str, table: str) -> Grant:
    """Give the grant behind a table's address.

    Raises:
        WireError: 404, this recipient has no such table.
    """
    for license_, state in licenses_of(desk, recipient_id):
        if license_.license_id.lower() != share.lower() or schema.lower() != SCHEMA:
            continue
        for name in license_.tables:
            if name.lower() == table.lower():
                return Grant(license=license_, state=state, table=name, asked=f"{share}.{schema}.{table}")
    raise missing(
        f"[Share/Schema/Table] '{share}/{schema}/{table}' does not exist, "
        "please contact your share provider for further information."
    )


def license_of_file(desk: Desk, license_id: str) -> tuple[License, str]:
    """Give the license that a signed address names, as it stands now."""
    return desk.memory.ask(("license", license_id), lambda conn: license_as_of(conn, license_id, last_seq(conn)))


def require_active(license_: License, state: str, now: datetime) -> None:
    """Refuse to serve a license that is not active, or outside its term.

    Raises:
        Refused: it is suspended, ended, not begun, or over.
    """
    if state != "active":
        raise Refused(f"license `{license_.license_id}` is {state}", "ask the operator")
    if not license_.starts <= now < license_.ends:
        raise Refused(f"license `{license_.license_id}` is outside its term", "ask the operator")
