"""What of a license may lie in an outlet now: just what this server would hand out itself at this moment.

An address of an object in a store cannot be refused when it is used, so whatever would be refused must not be there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, select

from licet.model.errors import NotFound
from licet.model.licenses import License
from licet.model.records import Table
from licet.policy.notice import digest
from licet.protocol.sharing import REMOVALS
from licet.store import tables as t
from licet.store.asof import license_as_of, notice_in_force
from licet.store.credentials import holder_of_license
from licet.store.database import reading
from licet.store.facts import last_seq, micros
from licet.store.removals import removals_path
from licet.store.shared import KEYS_FOLDER, SharedTables, Snapshot

ACTIVE = "active"
KEYS = "keys-"
"""How names of files of removed keys begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A license's data files by their keys, and the folders in which files without content may lie.

    A key is `<license>/<generation>/<table>/<file>`; another generation begins with every revocation, so that what
    was given out before opens nothing.
    """

    license_id: str
    generation: str
    since: int
    """The number of the fact by which the license stands as it does: stopped and resumed, it is not as it was."""
    snapshots: Mapping[Table, Snapshot]
    """The current version of every table that may be handed out."""
    files: Mapping[str, int]
    """Bytes of every data file of these versions."""
    feeds: frozenset[str]
    """Tables whose files of removed keys may be handed out; they hold no content."""

    @classmethod
    def now(
        cls, database: Engine, shared: SharedTables, license_id: str, at: datetime, known: Self | None = None
    ) -> Self:
        """Give what of a license may be handed out at an instant; what is known already makes it quicker."""
        with reading(database) as conn:
            license_, generation, rules = _standing(conn, license_id, at)
            since = _since(conn, license_id)
        snapshots = _current(shared, license_, rules) if license_ else {}
        feeds = frozenset(str(table) for table in license_.tables) if license_ else frozenset()
        state = (generation, since, snapshots, feeds)
        if known is not None and (known.generation, known.since, known.snapshots, known.feeds) == state:
            return known
        files = {
            f"{license_id}/{generation}/{table}/{file.name}": file.size
            for table, snapshot in snapshots.items()
            for file in snapshot.files
        }
        return cls(
            license_id=license_id, generation=generation, since=since, snapshots=snapshots, files=files, feeds=feeds
        )

    def key(self, table: str, file: str) -> str:
        """Give the key of a file of a table, or of the removals."""
        return f"{self.license_id}/{self.generation}/{table}/{file}"

    def follows(self, earlier: "Offered") -> bool:
        """Tell whether nothing else can have been offered in between: one version followed another, or none did."""
        before, after = (
            {table: snapshot.version for table, snapshot in each.snapshots.items()} for each in (earlier, self)
        )
        same = (self.generation, self.since, set(after)) == (earlier.generation, earlier.since, set(before))
        return same and all(0 <= after[table] - version <= 1 for table, version in before.items())

    def path(self, shared: SharedTables, key: str) -> Path | None:
        """Give where the local file of a key lies, or None if it may not be handed out."""
        license_id, _, rest = key.partition("/")
        generation, _, rest = rest.partition("/")
        table, _, file = rest.partition("/")
        if (license_id, generation) != (self.license_id, self.generation) or not file or "/" in file:
            return None
        if key in self.files:
            return shared.folder(license_id, Table(table)) / file
        # Whoever must delete needs the removals most: they are there whatever the license's state.
        path = removals_path(shared, license_id, file) if table == REMOVALS else None
        if table in self.feeds and file.startswith(KEYS):
            path = shared.folder(license_id, Table(table)) / KEYS_FOLDER / file
        return path if path is not None and path.is_file() else None


def _standing(conn: Connection, license_id: str, at: datetime) -> tuple[License | None, str, str]:
    """Give a license if it may be used, its generation, and the digest of the rules in force."""
    seq = last_seq(conn)
    holder, notice = holder_of_license(conn, license_id), notice_in_force(conn, seq, at)
    generation = f"{micros(holder.revoked) if holder else 0:x}"
    try:
        license_, state = license_as_of(conn, license_id, seq)
    except NotFound:
        return None, generation, ""
    usable = state == ACTIVE and license_.starts <= at < license_.ends
    return license_ if usable else None, generation, digest(notice) if notice else ""


def _since(conn: Connection, license_id: str) -> int:
    c = t.license_fact.c
    query = select(c.seq).where(c.license_id == license_id, c.until_seq == t.OPEN)
    return int(conn.execute(query).scalar_one_or_none() or 0)


def _current(shared: SharedTables, license_: License, rules: str) -> dict[Table, Snapshot]:
    """Give the versions that were built under the rules in force and hold no column that is no longer licensed."""
    found = ((table, shared.snapshot(license_.license_id, table)) for table in license_.tables)
    return {
        table: snapshot
        for table, snapshot in found
        if snapshot is not None
        and rules
        and snapshot.facts.policy_digest == rules
        and _columns(snapshot.schema_string) <= set(license_.columns_of(table))
    }


@lru_cache(maxsize=256)
def _columns(schema_string: str) -> frozenset[str]:
    return frozenset(field["name"] for field in json.loads(schema_string)["fields"])
