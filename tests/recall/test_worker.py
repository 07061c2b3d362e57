"""The worker takes rows out by itself, comes back after every failure, and can be killed at any instant."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from recall_world import LICENSE, NOW, World

from licet.model.records import Table
from licet.recall import worker as room
from licet.recall.catch_up import catch_up, tidy
from licet.recall.worker import Worker

SECOND = Path(__file__).parents[1] / "journeys" / "opt_out_worker.py"


def _await(world: World) -> None:
    deadline = time.monotonic() + 60
    while world.checked() < world.newest():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_a_worker_takes_rows_out_by_itself(any_world: World) -> None:
    with Worker(any_world.house, clock=lambda: NOW):
        for name in ("x:3", "x:5"):
            any_world.say(name)
            _await(any_world)
    assert any_world.shared(Table.POSTS) == any_world.expected(Table.POSTS)


def test_a_failure_is_tried_again_and_its_log_names_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([True, True])

    def flaky(*args: object) -> int:
        if next(failures, False):
            raise ValueError("x:3 is somebody's name")
        return catch_up_license(*args)  # type: ignore[arg-type]

    catch_up_license = room.catch_up_license
    monkeypatch.setattr(room, "catch_up_license", flaky)
    world.say("x:3")
    with Worker(world.house, clock=lambda: NOW):
        _await(world)
    assert "ValueError" in caplog.text
    assert "x:3" not in caplog.text
    assert world.shared(Table.LIKES) == world.expected(Table.LIKES)


def test_killed_at_any_instant_the_tables_end_up_the_same(any_world: World, tmp_path: Path) -> None:
    dice = random.Random(5)  # noqa: S311 # an attack that can be repeated
    url = any_world.house.database.url.render_as_string(hide_password=False)
    for n in range(6):
        command = [sys.executable, str(SECOND), "work", str(tmp_path / "home"), url]
        process = subprocess.Popen(command)
        any_world.say(f"x:{n}")
        threading.Event().wait(dice.uniform(0.8, 1.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
    catch_up(any_world.house, NOW)
    tidy(any_world.house, LICENSE.license_id, NOW)
    for table in (Table.POSTS, Table.LIKES):
        assert any_world.shared(table) == any_world.expected(table)
        assert {path.name for path in any_world.folder(table).glob("*.parquet")} == any_world.files(table)
