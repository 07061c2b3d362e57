"""Spark and DuckDB build the same rows from the same SQL text."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet as pq
from tests.dataset.conftest import LICENSE, NOW, Scene, like, listed, member, opened, post

from licet.dataset import package
from licet.model.errors import UsageError
from licet.model.licenses import License, LicenseId
from licet.model.members import AccountStatus, AgeBand, Choice
from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_of
from licet.recall.catch_up import catch_up_license
from licet.store.database import transaction
from licet.store.facts import grant_license
from licet.store.house import House, open_house
from licet.store.spark import SparkEngine, spark_sql

REACHED = ("ENDPOINT_URL", "ALLOW_HTTP", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION")
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


CLOSED = AccountStatus.DEACTIVATED
HAPPENED: dict[str, Callable[[Scene], object]] = {
    "an interaction is deleted by its id": lambda scene: scene.delete(Table.LIKES, "at://7"),
    "an interaction is deleted by its ends": lambda scene: scene.delete(Table.LIKES, "x:12 x:p10"),
    "a member opts out": lambda scene: scene.choose("x:10", Choice.DENY),
    "many accounts are closed": lambda scene: scene.members(*(member(f"x:{n}", status=CLOSED) for n in range(12, 22))),
    "a post is deleted": lambda scene: scene.delete(Table.POSTS, "x:p24"),
    "a post is edited": lambda scene: scene.delete(Table.POSTS, "x:p40", superseded=True),
}
UNTOUCHED = {
    "an interaction is deleted by its id": {Table.POSTS},
    "an interaction is deleted by its ends": {Table.POSTS},
    "a post is edited": {Table.LIKES},
}


def test_spark_and_duckdb_take_out_the_same_rows(
    scene: Scene, spark: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two licenses under one key, one is recalled here and one by Spark: every row of every file agrees."""
    monkeypatch.setattr(package, "FILE_ROWS", 100)
    _settled(scene)
    here, there = (replace(LICENSE, license_id=LicenseId(name)) for name in ("here", "there"))
    for license_ in (here, there):
        with transaction(scene.house.database) as conn:
            grant_license(conn, license_, b"k" * 32, NOW)
        scene.build(license_)
    for what, happen in HAPPENED.items():
        before = {table: _laid_out(scene, table, here) for table in LICENSE.tables}
        happen(scene)
        gone = catch_up_license(scene.house, "here", NOW)
        assert catch_up_license(scene.house, "there", NOW, engine=spark) == gone > 0, what
        for table in LICENSE.tables:
            after = _laid_out(scene, table, here)
            assert _laid_out(scene, table, there) == after, what
            assert (after == before[table]) == (table in UNTOUCHED.get(what, ())), what


def _laid_out(scene: Scene, table: Table, license_: License) -> list[tuple[str, list[tuple[tuple[str, str], ...]]]]:
    """Give the version's files by bucket, each with its rows; within an owner's, rows have no order."""
    order = "author_id" if table is Table.POSTS else "actor_id"
    found = []
    for path in scene.files(table, license_):
        rows = pq.ParquetFile(path).read().to_pylist()
        assert [row[order] for row in rows] == sorted(row[order] for row in rows)
        found.append((path.name.split("-")[1], listed(rows)))
    return sorted(found)


def test_spark_cuts_links_to_posts_that_go(scene: Scene, spark: SparkEngine) -> None:
    """A reply stays where what it answers has gone, and no longer says what that was."""
    scene.members(member("x:1"), member("x:2"))
    scene.ingest(Table.POSTS, post("x:a", "x:1"), post("x:b", "x:2", in_reply_to="x:a", quote_of="x:a"))
    scene.build()
    (linked,) = [row for row in scene.rows(Table.POSTS) if row["in_reply_to"]]
    scene.choose("x:1", Choice.DENY)
    assert catch_up_license(scene.house, "l1", NOW, engine=spark) == 1
    assert scene.rows(Table.POSTS) == [{**linked, "in_reply_to": None, "quote_of": None}]


def test_spark_builds_and_recalls_from_a_lake_on_an_object_store(
    tmp_path: Path, bucket: str, spark: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tasks open the lake's files by themselves; what comes out is what DuckDB makes of the same lake."""
    monkeypatch.setattr(package, "FILE_ROWS", 100)
    there = replace(spark, storage_options={f"AWS_{name}": os.environ[f"AWS_{name}"] for name in REACHED})
    house = open_house(tmp_path / "far", lake_url=f"s3://{bucket}/lake")
    scene = opened(house)
    _settled(scene)
    scene.build()
    rows = {table: listed(scene.rows(table)) for table in LICENSE.tables}
    scene.build(engine=there)
    assert {table: listed(scene.rows(table)) for table in LICENSE.tables} == rows
    scene.delete(Table.POSTS, "x:p20")
    assert catch_up_license(house, "l1", NOW, engine=there) > 0
    left = {table: listed(scene.rows(table)) for table in LICENSE.tables}
    scene.build()
    assert {table: listed(scene.rows(table)) for table in LICENSE.tables} == left != rows
    house.database.dispose()


def test_an_empty_lake_builds_empty_tables_on_spark(scene: Scene, spark: SparkEngine) -> None:
    """There is a version to read before there is a row."""
    assert {one.rows for one in scene.build(engine=spark).values()} == {0}


def test_a_query_outside_the_shared_core_is_refused() -> None:
    """It fails before Spark sees it, and says what to do."""
    with pytest.raises(UsageError, match="share"):
        spark_sql("SELECT FROM WHERE (")
