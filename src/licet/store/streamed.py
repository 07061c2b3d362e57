"""Read a Delta table on an object store one batch after another.

Arrow's own scanner reads ahead of a query that falls behind, by a gigabyte and more, outside DuckDB's memory limit.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

ROWS = 65_536


class Streamed:
    """A table's rows as an Arrow stream, which DuckDB may ask for again and again; all of its columns are read."""

    def __init__(self, delta: DeltaTable) -> None:
        """Stand for a version of a table."""
        self._dataset = delta.to_pyarrow_dataset()

    def __arrow_c_schema__(self) -> object:
        """Give the columns, as Arrow's PyCapsule interface has it."""
        return self._dataset.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the rows from the beginning, as Arrow's PyCapsule interface has it."""
        reader = pa.RecordBatchReader.from_batches(self._dataset.schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        schema = self._dataset.schema
        for path in self._dataset.files:
            with self._dataset.filesystem.open_input_file(path) as file:
                for batch in pq.ParquetFile(file).iter_batches(ROWS):
                    yield from _fitted(pa.Table.from_batches([batch]), schema).to_batches()


def _fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give rows the table's columns: a file older than a column has nulls there."""
    for column in schema:
        if column.name not in rows.column_names:
            rows = rows.append_column(column, pa.nulls(rows.num_rows, column.type))
    return rows.select(schema.names).cast(schema)
