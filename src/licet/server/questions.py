"""Read what a recipient asks of a table, with the protocol's own words where it cannot be answered."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request

from licet.protocol.predicates import Hints, read_hints
from licet.protocol.sharing import Capabilities, Format, read_capabilities
from licet.server.errors import WireError, invalid, malformed

_INT32: Final = 2**31
_LONG_DIGITS: Final = 18
_NO_NUMBER: Final = "expected a number but the string didn't have the appropriate format"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How files are cut into pages; without a size and a token they come all at once."""

    size: int | None = None
    token: str = ""
    digest: str = ""
    """Of all else that was asked: the pages of one answer belong to one question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query that passed every check that needs no table."""

    hints: Hints
    limit: int | None
    """Enough rows, where the client gave no predicate; None means all."""
    version: int | None
    timestamp: str | None
    starting: int | None
    ending: int | None
    paging: Paging
    wants_refresh: bool
    refresh: str
    """The token of an earlier answer, empty if there is none."""

    @property
    def wants_history(self) -> bool:
        """Tell whether a version or an instant is named."""
        return (self.version, self.timestamp, self.starting) != (None, None, None)


def read_question(body: bytes, said: Capabilities) -> Question:
    """Read a query's body.

    Raises:
        WireError: 400, malformed or contradictory.
    """
    fields = _object(body)
    hints = fields.get("predicateHints")
    if hints is not None and not isinstance(hints, list):
        raise malformed("Expected an array for repeated field predicateHints of QueryTableRequest")
    tree = fields.get("jsonPredicateHints")
    limit = _number(fields, "limitHint")
    version, starting, ending = (_number(fields, name) for name in ("version", "startingVersion", "endingVersion"))
    _require_one(fields, version, starting)
    paging = _paging(_number(fields, "maxFiles"), _text(fields, "pageToken"), ["query", said.formats, fields])
    question = Question(
        hints=read_hints(hints or (), tree),
        limit=None if hints or tree else limit,
        version=version,
        timestamp=_text(fields, "timestamp") or None,
        starting=starting,
        ending=ending,
        paging=paging,
        wants_refresh=str(fields.get("includeRefreshToken")).lower() == "true",
        refresh=_text(fields, "refreshToken"),
    )
    _check_refresh(question)
    if said.asynchronous and not (fields.get("idempotencyKey") or fields.get("idempotency_key")):
        raise invalid("idempotency_key is required for async query.")
    return question


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise malformed("No content to map due to end-of-input")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise malformed("the body is not JSON") from error
    if not isinstance(said, dict):
        raise malformed("the body is not a JSON object")
    return said


