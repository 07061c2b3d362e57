"""The log over HTTP, and the worker that publishes it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from licet.server.log import LogWorker, origin_of
from licet.store.database import reading, transaction
from licet.store.leaves import note_each
from licet.store.log_proofs import verifier_of
from licet.store.publication import is_behind, publish
from licet.tlog.checkpoints import opened_checkpoint
from licet.tlog.notes import Verifier
from licet.tlog.tiles import ENTRIES, Tile, check_bundle

LONG = "tile/0/" + "x999/" * 1500 + "999"


@pytest.fixture
def log(scene, serving: Callable[..., object]) -> httpx.Client:
    """A client at a log of 300 entries and those of the scene itself."""
    with transaction(scene.house.database) as conn:
        note_each(conn, "test", [(n, {"n": n}) for n in range(300)])
    publish(scene.house, datetime.now(UTC), "data.example/log")
    with serving(scene) as url, httpx.Client(base_url=f"{url}/log/") as client:
        yield client


def test_a_stranger_checks_the_log_by_what_is_served(log: httpx.Client) -> None:
    verifier = Verifier.read(log.get("key").text)
    answer = log.get("checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    checkpoint = opened_checkpoint(answer.content, verifier)
    assert (checkpoint.origin, checkpoint.size > 300) == ("data.example/log", True)
    tile = log.get(Tile(level=0, place=0).path)
    assert "immutable" in tile.headers["cache-control"]
    bundle = Tile(level=ENTRIES, place=0)
    assert len(check_bundle(bundle, log.get(bundle.path).content, tile.content)) == 256


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/900",
        "tile/0/0",
        "tile/0/000.p/1",
        "..%2Flicet.db",
        "tile/entries/900",
        "tile/0/" + "x999/" * 1500 + "999",
    ],
)
def test_what_is_no_file_of_the_log_is_not_there(log: httpx.Client, path: str) -> None:
    assert log.get(path).status_code == 404


def test_a_log_that_has_not_begun_says_so(scene, serving: Callable[..., object]) -> None:
    with serving(scene) as url:
        assert httpx.get(f"{url}/log/checkpoint").status_code == 404
        assert httpx.get(f"{url}/log/key").status_code == 404


def test_the_worker_publishes_what_is_written_and_what_waits_at_the_end(scene) -> None:
    house = scene.house
    worker = LogWorker(house, "data.example/log", lambda: datetime.now(UTC), look_s=0.05)
    worker.start()
    try:
        for _ in range(1200):
            with reading(house.database) as conn:
                if not is_behind(conn):
                    break
            time.sleep(0.05)
        with transaction(house.database) as conn:
            note_each(conn, "test", [(1, {"n": 1})])
    finally:
        worker.stop()
    with reading(house.database) as conn:
        assert not is_behind(conn)
        assert str(verifier_of(conn)).startswith("data.example/log+")


def test_a_log_is_named_after_its_address() -> None:
    assert origin_of("https://data.example:8443") == "data.example:8443/log"
    assert origin_of("") == ""
