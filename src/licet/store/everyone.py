"""All members and all fallen records as of a number, streamed as Arrow columns: memory does not grow with them.

What a number says never changes once it is taken (later facts only close states after it), so these readers need no
transaction in common with whoever took the number.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import adbc_driver_postgresql.dbapi
import duckdb
import pyarrow as pa
from pyarrow import json
from sqlalchemy import BigInteger, CompoundSelect, Engine, Select, String
from sqlalchemy.dialects import postgresql

from licet.model.members import EVERY_RECIPIENT
from licet.model.schemas import SUBJECTS
from licet.store import asof
from licet.store.database import reading
from licet.store.engine import BATCH, LocalEngine

Query: TypeAlias = Select[Any] | CompoundSelect[Any]

# Any standing denial wins, unless a newer allow for this very recipient answers it: as `asof.setting_as_of` has it.
_SETTLED = f"""
    WITH choices AS (
      SELECT m.*, g.choice AS g_choice, g.source AS g_source, s.choice AS s_choice, s.source AS s_source,
        s.choice = 'deny' OR s.seq > CASE WHEN g.choice = 'deny' THEN g.seq ELSE -1 END AS specific
      FROM member AS m
        LEFT JOIN setting AS g ON g.member_id = m.member_id AND g.recipient_id = '{EVERY_RECIPIENT}'
        LEFT JOIN setting AS s ON s.member_id = m.member_id AND s.recipient_id <> '{EVERY_RECIPIENT}')
    SELECT c.member_id, c.region, c.age_band, c.protection, c.status,
      COALESCE(CASE WHEN c.specific THEN c.s_choice ELSE c.g_choice END, 'none') AS setting,
      COALESCE(CASE WHEN c.specific THEN c.s_source ELSE c.g_source END, '') AS setting_source,
      make_timestamptz(n.at_us) AS shown_at
    FROM choices AS c LEFT JOIN shown AS n ON n.member_id = c.member_id"""

_KINDS = {String: "VARCHAR", BigInteger: "BIGINT"}
_TYPES = {String: pa.string(), BigInteger: pa.int64()}

_FALLEN = "SELECT record_table, record_id, MAX(before_seq) AS before_seq FROM deletion GROUP BY ALL"


@contextlib.contextmanager
def every_subject(
    database: Engine, engine: LocalEngine, seq: int, purpose: str, recipient_id: str, notice_version: str
) -> Iterator[pa.RecordBatchReader]:
    """Give all members as `asof.subjects` gives those named, in no order."""
    queries = {
        "member": asof.member_states(seq),
        "setting": asof.choices(seq, purpose, recipient_id),
        "shown": asof.showings(seq, notice_version),
    }
    with _streamed(database, engine, queries, _SETTLED) as rows:
        yield pa.RecordBatchReader.from_batches(SUBJECTS, (batch.cast(SUBJECTS) for batch in rows))


@contextlib.contextmanager
def every_fallen(database: Engine, engine: LocalEngine, seq: int) -> Iterator[pa.RecordBatchReader]:
    """Give each record deleted, edited or hidden, once: its table, its id, and `before_seq`, below which rows fall."""
    with _streamed(database, engine, {"deletion": asof.fallen_records(seq)}, _FALLEN) as rows:
        yield rows


@contextlib.contextmanager
def _streamed(
    database: Engine, engine: LocalEngine, queries: Mapping[str, Query], query: str
) -> Iterator[pa.RecordBatchReader]:
    """Run a query of the local engine over the results of queries of the database."""
    with engine.session() as session:
        for name, select in queries.items():
            _copied(database, session, name, select)
        yield session.sql(query).to_arrow_reader(BATCH)


def _copied(database: Engine, session: duckdb.DuckDBPyConnection, name: str, query: Query) -> None:
    """Keep the rows of a database's query in a table of the session, which spills beyond its memory limit."""
    with _read(database, query) as rows:
        session.register(f"{name}_rows", rows)
        # Of an empty answer a driver does not know the types.
        columns = ", ".join(f"CAST({c.name} AS {_KINDS[type(c.type)]}) AS {c.name}" for c in query.selected_columns)
        session.execute(f"CREATE TEMP TABLE {name} AS SELECT {columns} FROM {name}_rows")
        session.unregister(f"{name}_rows")


@contextlib.contextmanager
def _read(database: Engine, query: Query) -> Iterator[pa.RecordBatchReader]:
    """Give the rows of a database's query as they come."""
    text, values = _text(database, query)
    if database.dialect.name == "sqlite":
        # By the one library that this process opens the file with: a second one that closes it would take the locks
        # of the first along, and another process could then cut the shared index under it (SIGBUS).
        with reading(database) as conn:
            schema = _schema(query)
            cursor = conn.exec_driver_sql(_as_json(text, schema), tuple(values)).cursor
            yield pa.RecordBatchReader.from_batches(schema, _batches(cursor, schema))
        return
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        yield cursor.fetch_record_batch()


def _schema(query: Query) -> pa.Schema:
    return pa.schema([(column.name, _TYPES[type(column.type)]) for column in query.selected_columns])


def _as_json(text: str, schema: pa.Schema) -> str:
    """Give a query's rows as JSON: one value a row crosses into Python, and Arrow reads it again at half the cost."""
    pairs = ", ".join(f"'{name}', {name}" for name in schema.names)
    return f"SELECT json_object({pairs}) FROM ({text})"


def _batches(cursor: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:  # noqa: ANN401 # DBAPI cursors have no type
    options = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    while rows := cursor.fetchmany(BATCH):
        lines = "\n".join([line for (line,) in rows]).encode()
        yield from json.read_json(pa.py_buffer(lines), parse_options=options).to_batches()


def _text(database: Engine, query: Query) -> tuple[str, list[Any]]:
    """Give a query as the driver wants it: its text, and its parameters in order."""
    dialect = database.dialect
    if dialect.name == "postgresql":
        dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled = query.compile(dialect=dialect)
    return str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]