def _number(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_LONG_DIGITS:
        return value
    if isinstance(value, str) and _is_long(value):
        return int(value)
    raise malformed(f"Not a numeric value: {str(value)[:40]}")


def _is_long(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) <= _LONG_DIGITS


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    raise malformed(f"Expected a string for field {name} of QueryTableRequest")


def _require_one(fields: Mapping[str, Any], version: int | None, starting: int | None) -> None:
    if sum(fields.get(name) is not None for name in ("version", "timestamp", "startingVersion")) > 1:
        raise invalid("Please only provide one of: version,timestamp,startingVersion")
    if (version or 0) < 0:
        raise invalid("table version cannot be negative.")
    if (starting or 0) < 0:
        raise invalid("startingVersion cannot be negative.")


def _paging(size: int | None, token: str, asked: list[Any]) -> Paging:
    if size is not None and size >= _INT32:
        raise malformed("Not an int32 value")
    if size is not None and size <= 0:
        raise invalid("maxFiles must be positive.")
    return Paging(size=size, token=token, digest=_digest(asked))


def _digest(asked: list[Any]) -> str:
    route, formats, fields = asked
    rest = {name: value for name, value in fields.items() if name not in {"maxFiles", "pageToken"}}
    text = json.dumps([route, sorted(formats), rest], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _check_refresh(question: Question) -> None:
    for name, given in (("includeRefreshToken", question.wants_refresh), ("refreshToken", bool(question.refresh))):
        if given and question.wants_history:
            raise invalid(f"{name} cannot be used when querying a specific version.")
        if given and question.paging.token:
            raise invalid(f"{name} must be used in the first page request.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesQuestion:
    """A question for changes, as it was asked: each end a version, an instant, or left out."""

    starting_version: str | None
    starting_timestamp: str | None
    ending_version: str | None
    ending_timestamp: str | None
    historical: bool
    """Whether the metadata is that of the first version, not of the latest."""
    paging: Paging


def read_changes_question(asked: Mapping[str, str], said: Capabilities) -> ChangesQuestion:
    """Read the parameters of a question for changes.

    Raises:
        WireError: 400, the size of a page is none.
    """
    size = asked.get("maxFiles")
    if size is not None and not _is_long(size):
        raise invalid(_NO_NUMBER)
    return ChangesQuestion(
        starting_version=asked.get("startingVersion"),
        starting_timestamp=asked.get("startingTimestamp"),
        ending_version=asked.get("endingVersion"),
        ending_timestamp=asked.get("endingTimestamp"),
        historical=asked.get("includeHistoricalMetadata", "").lower() == "true",
        paging=_paging(
            None if size is None else int(size), asked.get("pageToken", ""), ["changes", said.formats, dict(asked)]
        ),
    )


def require_ends(question: ChangesQuestion) -> None:
    """Refuse a question for changes without a beginning, with two of one end, or with one that is no version.

    Raises:
        WireError: 400.
    """
    if question.starting_version is None and question.starting_timestamp is None:
        raise invalid("No startingVersion or startingTimestamp provided for CDF read.")
    for end, one, other in (
        ("starting", question.starting_version, question.starting_timestamp),
        ("ending", question.ending_version, question.ending_timestamp),
    ):
        if one is not None and other is not None:
            raise invalid(
                f"Multiple {end} arguments provided for CDF read. "
                f"Please provide one of either {end}Timestamp or {end}Version."
            )
        if one is not None and not _is_long(one):
            raise invalid(f"{end}Version is not a valid number.")
    if question.starting_version is not None and int(question.starting_version) < 0:
        raise invalid("startingVersion cannot be negative.")


def read_version(text: str) -> int:
    """Read a version in an address.

    Raises:
        WireError: 400, it is no number, or negative.
    """
    if not _is_long(text):
        raise invalid(_NO_NUMBER)
    if int(text) < 0:
        raise invalid("version cannot be negative.")
    return int(text)


def capabilities_of(request: Request) -> tuple[Capabilities, Format]:
    """Read a request's capabilities, and the format of its answer.

    Raises:
        WireError: 400, the client takes no format that there is.
    """
    said = read_capabilities(request.headers.get("delta-sharing-capabilities"))
    answered = said.format
    if answered is None:
        raise WireError(
            400, "UNSUPPORTED_OPERATION", "answers come in responseformat=parquet or responseformat=delta: ask for one"
        )
    return said, answered


def file_scheme(request: Request) -> Format | None:
    """Read which scheme of file ids a request names, None for that of its format.

    Raises:
        WireError: 400, no such scheme.
    """
    value = request.headers.get("fileidhash")
    match None if value is None else value.lower():
        case None:
            return None
        case "parquet":
            return "parquet"
        case "delta":
            return "delta"
    raise invalid(f"Unsupported fileidhash: '{(value or '')[:40]}'. Supported: parquet, delta")


def no_history(table: str) -> WireError:
    """Give the refusal of a table's versions where it has the current one only."""
    return invalid(
        "Reading table by version or timestamp is not supported because history sharing is not enabled on table: "
        + table
    )


def read_instant(text: str) -> datetime:
    """Read an instant, ISO 8601 with an offset, or `YYYY-MM-DD HH:MM:SS` in UTC.

    Raises:
        WireError: 400, it is neither; the protocol speaks of `startingTimestamp` wherever it stood.
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


def too_early(text: str, version: int, at: datetime) -> WireError:
    """Give the refusal of an instant before the first version that may be read.

    The line breaks matter: the official client breaks long lines elsewhere, and its users look for these words.
    """
    first = _shown(at)
    return invalid(
        f"The provided timestamp ({text[:40]})\nis before the earliest available version {version} ({first}).\n"
        f"Please use a timestamp greater than or equal to {first}."
    )


def too_late(text: str, version: int, at: datetime) -> WireError:
    """Give the refusal of an instant after the latest version."""
    last = _shown(at)
    return invalid(
        f"The provided timestamp ({text[:40]})\nis after the latest available version {version} ({last}).\n"
        f"Please use a timestamp less than or equal to {last}."
    )


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
