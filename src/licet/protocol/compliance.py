"""Shapes of X's compliance API: ids, jobs, lines of results, events of streams, problems and signed transfers.

X has no word for an opt-out, and its clients drop an event whose name they do not know. So every event keeps a name
that X gave it, and says in an added `reason` why the row left.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from licet.model.errors import InputError
from licet.model.licenses import RecipientId
from licet.model.recalls import Cause
from licet.protocol.pseudonyms import DIGITS
from licet.protocol.urls import EXPIRES, SIGNATURE

PREFIX: Final = "/2/compliance/jobs"
PARTITIONS: Final = 4
MOST_BACKFILL_MINUTES: Final = 5
MOST_NAME: Final = 64
"""Characters of a job's name, at most."""
KEEP_ALIVE: Final = b"\r\n"

_JOB_ID: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_LARGEST_JOB_ID: Final = 2**63 - 1
_PROBLEMS: Final = "https://api.twitter.com/2/problems"

Fields = Mapping[str, Any]


class JobType(StrEnum):
    """What a job's ids name."""

    TWEETS = "tweets"
    USERS = "users"


class Status(StrEnum):
    """How far a job is; `expired` is one that waited too long for its ids, or whose result is no longer kept."""

    CREATED = "created"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    COMPLETE = "complete"
    EXPIRED = "expired"


class Form(StrEnum):
    """How ids are written: X's are decimal, those of shared tables are 32 hexadecimal digits."""

    DECIMAL = "decimal"
    HEX = "hex"


class Transfer(StrEnum):
    """What a signed address of a job lets its bearer do."""

    UPLOAD = "upload"
    DOWNLOAD = "download"


JOB_FIELDS: Final = (
    "created_at",
    "download_expires_at",
    "download_url",
    "id",
    "name",
    "resumable",
    "status",
    "type",
    "upload_expires_at",
    "upload_url",
)
"""What a caller may ask for by `compliance_job.fields`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One compliance job of a recipient; `error` is empty unless it failed."""

    job_id: int
    recipient_id: RecipientId
    type: JobType
    name: str
    created: datetime
    upload_expires: datetime
    download_expires: datetime
    uploaded: datetime | None = None
    ended: datetime | None = None
    error: str = ""

    def status(self, now: datetime) -> Status:
        """Give how far the job is at an instant."""
        if self.uploaded is None:
            return Status.CREATED if now < self.upload_expires else Status.EXPIRED
        if self.ended is None:
            return Status.IN_PROGRESS
        if self.error:
            return Status.FAILED
        return Status.COMPLETE if now < self.download_expires else Status.EXPIRED


def read_job_id(text: str) -> int:
    """Read the id of a job.

    Raises:
        InputError: it is not one to nineteen digits.
    """
    if not _JOB_ID.fullmatch(text) or int(text) > _LARGEST_JOB_ID:
        raise InputError(f"The `id` query parameter value [{text[:64]}] is not valid")
    return int(text)


def written(pseudonym: str, form: Form) -> str:
    """Write a pseudonym in one of its two forms."""
    return pseudonym if form is Form.HEX else str(int(pseudonym, 16))


def pseudonyms_of(text: str) -> list[str]:
    """Give the pseudonyms that an uploaded id may mean: none where it is too large, two where both forms fit it.

    The store reads uploads by the same rule, in SQL.

    Raises:
        InputError: it has neither form.
    """
    if not is_id(text):
        raise InputError("an id is a decimal number or 32 hexadecimal digits")
    found = [text.lower()] if len(text) == DIGITS else []
    if text.isdecimal() and (number := int(text)) < 16**DIGITS:
        found.append(f"{number:0{DIGITS}x}")
    return sorted(set(found))


ID_PATTERN: Final = f"^([0-9]{{1,39}}|[0-9a-fA-F]{{{DIGITS}}})$"
"""An id in either form, as a regular expression that Python, Arrow and DuckDB read alike."""


def is_id(text: str) -> bool:
    """Tell whether text has the form of an id."""
    return re.search(ID_PATTERN.replace("$", r"\Z"), text, re.ASCII) is not None


def partition_of(pseudonym: str) -> int:
    """Give the partition of a user, 1 to 4: the user's decimal id modulo 4, plus 1."""
    return int(pseudonym[-1], 16) % PARTITIONS + 1


def instant_text(at: datetime) -> str:
    """Write an instant as X does, with milliseconds, which some clients insist on."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def read_time(text: str, name: str) -> datetime:
    """Read an instant in a query.

    Raises:
        InputError: it is no date and time with an offset.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min  # noqa: DTZ901 # has no offset, so it is refused below
    if at.tzinfo is None:
        raise InputError(f"The `{name}` query parameter value [{text[:64]}] is not a valid RFC 3339 date-time")
    return at


