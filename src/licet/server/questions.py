"""Read what a recipient asks of a table, with the protocol's own words where it cannot be answered."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from licet.protocol.sharing import Capabilities, read_capabilities
from licet.server.errors import WireError, invalid, malformed

_INT32 = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query that passed every check that needs no table."""

    limit: int | None
    """Enough rows, where the client gave no predicate; None means all."""
    wants_history: bool


def read_question(body: bytes) -> Question:
    """Read a query's body.

    Raises:
        WireError: 400, malformed or contradictory.
    """
    said = _object(body)
    versions = [name for name in ("version", "timestamp", "startingVersion") if said.get(name) is not None]
    if len(versions) > 1:
        raise invalid("Please only provide one of: version,timestamp,startingVersion")
    if (_number(said, "version") or 0) < 0:
        raise invalid("table version cannot be negative.")
    if (_number(said, "startingVersion") or 0) < 0:
        raise invalid("startingVersion cannot be negative.")
    _refuse_paging(said)
    hints = said.get("predicateHints")
    if hints is not None and not isinstance(hints, list):
        raise malformed("Expected an array for repeated field predicateHints of QueryTableRequest")
    limit = _number(said, "limitHint")
    filtered = bool(hints or said.get("jsonPredicateHints"))
    return Question(limit=None if filtered else limit, wants_history=bool(versions))


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise malformed("No content to map due to end-of-input")
    try:
        said = json.loads(body)
    except ValueError as error:
        raise malformed("the body is not JSON") from error
    if not isinstance(said, dict):
        raise malformed("the body is not a JSON object")
    return said


def _number(said: dict[str, Any], name: str) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    raise malformed(f"Not a numeric value: {str(value)[:40]}")


def _refuse_paging(said: dict[str, Any]) -> None:
    """Everything comes in one answer: `maxFiles` may be asked for, tokens were never given out."""
    files = _number(said, "maxFiles")
    if files is not None and files >= _INT32:
        raise malformed("Not an int32 value")
    if files is not None and files <= 0:
        raise invalid("maxFiles must be positive.")
    if said.get("pageToken"):
        raise invalid(f"Error decoding the page token: {str(said['pageToken'])[:80]}.")
    if said.get("refreshToken"):
        raise invalid(f"Error decoding refresh token: {str(said['refreshToken'])[:80]}.")


def capabilities_of(request: Request) -> Capabilities:
    """Read a request's capabilities.

    Raises:
        WireError: 400, the client takes no format that there is.
    """
    said = read_capabilities(request.headers.get("delta-sharing-capabilities"))
    if not said.parquet:
        raise WireError(
            400,
            "UNSUPPORTED_OPERATION",
            "only responseformat=parquet is served here: ask for `parquet` or `delta,parquet`",
        )
    return said


def file_scheme(request: Request) -> str | None:
    """Read which scheme of file ids a request names, None for the ordinary one.

    Raises:
        WireError: 400, no such scheme.
    """
    value = request.headers.get("fileidhash")
    if value is None:
        return None
    if value.lower() not in {"parquet", "delta"}:
        raise invalid(f"Unsupported fileidhash: '{value[:40]}'. Supported: parquet, delta")
    return value.lower()


def no_history(table: str) -> WireError:
    """Give the refusal of any version but the current one: an older one may hold what was withdrawn since."""
    return invalid(
        "Reading table by version or timestamp is not supported because history sharing is not enabled on table: "
        + table
    )


def read_instant(text: str) -> datetime:
    """Read `startingTimestamp`, ISO 8601 with an offset, or `YYYY-MM-DD HH:MM:SS` in UTC.

    Raises:
        WireError: 400, it is neither.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"Invalid startingTimestamp: {str(error)[:80]}.") from error
    if at.tzinfo is None:
        if "T" in text or ":" not in text:
            raise invalid("Invalid startingTimestamp: an offset is missing.")
        return at.replace(tzinfo=UTC)
    return at
