"""Shared tables: the Delta commit is the truth, SQL follows it, and what is not listed is swept."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet as pq

from licet.model.errors import IntegrityError
from licet.model.licenses import License
from licet.model.recalls import KeyFile, State
from licet.model.records import Table
from licet.model.schemas import shared_schema
from licet.store import parties
from licet.store.database import reading, transaction
from licet.store.facts import grant_license
from licet.store.house import House
from licet.store.keys import KeyWriter
from licet.store.recalls import recalls_of, was_delivered
from licet.store.shared import KEYS_FOLDER, CommitFacts, DataFile, SharedTables, reconcile, version_of


def stated(seq: int, cause: str = "build") -> CommitFacts:
    return CommitFacts(as_of_seq=seq, policy_digest="d" * 64, buckets=4, cause=cause, excluded={"opted_out": 2})


def write_file(house: House, granted: License, bucket: int, authors: list[str]) -> DataFile:
    """Lay a Parquet file into the posts' folder, as the package step does before its commit."""
    schema = shared_schema(granted, Table.POSTS)
    folder = house.shared.folder(granted.license_id, Table.POSTS)
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "post_id": [f"p{n}" for n in range(len(authors))],
        "author_id": authors,
        "created_at": [datetime(2024, 1, 1, tzinfo=UTC)] * len(authors),
        "text": ["words"] * len(authors),
        "lang": ["en"] * len(authors),
    }
    name = f"bucket-{bucket:05d}-{len(list(folder.iterdir())):032x}.parquet"
    pq.write_table(pa.table(values, schema=schema), folder / name)
    return DataFile(name=name, size=(folder / name).stat().st_size, rows=len(authors))


def test_a_table_never_built_has_no_version(house: House, granted: License) -> None:
    assert house.shared.snapshot(granted.license_id, Table.POSTS) is None
    assert house.shared.latest_version(granted.license_id, Table.POSTS) == -1


def test_a_commit_states_its_facts_and_lists_its_files(house: House, granted: License) -> None:
    files = [write_file(house, granted, bucket, ["a"] * (bucket + 1)) for bucket in (0, 3)]
    made = house.shared.commit(granted, Table.POSTS, files, [], stated(7))
    found = house.shared.snapshot(granted.license_id, Table.POSTS)
    assert found == made
    assert (made.version, made.rows, made.facts) == (0, 5, stated(7))
    assert {(f.name, f.size, f.rows, f.bucket) for f in made.files} == {
        (f.name, f.size, f.rows, b) for f, b in zip(files, (0, 3), strict=True)
    }
    assert house.shared.latest_version(granted.license_id, Table.POSTS) == 0


def test_a_recall_takes_one_file_out_and_leaves_the_others(house: House, granted: License) -> None:
    kept, old = (write_file(house, granted, bucket, ["a", "b"]) for bucket in (0, 1))
    house.shared.commit(granted, Table.POSTS, [kept, old], [], stated(7))
    new = write_file(house, granted, 1, ["b"])
    after = house.shared.commit(granted, Table.POSTS, [new], [old], stated(9, "recall"))
    assert {file.name for file in after.files} == {kept.name, new.name}
    assert (after.version, after.rows, after.facts.as_of_seq, after.facts.cause) == (1, 3, 9, "recall")


def test_what_another_process_committed_is_seen(house: House, granted: License) -> None:
    """Whoever has read a version before reads only what came since, and ends up with what a newcomer reads."""
    other = SharedTables(root=house.shared.root)
    files = [write_file(house, granted, bucket, ["a"] * (bucket + 1)) for bucket in range(4)]
    house.shared.commit(granted, Table.POSTS, files[:2], [], stated(1))
    for n in (2, 3):
        assert other.snapshot(granted.license_id, Table.POSTS) == house.shared.snapshot(granted.license_id, Table.POSTS)
        writer = (house.shared, other)[n % 2]
        made = writer.commit(granted, Table.POSTS, [files[n]], [files[n - 2]], stated(n, "recall"))
        newcomer = SharedTables(root=house.shared.root).snapshot(granted.license_id, Table.POSTS)
        assert made == newcomer
        assert other.snapshot(granted.license_id, Table.POSTS) == newcomer
        assert house.shared.snapshot(granted.license_id, Table.POSTS) == newcomer


def test_a_table_built_anew_in_the_place_of_another_is_not_taken_for_it(house: House, granted: License) -> None:
    old = write_file(house, granted, 0, ["a"])
    house.shared.commit(granted, Table.POSTS, [old], [], stated(1))
    shutil.rmtree(house.shared.folder(granted.license_id, Table.POSTS))
    assert house.shared.snapshot(granted.license_id, Table.POSTS) is None
    other = SharedTables(root=house.shared.root)
    new = write_file(house, granted, 1, ["b", "c"])
    other.commit(granted, Table.POSTS, [new], [], stated(2))
    found = house.shared.snapshot(granted.license_id, Table.POSTS)
    assert found is not None
    assert (found.version, found.files) == (0, (new,))


