"""The lake: each record once, edits replace, and no table is read wrongly."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, TableFeatures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.dataset.conftest import NOW, Scene, listed, member, opened

from licet.ingest.write import IngestReport, ingest
from licet.model.errors import IntegrityError
from licet.model.members import Choice, MemberId
from licet.model.records import Deletion, Interaction, Post, PostId, Table, Visibility
from licet.model.schemas import LAKE
from licet.recall.catch_up import catch_up
from licet.store.engine import LocalEngine
from licet.store.house import House, open_house
from licet.store.lake import Lake


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


KEYS = st.sampled_from([f"at://did:plc:{n}/app.bsky.feed.post/3mptby{n:07d}" for n in range(12)])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(KEYS, min_size=1, max_size=8), max_size=8), st.data())
def test_each_record_is_there_once_however_batches_are_cut_and_whatever_is_lost_of_the_numbers(
    tmp_path: Path, batches: list[list[str]], data: st.DataObject
) -> None:
    """Between two batches another process may go on, small files become one, and the numbers of files are gone."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        engine = LocalEngine(scratch=Path(folder) / "scratch")
        known: dict[str, str] = {}
        for number, names in enumerate(batches):
            lake = Lake(url=f"{folder}/lake", engine=engine)
            new = {name: f"words {number}" for name in names if name not in known}
            assert lake.append(Table.POSTS, posts(**dict.fromkeys(names, f"words {number}")), number) == len(new)
            known |= new
            event = data.draw(st.sampled_from(["nothing", "tidy", "numbers lost"]))
            if event == "tidy":
                put_together(lake)
            elif event == "numbers lost":
                shutil.rmtree(engine.scratch)
        with engine.session() as session:
            relation = lake.relation(session, Table.POSTS) if batches else "(SELECT 1 AS post_id, 2 AS text LIMIT 0)"
            assert dict(session.sql(f"SELECT post_id, text FROM {relation}").fetchall()) == known
            assert session.sql(f"SELECT count(*) FROM {relation}").fetchall() == [(len(known),)]


def put_together(lake: Lake) -> None:
    """Put a table's files together however few they are."""
    delta = lake.open(Table.POSTS)
    assert delta is not None
    delta.optimize.compact()


def test_a_file_that_cannot_hold_a_new_record_is_not_read(house: House) -> None:
    house.lake.append(Table.POSTS, posts(p1="one"), 1)
    house.lake.append(Table.POSTS, posts(p2="two"), 2)
    house.lake.append(Table.POSTS, posts(p2="two"), 2)
    delta = house.lake.open(Table.POSTS)
    assert delta is not None
    for path in delta.file_uris():
        Path(path).rename(f"{path}.away")
    assert house.lake.append(Table.POSTS, posts(p3="three"), 3) == 1
    with pytest.raises(duckdb.IOException, match="parquet"):
        house.lake.append(Table.POSTS, posts(p2="two"), 4)


def test_many_batches_leave_few_files_and_every_record(house: House) -> None:
    for n in range(40):
        assert house.lake.append(Table.POSTS, posts(**{f"p{n}": "words"}), n) == 1
        house.lake.tidy(Table.POSTS)
    delta = house.lake.open(Table.POSTS)
    assert delta is not None
    assert len(delta.file_uris()) < 20
    assert stored(house) == sorted((f"p{n}", "words", n) for n in range(40))
    assert not house.lake.tidy(Table.LIKES)


def test_a_reader_keeps_its_version_while_files_are_put_together(house: House) -> None:
    for n in range(20):
        house.lake.append(Table.POSTS, posts(**{f"p{n}": "words"}), n)
    with house.engine.session() as session:
        relation = house.lake.relation(session, Table.POSTS)
        pinned = house.lake.version(Table.POSTS)
        assert house.lake.tidy(Table.POSTS)
        assert session.sql(f"SELECT count(*) FROM {relation}").fetchall() == [(20,)]
        relation = house.lake.relation(session, Table.POSTS, pinned)
        assert session.sql(f"SELECT count(*) FROM {relation}").fetchall() == [(20,)]


@pytest.fixture
def far(tmp_path: Path, bucket: str) -> Iterator[Scene]:
    """A house whose lake lies on an object store, and its shared tables in a folder."""
    house = open_house(tmp_path / "far", lake_url=f"s3://{bucket}/lake")
    yield opened(house)
    house.database.dispose()


