"""Spark and DuckDB build the same rows from the same SQL text."""

from collections.abc import Iterator

import pytest
from pyarrow import parquet as pq
from tests.dataset.conftest import LICENSE, NOW, Scene, like, listed, member, opened, post

from licet.dataset import package
from licet.model.errors import UsageError
from licet.model.members import AgeBand, Choice
from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_of
from licet.store.house import House
from licet.store.spark import SparkEngine, spark_sql

TEXTS = ("hello @al-ice.xn--e1.example", "＠wide it's 100 % \\n", "mail a@b.c, @@x", "né 日本 @_a", "plain", "")  # noqa: RUF001


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    """A real Spark on two threads."""
    options = {
        "spark.sql.shuffle.partitions": "4",
        "spark.local.dir": str(tmp_path_factory.mktemp("spark")),
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    engine = SparkEngine(master="local[2]", options=options)
    yield engine
    engine.stop()


@pytest.fixture
def scene(house: House) -> Scene:
    """A house with a notice and a license."""
    return opened(house)


def _settled(scene: Scene) -> None:
    """Give members of every kind, links, deletions and edits."""
    odd = [member("x:kid", age_band=AgeBand.MINOR), member("x:where", region="unknown"), member("x:it's", region="DE")]
    scene.members(*(member(f"x:{n}") for n in range(25)), *odd)
    scene.choose("x:3", Choice.DENY)
    scene.choose("x:4", Choice.ALLOW)
    who = [*(f"x:{n}" for n in range(25)), "x:kid", "x:where", "x:it's", "x:stranger"]
    scene.ingest(
        Table.POSTS,
        *(
            post(
                f"x:p{n}",
                who[n % len(who)],
                text=TEXTS[n % len(TEXTS)],
                in_reply_to=f"x:p{n - 7}" if n % 3 else "",
                quote_of=f"x:p{n * 2}" if n % 5 == 0 else "",
                visibility="followers" if n % 11 == 0 else "public",
                created_at=LICENSE.created_until if n % 13 == 0 else NOW,
            )
            for n in range(300)
        ),
    )
    scene.ingest(
        Table.LIKES,
        *(like(who[n * 7 % len(who)], f"x:p{n}", who[n % len(who)], interaction_id=f"at://{n}") for n in range(300)),
    )
    for n in range(0, 60, 9):
        scene.delete(Table.POSTS, f"x:p{n}")
    scene.delete(Table.LIKES, "at://5")
    at = scene.delete(Table.POSTS, "x:p1", superseded=True)
    scene.ingest(Table.POSTS, post("x:p1", "x:1", text="after @edit"), edited={"x:p1": at})


def test_spark_and_duckdb_build_the_same_rows(
    scene: Scene, spark: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row, every count by reason, and every file's bucket and order agree."""
    monkeypatch.setattr(package, "FILE_ROWS", 40)
    _settled(scene)
    local = scene.build()
    rows = {table: listed(scene.rows(table)) for table in LICENSE.tables}
    names = {table: sorted(path.name.split("-")[1] for path in scene.files(table)) for table in LICENSE.tables}
    on_spark = scene.build(engine=spark)
    for table in LICENSE.tables:
        assert listed(scene.rows(table)) == rows[table]
        assert sorted(path.name.split("-")[1] for path in scene.files(table)) == names[table]
        assert on_spark[table].excluded == local[table].excluded
        assert on_spark[table].version == local[table].version + 1
    assert len(rows[Table.POSTS]) > 100
    assert len(names[Table.POSTS]) > 2
    assert {"deleted", "minor", "opted_out", "unknown_member"} <= local[Table.POSTS].excluded.keys()


def test_files_that_spark_tasks_wrote_are_sorted_and_keep_no_statistics(
    scene: Scene, spark: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come from the same writer, so they are what one machine would have written."""
    monkeypatch.setattr(package, "FILE_ROWS", 40)
    _settled(scene)
    scene.build(engine=spark)
    snapshot = scene.house.shared.snapshot("l1", Table.POSTS)
    assert snapshot is not None
    for file in snapshot.files:
        path = scene.house.shared.folder("l1", Table.POSTS) / file.name
        parquet = pq.ParquetFile(path)
        authors = parquet.read().column("author_id").to_pylist()
        assert authors == sorted(authors)
        assert {bucket_of(author, snapshot.facts.buckets) for author in authors} == {file.bucket}
        assert parquet.metadata.row_group(0).column(3).statistics is None
        assert (path.stat().st_size, len(authors)) == (file.size, file.rows)


def test_an_empty_lake_builds_empty_tables_on_spark(scene: Scene, spark: SparkEngine) -> None:
    """There is a version to read before there is a row."""
    assert {one.rows for one in scene.build(engine=spark).values()} == {0}


def test_a_query_outside_the_shared_core_is_refused() -> None:
    """It fails before Spark sees it, and says what to do."""
    with pytest.raises(UsageError, match="share"):
        spark_sql("SELECT FROM WHERE (")
