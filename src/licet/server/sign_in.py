"""Who is at the settings page. The development sign-in believes anybody, so it stays on this machine."""

import ipaddress
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from licet.model.errors import UsageError
from licet.protocol.urls import member_of_pass, member_pass
from licet.server.desk import AtDesk, Desk, ServerOptions
from licet.server.errors import JSON, WireError, malformed, missing, signed_out
from licet.store.asof import member_as_of
from licet.store.database import reading
from licet.store.facts import last_seq

COOKIE = "licet_member"
SESSION_S = 12 * 3600
"""How long a sign-in lasts, in seconds."""

router = APIRouter(tags=["settings"])


def check_bind(host: str, options: ServerOptions) -> None:
    """Refuse to offer the development sign-in to other machines.

    Raises:
        UsageError: the address is not a loopback address, or a proxy hands requests on from elsewhere.
    """
    if options.development_sign_in and (options.trusted_proxies or not _is_loopback(host)):
        raise UsageError(
            f"the development sign-in lets anybody in and cannot be served on `{host}` or behind a proxy",
            "serve on 127.0.0.1 without a proxy, or turn the development sign-in off",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def read_json(request: Request) -> dict[str, object]:
    """Read a JSON object; a form of another site cannot send one.

    Raises:
        WireError: 415, another content type; 400, no JSON object.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WireError(415, "MALFORMED_REQUEST", "send application/json")
    try:
        said = json.loads(await request.body())
    except ValueError as error:
        raise malformed("the body is not JSON") from error
    if not isinstance(said, dict):
        raise malformed("the body is not a JSON object")
    return said


async def _sign_in_body(request: Request) -> dict[str, object]:
    return await read_json(request)


SignInBody = Annotated[dict[str, object], Depends(_sign_in_body)]


@router.post("/sign-in")
def sign_in(request: Request, desk: AtDesk, said: SignInBody) -> Response:
    """Sign in as any member, in development only."""
    if not desk.options.development_sign_in:
        raise missing("the development sign-in is off")
    member_id = said.get("member_id")
    if not isinstance(member_id, str) or not member_id:
        raise malformed("member_id is missing")
    _require_member(desk, member_id)
    value = member_pass(desk.options.secret, member_id, int(desk.now().timestamp()) + SESSION_S)
    response = Response(json.dumps({"member_id": member_id}), media_type=JSON)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, value, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/sign-out")
def sign_out() -> Response:
    """Forget who is signed in on this browser."""
    response = Response(json.dumps({}), media_type=JSON)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _require_member(desk: Desk, member_id: str) -> None:
    with reading(desk.house.database) as conn:
        known = member_as_of(conn, member_id, last_seq(conn))
    if known is None:
        raise missing("no such member")


def member_of(request: Request, desk: AtDesk) -> str:
    """Give the member who is signed in.

    Raises:
        WireError: 401, nobody is.
    """
    value = request.cookies.get(COOKIE, "")
    # A pass of the development sign-in is worth nothing once that is off.
    member_id = member_of_pass(desk.options.secret, value, desk.now().timestamp())
    if member_id is None or not desk.options.development_sign_in:
        raise signed_out("sign in first")
    return member_id


AsMember = Annotated[str, Depends(member_of)]
