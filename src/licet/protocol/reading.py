"""Read what a Delta Sharing server says, as a recipient does: profiles, lists, tables' lines, digests, waiting times.

A server is another company's: what it says is checked before it names a file on the recipient's disk.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from licet.model.errors import InputError, Unavailable

CAPABILITIES: Final = "responseformat=parquet;includeendstreamaction=true"
"""What a recipient asks for: files by address, and a last line, so that half an answer is not taken for a whole one."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]|^[._]", re.ASCII)
_FOLD: Final = re.compile(r"since version (\d{1,18})\b", re.ASCII)
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A version 1 profile: an address that ends in a slash, and a token."""

    endpoint: str
    token: str = field(repr=False)
    expires: datetime | None
    """None where the profile is silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A version 2 profile: an address that ends in a slash, and what is exchanged for access tokens."""

    endpoint: str
    token_endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    """Empty where the profile is silent."""


Profile: TypeAlias = Bearer | OAuthClient


def read_profile(text: str) -> Profile:
    """Read a profile file.

    Raises:
        InputError: it is none, or of a kind that is not known here.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise InputError("the profile is not JSON", "ask the operator for the profile file again") from error
    if not isinstance(said, dict):
        raise InputError("the profile is no JSON object", "ask the operator for the profile file again")
    endpoint = _address(said, "endpoint").rstrip("/") + "/"
    match said.get("shareCredentialsVersion"), said.get("type", ""):
        case (1, _) | (2, "bearer_token"):
            return Bearer(endpoint=endpoint, token=_word(said, "bearerToken"), expires=_expiry(said))
        case (2, "oauth_client_credentials"):
            return OAuthClient(
                endpoint=endpoint,
                token_endpoint=_address(said, "tokenEndpoint"),
                client_id=_word(said, "clientId"),
                client_secret=_word(said, "clientSecret"),
                scope=str(said.get("scope") or ""),
            )
    raise InputError(
        "the profile is of a kind that is not known here",
        "ask for version 1 (bearerToken) or version 2 (oauth_client_credentials)",
    )


def _word(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"the profile has no `{name}`", "ask the operator for the profile file again")
    return value


def _address(said: Mapping[str, Any], name: str) -> str:
    value = _word(said, name)
    if not is_web_address(value):
        raise InputError(f"the profile's `{name}` is no http address", "ask the operator for the profile file again")
    return value


