"""Who asks, and what is theirs: a recipient sees the shares of their own licenses and no others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from licet.model.errors import Refused
from licet.model.licenses import License, RecipientId
from licet.model.records import Table
from licet.protocol.sharing import SCHEMA
from licet.server.desk import AtDesk, Desk
from licet.server.errors import missing, signed_out
from licet.store.asof import license_as_of, licenses_as_of
from licet.store.database import reading
from licet.store.facts import last_seq
from licet.store.parties import recipient_of_token


def recipient_of(request: Request, desk: AtDesk) -> RecipientId:
    """Give the recipient whose bearer token a request carries.

    Raises:
        WireError: 401, there is no token, or it opens nothing now.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise signed_out("a bearer token is missing")
    with reading(desk.house.database) as conn:
        found = recipient_of_token(conn, token.strip(), desk.now())
    if found is None:
        raise signed_out("the bearer token is unknown or has expired")
    return found


AsRecipient = Annotated[RecipientId, Depends(recipient_of)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A table that a recipient's license names, and the license's state."""

    license: License
    state: str
    table: Table
    asked: str
    """The table as the recipient wrote it: share.schema.table."""


def licenses_of(desk: Desk, recipient_id: str) -> list[tuple[License, str]]:
    """Give a recipient's licenses and their states."""
    with reading(desk.house.database) as conn:
        everyone = licenses_as_of(conn, last_seq(conn))
    return [(license_, state) for license_, state in everyone if license_.recipient_id == recipient_id]


def share_of(desk: Desk, recipient_id: str, share: str) -> License:
    """Give the license behind a share's name.

    Raises:
        WireError: 404, this recipient has no such share.
    """
    for license_, _ in licenses_of(desk, recipient_id):
        if license_.license_id.lower() == share.lower():
            return license_
    raise missing(f"share '{share}' not found")


def require_schema(schema: str) -> None:
    """Refuse any schema but the one that there is.

    Raises:
        WireError: 404, no such schema.
    """
    if schema.lower() != SCHEMA:
        raise missing(f"schema '{schema}' not found")


def grant_of(desk: Desk, recipient_id: str, share: str, schema: str, table: str) -> Grant:
    """Give the grant behind a table's address.

    Raises:
        WireError: 404, this recipient has no such table.
    """
    for license_, state in licenses_of(desk, recipient_id):
        if license_.license_id.lower() != share.lower() or schema.lower() != SCHEMA:
            continue
        for name in license_.tables:
            if name.lower() == table.lower():
                return Grant(license=license_, state=state, table=name, asked=f"{share}.{schema}.{table}")
    raise missing(
        f"[Share/Schema/Table] '{share}/{schema}/{table}' does not exist, "
        "please contact your share provider for further information."
    )


def license_of_file(desk: Desk, license_id: str) -> tuple[License, str]:
    """Give the license that a signed address names, as it stands now."""
    with reading(desk.house.database) as conn:
        return license_as_of(conn, license_id, last_seq(conn))


def require_active(license_: License, state: str, now: datetime) -> None:
    """Refuse to serve a license that is not active, or outside its term.

    Raises:
        Refused: it is suspended, ended, not begun, or over.
    """
    if state != "active":
        raise Refused(f"license `{license_.license_id}` is {state}", "ask the operator")
    if not license_.starts <= now < license_.ends:
        raise Refused(f"license `{license_.license_id}` is outside its term", "ask the operator")
