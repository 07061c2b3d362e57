"""What a recipient may read of one table now, whichever route asks: a license's table, or what left all of them.

A license's table is offered at its current version only, once nothing withdrawn before the question is left in it.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, ParamSpec, TypeVar

from fastapi.concurrency import run_in_threadpool

from licet.model.errors import Unavailable
from licet.model.licenses import License
from licet.model.records import Table
from licet.protocol.lines import Head
from licet.protocol.predicates import Ranges, bucket_range
from licet.protocol.sharing import REMOVALS, SCHEMA, table_id
from licet.server.access import grant_of, licenses_of, require_active
from licet.server.desk import Desk
from licet.store.history import departed
from licet.store.removals import SCHEMA_STRING, removals
from licet.store.shared import DataFile, Snapshot

P = ParamSpec("P")
T = TypeVar("T")

_NEVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A table that a recipient may read."""

    license: License
    table: Table | None
    """None is the removals."""
    asked: str
    """The table as the recipient wrote it: share.schema.table."""

    @property
    def name(self) -> str:
        """Give the table's name."""
        return REMOVALS if self.table is None else str(self.table)


def place_of(desk: Desk, recipient_id: str, share: str, schema: str, table: str) -> Place:
    """Give the place behind a table's address.

    Removals hold no licensed rows, and whoever must delete needs them most: they are there whatever a license's state.

    Raises:
        WireError: 404, this recipient has no such table.
        Refused: the license is not active, or outside its term.
    """
    asked = f"{share}.{schema}.{table}"
    if table.lower() == REMOVALS and schema.lower() == SCHEMA:
        for license_, _ in licenses_of(desk, recipient_id):
            if license_.license_id.lower() == share.lower():
                return Place(license=license_, table=None, asked=asked)
    grant = grant_of(desk, recipient_id, share, schema, table)
    require_active(grant.license, grant.state, desk.now())
    return Place(license=grant.license, table=grant.table, asked=asked)


async def about(desk: Desk, place: Place, tell: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Tell something of a table: right here where all of it is in memory, else in a thread."""
    if place.table is not None and desk.is_at_hand(place.license, place.table):
        return tell(*args, **kwargs)
    return await run_in_threadpool(tell, *args, **kwargs)


async def settle(desk: Desk, place: Place) -> None:
    """Wait until nothing that was withdrawn before this call is left in a table; removals hold no content.

    Raises:
        WireError: 404, the license's tables were never built.
        Unavailable: the recall, or the copy in an outlet, did not finish in time.
    """
    if place.table is not None:
        await desk.barrier.settle(place.license.license_id)
        await desk.addresses.settle(place.license.license_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A table at its current version."""

    place: Place
    version: int
    at: datetime
    """When the version was committed."""
    table_id: str
    schema_string: str
    files: tuple[DataFile, ...]
    snapshot: Snapshot | None
    """None for removals, which have no versions but the current one."""

    def head(self, version: int | None = None) -> Head:
        """Give what the metadata says of a version, the current one if None."""
        current = version is None or version == self.version
        return Head(
            table_id=self.table_id,
            schema_string=self.schema_string,
            feed=self.snapshot is not None,
            version=self.version if version is None else version,
            files=len(self.files) if current else None,
            size=sum(file.size for file in self.files) if current else None,
        )

    def ranges(self, file: DataFile) -> Ranges:
        """Give what is known of a file's columns: its rows' owners lie in one bucket."""
        if self.snapshot is None:
            return {}
        owner = "author_id" if self.place.table is Table.POSTS else "actor_id"
        return {owner: bucket_range(file.bucket, self.snapshot.facts.buckets)}


def offer_of(desk: Desk, place: Place) -> Offer:
    """Give what may be read of a table's content; wait for it to settle first.

    Raises:
        WireError: 404, the table was never built.
        Unavailable: it awaits a build.
    """
    if place.table is None:
        return _removals(desk, place)
    found = described(desk, place)
    if found.snapshot is not None:
        desk.require_current_rules(place.license, found.snapshot)
        require_licensed_columns(place.license, place.table, found.snapshot)
    return found


def described(desk: Desk, place: Place) -> Offer:
    """Give what may be said of a table without its content.

    Raises:
        WireError: 404, the table was never built.
    """
    if place.table is None:
        return _removals(desk, place)
    snapshot = desk.snapshot(place.license, place.table)
    return Offer(
        place=place,
        version=snapshot.version,
        at=snapshot.at,
        table_id=snapshot.table_id,
        schema_string=snapshot.schema_string,
        files=snapshot.files,
        snapshot=snapshot,
    )


def _removals(desk: Desk, place: Place) -> Offer:
    """Give the removals: every version of a table with which rows left makes another version of theirs."""
    license_id = place.license.license_id
    changes = desk.memory.ask(("departed", license_id), lambda conn: departed(conn, license_id))
    return Offer(
        place=place,
        version=len(changes),
        at=changes[-1].at if changes else _NEVER,
        table_id=table_id(license_id, REMOVALS),
        schema_string=SCHEMA_STRING,
        files=removals(desk.house.shared, license_id, changes),
        snapshot=None,
    )


def require_licensed_columns(license_: License, table: Table, snapshot: Snapshot) -> None:
    """Refuse a version with columns that the license no longer covers.

    Raises:
        Unavailable: the table awaits a build.
    """
    if not _columns(snapshot.schema_string) <= set(license_.columns_of(table)):
        raise Unavailable("the license covers fewer columns than were built", "try again after its next build")


@functools.lru_cache(maxsize=256)
def _columns(schema_string: str) -> frozenset[str]:
    return frozenset(field["name"] for field in json.loads(schema_string)["fields"])