def arrives(scene: Scene) -> IngestReport:
    """Let 30 posts of ten members and a like of each arrive, as a platform's export brings them."""
    records: list[Post | Interaction] = []
    for n in range(30):
        post = Post(
            post_id=PostId(f"x:p{n}"),
            author_id=MemberId(f"x:{n % 10}"),
            created_at=datetime(2024, 1, 1, tzinfo=UTC),
            text=f"words {n}",
            platform="x",
            visibility=Visibility.PUBLIC,
            lang="en",
            in_reply_to=f"x:p{n - 3}" if n > 3 else "",
            quote_of="",
        )
        like = Interaction(
            table=Table.LIKES,
            actor_id=MemberId(f"x:{(n * 7 + 1) % 10}"),
            post_id=post.post_id,
            post_author_id=post.author_id,
            created_at=post.created_at,
            platform="x",
            interaction_id=f"at://{n}",
        )
        records += [post, like]
    return ingest(scene.house.database, scene.house.lake, "export", records, batch=16)


def test_from_ingest_to_recall_a_lake_on_an_object_store_is_like_one_in_a_folder(far: Scene, house: House) -> None:
    """The same records arrive twice in both houses, are shared, and are taken back: every row and count agrees."""
    near = opened(house)
    seen = []
    for scene in (far, near):
        scene.members(*(member(f"x:{n}") for n in range(10)))
        first, again = arrives(scene), arrives(scene)
        assert first.counts.items() >= {"posts": 30, "likes": 30}.items()
        assert (again.counts["posts"], again.counts["likes"], again.duplicates) == (0, 0, 60)
        built = scene.build()
        shared = [row["text"] for row in scene.rows(Table.POSTS)]
        assert len(shared) == built[Table.POSTS].rows == 30
        scene.choose("x:3", Choice.DENY)
        ingest(scene.house.database, scene.house.lake, "export", deletions())
        gone = catch_up(scene.house, NOW)
        left = {table: len(scene.rows(table)) for table in (Table.POSTS, Table.LIKES)}
        scene.build()
        seen.append((gone, left, scene.texts(), [len(listed(scene.rows(table))) for table in left]))
    assert seen[0] == seen[1]
    assert seen[0][0] > 3


def deletions() -> list[Deletion]:
    """Give a post's deletion and a like's, by ids of which only the lake knows whose they are."""
    return [
        Deletion(table=Table.POSTS, record_id="x:p5", member_id=MemberId("?"), superseded=False),
        Deletion(table=Table.LIKES, record_id="at://7", member_id=MemberId("?"), superseded=False),
    ]


def test_of_two_writers_at_once_on_an_object_store_neither_loses_a_record(far: Scene) -> None:
    """The store takes a commit's file only if it is not there yet; whoever comes second commits behind it."""
    lake = far.house.lake
    lake.append(Table.POSTS, posts(p0="first"), 1)

    def write(writer: int) -> int:
        mine = Lake(url=lake.url, engine=lake.engine)
        return sum(mine.append(Table.POSTS, posts(**{f"p{writer}_{n}": "words"}), 1) for n in range(5))

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(write, range(3))) == 15
    assert len(stored(far.house)) == 16


def test_far_away_too_small_files_are_put_together_and_a_record_comes_once(far: Scene) -> None:
    lake = far.house.lake
    for n in range(14):
        assert lake.append(Table.POSTS, posts(**{f"p{n}": "words"}), n) == 1
    assert lake.tidy(Table.POSTS)
    delta = lake.open(Table.POSTS)
    assert delta is not None
    assert len(delta.file_uris()) == 1
    assert lake.append(Table.POSTS, posts(p3="words", p13="words", p14="words"), 15) == 1
    assert len(stored(far.house)) == 15


def test_storage_options_reach_the_store_where_the_environment_says_nothing(
    house: House, s3: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading needs them as much as writing."""
    told = {"endpoint_url": s3, "allow_http": "true", "access_key_id": "a", "secret_access_key": "b"}
    for name in (*told, "region"):
        monkeypatch.delenv(f"AWS_{name.upper()}")
    options = {f"aws_{name}": value for name, value in {**told, "region": "us-east-1"}.items()}
    lake = Lake(url=f"s3://{bucket}/other", engine=house.engine, storage_options=options)
    assert lake.version(Table.POSTS) == -1
    assert lake.append(Table.POSTS, posts(p1="one"), 1) == 1
    assert lake.append(Table.POSTS, posts(p1="one"), 2) == 0
    with house.engine.run({"posts": lake.source(Table.POSTS)}) as run:
        assert run.fetch("SELECT post_id FROM posts") == [("p1",)]
