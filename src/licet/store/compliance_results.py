"""Find which uploaded ids have to go, and which users left whole, in bounded memory however many there are.

An id has to go if rows with it left a license and none is in that license any more.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from sqlalchemy import select

from licet.model.errors import InputError, Unavailable
from licet.model.licenses import License
from licet.model.records import INTERACTIONS, Table
from licet.protocol.compliance import ID_PATTERN, JobType, result_line
from licet.protocol.pseudonyms import DIGITS, bucket_shift
from licet.store import tables as t
from licet.store.asof import instant, licenses_as_of
from licet.store.compliance import sync_folder
from licet.store.database import reading
from licet.store.engine import BATCH, parquet
from licet.store.facts import last_seq
from licet.store.history import departed
from licet.store.house import House
from licet.store.removals import removals, removals_path

FILES: Final = 64
"""Files of a table that one query reads: few enough that a recall seldom takes one of them away meanwhile."""
MOST_VANISHED: Final = 1000
"""How often files may be gone when they are to be read, before the job waits for a calmer hour."""

Stop = Callable[[], None]
"""Called between two queries; raises in order to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Role:
    """A column in which an uploaded id may stand, in the tables that have it."""

    tables: tuple[Table, ...]
    column: str
    owner: str
    """The column of the member in whose bucket the row lies, or lay, wherever `narrow`."""
    rank: int
    """Which of the rows that left on one occasion says best why: the greatest."""
    narrow: bool
    """The id can only be in its owner's bucket."""
    own: bool = False
    """Presence in this table alone decides."""


_POSTS = (Table.POSTS,)
_ROLES: Final[Mapping[JobType, tuple[_Role, ...]]] = {
    JobType.TWEETS: (
        _Role(tables=_POSTS, column="post_id", owner="author_id", rank=1, narrow=True, own=True),
        _Role(tables=INTERACTIONS, column="post_id", owner="post_author_id", rank=0, narrow=False),
    ),
    JobType.USERS: (
        _Role(tables=_POSTS, column="author_id", owner="author_id", rank=2, narrow=True),
        _Role(tables=INTERACTIONS, column="actor_id", owner="actor_id", rank=1, narrow=True),
        _Role(tables=INTERACTIONS, column="post_author_id", owner="post_author_id", rank=0, narrow=False),
    ),
}
_BEST: Final[Mapping[JobType, str]] = {
    # What became of the post itself says more than what became of a like of it, however new.
    JobType.TWEETS: "rank DESC, as_of DESC",
    JobType.USERS: "as_of DESC, rank DESC",
}


def answer(house: House, recipient_id: str, type_: JobType, uploaded: Path, target: Path, stop: Stop) -> int:
    """Write to `target` the lines of uploaded ids that have to go; return how many; it is whole, or not there.

    Raises:
        InputError: the upload is not one id a line.
        Unavailable: tables changed faster than they could be read.
        IntegrityError: a file of removed keys is lost.
    """
    with reading(house.database) as conn:
        licenses = [each for each, _ in licenses_as_of(conn, last_seq(conn)) if each.recipient_id == recipient_id]
    with house.engine.session() as session:
        _load(session, uploaded, stop)
        session.execute("CREATE TEMP TABLE answer (line VARCHAR, reason VARCHAR, at_us BIGINT)")
        for license_ in licenses:
            _Asked(session=session, house=house, license=license_, type=type_, stop=stop).find()
        return _write(session, target)


def _load(session: duckdb.DuckDBPyConnection, uploaded: Path, stop: Stop) -> None:
    """Fill the table `uploaded`: each line as it was sent, and what it names, by the rule of `pseudonyms_of`."""
    session.execute("CREATE TEMP TABLE uploaded (line VARCHAR, id VARCHAR)")
    number = "TRY_CAST(line AS UHUGEINT)"
    for batch in _batches(uploaded):
        stop()
        session.register("batch", batch)
        session.execute(
            f"INSERT INTO uploaded SELECT line, lower(line) FROM batch WHERE length(line) = {DIGITS}"
            f" UNION SELECT line, lpad(lower(to_hex({number})), {DIGITS}, '0') FROM batch"
            f" WHERE regexp_full_match(line, '[0-9]+') AND {number} IS NOT NULL"
        )
        session.unregister("batch")


