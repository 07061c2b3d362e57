"""The lake: four Delta tables of records on a folder or any object store URL that delta-rs takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from licet.model.errors import IntegrityError
from licet.model.records import Table
from licet.model.schemas import LAKE
from licet.store import compaction
from licet.store.engine import LocalEngine, Source, parquet
from licet.store.holdings import Holdings, folder_of, number

RECORD_KEY: dict[Table, tuple[str, ...]] = {
    Table.POSTS: ("post_id",),
    Table.LIKES: ("actor_id", "post_id", "interaction_id"),
    Table.BOOKMARKS: ("actor_id", "post_id", "interaction_id"),
    Table.REPOSTS: ("actor_id", "post_id", "interaction_id"),
}
"""What makes two rows the same record; whoever takes a like back and likes again makes another record."""

SETTINGS = {"delta.logRetentionDuration": "interval 2 days", "delta.deletedFileRetentionDuration": "interval 1 days"}
"""A stream commits every few seconds: the log of a month would be half a million files for everyone to list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lake:
    """Records as they were ingested, each once; `seq` is the number reached when its row arrived."""

    url: str
    engine: LocalEngine
    storage_options: Mapping[str, str] = field(default_factory=dict)

    def append(self, table: Table, rows: pa.Table, seq: int, superseded: Mapping[str, int] | None = None) -> int:
        """Append records that are not there yet; return how many were new.

        `rows` has the columns of `LAKE[table]` without `seq`. A record named in `superseded` counts as there only
        if its row is at least as new as that number. The Delta commit is one step: all rows, or none.
        """
        delta = self.open(table)
        fresh = self._fresh(table, delta, rows, superseded or {})
        if fresh.num_rows:
            numbered = fresh.append_column("seq", pa.repeat(pa.scalar(seq, pa.int64()), fresh.num_rows))
            options = dict(self.storage_options) or None
            settings = SETTINGS if delta is None else None
            target = self._url(table) if delta is None else delta
            write_deltalake(
                target, numbered.cast(LAKE[table]), mode="append", storage_options=options, configuration=settings
            )
        return int(fresh.num_rows)

    def _fresh(self, table: Table, delta: DeltaTable | None, rows: pa.Table, superseded: Mapping[str, int]) -> pa.Table:
        key = RECORD_KEY[table]
        edited = pa.table(
            {"record_id": pa.array(superseded, pa.string()), "at": pa.array(superseded.values(), pa.int64())}
        )
        numbered = rows.append_column("n", pa.array(range(rows.num_rows), pa.int64()))
        same = " AND ".join(f"old.{name} IS NOT DISTINCT FROM b.{name}" for name in key)
        last = f"SELECT max(n) AS n FROM batch GROUP BY {', '.join(key)}"
        with self.engine.session() as session:
            session.register("batch", numbered)
            session.register("edited", edited)
            known = f"""
                SELECT 1 FROM {self._holding(session, table, delta)} old
                LEFT JOIN edited e ON e.record_id = old.{key[-1]}
                WHERE {same} AND (e.at IS NULL OR old.seq >= e.at)"""
            query = f"SELECT b.n FROM batch b JOIN ({last}) l ON l.n = b.n WHERE NOT EXISTS ({known}) ORDER BY b.n"
            keep = session.sql(query).to_arrow_table().column("n")
        return rows.take(pc.cast(keep, pa.int64()))

    def _holding(self, session: duckdb.DuckDBPyConnection, table: Table, delta: DeltaTable | None) -> str:
        """Give the SQL relation of the files that may hold a record of `batch`: the others need not be read."""
        found: list[str] = []
        if delta is not None:
            files, key = delta.file_uris(), RECORD_KEY[table]
            holdings = Holdings(folder=folder_of(self.engine.scratch, delta.table_uri))
            numbers = f"SELECT {number(key, f'coalesce({key[-1]}, post_id)')} AS number FROM"
            for file in holdings.unknown(files):
                one = self._some(session, delta, [file])
                holdings.learn(file, session.sql(f"{numbers} {one} ORDER BY number").to_arrow_reader())
            holdings.forget_others(files)
            sought = [row[0] for row in session.sql(f"{numbers} batch ORDER BY number").fetchall()]
            found = holdings.may_hold(files, sought)
        if delta is None or not found:
            session.register("holding", LAKE[table].empty_table())
            return "holding"
        return self._some(session, delta, found)

    def _some(self, session: duckdb.DuckDBPyConnection, delta: DeltaTable, files: list[str]) -> str:
        """Give the SQL relation of some of a table's files, and perhaps of more."""
        if urlsplit(self.url).scheme in ("", "file"):
            return parquet(files)
        whole = delta.to_pyarrow_dataset()
        names = {file.removeprefix(f"{delta.table_uri.rstrip('/')}/") for file in files}
        some = [fragment for fragment in whole.get_fragments() if fragment.path in names]
        fit = len(some) == len(files)
        part = ds.FileSystemDataset(some, whole.schema, whole.format, whole.filesystem) if fit else whole
        session.register("holding", part)
        return "holding"

    def tidy(self, table: Table) -> bool:
        """Put a table's small files together if there are many; tell whether that was so.

        Hold the lease of whoever appends. Rows and versions stay as they are to every reader.
        """
        delta = self.open(table)
        return delta is not None and compaction.tidy(delta)

    def relation(self, session: duckdb.DuckDBPyConnection, table: Table, version: int | None = None) -> str:
        """Give the SQL relation of a table's rows, registering what an engine cannot open by itself.

        Raises:
            IntegrityError: the table has deletion vectors or mapped columns, which this path would read wrongly.
        """
        delta = self.open(table, version)
        name = f"lake_{table}"
        if delta is None or not delta.file_uris():
            session.register(name, LAKE[table].empty_table())
            return name
        if urlsplit(self.url).scheme in ("", "file"):
            return parquet(delta.file_uris())
        session.register(name, delta.to_pyarrow_dataset())
        return name

    def source(self, table: Table, version: int | None = None) -> Source:
        """Give what any engine can read a table's rows from."""
        delta = self.open(table, version)
        return LAKE[table].empty_table() if delta is None or not delta.file_uris() else delta

    def open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """Open a table, or give None if it has no records yet."""
        options = dict(self.storage_options) or None
        try:
            delta = DeltaTable(self._url(table), version=version, storage_options=options)
        except TableNotFoundError:
            return None
        refuse_soft_deletes(delta)
        return delta

    def version(self, table: Table) -> int:
        """Give a table's version, -1 if it has no records yet."""
        delta = self.open(table)
        return -1 if delta is None else delta.version()

    def _url(self, table: Table) -> str:
        return f"{self.url.rstrip('/')}/{table}"


def refuse_soft_deletes(delta: DeltaTable) -> None:
    """Refuse a table whose files cannot be read as they are."""
    features = set(delta.protocol().reader_features or [])
    soft = features & {"deletionVectors", "columnMapping"}
    if soft:
        raise IntegrityError(f"the table uses {', '.join(sorted(soft))}", "rewrite it without that Delta feature")
