"""`licet log`: begun, published, looked after, and audited by a stranger."""

import errno
import json
import os
import pathlib
import shutil
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from licet.cli.demo import free_port
from licet.cli.main import main
from licet.store.database import transaction
from licet.store.facts import publish_notice
from licet.store.house import open_house
from licet.store.leaves import note

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def call(home: pathlib.Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def run(home: pathlib.Path, *arguments: str) -> str:
    result = call(home, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def notices(home: pathlib.Path, *names: str) -> None:
    house = open_house(home)
    with transaction(house.database) as conn:
        for name in names:
            publish_notice(conn, name, "d" * 64, NOW, "text", NOW)
    house.database.dispose()


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home whose log has two notices."""
    home = tmp_path / "home"
    notices(home, "one", "two")
    assert "data.example/log+" in run(home, "log", "create", "data.example/log")
    assert "2 entries are published" in run(home, "log", "publish")
    return home


def test_a_log_tells_its_state(home: pathlib.Path) -> None:
    assert run(home, "log", "status").startswith("good: data.example/log, 2 entries, 0 waiting")
    assert json.loads(run(home, "--json", "log", "status"))["entries"] == {"notice": 2}
    shutil.rmtree(home / "log" / "tile")
    broken = call(home, "log", "status")
    assert (broken.exit_code, "a tile is lost" in broken.stderr) == (1, True)
    run(home, "log", "publish")
    assert run(home, "log", "status").startswith("good")


def test_a_log_that_has_not_begun_has_no_key(tmp_path: pathlib.Path) -> None:
    refused = call(tmp_path, "log", "key")
    assert (refused.exit_code, "licet log create" in refused.stderr) == (1, True)


def test_a_log_keeps_its_name(home: pathlib.Path) -> None:
    refused = call(home, "log", "create", "data.example/other")
    assert (refused.exit_code, "its name stays" in refused.stderr) == (1, True)


def test_an_auditor_reads_all_of_it_and_remembers_what_was_seen(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    key, seen = run(home, "log", "key").strip(), tmp_path / "seen"
    arguments = ("log", "audit", str(home / "log"), "--key", key, "--seen", str(seen))
    assert "2 entries, as signed" in run(tmp_path, *arguments)
    assert seen.read_bytes() == (home / "log" / "checkpoint").read_bytes()
    notices(home, "three")
    run(home, "log", "publish")
    assert "3 entries, as signed" in run(tmp_path, *arguments)


def test_an_auditor_notices_another_history_under_the_same_key(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    key, seen = run(home, "log", "key").strip(), tmp_path / "seen"
    shutil.copytree(home, tmp_path / "fork")
    notices(home, "three")
    notices(tmp_path / "fork", "drei")
    for place in (home, tmp_path / "fork"):
        run(place, "log", "publish")
    arguments = ("--key", key, "--seen", str(seen))
    run(tmp_path, "log", "audit", str(home / "log"), *arguments)
    refused = call(tmp_path, "log", "audit", str(tmp_path / "fork" / "log"), *arguments)
    assert (refused.exit_code, "history was rewritten" in refused.stderr) == (1, True)
    assert seen.read_bytes() == (home / "log" / "checkpoint").read_bytes()
    kept = (tmp_path / "seen.new").read_bytes()
    assert kept == (tmp_path / "fork" / "log" / "checkpoint").read_bytes(), "the other half of the evidence"


def test_an_auditor_is_told_what_contradicts_what(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    house = open_house(home)
    with transaction(house.database) as conn:
        note(conn, "delivery", 1, {"license": "a", "table": "posts", "version": 3, "file": "f"})
    house.database.dispose()
    run(home, "log", "publish")
    found = call(tmp_path, "log", "audit", str(home / "log"), "--key", run(home, "log", "key").strip())
    assert found.exit_code == 1
    assert "entry 2 states a delivery of a version that was not logged before" in found.stderr


def test_what_cannot_be_read_or_written_is_told_in_a_line(
    home: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = run(home, "log", "key").strip()
    refused = call(home, "log", "audit", str(home / "log" / "checkpoint"), "--key", key)
    assert (refused.exit_code, "cannot be read: Not a directory" in refused.stderr) == (1, True)
    nowhere = tmp_path / "nowhere" / "seen"
    refused = call(home, "log", "audit", str(home / "log"), "--key", key, "--seen", str(nowhere))
    assert (refused.exit_code, "cannot be written" in refused.stderr) == (1, True)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    notices(home, "three")
    monkeypatch.setattr(os, "fsync", full)
    refused = call(home, "log", "publish")
    assert (refused.exit_code, "No space left on device" in refused.stderr) == (1, True)


@pytest.mark.parametrize("source", ["folder", "http://127.0.0.1:{port}/log"])
def test_a_log_that_is_not_there_is_told(home: pathlib.Path, tmp_path: pathlib.Path, source: str) -> None:
    key = run(home, "log", "key").strip()
    refused = call(tmp_path, "log", "audit", source.format(port=free_port()), "--key", key)
    assert (refused.exit_code, "check its address" in refused.stderr) == (1, True)
