"""What every request can reach: the house, the options, the read barrier, and what is kept while it is current."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from licet.model.errors import Unavailable
from licet.model.licenses import License
from licet.model.money import Invoice
from licet.model.records import Table
from licet.policy.notice import Notice, digest
from licet.server.barrier import Barrier
from licet.server.errors import missing
from licet.server.kept import Kept
from licet.server.limits import Limits
from licet.server.outlet import Addresses
from licet.store.asof import notice_in_force, notices_as_of
from licet.store.facts import newest_withdrawal
from licet.store.house import House
from licet.store.memory import Memory
from licet.store.shared import Snapshot

P = ParamSpec("P")
T = TypeVar("T")


def utc_now() -> datetime:
    """Give the current instant."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID Connect provider, our client there, and which claims say who somebody is."""

    issuer: str
    client_id: str
    client_secret: str
    member_claim: str = "sub"
    """The claim that names a member."""
    member_prefix: str = ""
    """What stands before it in our members' ids, such as `x:`."""
    operator_claim: str = ""
    """The claim whose value, or one of whose values, makes an operator; empty makes nobody one."""
    operator_value: str = ""
    scope: str = "openid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a house is served; `secret` (32 bytes) signs file addresses and sign-ins."""

    secret: bytes
    horizon_s: int = 3600
    """How long a file address works, in seconds."""
    wait_s: float = 5
    """How long a query waits for a recall to finish, in seconds."""
    development_sign_in: bool = False
    """Let anybody sign in as any member; only for a loopback address."""
    public_url: str = ""
    """The address that recipients use, where a proxy hides it: `https://data.example`."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose word about a caller's address (`X-Forwarded-For`) and scheme is taken."""
    access_token_s: int = 3600
    """How long an access token works, in seconds; clients fetch another when fewer than 600 are left."""
    rate: float = 50
    """Requests a second that a recipient may go on making; files are counted apart."""
    burst: int = 200
    """Requests that a recipient may make at once."""
    file_rate: float = 500
    """Requests a second for files that a recipient may go on making; a client makes a dozen for each file."""
    file_burst: int = 2000
    failure_rate: float = 1
    """Requests a second that nobody we know may go on making from one address (IPv6: one /64)."""
    failure_burst: int = 30
    page_rate: float = 10
    """Requests a second for pages and settings that one person may go on making."""
    page_burst: int = 100
    provider: Provider | None = None
    """Where members and operators sign in; None leaves the development sign-in, if that is on."""
    audit_queue: int = 10_000
    """Requests whose record may be unwritten; beyond, requests are refused."""
    clock: Callable[[], datetime] = utc_now
    papers: Mapping[str, Callable[[Connection, Invoice], bytes]] = field(default_factory=dict)
    """The forms in which a recipient takes an invoice away, by what the file's name ends with."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """One served house."""

    house: House
    options: ServerOptions
    memory: Memory
    barrier: Barrier
    addresses: Addresses
    limits: Limits
    kept: Kept
    _snapshots: dict[tuple[str, Table], Snapshot] = field(default_factory=dict)

    def now(self) -> datetime:
        """Give the instant that the injected clock shows."""
        return self.options.clock()

    async def aside(self, look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Look something up in memory: right here where that waits for no network, else in a thread."""
        if self.memory.is_local:
            return look(*args, **kwargs)
        return await run_in_threadpool(look, *args, **kwargs)

    def is_at_hand(self, license_: License, table: Table) -> bool:
        """Tell whether the current version is in memory, so that nothing about it need be waited for."""
        kept = self._snapshots.get((license_.license_id, table))
        return (
            kept is not None
            and self.memory.is_local
            and self.house.shared.is_newest(license_.license_id, table, kept.version)
        )

    def snapshot(self, license_: License, table: Table) -> Snapshot:
        """Give a table's current version.

        Raises:
            WireError: 404, it was never built.
        """
        key = (license_.license_id, table)
        kept = self._snapshots.get(key)
        if kept is not None and self.house.shared.is_newest(*key, kept.version):
            return kept
        fresh = self.house.shared.snapshot(*key)
        if fresh is None:
            raise missing(f"table files missing: `{license_.license_id}/{table}` has not been built yet")
        self._snapshots[key] = fresh
        return fresh

    def require_current_rules(self, license_: License, snapshot: Snapshot) -> None:
        """Refuse a version that was built under other rules than those in force.

        Raises:
            Unavailable: the table awaits a build.
        """
        current = self._digest_in_force()
        if not current or current != snapshot.facts.policy_digest:
            raise Unavailable(
                f"the rules in force changed after `{license_.license_id}` was built", "try again after its next build"
            )

    def _digest_in_force(self) -> str:
        """Give the digest of the notice in force, empty if there is none; it changes with facts, and with time."""
        notices = self.memory.ask("notices", _notices)
        return self.memory.ask(
            ("rules", sum(notice.effective <= self.now() for notice in notices)),
            lambda conn: _digest_in_force(conn, self.now()),
        )


def _notices(conn: Connection) -> tuple[Notice, ...]:
    return tuple(notices_as_of(conn, newest_withdrawal(conn)))


def _digest_in_force(conn: Connection, now: datetime) -> str:
    notice = notice_in_force(conn, newest_withdrawal(conn), now)
    return digest(notice) if notice else ""


async def desk_of(request: Request) -> Desk:
    """Give the desk that a request came to."""
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]
