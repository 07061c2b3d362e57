"""Who is at a page: one signed cookie for each role, so that being a member opens nothing of an operator's.

Nothing of a session is stored. A pass of a way in that is switched off since is worth nothing, and a recipient's is
worth as much as the credential that it was given for: both are looked at with every request.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fastapi import Request, Response

from licet.protocol.urls import form_token, opened, seal
from licet.server.access import admit
from licet.server.desk import AtDesk, Desk
from licet.server.errors import WireError
from licet.store.credentials import holder_of_credential
from licet.store.database import reading

SESSION_S: Final = 12 * 3600
"""How long a sign-in lasts, in seconds."""
DEVELOPMENT: Final = "development"
PROVIDER: Final = "provider"


class Role(StrEnum):
    """What somebody at a page may be."""

    MEMBER = "member"
    RECIPIENT = "recipient"
    OPERATOR = "operator"


class SignedOut(WireError):
    """Nobody is signed in as what a page is for."""

    def __init__(self, role: Role) -> None:
        """Say which role is asked for."""
        super().__init__(401, "UNAUTHENTICATED", "sign in first", {"WWW-Authenticate": "Bearer"})
        self.role = role


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who signed in: in which role, who they are, by which way in, and the token that their forms carry."""

    role: Role
    who: str
    by: str
    """`development`, `provider`, or the id of a recipient's credential."""
    form_token: str


def is_secure(request: Request, desk: Desk) -> bool:
    """Tell whether the browser speaks HTTPS, with this server or with the proxy before it."""
    return request.url.scheme == "https" or desk.options.public_url.startswith("https://")


def cookie_name(role: Role, *, secure: bool) -> str:
    """Name a role's cookie; the prefix makes browsers refuse one that another host or a plain connection set."""
    return f"__Host-licet_{role}" if secure else f"licet_{role}"


def begin(request: Request, desk: Desk, response: Response, session: tuple[Role, str, str]) -> None:
    """Let a response begin a session: role, who, and by which way in."""
    role, who, by = session
    until = int(desk.now().timestamp()) + SESSION_S
    said: dict[str, str | int] = {"who": who, "by": by, "until": until, "salt": secrets.token_hex(8)}
    secure = is_secure(request, desk)
    response.set_cookie(
        cookie_name(role, secure=secure),
        seal(desk.options.secret, f"session {role}", said),
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=secure,
    )


def end(request: Request, desk: Desk, response: Response) -> None:
    """Let a response end every session of a browser."""
    secure = is_secure(request, desk)
    for role in Role:
        response.delete_cookie(cookie_name(role, secure=secure), httponly=True, samesite="strict", secure=secure)


def session_of(request: Request, desk: Desk, role: Role) -> Session | None:
    """Give the session that a request belongs to in a role, if it is still worth something.

    Raises:
        Refused: the session is a recipient's, and they are not accepted from this address.
    """
    value = request.cookies.get(cookie_name(role, secure=is_secure(request, desk)), "")
    said = opened(desk.options.secret, f"session {role}", value)
    if said is None or said["until"] <= desk.now().timestamp():
        return None
    by, who = str(said["by"]), str(said["who"])
    stands = _credential_stands(request, desk, who, by) if role is Role.RECIPIENT else _is_open(desk, by)
    token = form_token(desk.options.secret, value)
    return Session(role=role, who=who, by=by, form_token=token) if stands else None


def _is_open(desk: Desk, by: str) -> bool:
    ways = {DEVELOPMENT: desk.options.development_sign_in, PROVIDER: desk.options.provider is not None}
    return ways.get(by, False)


def _credential_stands(request: Request, desk: Desk, recipient_id: str, credential_id: str) -> bool:
    with reading(desk.house.database) as conn:
        holder = holder_of_credential(conn, credential_id, desk.now())
    if holder is None or holder.recipient_id != recipient_id:
        return False
    admit(request, desk, holder)
    return True


def require(role: Role) -> Callable[[Request, AtDesk], Session]:
    """Give what asks for a session in a role, and takes from the pace that the person has."""

    def ask(request: Request, desk: AtDesk) -> Session:
        session = session_of(request, desk, role)
        if session is None:
            raise SignedOut(role)
        desk.limits.pages.take(f"{role} {session.who}")
        return session

    return ask
