"""The lake: four Delta tables of records on a folder or any object store URL that delta-rs takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from licet.model.errors import IntegrityError
from licet.model.records import Table
from licet.model.schemas import LAKE
from licet.store.engine import LocalEngine, Source, parquet

RECORD_KEY: dict[Table, tuple[str, ...]] = {
    Table.POSTS: ("post_id",),
    Table.LIKES: ("actor_id", "post_id", "interaction_id"),
    Table.BOOKMARKS: ("actor_id", "post_id", "interaction_id"),
    Table.REPOSTS: ("actor_id", "post_id", "interaction_id"),
}
"""What makes two rows the same record; whoever takes a like back and likes again makes another record."""


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
        fresh = self._fresh(table, rows, superseded or {})
        if fresh.num_rows:
            numbered = fresh.append_column("seq", pa.repeat(pa.scalar(seq, pa.int64()), fresh.num_rows))
            options = dict(self.storage_options) or None
            write_deltalake(self._url(table), numbered.cast(LAKE[table]), mode="append", storage_options=options)
        return int(fresh.num_rows)

    def _fresh(self, table: Table, rows: pa.Table, superseded: Mapping[str, int]) -> pa.Table:
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
                SELECT 1 FROM {self.relation(session, table)} old LEFT JOIN edited e ON e.record_id = old.{key[-1]}
                WHERE {same} AND (e.at IS NULL OR old.seq >= e.at)"""
            query = f"SELECT b.n FROM batch b JOIN ({last}) l ON l.n = b.n WHERE NOT EXISTS ({known}) ORDER BY b.n"
            keep = session.sql(query).to_arrow_table().column("n")
        return rows.take(pc.cast(keep, pa.int64()))

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
