"""Render pages: templates, the visitor's language, headers that forbid everything a page does not need, and errors."""

import functools
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from licet.model.errors import InputError, LicetError, NotFound, Refused, Unavailable, UsageError
from licet.server.errors import WireError
from licet.server.pages.assets import address
from licet.server.pages.languages import LANGUAGES, Speech, catalogue, language_of
from licet.server.session import Role, Session, SignedOut, is_secure

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""What a page may load and do: nothing from elsewhere, and no script or style inside the page."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer` a browser would send our own forms without their origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Vary": "Cookie, Accept-Language, Sec-GPC",
}
_STATUS: Final = ((NotFound, 404), (UsageError, 400), (InputError, 400), (Refused, 403), (Unavailable, 503))


@functools.cache
def templates(language: str) -> Environment:
    """Give the templates in a language; an unknown name in one is an error, and all text is escaped."""
    environment = Environment(
        loader=PackageLoader("licet.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined] # of the extension
    environment.globals.update(speech=Speech(language=language), asset=address, languages=LANGUAGES, Role=Role)
    return environment


def page(
    request: Request,
    name: str,
    session: Session | None = None,
    values: Mapping[str, object] | None = None,
    *,
    status: int = 200,
) -> HTMLResponse:
    """Render a page with values for whoever is at it."""
    language = language_of(request)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    shown = {"session": session, "path": request.url.path, "here": here, "language": language, **(values or {})}
    body = templates(language).get_template(name).render(shown)
    headers = HEADERS | {"Content-Language": language}
    if is_secure(request, request.app.state.desk):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return HTMLResponse(body, status, headers)


def to(path: str) -> RedirectResponse:
    """Send a browser to a page of ours, by a fresh request without the form it sent."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


class PageRoute(APIRoute):
    """A route whose errors are pages; whoever is not signed in is shown the door."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except SignedOut as error:
                following = request.url.path if request.method == "GET" else f"/{error.role}"
                return to(f"/sign-in?as={error.role}&next={quote(following, safe='/')}")
            except (LicetError, RequestValidationError, HTTPException, DataError) as error:
                return problem(request, error)
            except Exception as error:  # noqa: BLE001 # whatever it is, a person is told so on a page
                # Only the kind is logged: an unforeseen error's text may quote a row.
                log.error("a page failed: %s", type(error).__name__)  # noqa: TRY400 # see above
                return problem(request, error, 500)

        return guarded


def problem(request: Request, error: Exception, otherwise: int = 400) -> Response:
    """Give the page that says what went wrong and what to do about it; errors not of ours have a status of theirs."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), otherwise)
    said, remedy = "", ""
    if isinstance(error, LicetError):
        said, remedy = error.message, error.remedy
    if isinstance(error, WireError):
        status = error.status
    response = page(
        request, "problem.html", None, {"status_code": status, "said": said, "remedy": remedy}, status=status
    )
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, WireError):
        response.headers.update(error.headers)
    return response
