"""What left a shared table is told version by version, as far back as it can be read step by step."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from licet.model.licenses import LicenseId, SharedVersion
from licet.model.recalls import KeyFile
from licet.model.records import Table
from licet.store import parties, tables
from licet.store.database import reading, transaction
from licet.store.history import Change, _in_time, departed, first_since, key_file, since_build
from licet.store.house import House
from licet.store.shared import CommitFacts, Snapshot

AT = datetime(2025, 3, 1, tzinfo=UTC)
NAME = LicenseId("acme-1")


def keys(version: int) -> KeyFile:
    return KeyFile(name=f"keys-{version}", size=10, rows=version)


def write_down(house: House, causes: str, table: Table = Table.POSTS, seq: int = 0) -> None:
    """Write versions down, one a letter: b for a build, r for a recall, R for a recall with which rows left."""
    with transaction(house.database) as conn:
        for version, cause in enumerate(causes):
            one = SharedVersion(
                license_id=NAME,
                table=table,
                version=version,
                as_of_seq=seq + version,
                policy_digest="d",
                cause="build" if cause in "bB" else "recall",
                rows=1,
                at=AT + timedelta(minutes=version),
                keys=((keys(version).name, keys(version).size, keys(version).rows),) if cause in "RB" else (),
            )
            parties.record_version(conn, one, {})


def snapshot(version: int, cause: str) -> Snapshot:
    stated = CommitFacts(
        as_of_seq=9,
        policy_digest="d",
        buckets=1,
        cause="build" if cause in "bB" else "recall",
        excluded={},
        keys=(keys(version),) if cause in "RB" else (),
    )
    at = AT + timedelta(minutes=version)
    return Snapshot(version=version, table_id="t", schema_string="{}", files=(), facts=stated, at=at)


def told(house: House, version: int, cause: str) -> list[tuple[int, int]]:
    """Give each version since the build with how many files of keys it has."""
    with reading(house.database) as conn:
        found = since_build(conn, NAME, snapshot(version, cause), "posts")
    assert [each.at for each in found] == [AT + timedelta(minutes=each.version) for each in found]
    return [(each.version, len(each.keys)) for each in found]


def test_versions_are_told_from_the_newest_build(any_house: House) -> None:
    write_down(any_house, "bRrBRR")
    write_down(any_house, "bRRRRRR", Table.LIKES)
    assert told(any_house, 5, "R") == [(3, 1), (4, 1), (5, 1)]
    assert told(any_house, 3, "B") == [(3, 1)]
    assert told(any_house, 2, "r") == [(0, 0), (1, 1), (2, 0)]


def test_a_version_that_is_not_written_down_yet_is_told_from_its_commit(any_house: House) -> None:
    write_down(any_house, "bR")
    assert told(any_house, 2, "R") == [(0, 0), (1, 1), (2, 1)]
    assert told(any_house, 2, "b") == [(2, 0)]


def test_versions_behind_a_gap_are_not_told(any_house: House) -> None:
    write_down(any_house, "bRRR")
    with transaction(any_house.database) as conn:
        conn.execute(delete(tables.shared_version).where(tables.shared_version.c.version == 1))
    assert told(any_house, 3, "R") == [(2, 1), (3, 1)]
    with transaction(any_house.database) as conn:
        conn.execute(delete(tables.shared_version))
    assert told(any_house, 3, "R") == [(3, 1)]


@given(st.lists(st.integers(0, 5), min_size=1))
def test_each_version_is_later_than_the_one_before(clocks) -> None:
    """Also where two were committed in one millisecond, or a clock was put back."""
    changes = [
        Change(table="posts", version=n, at=AT + timedelta(milliseconds=clock), keys=())
        for n, clock in enumerate(clocks)
    ]
    found = [each.at for each in _in_time(changes)]
    assert all(one < other for one, other in itertools.pairwise(found))
    assert all(told_ >= change.at for told_, change in zip(found, changes, strict=True))
    if sorted(set(clocks)) == clocks:
        assert found == [change.at for change in changes]


def test_the_first_version_since_an_instant_is_found_among_those_before(any_house: House) -> None:
    write_down(any_house, "bRRB")
    with reading(any_house.database) as conn:
        found = [
            first_since(conn, NAME, "posts", AT + timedelta(seconds=seconds), 3) for seconds in (-1, 0, 1, 120, 121)
        ]
    assert found == [0, 0, 1, 2, None]


def test_a_file_of_keys_is_known_by_its_version_and_name(any_house: House) -> None:
    write_down(any_house, "bRR")
    with reading(any_house.database) as conn:
        assert key_file(conn, NAME, "posts", 2, "keys-2") == keys(2)
        for table, version, name in (
            ("posts", 1, "keys-2"),
            ("likes", 2, "keys-2"),
            ("posts", 2, "x"),
            ("posts", 9, ""),
        ):
            assert key_file(conn, NAME, table, version, name) is None


def test_departures_of_all_tables_are_told_in_the_order_in_which_they_happened(any_house: House) -> None:
    write_down(any_house, "bRr")
    write_down(any_house, "bRBR", Table.LIKES, seq=1)
    with reading(any_house.database) as conn:
        assert [(each.table, each.version) for each in departed(conn, NAME)] == [
            ("posts", 1),
            ("likes", 1),
            ("likes", 2),
            ("likes", 3),
        ]
        assert departed(conn, "other") == []


@pytest.mark.parametrize("count", range(4))
def test_what_was_told_of_departures_before_stays_as_it_was(house: House, count: int) -> None:
    write_down(house, "b" + "R" * count)
    with reading(house.database) as conn:
        before = departed(conn, NAME)
    write_down(house, "b" + "R" * (count + 1))
    with reading(house.database) as conn:
        assert departed(conn, NAME)[:count] == before
