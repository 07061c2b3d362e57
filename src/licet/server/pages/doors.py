"""The doors: sign in at the provider, by a recipient's credential, or as anybody in development; and out."""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from licet.model.errors import Refused
from licet.server import openid, session
from licet.server.access import admit, failed
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing, signed_out
from licet.server.pages.forms import AnyForm, Form
from licet.server.pages.languages import COOKIE, LANGUAGES
from licet.server.pages.rendering import PageRoute, page, to
from licet.server.session import DEVELOPMENT, PROVIDER, Role
from licet.server.sign_in import require_development, require_member
from licet.store.credentials import Holder, holder_of_client, holder_of_token
from licet.store.database import reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)
nowhere = APIRouter(route_class=PageRoute, include_in_schema=False)
"""Whatever else is asked for below the pages; comes after all of them."""

HOME: Final = {Role.MEMBER: "/member", Role.RECIPIENT: "/recipient", Role.OPERATOR: "/operator"}
DEVELOPER: Final = "developer"
"""Who an operator of the development sign-in is."""
_YEAR_S: Final = 365 * 86_400

AsRole = Annotated[Role, Query(alias="as")]
Following = Annotated[str, Query(alias="next")]


def following_of(role: Role, said: str) -> str:
    """Give where a role goes after the door: a page of its own, never elsewhere."""
    home = HOME[role]
    own = said == home or said.startswith((f"{home}/", f"{home}?"))
    return said if own and said.isprintable() and "\\" not in said and "//" not in said else home


@router.get("/")
def get_start(request: Request, desk: AtDesk) -> Response:
    """Go where the visitor is signed in, else to the door."""
    for role in Role:
        if session.session_of(request, desk, role) is not None:
            return to(HOME[role])
    return to("/sign-in")


@router.get("/sign-in")
def get_door(request: Request, desk: AtDesk, role: AsRole = Role.MEMBER, following: Following = "") -> Response:
    """Show the ways in for a role."""
    options = desk.options
    shown: dict[str, object] = {"role": role, "following": following_of(role, following)}
    ways = {"provider": options.provider is not None, "development": options.development_sign_in}
    return page(request, "sign_in.html", None, shown | ways)


@router.get("/sign-in/start")
async def start(request: Request, desk: AtDesk, role: AsRole = Role.MEMBER, following: Following = "") -> Response:
    """Send the visitor to the provider."""
    if role is Role.RECIPIENT:
        raise missing("recipients sign in with their credential")
    return await _client(request).leave(request, desk, role, following_of(role, following))


def _client(request: Request) -> openid.OpenId:
    found: openid.OpenId | None = request.app.state.openid
    if found is None:
        raise missing("no sign-in provider is set up")
    return found


@router.get("/sign-in/callback")
async def come_back(request: Request, desk: AtDesk) -> Response:
    """Take a visitor back from the provider, and begin their session."""
    client = _client(request)
    try:
        arrival = await client.arrive(request, desk)
        who = await run_in_threadpool(_recognized, desk, arrival)
    except Refused as error:
        raise await run_in_threadpool(failed, request, desk, error) from error
    # A page, not a redirect: a strict cookie is not sent along a chain that began on another site.
    response = page(request, "continue.html", None, {"following": arrival.following})
    session.begin(request, desk, response, (arrival.role, who, PROVIDER))
    response.delete_cookie(openid.FLOW, path=openid.PATH)
    return response


def _recognized(desk: Desk, arrival: openid.Arrival) -> str:
    """Give who somebody is in the role that they asked for.

    Raises:
        Refused: they are not that.
        WireError: 404, nothing is known of the member.
    """
    provider = desk.options.provider
    if provider is None:
        raise Refused("no sign-in provider is set up", "ask the operator")
    if arrival.role is Role.OPERATOR:
        if not openid.is_operator(provider, arrival.claims):
            raise Refused("this account is no operator's", "ask whoever runs the provider")
        return str(arrival.claims["sub"])
    who = openid.member_named(provider, arrival.claims)
    if not who:
        raise Refused("the provider does not say which member this is", "ask the operator")
    require_member(desk, who)
    return who


@router.post("/sign-in/development")
def come_in_as(request: Request, desk: AtDesk, form: AnyForm) -> Response:
    """Sign in as any member or as an operator, in development only."""
    role = Role.OPERATOR if form.get("role") == Role.OPERATOR else Role.MEMBER
    require_development(request, desk)
    who = DEVELOPER if role is Role.OPERATOR else form.get("member_id")
    if role is Role.MEMBER:
        require_member(desk, who)
    response = to(following_of(role, form.get("next")))
    session.begin(request, desk, response, (role, who, DEVELOPMENT))
    return response


@router.post("/sign-in/recipient")
def come_in_by_credential(request: Request, desk: AtDesk, form: AnyForm) -> Response:
    """Sign a recipient in by its profile file, its bearer token, or its OAuth client."""
    holder = _holder(desk, form)
    if holder is None:
        raise failed(request, desk, signed_out("the credential is unknown or has expired"))
    admit(request, desk, holder)
    response = to(following_of(Role.RECIPIENT, form.get("next")))
    session.begin(request, desk, response, (Role.RECIPIENT, holder.recipient_id, holder.credential_id))
    return response


def _holder(desk: Desk, form: Form) -> Holder | None:
    token, client, secret = form.get("token"), form.get("client_id"), form.get("client_secret")
    if form.files.get("profile"):
        token, client, secret = _profile(form.files["profile"])
    with reading(desk.house.database) as conn:
        if client.isascii() and client.isprintable() and secret:
            return holder_of_client(conn, client, secret, desk.now())
        return holder_of_token(conn, token, desk.now())


def _profile(content: bytes) -> tuple[str, str, str]:
    """Read token, client id and secret from a profile file; whatever is no profile has none of them."""
    try:
        said = json.loads(content)
    except ValueError:
        return "", "", ""
    if not isinstance(said, dict):
        return "", "", ""
    token, client, secret = (str(said.get(name, "")) for name in ("bearerToken", "clientId", "clientSecret"))
    return token, client, secret


@router.post("/sign-out/page")
def leave(request: Request, desk: AtDesk, form: AnyForm) -> Response:
    """Forget who is signed in on this browser, and go back to the door."""
    named = form.get("role")
    response = to(f"/sign-in?as={named}" if named in set(Role) else "/sign-in")
    session.end(request, desk, response)
    return response


@router.get("/language/{language}")
def choose_language(request: Request, desk: AtDesk, language: str, following: Following = "/sign-in") -> Response:
    """Speak a language from now on, and go back to where the visitor was."""
    if language not in LANGUAGES:
        raise missing("the pages do not speak this language")
    inside = following.startswith("/") and not following.startswith(("//", "/\\")) and following.isprintable()
    response = to(following if inside else "/sign-in")
    secure = session.is_secure(request, desk)
    response.set_cookie(COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="lax", secure=secure)
    return response


def get_nothing(request: Request) -> Response:
    """Say on a page that there is none; a slash too many is no other address."""
    path = request.url.path
    if path.endswith("/"):
        return to(path.rstrip("/"))
    raise missing("no such page")


for _home in HOME.values():
    nowhere.get(_home + "/{rest:path}")(get_nothing)