def job_object(job: Job, status: Status, urls: Mapping[Transfer, str], estimate: datetime) -> dict[str, Any]:
    """Give a job as X's API shows it; an unfinished one also says when to ask again."""
    shown: dict[str, Any] = {
        "id": str(job.job_id),
        "type": str(job.type),
        "status": str(status),
        "resumable": False,
        "created_at": instant_text(job.created),
        "upload_url": urls[Transfer.UPLOAD],
        "upload_expires_at": instant_text(job.upload_expires),
        "download_url": urls[Transfer.DOWNLOAD],
        "download_expires_at": instant_text(job.download_expires),
    }
    if job.name:
        shown["name"] = job.name
    if status in {Status.CREATED, Status.IN_PROGRESS}:
        shown["estimated_completion"] = instant_text(estimate)
    if status is Status.FAILED:
        shown["error"] = job.error
    return shown


def chosen(shown: dict[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Keep of a job what a caller asked for, and its id; without a wish, everything."""
    return {name: value for name, value in shown.items() if name == "id" or name in fields} if fields else shown


def transfer_signature(secret: bytes, transfer: Transfer, job_id: int, expires: int) -> str:
    """Give the signature of a job's address, 64 hexadecimal digits; `expires` is in seconds since 1970."""
    said = json.dumps([f"compliance {transfer}", job_id, expires], separators=(",", ":"))
    return hmac.new(secret, said.encode(), hashlib.sha256).hexdigest()


def is_signed(secret: bytes, transfer: Transfer, job_id: int, expires: int, signature: str) -> bool:
    """Tell whether a job's address carries its own signature; takes the same time for every wrong one."""
    return hmac.compare_digest(transfer_signature(secret, transfer, job_id, expires).encode(), signature.encode())


def transfer_path(secret: bytes, transfer: Transfer, job_id: int, until: datetime) -> str:
    """Give the signed path and query of a job's address, good until an instant."""
    expires = int(until.timestamp())
    signature = transfer_signature(secret, transfer, job_id, expires)
    return f"{PREFIX}/{job_id}/{transfer}?{EXPIRES}={expires}&{SIGNATURE}={signature}"


def result_line(id_: str, reason: str, at: datetime) -> dict[str, str]:
    """Give the line of an id that has to go.

    `created_at` is the event's own instant: keys of what left hold nothing of the record, its age included.
    """
    when = instant_text(at)
    return {"id": id_, "action": "delete", "created_at": when, "redacted_at": when, "reason": reason}


_FINAL: Final = frozenset({Cause.DELETED})
"""Causes after which a post does not come back."""

USER_EVENTS: Final[Mapping[Cause, str]] = {
    # The member's own choice, which the member may take back: so is protecting an account.
    Cause.OPTED_OUT: "user_protect",
    Cause.PROTECTED: "user_protect",
    Cause.SUSPENDED: "user_suspend",
    Cause.DEACTIVATED: "user_delete",
    Cause.DELETED: "user_delete",
}
"""The event of a user, by why the user left; other causes are about rows."""


def post_event(post_id: str, author_id: str, cause: Cause, at: datetime) -> dict[str, Any]:
    """Give the event of a post that left: `delete` where it is gone for good, `drop` where it may come back."""
    name = "delete" if cause in _FINAL else "drop"
    return _event(name, {"tweet": {"id": post_id, "author_id": author_id}}, cause, at)


def user_event(user_id: str, cause: Cause, at: datetime) -> dict[str, Any]:
    """Give the event of a user of whom everything left."""
    return _event(USER_EVENTS[cause], {"user": {"id": user_id}}, cause, at)


def like_event(post_id: str, user_id: str, cause: Cause, at: datetime) -> dict[str, Any]:
    """Give the event of a like that left."""
    return _event("delete", {"favorite": {"id": post_id, "user_id": user_id}}, cause, at)


def _event(name: str, about: Fields, cause: Cause, at: datetime) -> dict[str, Any]:
    return {"data": {name: {**about, "event_at": instant_text(at), "reason": str(cause)}}}


def event_lines(events: Iterable[Fields]) -> bytes:
    """Give events as a stream sends them, one a line."""
    return b"".join(json.dumps(event, separators=(",", ":")).encode() + KEEP_ALIVE for event in events)


_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("Invalid Request", f"{_PROBLEMS}/invalid-request"),
    401: ("Unauthorized", "about:blank"),
    403: ("Forbidden", "about:blank"),
    404: ("Not Found Error", f"{_PROBLEMS}/resource-not-found"),
    429: ("Too Many Requests", "about:blank"),
    503: ("Service Unavailable", "about:blank"),
}


def problem(status: int, detail: str, phrase: str) -> dict[str, Any]:
    """Give an error as X's API does, for a whole request; `phrase` is the title of a status that X gives none."""
    title, kind = _TITLES.get(status, (phrase, "about:blank"))
    said = {"title": title, "type": kind, "status": status, "detail": detail}
    return {**said, "errors": [{**said, "message": detail}]}
