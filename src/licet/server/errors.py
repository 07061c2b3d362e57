"""Turn errors into answers of the protocol's shape: `{"errorCode": …, "message": …}`."""

import json
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from licet.model.errors import InputError, LicetError, NotFound, Refused, Unavailable, UsageError

JSON = "application/json; charset=utf-8"

log = logging.getLogger(__name__)


class WireError(UsageError):
    """A request that the protocol answers with a status and code of its own."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Say the HTTP status, the protocol's error code, the text for people, and headers."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


def malformed(message: str) -> WireError:
    """Give the error for a body that cannot be read."""
    return WireError(400, "MALFORMED_REQUEST", message)


def invalid(message: str) -> WireError:
    """Give the error for a value that cannot be meant."""
    return WireError(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> WireError:
    """Give the error for a thing that is not there, or that is not the caller's to know of."""
    return WireError(404, "RESOURCE_DOES_NOT_EXIST", message)


def signed_out(message: str) -> WireError:
    """Give the error for a caller who did not say who they are."""
    return WireError(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": "Bearer"})


def too_many(retry_after: int) -> WireError:
    """Give the error for a caller who asks more than their limit; `retry_after` is in seconds."""
    headers = {"Retry-After": str(max(1, retry_after))}
    return WireError(429, "RESOURCE_EXHAUSTED", f"too many requests: try again in {max(1, retry_after)} s", headers)


_KINDS: tuple[tuple[type[LicetError], int, str], ...] = (
    (NotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (UsageError, 400, "INVALID_PARAMETER_VALUE"),
    (InputError, 400, "INVALID_PARAMETER_VALUE"),
    (Refused, 403, "PERMISSION_DENIED"),
    (Unavailable, 503, "TEMPORARILY_UNAVAILABLE"),
)


def answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Give an error's answer."""
    body = json.dumps({"errorCode": code, "message": message}, separators=(",", ":"))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, JSON)


async def _licet_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, WireError):
        return answer(error.status, error.code, error.message, error.headers)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else {}
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            return answer(status, code, str(error), headers)
    return await _unforeseen(_request, error)


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    code = {404: "RESOURCE_DOES_NOT_EXIST", 405: "UNSUPPORTED_OPERATION"}.get(status, "INVALID_PARAMETER_VALUE")
    return answer(status, code, "no such address or method here", headers)


async def _unreadable(_request: Request, _error: Exception) -> Response:
    return answer(400, "MALFORMED_REQUEST", "the request cannot be read")


async def _unforeseen(_request: Request, error: Exception) -> Response:
    # Only the kind is logged: an unforeseen error's text may quote a row.
    log.error("a request failed: %s", type(error).__name__)
    return answer(500, "INTERNAL_ERROR", "")


def install(app: FastAPI) -> None:
    """Make an app answer every error in the protocol's shape."""
    app.add_exception_handler(LicetError, _licet_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(DataError, _unreadable)  # a value that no database holds, such as a NUL
    app.add_exception_handler(Exception, _unforeseen)
