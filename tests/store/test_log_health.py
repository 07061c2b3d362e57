"""What is said of the log's health."""

import shutil
from datetime import datetime, timedelta

from sqlalchemy import update

from licet.store import log_tables as lt
from licet.store.database import reading, transaction
from licet.store.facts import micros
from licet.store.house import House
from licet.store.leaves import note
from licet.store.log_health import Health, LogState, state_of
from licet.store.publication import publish


def state(house: House, now: datetime) -> LogState:
    with reading(house.database) as conn:
        return state_of(conn, house, now)


def write(house: House, at: datetime) -> None:
    with transaction(house.database) as conn:
        note(conn, "test", micros(at), {"n": 1})


def test_a_log_begins_is_good_and_falls_behind(house: House, now: datetime) -> None:
    assert state(house, now).health is Health.NOT_BEGUN
    write(house, now)
    publish(house, now, "example.org/log")
    good = state(house, now)
    assert (good.health, good.size, good.waiting, good.trouble) == (Health.GOOD, 1, 0, "")
    assert good.counts == (("test", 1),)
    assert good.key.startswith("example.org/log+")
    write(house, now)
    assert state(house, now + timedelta(seconds=30)).health is Health.GOOD
    late = state(house, now + timedelta(minutes=2))
    assert (late.health, late.waiting, late.waiting_since) == (Health.BEHIND, 1, now)


def test_a_log_whose_parts_disagree_is_broken(house: House, now: datetime) -> None:
    write(house, now)
    publish(house, now)
    tile = house.log.root / "tile/0/000.p/1"
    whole = tile.read_bytes()
    tile.write_bytes(b"\0" * 32)
    assert state(house, now).trouble == "the tiles are not those that the checkpoint signs"
    tile.write_bytes(whole)
    assert state(house, now).health is Health.GOOD
    shutil.rmtree(house.log.root / "tile")
    assert (state(house, now).health, state(house, now).trouble) == (Health.BROKEN, "a tile is lost")
    publish(house, now)
    assert state(house, now).health is Health.GOOD
    (house.log.root / "checkpoint").write_bytes(b"forged\n")
    assert state(house, now).health is Health.BROKEN
    (house.log.root / "checkpoint").unlink()
    assert state(house, now).trouble == "the published checkpoint is lost"


def test_a_database_older_than_the_log_is_broken(house: House, now: datetime) -> None:
    write(house, now)
    publish(house, now)
    with transaction(house.database) as conn:
        conn.execute(update(lt.log_head).values(size=0, placed=0))
    assert "the database knows of 0" in state(house, now).trouble
