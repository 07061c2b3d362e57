"""The end of a license takes back everything that was shared under it, as a recall that the recipient owes."""

import threading
import time
from datetime import timedelta

import pytest
from pyarrow import parquet as pq
from recall_world import LICENSE, NOW, World

from licet.dataset.build import build
from licet.model.recalls import Cause, Recall
from licet.model.records import Table
from licet.recall.catch_up import catch_up, lagging
from licet.recall.worker import Worker
from licet.store import facts, recalls
from licet.store.database import reading, transaction
from licet.store.shared import KEYS_FOLDER

TABLES = (Table.POSTS, Table.LIKES)
OVER = LICENSE.ends + timedelta(seconds=1)


def change(world: World, state: str) -> None:
    with transaction(world.house.database) as conn:
        facts.change_license(conn, LICENSE, state, NOW)


def owed(world: World) -> list[Recall]:
    with reading(world.house.database) as conn:
        return recalls.recalls_of(conn)


def told(world: World, table: Table) -> list[dict[str, str]]:
    """Give the rows of all files of keys that recalls of a table name."""
    folder = world.folder(table) / KEYS_FOLDER
    names = [file.name for each in owed(world) for one in each.departures if one.table is table for file in one.keys]
    return [row for name in names for row in pq.ParquetFile(folder / name).read().to_pylist()]


@pytest.mark.parametrize("ended", [True, False])
def test_every_row_leaves_once_by_its_keys(any_world: World, *, ended: bool) -> None:
    """Whether somebody ended it, or its term is over."""
    before = {table: any_world.shared(table) for table in TABLES}
    if ended:
        change(any_world, "ended")
    at = NOW if ended else OVER
    assert catch_up(any_world.house, at) == sum(map(len, before.values()))
    for table in TABLES:
        assert any_world.shared(table) == []
        rows = told(any_world, table)
        assert {row["_reason"] for row in rows} == {Cause.LICENSE_ENDED}
        assert len(rows) == len(before[table])
    assert {row["post_id"] for row in told(any_world, Table.POSTS)} == {row[0] for row in before[Table.POSTS]}
    assert (catch_up(any_world.house, at), len(owed(any_world))) == (0, 1)
    assert owed(any_world)[0].due > at


def test_nothing_of_it_stays_on_the_disk(world: World) -> None:
    change(world, "ended")
    catch_up(world.house, NOW)
    left = [path for path in world.folder(Table.POSTS).rglob("*.parquet") if path.parent.name != KEYS_FOLDER]
    assert left == []


def test_a_suspended_license_is_not_over(world: World) -> None:
    before = world.shared(Table.POSTS)
    change(world, "suspended")
    catch_up(world.house, NOW)
    assert world.shared(Table.POSTS) == before


def test_whoever_left_before_is_told_of_once(world: World) -> None:
    world.say("x:3")
    catch_up(world.house, NOW)
    change(world, "ended")
    catch_up(world.house, NOW)
    authors = [row["author_id"] for row in told(world, Table.POSTS)]
    assert len(authors) == len(set(authors)) == 12


def test_a_withdrawal_and_the_end_at_once_leave_nothing(world: World) -> None:
    world.say("x:3")
    change(world, "ended")
    catch_up(world.house, NOW)
    assert [world.shared(table) for table in TABLES] == [[], []]
    assert world.checked() == world.newest()


def test_a_license_that_is_taken_up_again_is_shared_again_by_its_next_build(world: World) -> None:
    before = world.shared(Table.POSTS)
    change(world, "ended")
    catch_up(world.house, NOW)
    change(world, "active")
    catch_up(world.house, NOW)
    assert world.shared(Table.POSTS) == []
    build(world.house, LICENSE.license_id, NOW)
    assert world.shared(Table.POSTS) == before
    assert catch_up(world.house, NOW) == 0


def test_the_worker_notices_that_a_term_is_over(any_world: World) -> None:
    now = [NOW]
    with Worker(any_world.house, clock=lambda: now[0]):
        threading.Event().wait(0.3)
        assert any_world.shared(Table.POSTS)
        now[0] = OVER
        deadline = time.monotonic() + 60
        while any_world.shared(Table.POSTS):
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
    with reading(any_world.house.database) as conn:
        assert lagging(conn, OVER) == []
