"""What all routes of X's compliance API share: errors as problem objects, bodies and parameters."""

import json
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from licet.model.errors import InputError, LicetError, NotFound, Refused, Unavailable, UsageError
from licet.protocol.compliance import problem
from licet.server.errors import JSON, WireError, malformed

PROBLEM: Final = "application/problem+json"
MOST_BODY: Final = 16 * 1024
"""Bytes of a JSON body that are read."""

_STATUSES: Final[tuple[tuple[type[LicetError], int], ...]] = (
    (NotFound, 404),
    (UsageError, 400),
    (InputError, 400),
    (Refused, 403),
    (Unavailable, 503),
)

log = logging.getLogger(__name__)


class ProblemRoute(APIRoute):
    """A route that answers every error as X's API does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's handler."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except LicetError as error:
                return _of(error)
            except HTTPException as error:
                return problem_answer(error.status_code, str(error.detail), error.headers)
            except RequestValidationError:
                return problem_answer(400, "the request cannot be read")

        return answered


def _of(error: LicetError) -> Response:
    if isinstance(error, WireError):
        return problem_answer(error.status, error.message, error.headers)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else {}
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return problem_answer(status, str(error), headers)
    # Only the kind is logged: an unforeseen error's text may quote a row.
    log.error("a request failed: %s", type(error).__name__)
    return problem_answer(500, "")


def problem_answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Give an error's answer."""
    body = json.dumps(problem(status, detail, HTTPStatus(status).phrase))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, PROBLEM)


def answer(value: Mapping[str, Any]) -> Response:
    """Give an answer that nobody keeps: it may hold signed addresses."""
    return Response(json.dumps(value), headers={"Cache-Control": "no-store"}, media_type=JSON)


async def read_object(request: Request, most: int = MOST_BODY) -> dict[str, object]:
    """Read a JSON object from a request.

    Raises:
        WireError: 400, there is none, or it is longer than `most` bytes.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise malformed("the body is too long")
    try:
        said = json.loads(body)
    except ValueError as error:
        raise malformed("the body is not JSON") from error
    if not isinstance(said, dict):
        raise malformed("the body is not a JSON object")
    return said


def require_known(request: Request, known: Collection[str]) -> None:
    """Refuse a query parameter that would be ignored, or is there twice.

    Raises:
        InputError: there is one.
    """
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known or name in seen:
            listed = ",".join(sorted(known))
            raise InputError(f"The query parameter [{name[:64]}] is not one of [{listed}], each once")
        seen.add(name)


def one_of(request: Request, name: str, allowed: Collection[str], default: str | None = None) -> str:
    """Read a query parameter that takes one of some words.

    Raises:
        InputError: it is missing and has no default, or is another word.
    """
    said = request.query_params.get(name, default)
    if said is None or said not in allowed:
        listed = ",".join(sorted(allowed))
        raise InputError(f"The `{name}` query parameter value [{(said or '')[:64]}] is not one of [{listed}]")
    return said


def whole(request: Request, name: str, least: int, most: int, default: int | None = None) -> int:
    """Read a query parameter that is a whole number.

    Raises:
        InputError: it is missing and has no default, or not a number from `least` to `most`.
    """
    said = request.query_params.get(name, "" if default is None else str(default))
    if not (said.isascii() and said.isdigit() and len(said) < 10 and least <= int(said) <= most):  # noqa: PLR2004
        raise InputError(f"The `{name}` query parameter value [{said[:64]}] is not a number between {least} and {most}")
    return int(said)
