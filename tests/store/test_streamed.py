"""A table streams as often as it is asked for, and a file older than a column has nulls there."""

from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from licet.store.engine import LocalEngine
from licet.store.streamed import Streamed


def test_a_query_may_read_a_streamed_table_twice(tmp_path: Path) -> None:
    url = str(tmp_path / "t")
    write_deltalake(url, pa.table({"id": ["p1", "p2"]}))
    write_deltalake(url, pa.table({"id": ["p3", "p4"], "lang": ["en", "de"]}), mode="append", schema_mode="merge")
    with LocalEngine(scratch=tmp_path / "scratch").session() as session:
        session.register("t", Streamed(DeltaTable(url)))
        twice = "SELECT count(*), count(b.lang) FROM t AS a JOIN t AS b ON a.id = b.id"
        assert session.sql(twice).fetchall() == [(4, 2)]
        rows = session.sql("SELECT id, lang FROM t ORDER BY id").fetchall()
    assert rows == [("p1", None), ("p2", None), ("p3", "en"), ("p4", "de")]
