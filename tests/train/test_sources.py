"""Examples come from what `licet sync` keeps, or from any Parquet file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from licet.model.errors import InputError
from licet.train.examples import Example
from licet.train.sources import Columns, Source, removed_records

ROWS = [
    {"who": "m1", "id": "1", "said": "one", "mood": "good"},
    {"who": "m1", "id": "2", "said": None, "mood": "bad"},
    {"who": "m2", "id": "3", "said": "three", "mood": None},
]
COLUMNS = Columns(member="who", record="id", text="said", label="mood")


def written(path: Path, rows: list[dict[str, str | None]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_rows_without_text_or_label_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "posts.parquet", ROWS)
    assert list(Source(path=path, columns=COLUMNS).examples()) == [
        Example(member="m1", record="1", text="one", label="good")
    ]
    without = Columns(member="who", record="id", text="said")
    assert [each.record for each in Source(path=tmp_path, columns=without).examples()] == ["1", "3"]
    assert Source(path=path, columns=COLUMNS).count() == 3


def test_labels_may_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "posts.parquet", ROWS)
    labels = written(tmp_path / "_labels.parquet", [{"id": "3", "label": "calm"}])
    source = Source(path=path, columns=Columns(member="who", record="id", text="said"), labels=labels)
    assert [(each.record, each.label) for each in source.examples()] == [("3", "calm")]


def test_a_row_that_could_never_be_forgotten_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "posts.parquet", [*ROWS, {"who": None, "id": "4", "said": "x", "mood": "good"}])
    with pytest.raises(InputError, match="never be forgotten"):
        list(Source(path=path, columns=COLUMNS).examples())


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match=r"bad\.parquet"):
        list(Source(path=tmp_path, columns=COLUMNS).examples())
    good = written(tmp_path / "good.parquet", ROWS)
    with pytest.raises(InputError, match="no column `text`"):
        list(Source(path=good, columns=Columns(member="who", record="id")).examples())
    with pytest.raises(InputError, match="no table of removals"):
        removed_records(tmp_path)