def test_the_log_holds_no_value_of_a_member(house: House, granted: License) -> None:
    member = "0123456789abcdef0123456789abcdef"
    first = write_file(house, granted, 0, [member])
    house.shared.commit(granted, Table.POSTS, [first], [], stated(1))
    house.shared.commit(granted, Table.POSTS, [], [first], stated(2, "recall"))
    log = house.shared.folder(granted.license_id, Table.POSTS) / "_delta_log"
    texts = [path.read_text() for path in sorted(log.glob("*.json"))]
    assert len(texts) == 2
    assert not [text for text in texts if member in text or "words" in text or "minValues" in text]


def test_a_sweep_deletes_what_is_not_listed_once_the_grace_is_over(house: House, granted: License) -> None:
    listed, orphan = (write_file(house, granted, bucket, ["a"]) for bucket in (0, 1))
    house.shared.commit(granted, Table.POSTS, [listed], [], stated(1))
    folder = house.shared.folder(granted.license_id, Table.POSTS)
    soon, later = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=2)
    assert house.shared.sweep(granted.license_id, Table.POSTS, 3600, soon) == 0
    assert (folder / orphan.name).exists()
    assert house.shared.sweep(granted.license_id, Table.POSTS, 3600, later) == 1
    assert {path.name for path in folder.glob("*.parquet")} == {listed.name}


def test_start_up_writes_down_a_version_whose_sql_row_was_lost(any_house: House, granted: License) -> None:
    """A crash between the Delta commit and the SQL commit leaves the first without the second."""
    file = write_file(any_house, granted, 0, ["a"])
    snapshot = any_house.shared.commit(granted, Table.POSTS, [file], [], stated(5))
    for _ in range(2):
        with transaction(any_house.database) as conn:
            reconcile(conn, any_house.shared, granted)
    with reading(any_house.database) as conn:
        found = parties.versions(conn, granted.license_id, Table.POSTS)
        assert parties.versions(conn, granted.license_id, Table.LIKES) == []
    assert found == [(version_of(granted.license_id, Table.POSTS, snapshot), {"opted_out": 2})]


def test_a_foreign_commit_is_refused(house: House, granted: License) -> None:
    file = write_file(house, granted, 0, ["a"])
    house.shared.commit(granted, Table.POSTS, [file], [], stated(5))
    folder = house.shared.folder(granted.license_id, Table.POSTS)
    stranger = pq.read_table(folder / file.name)
    write_deltalake(str(folder), stranger, mode="append")
    with pytest.raises(IntegrityError, match="foreign commit"):
        house.shared.snapshot(granted.license_id, Table.POSTS)


def test_keys_of_rows_that_left_stay_and_strays_of_a_killed_writer_go(house: House, granted: License) -> None:
    folder = house.shared.folder(granted.license_id, Table.POSTS)
    old = write_file(house, granted, 0, ["a", "b"])
    house.shared.commit(granted, Table.POSTS, [old], [], stated(1))
    written: list[KeyFile] = []
    for _ in range(2):
        with KeyWriter(folder, ("post_id", "author_id"), 1) as keys:
            keys.add(pq.ParquetFile(folder / old.name).read(), pa.array(["opted_out", "deleted"]))
        assert keys.file is not None
        written.append(keys.file)
    with KeyWriter(folder, ("post_id", "author_id"), 2) as early:
        early.add(pq.ParquetFile(folder / old.name).read(), pa.array(["opted_out", "deleted"]))
    house.shared.commit(granted, Table.POSTS, [], [old], replace(stated(2, "recall"), keys=tuple(written[:1])))
    house.shared.sweep(granted.license_id, Table.POSTS, 0.0, datetime.now(UTC) + timedelta(seconds=1))
    assert [path.name for path in (folder / KEYS_FOLDER).iterdir()] == [written[0].name]
    assert house.shared.snapshot(granted.license_id, Table.POSTS).facts.keys == tuple(written[:1])


def test_a_version_that_lost_rows_opens_one_recall_with_all_its_tables(house: House, granted: License) -> None:
    file = KeyFile(name="keys-1", size=9, rows=2)
    facts = replace(stated(5, "recall"), keys=(file,), due="2025-01-01T00:00:00+00:00")
    with transaction(house.database) as conn:
        grant_license(conn, granted, bytes(32), datetime.now(UTC))
    for table in (Table.POSTS, Table.LIKES):
        house.shared.commit(granted, table, [], [], stated(1))
        house.shared.commit(granted, table, [], [], facts)
    for _ in range(2):
        with transaction(house.database) as conn:
            reconcile(conn, house.shared, granted)
    with reading(house.database) as conn:
        (recall,) = recalls_of(conn)
        assert was_delivered(conn, recall) is False
    assert [(each.table, each.version, each.keys) for each in recall.departures] == [
        (Table.LIKES, 1, (file,)),
        (Table.POSTS, 1, (file,)),
    ]
    assert (recall.recall_id, recall.recipient_id, recall.state) == ("acme-1.5", "acme", State.OPEN)
    assert recall.due == datetime(2025, 1, 1, tzinfo=UTC)