def is_web_address(value: str) -> bool:
    """Tell whether a value is an http or https address with a host and without a name or password in it."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _expiry(said: Mapping[str, Any]) -> datetime | None:
    value = said.get("expirationTime")
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError("the profile's `expirationTime` is no time", "ask the operator for it again") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableName:
    """A table as the server writes it."""

    share: str
    schema: str
    table: str

    def __str__(self) -> str:
        """Give share.schema.table."""
        return f"{self.share}.{self.schema}.{self.table}"

    @property
    def folders(self) -> tuple[str, str, str]:
        """Give three names of folders; none of them leads elsewhere, or is hidden from readers of folders."""
        return _folder(self.share), _folder(self.schema), _folder(self.table)

    def is_meant_by(self, wanted: str) -> bool:
        """Tell whether share, share.schema or share.schema.table names this table; case does not count."""
        names = (self.share, f"{self.share}.{self.schema}", str(self))
        return not wanted or wanted.casefold() in {name.casefold() for name in names}


def _folder(name: str) -> str:
    # A leading underscore would hide the folder from pandas and Spark.
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def read_page(answer: object) -> tuple[list[Mapping[str, Any]], str]:
    """Read one page of a list: its items, and the token of the next page, empty at the end.

    Raises:
        InputError: it is no page.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("items", []), list):
        raise _strange("a list")
    items = [item for item in answer.get("items", []) if isinstance(item, Mapping) and item.get("name")]
    return items, str(answer.get("nextPageToken") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A file that the server offers: its id (safe as a file's name), its address, bytes, rows; -1 where not said."""

    file_id: str
    url: str = field(repr=False)
    size: int
    rows: int = -1
    version: int = -1
    """With which version the rows named in it left; -1 for a file of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A table's current version: the id of the table and the version's files."""

    table_id: str
    version: int
    files: tuple[Offered, ...]


def read_lines(text: str, *, ends: bool) -> list[tuple[str, Mapping[str, Any]]]:
    """Read a table's answer, a kind and an object a line; `ends`: the server promised a last line.

    Raises:
        InputError: a line is none.
        Unavailable: the server says that it failed, or the answer breaks off.
    """
    lines = [_line(each) for each in text.splitlines() if each.strip()]
    last = dict(lines[-1:]).get("endStreamAction")
    if last is not None and last.get("errorMessage"):
        raise Unavailable(f"the server failed half-way: {plain(str(last['errorMessage']))}", "try again")
    if last is not None and last.get("nextPageToken"):
        raise InputError("the server gives its answer in pages, which was not asked for", "ask the operator")
    if ends and last is None:
        raise Unavailable("the server's answer breaks off", "try again")
    return [(kind, said) for kind, said in lines if kind != "endStreamAction"]


def _line(text: str) -> tuple[str, Mapping[str, Any]]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise _strange("a line of a table") from error
    if not isinstance(said, dict) or len(said) != 1:
        raise _strange("a line of a table")
    ((kind, value),) = said.items()
    if not isinstance(value, Mapping):
        raise _strange("a line of a table")
    return kind, value


def read_listing(lines: Sequence[tuple[str, Mapping[str, Any]]], version: str) -> Listing:
    """Read a query's lines and its version header.

    Raises:
        InputError: something needed is missing.
        Unavailable: fewer files came than the table has.
    """
    about = next((said for kind, said in lines if kind == "metaData"), None)
    if about is None or not version.isdecimal():
        raise _strange("a table's version")
    files = tuple(offered(said) for kind, said in lines if kind == "file")
    expected = about.get("numFiles")
    # A list cut short would look like files that were taken away.
    if isinstance(expected, int) and expected != len(files):
        raise Unavailable(f"the server lists {len(files)} of {expected} files", "try again")
    return Listing(table_id=str(about.get("id", "")), version=int(version), files=files)


def read_changes(lines: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Offered, ...]:
    """Read, from a change feed, the files of keys of rows that left, in the order of versions; the rest is passed over.

    Raises:
        InputError: something needed is missing.
    """
    found = (offered(said) for kind, said in lines if kind == "cdf")
    return tuple(sorted(found, key=lambda file: (file.version, file.file_id)))


def read_fold(message: str) -> int | None:
    """Read, from a refusal, the first version from which a table can be read; None where it names none."""
    found = _FOLD.search(message)
    return None if found is None else int(found[1])


def offered(said: Mapping[str, Any]) -> Offered:
    """Read what a line says of a file.

    Raises:
        InputError: its id, address or size is missing.
    """
    url, size, file_id = said.get("url"), said.get("size"), said.get("id")
    if not isinstance(url, str) or not is_web_address(url):
        raise _strange("a file's address")
    if not isinstance(size, int) or size <= 0 or not isinstance(file_id, str) or not file_id:
        raise _strange("a file")
    version = said.get("version")
    return Offered(
        file_id=file_id if _PLAIN.fullmatch(file_id) else hashlib.sha256(file_id.encode()).hexdigest(),
        url=url,
        size=size,
        rows=_rows(said.get("stats")),
        version=version if isinstance(version, int) else -1,
    )


def _rows(stats: object) -> int:
    try:
        rows = json.loads(stats).get("numRecords", -1) if isinstance(stats, str) else -1
    except (ValueError, AttributeError):
        return -1
    return rows if isinstance(rows, int) else -1


def read_sha256(header: str | None) -> str:
    """Read the SHA-256 of a `Repr-Digest` header (RFC 9530), in hexadecimal; empty where it is not stated.

    Raises:
        InputError: a SHA-256 is stated that is none.
    """
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "sha-256":
            return _octets(value.partition(";")[0].strip()).hex()
    return ""


def _octets(value: str) -> bytes:
    try:
        octets = base64.b64decode(value[1:-1], validate=True) if value[:1] == value[-1:] == ":" else b""
    except ValueError:
        octets = b""
    if len(octets) != hashlib.sha256().digest_size:
        raise InputError("the server states a SHA-256 that is none", "ask the operator")
    return octets


def waiting_time(header: str | None, now: datetime) -> float | None:
    """Read `Retry-After`, seconds or an HTTP date, in seconds from `now`; None where it says nothing."""
    said = (header or "").strip()
    if said.isdecimal():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


def error_text(body: str) -> str:
    """Read the message of an error's answer; empty where there is none."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    return plain(str(said.get("message") or "")) if isinstance(said, dict) else ""


def plain(text: str) -> str:
    """Make another company's words fit to print: one line, no control characters, not too long."""
    line = " ".join(text.split())
    return "".join(letter for letter in line if letter.isprintable())[:_LONGEST]


def _strange(what: str) -> InputError:
    return InputError(f"the server answers with something that is not {what}", "check the profile's endpoint")
