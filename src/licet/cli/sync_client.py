"""Ask a Delta Sharing server as a recipient does: signed in, and patient where it says wait.

Nothing that is told or raised here holds a token, a secret or a file's address.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from licet.model.errors import InputError, LicetError, NotFound, Refused, Unavailable, UsageError
from licet.protocol.reading import (
    CAPABILITIES,
    Bearer,
    Listing,
    OAuthClient,
    Offered,
    Profile,
    TableName,
    error_text,
    plain,
    read_changes,
    read_fold,
    read_lines,
    read_listing,
    read_page,
    waiting_time,
)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
POLITE_S = 5.0
"""The longest pause that is made where the server asks for a shorter one."""
RENEW_S = 60
"""Seconds before its end at which an access token is fetched anew."""
NOT_NOW = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be others a moment later."""


class NoChanges(InputError):
    """The server cannot tell what left since that version."""


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long one request may still wait, in seconds."""

    left: float
    sleep: Callable[[float], None]
    _next: float = FIRST_PAUSE_S

    def wait(self, why: str, said: float | None = None) -> None:
        """Wait as long as the server `said` at least, and ever longer.

        Raises:
            Unavailable: that is longer than is left.
        """
        # A server that says one second again and again is not ready for longer.
        length = self._next if said is None else max(said, min(self._next, POLITE_S))
        self._next = min(self._next * 2, LONGEST_PAUSE_S)
        if length > self.left:
            raise Unavailable(f"the server is not ready: {plain(why)}", "run it again later", int(length) or 1)
        self.left -= max(length, FIRST_PAUSE_S)
        self.sleep(length)

    def wait_for(self, answer: httpx.Response) -> None:
        """Wait as an answer says whose status is one of `NOT_NOW`.

        Raises:
            Unavailable: that is longer than is left.
        """
        answer.read()
        said = waiting_time(answer.headers.get("retry-after"), datetime.now(UTC))
        self.wait(error_text(answer.text) or f"status {answer.status_code}", said)


@dataclass(slots=True, kw_only=True)
class Client:
    """A recipient's connection to one server; threads may share it."""

    profile: Profile
    patience_s: float
    """How long one request may wait for the server, in seconds."""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    http: httpx.Client = field(init=False, repr=False)
    _token: str = field(default="", repr=False)
    _token_ends: float = 0.0
    _signing_in: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """Open no connection yet."""
        self.http = httpx.Client(timeout=httpx.Timeout(60, connect=20), headers={"User-Agent": "licet-sync"})

    def close(self) -> None:
        """Close every connection."""
        self.http.close()

    def patience(self) -> Patience:
        """Give the patience that a fresh request has."""
        return Patience(left=self.patience_s, sleep=self.sleep)

    def send(self, method: str, url: str, patience: Patience, **more: Any) -> httpx.Response:  # noqa: ANN401 # httpx's arguments
        """Send a request until it is answered with something else than wait.

        Raises:
            Unavailable: patience ended.
        """
        while True:
            try:
                answer = self.http.request(method, url, **more)
            except httpx.TransportError as error:
                patience.wait(type(error).__name__)
                continue
            if answer.status_code not in NOT_NOW:
                return answer
            patience.wait_for(answer)

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:  # noqa: ANN401 # httpx's arguments
        """Ask something below the endpoint.

        Raises:
            UsageError: 400.
            NotFound: 404.
            Refused: 401 or 403.
            Unavailable: it was not answered in time.
        """
        patience = self.patience()
        answer = self._signed_in(method, path, patience, headers, more)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and isinstance(self.profile, OAuthClient):
            self._token_ends = 0.0
            answer = self._signed_in(method, path, patience, headers, more)
        if not answer.is_success:
            raise _refusal(answer.status_code, error_text(answer.text))
        return answer

    def _signed_in(
        self, method: str, path: str, patience: Patience, headers: Mapping[str, str] | None, more: Mapping[str, Any]
    ) -> httpx.Response:
        told = {**(headers or {}), "Authorization": f"Bearer {self._bearer(patience)}"}
        return self.send(method, self.profile.endpoint + path, patience, headers=told, **more)

    def _bearer(self, patience: Patience) -> str:
        if isinstance(self.profile, Bearer):
            return self.profile.token
        with self._signing_in:
            if self.clock() >= self._token_ends - RENEW_S:
                self._sign_in(self.profile, patience)
            return self._token

    def _sign_in(self, who: OAuthClient, patience: Patience) -> None:
        """Exchange a client's id and secret for an access token."""
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
        basic = httpx.BasicAuth(quote(who.client_id, safe=""), quote(who.client_secret, safe=""))
        form = {"grant_type": "client_credentials", **({"scope": who.scope} if who.scope else {})}
        answer = self.send("POST", who.token_endpoint, patience, data=form, auth=basic)
        if not answer.is_success:
            raise Refused("the server does not accept the profile's client", "ask the operator for a fresh profile")
        said = json_of(answer)
        if not isinstance(said, dict) or not isinstance(said.get("access_token"), str):
            raise InputError("the token endpoint gives no access token", "check the profile's `tokenEndpoint`")
        lasts = str(said.get("expires_in", "0"))
        self._token = said["access_token"]
        self._token_ends = self.clock() + (float(lasts) if lasts.isdecimal() else 0.0)

    def tables(self) -> list[TableName]:
        """List every table of every share, in order."""
        found = []
        for share in self.items("shares"):
            path = f"shares/{quote(str(share['name']), safe='')}/all-tables"
            found += [
                TableName(share=str(share["name"]), schema=str(item.get("schema", "")), table=str(item["name"]))
                for item in self.items(path)
            ]
        return sorted(found)

    def items(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Give every item of a list, page by page."""
        token = ""
        while True:
            items, token = read_page(json_of(self.ask("GET", path, params={"pageToken": token} if token else {})))
            yield from items
            if not token:
                return

    def listing(self, name: TableName) -> Listing:
        """Give a table's current version."""
        headers = {"delta-sharing-capabilities": CAPABILITIES}
        answer = self.ask("POST", f"{_path(name)}/query", headers, json={})
        return read_listing(read_lines(answer.text, ends=_ends(answer)), answer.headers.get("delta-table-version", ""))

    def changes(self, name: TableName, first: int, last: int) -> tuple[Offered, ...]:
        """Give the files of keys of rows that left with the versions from `first` to `last`.

        Raises:
            NoChanges: the server cannot tell.
        """
        headers = {"delta-sharing-capabilities": CAPABILITIES}
        asked = {"startingVersion": str(first), "endingVersion": str(last)}
        try:
            answer = self.ask("GET", f"{_path(name)}/changes", headers, params=asked)
        except NotFound:
            raise
        except UsageError as error:
            raise NoChanges(error.message, error.remedy) from error
        return read_changes(read_lines(answer.text, ends=_ends(answer)))

    def fold(self, name: TableName, last: int) -> int:
        """Give the first version from which what left can be told.

        Raises:
            NoChanges: there is none.
        """
        try:
            self.changes(name, 0, last)
        except NoChanges as error:
            first = read_fold(error.message)
            if first is None:
                raise
            return first
        return 0


def json_of(answer: httpx.Response) -> object:
    """Read an answer in JSON.

    Raises:
        InputError: it is none.
    """
    try:
        found: object = answer.json()
    except ValueError as error:
        raise InputError("the server answers with something that is not JSON", "check the endpoint") from error
    return found


def _path(name: TableName) -> str:
    kinds = (("shares", name.share), ("schemas", name.schema), ("tables", name.table))
    return "/".join(f"{kind}/{quote(each, safe='')}" for kind, each in kinds)


def _ends(answer: httpx.Response) -> bool:
    return "includeendstreamaction=true" in answer.headers.get("delta-sharing-capabilities", "").lower()


def _refusal(status: int, words: str) -> LicetError:
    if status == HTTPStatus.UNAUTHORIZED:
        return Refused("the server does not accept the profile's credential", "ask the operator for a fresh profile")
    if status == HTTPStatus.FORBIDDEN:
        return Refused(
            f"the server refuses: {words or 'permission is missing'}",
            "a license is suspended while a recall is overdue: carry it out and attest it",
        )
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(words or "the server knows no such table", "check the profile and the table's name")
    return UsageError(words or f"the server answers with status {status}", "check the profile's endpoint")
