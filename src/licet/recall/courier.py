"""Carry a notice to a webhook: to the address that was looked up and checked, no farther, and not for long."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx

from licet.model.errors import UsageError
from licet.protocol.recall_notices import Endpoint, is_inside, is_loopback, require_endpoint

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Looks a host up and gives its addresses."""

TOTAL_S: Final = 15.0
"""Seconds that one attempt may take in all, however slowly the other side talks."""
READ: Final = 16 * 1024
"""Bytes of an answer that are looked at; none are kept."""

# It would write down whole addresses, and an address may hold a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt: the HTTP status (0 for none), or the name of what went wrong."""

    status: int = 0
    error: str = ""
    body: bytes = b""
    retry_after_s: int = 0
    """How long the other side asks to be left alone, in seconds."""

    @property
    def taken(self) -> bool:
        """Tell whether the notice was taken."""
        return 200 <= self.status < 300  # noqa: PLR2004 # HTTP's range of success


async def look_up(host: str, port: int) -> list[str]:
    """Look a host up in the system's own way."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Courier:
    """Sends bodies to endpoints."""

    def __init__(
        self, *, resolve: Resolve = look_up, verify: ssl.SSLContext | None = None, total_s: float = TOTAL_S
    ) -> None:
        """Look hosts up with `resolve`, believe the certificates that `verify` believes, and wait `total_s` at most."""
        self._resolve = resolve
        self._verify = verify or ssl.create_default_context()
        self._total_s = total_s

    async def post(self, endpoint: Endpoint, headers: Mapping[str, str], body: str) -> Answer:
        """Post a body once; redirects are not followed, and no failure is raised."""
        try:
            require_endpoint(endpoint.url, private=endpoint.private)
            async with asyncio.timeout(self._total_s):
                return await self._post(endpoint, headers, body)
        except UsageError:
            return Answer(error="address_refused")
        except TimeoutError:
            return Answer(error="timeout")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Answer(error=_name(error))

    async def _post(self, endpoint: Endpoint, headers: Mapping[str, str], body: str) -> Answer:
        url = httpx.URL(endpoint.url)
        addresses = await self._resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
        if not addresses or not all(_allowed(each, url.scheme, endpoint) for each in addresses):
            return Answer(error="address_refused")
        # To the address just checked: a name may lead elsewhere when it is looked up again.
        there = url.copy_with(host=addresses[0])
        said = {**headers, "host": url.netloc.decode(), "user-agent": "licet"}
        client = httpx.AsyncClient(verify=self._verify, trust_env=False, follow_redirects=False, timeout=self._total_s)
        named = {"sni_hostname": url.host}
        async with client, client.stream("POST", there, content=body, headers=said, extensions=named) as answer:
            return Answer(
                status=answer.status_code,
                error="" if answer.is_success else f"status {answer.status_code}",
                body=await _beginning(answer) if answer.is_success else b"",
                retry_after_s=_seconds(answer.headers.get("retry-after", "")),
            )


def _allowed(address: str, scheme: str, endpoint: Endpoint) -> bool:
    if scheme == "http":
        return endpoint.private and is_loopback(address)
    return endpoint.private or not is_inside(address)


async def _beginning(answer: httpx.Response) -> bytes:
    read = b""
    with contextlib.suppress(httpx.HTTPError):  # it was taken, whatever becomes of the rest
        async for part in answer.aiter_raw():
            read += part
            if len(read) > READ:
                return b""
    return read


def _seconds(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0  # noqa: PLR2004 # no number of seconds is longer


def _name(error: Exception) -> str:
    """Name a failure without quoting it: its text may hold an address."""
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "certificate_refused"
        if isinstance(cause, socket.gaierror):
            return "unknown_host"
        cause = cause.__cause__ or cause.__context__
    return "unreachable" if isinstance(error, (httpx.ConnectError, OSError)) else "broken_answer"
