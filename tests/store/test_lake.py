"""The lake: each record once, edits replace, and no table is read wrongly."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures

from licet.model.errors import IntegrityError
from licet.model.records import Table
from licet.model.schemas import LAKE
from licet.store.house import House


def posts(**texts: str) -> pa.Table:
    schema = pa.schema([column for column in LAKE[Table.POSTS] if column.name != "seq"])
    rows = [
        {
            "post_id": post_id,
            "author_id": "x:1",
            "created_at": datetime(2024, 1, 1, tzinfo=UTC),
            "text": text,
            "lang": "en",
            "visibility": "public",
            "platform": "x",
        }
        for post_id, text in texts.items()
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def likes(*pairs: tuple[str, str]) -> pa.Table:
    schema = pa.schema([column for column in LAKE[Table.LIKES] if column.name != "seq"])
    rows = [
        {
            "actor_id": actor,
            "post_id": post,
            "post_author_id": "x:9",
            "created_at": datetime(2024, 1, 1, tzinfo=UTC),
            "platform": "x",
        }
        for actor, post in pairs
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def stored(house: House) -> list[tuple[str, str, int]]:
    with house.engine.session() as session:
        relation = house.lake.relation(session, Table.POSTS)
        return session.sql(f"SELECT post_id, text, seq FROM {relation} ORDER BY ALL").fetchall()


def test_an_empty_lake_reads_as_no_rows(house: House) -> None:
    assert stored(house) == []
    assert house.lake.version(Table.POSTS) == -1


def test_the_same_input_twice_changes_nothing(house: House) -> None:
    assert house.lake.append(Table.POSTS, posts(p1="one", p2="two"), 3) == 2
    version = house.lake.version(Table.POSTS)
    assert house.lake.append(Table.POSTS, posts(p1="one", p2="two"), 8) == 0
    assert house.lake.version(Table.POSTS) == version
    assert stored(house) == [("p1", "one", 3), ("p2", "two", 3)]


def test_only_what_is_new_of_an_overlapping_input_is_added(house: House) -> None:
    house.lake.append(Table.POSTS, posts(p1="one", p2="two"), 3)
    assert house.lake.append(Table.POSTS, posts(p2="two", p3="three"), 5) == 1
    assert stored(house) == [("p1", "one", 3), ("p2", "two", 3), ("p3", "three", 5)]


def test_of_one_record_twice_in_an_input_the_last_stays(house: House) -> None:
    twice = pa.concat_tables([posts(p1="old"), posts(p1="new")])
    assert house.lake.append(Table.POSTS, twice, 1) == 1
    assert stored(house) == [("p1", "new", 1)]


def test_an_edited_post_arrives_again_once(house: House) -> None:
    house.lake.append(Table.POSTS, posts(p1="before"), 3)
    assert house.lake.append(Table.POSTS, posts(p1="after"), 5, {"p1": 5}) == 1
    assert house.lake.append(Table.POSTS, posts(p1="after"), 6, {"p1": 5}) == 0
    assert stored(house) == [("p1", "after", 5), ("p1", "before", 3)]


def test_an_interaction_is_named_by_both_its_ends(house: House) -> None:
    assert house.lake.append(Table.LIKES, likes(("x:1", "p1"), ("x:1", "p2"), ("x:2", "p1"), ("x:1", "p1")), 1) == 3
    assert house.lake.append(Table.LIKES, likes(("x:2", "p1"), ("x:2", "p2")), 2) == 1


def test_an_earlier_version_reads_as_it_was(house: House) -> None:
    house.lake.append(Table.POSTS, posts(p1="one"), 1)
    pinned = house.lake.version(Table.POSTS)
    house.lake.append(Table.POSTS, posts(p2="two"), 2)
    with house.engine.session() as session:
        relation = house.lake.relation(session, Table.POSTS, pinned)
        assert session.sql(f"SELECT post_id FROM {relation}").fetchall() == [("p1",)]


def test_a_table_with_deletion_vectors_is_refused(house: House) -> None:
    """Its files hold rows that were deleted: reading them as they are would bring those back."""
    house.lake.append(Table.POSTS, posts(p1="one"), 1)
    table = DeltaTable(f"{house.lake.url}/posts")
    table.alter.add_feature([TableFeatures.DeletionVectors], allow_protocol_versions_increase=True)
    with pytest.raises(IntegrityError, match="deletionVectors"):
        house.lake.version(Table.POSTS)
    with house.engine.session() as session, pytest.raises(IntegrityError, match="deletionVectors"):
        house.lake.relation(session, Table.POSTS)