def _batches(uploaded: Path) -> Iterator[pa.Table]:
    if not uploaded.stat().st_size:
        return
    seen = 0
    try:
        reader = csv.open_csv(
            uploaded,
            csv.ReadOptions(column_names=["line"]),
            # Nothing but the end of a line means anything; a tab stands in no id.
            csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types={"line": pa.string()}),
        )
        for batch in reader:
            lines = pc.utf8_trim_whitespace(batch.column("line"))
            good = pc.or_(pc.equal(lines, ""), pc.match_substring_regex(lines, ID_PATTERN))
            wrong = pc.index(good, False).as_py()
            if wrong >= 0:
                raise InputError(f"line {seen + wrong + 1} of the upload is not an id", "send one id a line")
            seen += len(lines)
            yield pa.table({"line": lines.filter(pc.not_equal(lines, ""))})
    except pa.ArrowInvalid as error:
        raise InputError("the upload is not text with one id a line", "send one id a line") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One license of whoever uploaded ids."""

    session: duckdb.DuckDBPyConnection
    house: House
    license: License
    type: JobType
    stop: Stop

    def find(self) -> None:
        """Add to the table `answer` the lines that have to go from this license."""
        if not self._gather():
            return
        self.session.execute(
            "CREATE OR REPLACE TEMP TABLE held AS"
            " SELECT id, any_value(owner) AS owner, bool_or(own) AS own FROM gone GROUP BY id"
        )
        for role in sorted(_ROLES[self.type], key=lambda role: not role.narrow):
            for table in self.license.tables:
                if table in role.tables:
                    self._keep_absent(role, table)
        self.session.execute(
            "INSERT INTO answer SELECT u.line, b.reason, b.at_us FROM uploaded AS u JOIN held USING (id) JOIN"
            " (SELECT * FROM gone QUALIFY row_number() OVER"
            f" (PARTITION BY id ORDER BY {_BEST[self.type]}, n DESC, reason) = 1) AS b USING (id)"
        )

    def _gather(self) -> bool:
        """Fill the table `gone` with what left of the uploaded ids; False if nothing ever left the license."""
        with reading(self.house.database) as conn:
            changes = departed(conn, self.license.license_id)
            c = t.shared_version.c
            query = select(c.record_table, c.version, c.as_of_seq)
            rows = conn.execute(query.where(c.license_id == self.license.license_id, c["keys"] != "[]")).all()
        if not changes:
            return False
        self.session.register("occasion", _table(rows, ("record_table", "version", "as_of")))
        self.session.execute(
            "CREATE OR REPLACE TEMP TABLE gone (id VARCHAR, owner VARCHAR, own BOOLEAN, rank INTEGER,"
            " as_of BIGINT, at_us BIGINT, reason VARCHAR, n BIGINT)"
        )
        shared, name = self.house.shared, self.license.license_id
        for file in removals(shared, name, changes):
            for role in _ROLES[self.type]:
                self.stop()
                self.session.execute(_gone(role, removals_path(shared, name, file.name)))
        self.session.unregister("occasion")
        return True

    def _keep_absent(self, role: _Role, table: Table) -> None:
        """Take from `held` what a table still has."""
        rest = "TRUE" if role.narrow else "NOT own"
        self.session.execute("CREATE OR REPLACE TEMP TABLE present (id VARCHAR)")
        read: set[str] = set()
        vanished = 0
        while some := [name for name in self._files(role, table, rest) if name not in read][:FILES]:
            self.stop()
            folder = self.house.shared.folder(self.license.license_id, table)
            source = parquet([str(folder / name) for name in some])
            try:
                self.session.execute(
                    f"INSERT INTO present SELECT DISTINCT {role.column} FROM {source}"
                    f" WHERE {role.column} IN (SELECT id FROM held WHERE {rest})"
                )
                read.update(some)
            except duckdb.IOException as error:
                if all((folder / name).exists() for name in some):
                    raise
                # A recall or build took a file away: what took its place is in the version now current.
                vanished += 1
                if vanished > MOST_VANISHED:
                    raise Unavailable("tables change faster than they can be read", "try again later") from error
        self.session.execute(f"DELETE FROM held WHERE {rest} AND id IN (SELECT id FROM present)")

    def _files(self, role: _Role, table: Table, rest: str) -> list[str]:
        """Give the files of the current version in which an id still held may be."""
        snapshot = self.house.shared.snapshot(self.license.license_id, table)
        if snapshot is None:
            return []
        shift = bucket_shift(snapshot.facts.buckets)
        bucket = f"(('0x' || left(owner, 15))::BIGINT >> {shift})" if role.narrow else "0"
        found = self.session.execute(f"SELECT DISTINCT {bucket} FROM held WHERE {rest}").fetchall()
        wanted = {number for (number,) in found}
        return [file.name for file in snapshot.files if wanted and (not role.narrow or file.bucket in wanted)]


def _gone(role: _Role, path: Path) -> str:
    tables = ", ".join(f"'{table}'" for table in role.tables)
    return (
        f"INSERT INTO gone SELECT k.{role.column}, any_value(k.{role.owner}), {role.own}, {role.rank}, o.as_of,"
        f" max(epoch_us(k.removed_at)), k.reason, count(*) FROM {parquet([str(path)])} AS k"
        " JOIN occasion AS o ON o.record_table = k.record_table AND o.version = k.version"
        f" WHERE k.record_table IN ({tables}) AND k.{role.column} IN (SELECT id FROM uploaded)"
        f" GROUP BY k.{role.column}, o.as_of, k.reason"
    )


def _table(rows: Sequence[Any], names: Sequence[str]) -> pa.Table:
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _write(session: duckdb.DuckDBPyConnection, target: Path) -> int:
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    query = "SELECT line, arg_max(reason, at_us), max(at_us) FROM answer GROUP BY line ORDER BY line"
    count = 0
    with partial.open("xb") as handle:
        for batch in session.sql(query).to_arrow_reader(BATCH):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            lines = [json.dumps(result_line(line, reason, instant(at))) + "\n" for line, reason, at in rows]
            handle.write("".join(lines).encode())
            count += len(lines)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(target)
    sync_folder(target.parent)
    return count
