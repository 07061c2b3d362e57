"""Nothing of a member stands in a license's folder but the permitted, pseudonymous rows themselves."""

import pytest
from pyarrow import parquet as pq
from tests.dataset.conftest import Scene, like, member, post

from licet.dataset import package
from licet.model.members import Choice
from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_of


def _settled(scene: Scene) -> None:
    scene.members(member("x:included1"), member("x:excluded1"))
    scene.choose("x:excluded1", Choice.DENY)
    scene.ingest(
        Table.POSTS,
        post("x:postin1", "x:included1", text="shown words of mine"),
        post("x:postin2", "x:included1", text="zz hello @excluded1", in_reply_to="x:postin1", quote_of="x:postout1"),
        post("x:postout1", "x:excluded1", text="hidden words of mine"),
        post("x:postout2", "x:stranger1", text="hidden words of nobody"),
    )
    scene.ingest(Table.LIKES, like("x:included1", "x:postin1", "x:included1"), like("x:excluded1", "x:postin1", "x:a"))
    scene.delete(Table.POSTS, "x:postgone")


def test_no_id_of_any_member_and_no_excluded_text_is_anywhere_in_the_folder(scene: Scene) -> None:
    """Bytes of the data files as written and as read, of footers, and of the Delta log are searched."""
    _settled(scene)
    scene.build()
    scene.build()
    everything = scene.bytes() + repr([scene.rows(table) for table in (Table.POSTS, Table.LIKES)]).encode()
    assert b"shown words of mine" in everything
    for word in ("included1", "excluded1", "stranger1", "postin", "postout", "postgone", "hidden words"):
        assert word.encode() not in everything


def test_the_log_holds_no_pseudonym_and_no_text(scene: Scene) -> None:
    """The Delta log tells numbers of rows only."""
    _settled(scene)
    scene.build()
    folder = scene.house.shared.folder("l1", Table.POSTS) / "_delta_log"
    log = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert b"numRecords" in log
    for row in scene.rows(Table.POSTS):
        for value in (row["post_id"], row["author_id"], row["text"]):
            assert value.encode() not in log
    assert b"minValues" not in log


def test_footers_hold_no_statistics(scene: Scene) -> None:
    """No column of any file has a least or greatest value, a page index or a filter."""
    _settled(scene)
    scene.build()
    columns = [
        metadata.row_group(group).column(column)
        for table in (Table.POSTS, Table.LIKES)
        for metadata in (pq.ParquetFile(path).metadata for path in scene.files(table))
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    assert len(columns) == 11
    for column in columns:
        assert column.statistics is None
        assert not column.has_column_index


def test_a_members_rows_are_together_in_the_file_of_their_bucket(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are sorted by pseudonym, named by bucket, and hold only that bucket's members."""
    monkeypatch.setattr(package, "FILE_ROWS", 20)
    members = [member(f"x:{n}") for n in range(40)]
    scene.members(*members)
    scene.ingest(Table.POSTS, *(post(f"x:p{n}", f"x:{n % 40}") for n in range(200)))
    built = scene.build()[Table.POSTS]
    snapshot = scene.house.shared.snapshot("l1", Table.POSTS)
    assert snapshot is not None
    assert (snapshot.facts.buckets, built.rows) == (16, 200)
    for file in snapshot.files:
        authors = pq.ParquetFile(scene.house.shared.folder("l1", Table.POSTS) / file.name).read().column("author_id")
        assert authors.to_pylist() == sorted(authors.to_pylist())
        assert {bucket_of(author, 16) for author in authors.to_pylist()} == {file.bucket}
        assert len(authors) == file.rows


def test_the_number_of_buckets_is_a_power_of_two_that_keeps_files_small() -> None:
    """From one file for little to 4,096 for much."""
    assert [package.buckets_for(rows) for rows in (0, 1, 20_000, 20_001, 6_000_000, 10**10)] == [1, 1, 1, 2, 512, 4096]
