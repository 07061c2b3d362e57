"""Exchange an OAuth client's id and secret for an access token (RFC 6749, section 4.4).

Access tokens are random and stored hashed, not signed: whether a client still stands is asked of the database at
every request anyway, so that a revocation holds at once, and a stolen signing key would forge none.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from licet.model.errors import Refused, UsageError
from licet.protocol.profiles import SCOPE, TOKEN_PATH
from licet.server.access import admit, failed
from licet.server.desk import AtDesk, Desk
from licet.server.errors import JSON, WireError
from licet.server.sharing import PREFIX
from licet.store.credentials import holder_of_client, issue_access_token
from licet.store.database import reading, transaction

FORM: Final = "application/x-www-form-urlencoded"
MOST: Final = 8192
"""Bytes of a form that are read."""
_CLIENT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

router = APIRouter(prefix=PREFIX, tags=["sharing"])


class TokenError(UsageError):
    """A request that is answered with an error code of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        """Say the error code, the text for people, and the HTTP status."""
        super().__init__(description)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    client_id: str
    secret: str
    grant: str
    scopes: frozenset[str]


@router.post(TOKEN_PATH)
async def give_token(request: Request, desk: AtDesk) -> Response:
    """Give a client an access token; every error has the shape that OAuth clients expect."""
    try:
        body = await _read(request)
        return _answer(200, await run_in_threadpool(_exchange, request, desk, body))
    except TokenError as error:
        # Whichever way the client authenticated, this is the way that it may (RFC 6749, section 5.2).
        headers = {"WWW-Authenticate": 'Basic realm="licet"'} if error.status == 401 else {}  # noqa: PLR2004 # HTTP
        return _answer(error.status, {"error": error.code, "error_description": error.message}, headers)
    except Refused as error:
        return _answer(403, {"error": "unauthorized_client", "error_description": str(error)})
    except WireError as error:
        said = {"error": "temporarily_unavailable", "error_description": error.message}
        return _answer(error.status, said, error.headers)


def _answer(status: int, said: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    kept = {"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})}
    return Response(json.dumps(said), status, kept, JSON)


async def _read(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST:
            raise TokenError("invalid_request", "the form is too large")
    return body


def _exchange(request: Request, desk: Desk, body: bytes) -> dict[str, Any]:
    now = desk.now()
    try:
        asked = _asked(request, body)
    except TokenError as error:
        raise failed(request, desk, error) from error
    with reading(desk.house.database) as conn:
        holder = holder_of_client(conn, asked.client_id, asked.secret, now)
    if holder is None:
        raise failed(request, desk, TokenError("invalid_client", "unknown client, or not its secret", 401))
    admit(request, desk, holder)
    desk.limits.requests.take(holder.recipient_id)
    _require_grant(asked)
    expires = min(now + timedelta(seconds=desk.options.access_token_s), holder.until)
    with transaction(desk.house.database) as conn:
        token = issue_access_token(conn, holder.credential_id, now, expires)
    lasts = int((expires - now).total_seconds())
    return {"access_token": token, "token_type": "Bearer", "expires_in": lasts, "scope": SCOPE}


def _asked(request: Request, body: bytes) -> _Asked:
    form = _form(request, body)
    client_id, secret = _client(request, form)
    return _Asked(
        # What cannot be an id is no client's: it need not reach the database.
        client_id=client_id if _CLIENT.fullmatch(client_id) else "",
        secret=secret,
        grant=form.get("grant_type", ""),
        scopes=frozenset(form.get("scope", SCOPE).split()),
    )


def _form(request: Request, body: bytes) -> dict[str, str]:
    """Read the form; a parameter without a value counts as left out (RFC 6749, section 3.2)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise TokenError("invalid_request", f"send {FORM}")
    if {"client_id", "client_secret"} & set(request.query_params):
        raise TokenError("invalid_request", "send the client in the header or in the form, never in the address")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise TokenError("invalid_request", "the form cannot be read") from error
    if len({name for name, _ in pairs}) < len(pairs):
        raise TokenError("invalid_request", "a parameter is repeated")
    return {name: value for name, value in pairs if value}


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Read who the client says it is: by HTTP Basic, or in the form, but not by both."""
    scheme, _, said = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return form.get("client_id", ""), form.get("client_secret", "")
    if scheme.lower() != "basic":
        raise TokenError("invalid_client", "authenticate by HTTP Basic or in the form", 401)
    try:
        name, _, secret = base64.b64decode(said.strip(), validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError) as error:
        raise TokenError("invalid_client", "the Basic credentials cannot be read", 401) from error
    client_id = unquote_plus(name)
    if "client_secret" in form or form.get("client_id", client_id) != client_id:
        raise TokenError("invalid_request", "authenticate in one way only")
    return client_id, unquote_plus(secret)


def _require_grant(asked: _Asked) -> None:
    if not asked.grant:
        raise TokenError("invalid_request", "grant_type is missing")
    if asked.grant != "client_credentials":
        raise TokenError("unsupported_grant_type", "only client_credentials is given here")
    if asked.scopes != {SCOPE}:
        raise TokenError("invalid_scope", f"the only scope is {SCOPE}")
