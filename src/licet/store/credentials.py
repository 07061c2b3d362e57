"""What recipients prove who they are with, and from where; of each secret only the hash is stored.

A secret is 256 random bits behind a prefix that says what it is, so that scanners for leaked secrets find it.
"""

import functools
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, case, delete, insert, literal, select, update

from licet.model.errors import NotFound
from licet.model.licenses import RecipientId
from licet.store import tables as t
from licet.store.asof import instant
from licet.store.facts import micros

Network: TypeAlias = IPv4Network | IPv6Network

ACCESS_PREFIX: Final = "licetat_"
NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Kind(StrEnum):
    """How a credential is used."""

    BEARER = "bearer"
    """The secret itself is the bearer token."""
    OAUTH = "oauth"
    """A client's id and secret are exchanged for access tokens."""


_PREFIXES: Final = {Kind.BEARER: "licet_", Kind.OAUTH: "licetcs_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential without its secret; `credential_id` is also the id of an OAuth client."""

    credential_id: str
    recipient_id: RecipientId
    kind: Kind
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A fresh credential with its secret, which is told this once."""

    credential_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who is asking, by which credential (empty for a file's address), and what holds for them."""

    recipient_id: RecipientId
    credential_id: str
    networks: tuple[Network, ...]
    """The only networks that may be used; empty means any."""
    revoked: datetime
    """When everything the recipient held was last revoked; 1970 if never."""
    until: datetime = NEVER
    """When the credential ends; an address of a file says its end itself."""


def token_hash(token: str) -> str:
    """Give the SHA-256 of a secret: it has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def require_recipient(conn: Connection, recipient_id: str) -> None:
    """Refuse the id of nobody.

    Raises:
        NotFound: no such recipient.
    """
    query = select(t.recipient.c.name).where(t.recipient.c.recipient_id == recipient_id)
    if conn.execute(query).first() is None:
        raise NotFound(f"no recipient `{recipient_id}`", "`licet recipient add` registers one")


def issue(conn: Connection, recipient_id: str, kind: Kind, expires: datetime) -> Issued:
    """Issue a credential beside those there are.

    Raises:
        NotFound: no such recipient.
    """
    require_recipient(conn, recipient_id)
    fresh = Issued(credential_id=f"c_{secrets.token_hex(8)}", secret=_PREFIXES[kind] + secrets.token_urlsafe(32))
    row = {"credential_id": fresh.credential_id, "secret_hash": token_hash(fresh.secret)}
    row |= {"recipient_id": recipient_id, "kind": str(kind)}
    conn.execute(insert(t.credential).values(**row, expires_us=micros(expires)))
    return fresh


def issue_token(conn: Connection, recipient_id: str, expires: datetime) -> str:
    """Issue a bearer token.

    Raises:
        NotFound: no such recipient.
    """
    return issue(conn, recipient_id, Kind.BEARER, expires).secret


def credentials(conn: Connection, at: datetime) -> list[Credential]:
    """Give every credential that works at an instant, by recipient, the last to end first."""
    c = t.credential.c
    query = select(t.credential).where(c.expires_us > micros(at)).order_by(c.recipient_id, c.expires_us.desc())
    return [_credential(row) for row in conn.execute(query)]


def _credential(row: Any) -> Credential:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Credential(
        credential_id=row.credential_id,
        recipient_id=RecipientId(row.recipient_id),
        kind=Kind(row.kind),
        expires=instant(row.expires_us),
    )


def end_by(conn: Connection, recipient_id: str, by: datetime) -> int:
    """Let no credential of a recipient outlive an instant; give how many end earlier for it."""
    c = t.credential.c
    which = (c.recipient_id == recipient_id, c.expires_us > micros(by))
    return conn.execute(update(t.credential).where(*which).values(expires_us=micros(by))).rowcount


def revoke(conn: Connection, recipient_id: str, at: datetime) -> int:
    """End all that a recipient holds, file addresses too; give how many credentials that ended.

    Raises:
        NotFound: no such recipient.
    """
    require_recipient(conn, recipient_id)
    conn.execute(update(t.recipient).where(t.recipient.c.recipient_id == recipient_id).values(revoked_us=micros(at)))
    return end_by(conn, recipient_id, at)


def allow(conn: Connection, recipient_id: str, networks: Iterable[Network]) -> None:
    """Accept a recipient from these networks and no others; without any, from everywhere.

    Raises:
        NotFound: no such recipient.
    """
    require_recipient(conn, recipient_id)
    said = " ".join(sorted({str(network) for network in networks}))
    conn.execute(update(t.recipient).where(t.recipient.c.recipient_id == recipient_id).values(networks=said))


def networks_of(conn: Connection, recipient_id: str) -> tuple[Network, ...]:
    """Give the networks that a recipient is accepted from; none means everywhere.

    Raises:
        NotFound: no such recipient.
    """
    require_recipient(conn, recipient_id)
    query = select(t.recipient.c.networks).where(t.recipient.c.recipient_id == recipient_id)
    return _networks(conn.execute(query).scalar_one())


@functools.lru_cache(maxsize=1024)
def _networks(said: str) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in said.split())


def issue_access_token(conn: Connection, credential_id: str, at: datetime, expires: datetime) -> str:
    """Issue an access token of a client; those of anybody that ended go."""
    conn.execute(delete(t.access_token).where(t.access_token.c.expires_us <= micros(at)))
    token = ACCESS_PREFIX + secrets.token_urlsafe(32)
    row = {"token_hash": token_hash(token), "credential_id": credential_id, "expires_us": micros(expires)}
    conn.execute(insert(t.access_token).values(**row))
    return token


def holder_of_token(conn: Connection, token: str, at: datetime) -> Holder | None:
    """Give who holds a bearer or access token at an instant; looking up by hash leaks no timing about the token."""
    c, a = t.credential.c, t.access_token.c
    if token.startswith(ACCESS_PREFIX):
        # Asked through its client's credential, so whatever ends that ends this.
        query = _holders(c.kind == Kind.OAUTH, c.expires_us > micros(at))
        query = query.join(t.access_token, a.credential_id == c.credential_id)
        query = query.where(a.token_hash == token_hash(token), a.expires_us > micros(at))
        query = query.add_columns(case((a.expires_us < c.expires_us, a.expires_us), else_=c.expires_us).label("ends"))
    else:
        query = _holders(c.kind == Kind.BEARER, c.secret_hash == token_hash(token), c.expires_us > micros(at))
        query = query.add_columns(c.expires_us.label("ends"))
    row = conn.execute(query).first()
    return None if row is None else replace(_holder(row), until=instant(row.ends))


def holder_of_client(conn: Connection, client_id: str, secret: str, at: datetime) -> Holder | None:
    """Give who an OAuth client acts for at an instant, if the secret is its own."""
    c = t.credential.c
    query = _holders(c.kind == Kind.OAUTH, c.credential_id == client_id, c.expires_us > micros(at))
    row = conn.execute(query.add_columns(c.secret_hash, c.expires_us)).first()
    # An unknown client costs the same comparison as a wrong secret.
    right = hmac.compare_digest(token_hash(secret), row.secret_hash if row else "")
    return replace(_holder(row), until=instant(row.expires_us)) if row is not None and right else None


def holder_of_credential(conn: Connection, credential_id: str, at: datetime) -> Holder | None:
    """Give who holds a credential of whatever kind that works at an instant."""
    c = t.credential.c
    row = conn.execute(_holders(c.credential_id == credential_id, c.expires_us > micros(at))).first()
    return None if row is None else _holder(row)


def holder_of_license(conn: Connection, license_id: str) -> Holder | None:
    """Give the recipient of a license, or None if there is no such license."""
    fact, who = t.license_fact.c, t.recipient.c
    query = select(who.recipient_id, who.networks, who.revoked_us, literal("").label("credential_id"))
    query = query.join(t.license_fact, fact.recipient_id == who.recipient_id)
    row = conn.execute(query.where(fact.license_id == license_id, fact.until_seq == t.OPEN)).first()
    return None if row is None else _holder(row)


def _holders(*which: ColumnElement[bool]) -> Select[Any]:
    c, who = t.credential.c, t.recipient.c
    query = select(who.recipient_id, who.networks, who.revoked_us, c.credential_id)
    return query.join(t.credential, c.recipient_id == who.recipient_id).where(*which)


def _holder(row: Any) -> Holder:  # noqa: ANN401 # SQLAlchemy rows have no static type
    return Holder(
        recipient_id=RecipientId(row.recipient_id),
        credential_id=row.credential_id,
        networks=_networks(row.networks),
        revoked=instant(row.revoked_us),
    )
