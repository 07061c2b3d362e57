"""The settings API's sign-in. The development sign-in believes anybody, so it stays on this machine."""

import ipaddress
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from licet.model.errors import Refused, UsageError
from licet.server import session
from licet.server.desk import AtDesk, Desk, ServerOptions
from licet.server.errors import JSON, WireError, malformed, missing
from licet.store.asof import member_as_of
from licet.store.database import reading
from licet.store.facts import last_seq

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
    require_development(request, desk)
    member_id = said.get("member_id")
    if not isinstance(member_id, str) or not member_id:
        raise malformed("member_id is missing")
    require_member(desk, member_id)
    response = Response(json.dumps({"member_id": member_id}), media_type=JSON)
    session.begin(request, desk, response, (session.Role.MEMBER, member_id, session.DEVELOPMENT))
    return response


@router.post("/sign-out")
def sign_out(request: Request, desk: AtDesk) -> Response:
    """Forget who is signed in on this browser."""
    response = Response(json.dumps({}), media_type=JSON)
    session.end(request, desk, response)
    return response


def require_development(request: Request, desk: Desk) -> None:
    """Refuse the development sign-in where it is off, or where another name than this machine's own leads here.

    A page from elsewhere whose name is made to point here would else be let in as anybody.

    Raises:
        WireError: 404, it is off.
        Refused: the request names another host.
    """
    if not desk.options.development_sign_in:
        raise missing("the development sign-in is off")
    if not _is_loopback(request.url.hostname or ""):
        raise Refused(
            "the development sign-in is for this machine only", "open http://127.0.0.1 with the server's port"
        )


def require_member(desk: Desk, member_id: str) -> None:
    """Refuse the id of nobody.

    Raises:
        WireError: 404, no such member.
    """
    with reading(desk.house.database) as conn:
        known = member_as_of(conn, member_id, last_seq(conn))
    if known is None:
        raise missing("no such member")


def member_of(signed_in: Annotated[session.Session, Depends(session.require(session.Role.MEMBER))]) -> str:
    """Give the member who is signed in.

    Raises:
        WireError: 401, nobody is.
    """
    return signed_in.who


AsMember = Annotated[str, Depends(member_of)]
