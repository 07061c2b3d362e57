"""`licet ingest`: what is recognized, told, shown and stored, as a person at a terminal sees it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.ingest.every_form import Act, bluesky_post, jetstream, rows, sample, standing, state, x_export, zipped

from licet.cli.main import main
from licet.cli.terminal import counted
from licet.ingest.formats import NAMES
from licet.ingest.preview import SAMPLES
from licet.ingest.reasons import SKIP_REASONS
from licet.model.records import Table
from licet.store.database import reading
from licet.store.house import House, open_house

MAPPING = """
[records]
kind = "posts"

[columns]
post_id = "id"
author_id = "who"
created_at = "at"
text = "text"

[constants]
platform = "x"
visibility = "public"
"""
SILENT = {"linkedin-export": ("--member", "linkedin:17000001"), "facebook-export": ("--visibility", "public")}
KILLED = """
import functools, os, signal, sys
from licet.cli import ingesting
from licet.cli.main import main
from licet.cli.terminal import counted
from licet.ingest import write
from licet.store.lake import Lake
step, nth, *arguments = sys.argv[1:]
calls = 0
def dying(real):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls > int(nth) and step.endswith("before"):
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*args, **kwargs)
        if calls > int(nth):
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return call
places = {"append": (Lake, "append"), "facts": (write, "record_members"), "end": (write, "set_aside")}
owner, name = places[step.split()[0]]
setattr(owner, name, dying(getattr(owner, name)))
ingesting.ingest = functools.partial(write.ingest, batch=150)
main(arguments)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A place where no house is yet."""
    return tmp_path / "home"


def run(home: Path, *arguments: str | Path, stdin: bytes = b"") -> Result:
    """Run the command, in this process."""
    return CliRunner().invoke(main, ["--home", str(home), *map(str, arguments)], input=stdin)


def answer(home: Path, *arguments: str | Path) -> dict[str, Any]:
    """Run the command for a script."""
    result = run(home, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def house_at(home: Path) -> House:
    """Open the house that commands made."""
    return open_house(home)


def state_at(home: Path) -> dict[str, Any]:
    """Give all that a build would go by."""
    house = house_at(home)
    found = state(house)
    house.database.dispose()
    return found


def failed(home: Path, *arguments: str | Path) -> str:
    """Run a command that fails in one line with a remedy, and leaves no house behind."""
    result = run(home, *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert "; " in result.stderr
    assert not home.exists()
    return result.stderr


def table(tmp_path: Path) -> tuple[Path, Path]:
    """Write a table and its mapping."""
    path, mapping = tmp_path / "posts.csv", tmp_path / "posts.toml"
    path.write_text("id,who,at,text\n1,ann,2024-05-01T00:00:00Z,hello\n2,,2024-05-01T00:00:00Z,nobody's\n")
    mapping.write_text(MAPPING)
    return path, mapping


@pytest.mark.parametrize("form", NAMES)
def test_a_dry_run_counts_and_shows_and_stores_nothing(form: str, home: Path, tmp_path: Path) -> None:
    path = sample(form, tmp_path)
    found = answer(home, "ingest", path, "--dry-run", *SILENT.get(form, ()))
    spoken = run(home, "ingest", path, "--dry-run", *SILENT.get(form, ()))
    assert not home.exists()
    assert found["set_aside"].keys() <= SKIP_REASONS.keys()
    assert 0 < len(found["samples"]) <= SAMPLES
    assert {each["kind"] for each in found["samples"]} == found["would_read"].keys()
    first, *others = spoken.stdout.splitlines()
    assert first == f"saw {found['seen']}; nothing was stored"
    said = ", ".join(counted(count, kind) for kind, count in sorted(found["would_read"].items()))
    assert others[0] == f"would read {said}"
    aside = [f"set aside {count:,}: {reason}" for reason, count in sorted(found["set_aside"].items())]
    assert others[1 : len(aside) + 1] == aside
    shown = others[len(aside) + 1 :]
    assert [line.strip().partition(":")[0] for line in shown] == [each["kind"] for each in found["samples"]]
    assert all(line.startswith("  ") and len(line) <= 202 for line in shown)


@pytest.mark.parametrize("form", NAMES)
def test_what_a_dry_run_announced_is_then_stored(form: str, home: Path, tmp_path: Path) -> None:
    path = sample(form, tmp_path)
    promised = answer(home, "ingest", path, "--dry-run", *SILENT.get(form, ()))
    stored = answer(home, "ingest", path, *SILENT.get(form, ()))
    assert (stored["seen"], stored["set_aside"]) == (promised["seen"], promised["set_aside"])
    assert stored["read"].keys() >= promised["would_read"].keys()
    house = house_at(home)
    assert {str(t): n for t in Table if (n := len(rows(house, t)))} == {
        str(t): n for t in Table if (n := stored["read"].get(t, 0))
    }
    house.database.dispose()


def test_the_name_of_the_command_may_be_left_out(tmp_path: Path) -> None:
    path = sample("x-export", tmp_path)
    short = run(tmp_path / "one", "ingest", path)
    long = run(tmp_path / "two", "ingest", "file", path)
    options_first = run(tmp_path / "three", "ingest", "--format", "x-export", path)
    assert short.stdout == long.stdout == options_first.stdout
    assert short.exit_code == 0
    assert state_at(tmp_path / "one") == state_at(tmp_path / "two") == state_at(tmp_path / "three")
    assert len(state_at(tmp_path / "one")["records"][Table.POSTS]) == 52


def test_a_second_time_says_that_all_was_there_already(home: Path, tmp_path: Path) -> None:
    path = zipped(sample("x-export", tmp_path), tmp_path / "twitter.zip")
    first, again = run(home, "ingest", path), run(home, "ingest", path)
    assert first.stdout.splitlines()[:2] == [
        "saw an X account export with 1 part of tweets",
        "read 2 deletions, 1 member, 52 posts",
    ]
    assert again.stdout.splitlines()[1:3] == ["read nothing new", "52 were there already"]
    assert answer(home, "ingest", path)["duplicates"] == 52


def test_a_file_that_is_called_like_a_command_is_given_with_its_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(sample("x-v1", tmp_path), "file")
    assert "API v1.1" in run(home, "ingest", "./file").stdout
    assert run(home, "ingest", "file", "file").exit_code == 0


def test_a_folder_is_known_by_its_own_name_however_it_is_given(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sample("x-export", tmp_path))
    assert run(home, "ingest", ".").exit_code == 0
    assert run(home, "ingest", tmp_path / "x-export" / "data" / "..").exit_code == 0
    house = house_at(home)
    with reading(house.database) as conn:
        sources = {row[0] for row in conn.exec_driver_sql("SELECT DISTINCT source FROM set_aside")}
    house.database.dispose()
    assert sources == {"x-export:x-export"}


def test_a_table_is_read_by_its_mapping_and_nothing_else(home: Path, tmp_path: Path) -> None:
    path, mapping = table(tmp_path)
    promised = answer(home, "ingest", path, "--mapping", mapping, "--dry-run")
    assert not home.exists()
    assert (promised["would_read"], promised["set_aside"]) == ({"posts": 1, "members": 1}, {"unknown_author": 1})
    assert "no known form" in failed(home, "ingest", path)
    for option, value in (("--format", "x-v1"), ("--member", "x:1"), ("--visibility", "public")):
        assert "leave out --format" in failed(home, "ingest", path, "--mapping", mapping, option, value)
    stored = run(home, "ingest", path, "--mapping", mapping)
    assert stored.stdout.splitlines() == ["saw a table", "read 1 member, 1 post", "set aside 1: unknown_author"]


def test_a_silent_export_brings_what_its_bringer_vouches_for(home: Path, tmp_path: Path) -> None:
    (tmp_path / "posts").mkdir()
    post = {"timestamp": 1_714_521_600, "data": [{"post": "hello"}]}
    (tmp_path / "posts" / "your_posts_1.json").write_text(json.dumps([post]))
    told = ("ingest", tmp_path / "posts", "--dry-run")
    assert answer(home, *told)["set_aside"] == {"unknown_author": 1}
    assert answer(home, *told, "--member", "facebook:ann")["set_aside"] == {"unknown_visibility": 1}
    whole = answer(home, *told, "--member", "facebook:ann", "--visibility", "unlisted")
    assert [sample["visibility"] for sample in whole["samples"] if sample["kind"] == "posts"] == ["unlisted"]


def test_errors_are_one_line_that_says_what_to_do(home: Path, tmp_path: Path, test_data: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("nothing\n")
    assert "give a table a mapping (--mapping)" in failed(home, "ingest", notes)
    assert "see docs/platforms" in failed(home, "ingest", notes, "--dry-run")
    assert "see docs/platforms" in failed(home, "--json", "ingest", notes)
    assert "choose with --format: x-api, x-compliance" in failed(home, "ingest", test_data / "x_api_samples/v2_twarc")
    export = sample("x-export", tmp_path)
    assert "leave out --member" in failed(home, "ingest", export, "--member", "x:1")
    assert "leave out --visibility" in failed(home, "ingest", export, "--visibility", "public")
    assert "as in the members table" in failed(home, "ingest", sample("linkedin-export", tmp_path), "--member", "a b")
    assert "check the path" in failed(home, "ingest", notes, "--mapping", tmp_path / "none.toml")


def test_broken_and_forged_inputs_are_errors_of_one_line_too(home: Path, tmp_path: Path) -> None:
    packed = zipped(sample("x-export", tmp_path), tmp_path / "twitter.zip")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(packed.read_bytes()[:2_000])
    assert "fetch it again" in failed(home, "ingest", cut)
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../data/tweets.js", "window.YTD.tweets.part0 = []")
    assert "no real export has that" in failed(home, "ingest", tmp_path / "slip.zip")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "tweets.js").symlink_to(packed)
    assert "leave it out" in failed(home, "ingest", tmp_path / "links")
    (tmp_path / "your_posts_1.html").write_text("<html><body>hello</body></html>")
    assert "choose the format JSON" in failed(home, "ingest", tmp_path / "your_posts_1.html")
    (tmp_path / "a.json.xz").write_bytes(b"\xfd7zXZ\x00")
    assert "unpack it first" in failed(home, "ingest", tmp_path / "a.json.xz")


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-file",),
        ("file",),
        (".", "--format", "excel"),
        (".", "--visibility", "followers"),
        (".", "--nonsense"),
        (".", "one", "too", "many"),
    ],
)
def test_a_wrong_call_is_told_apart_by_its_exit_code(
    arguments: tuple[str, ...], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(home, "ingest", *arguments)
    assert result.exit_code == 2
    assert "--help" in result.stderr
    assert not home.exists()


def test_help_is_help_and_not_a_path(home: Path) -> None:
    for arguments in (("ingest", "--help"), ("ingest", "file", "--help"), ("ingest", "somewhere", "--help")):
        result = run(home, *arguments)
        assert result.exit_code == 0
        assert "Example: licet ingest" in result.stdout
    assert "PATH" in run(home, "ingest", "--help").stdout.splitlines()[0]
    assert "Commands:" in run(home, "ingest").output


def test_words_of_others_do_not_steer_the_terminal(home: Path, tmp_path: Path) -> None:
    text = "red \x1b[31m alert \x07 \u202e gnorw \x9b2J\r\nnext line"
    tweet = {"id_str": "1", "created_at": "Wed May 01 00:00:00 +0000 2024", "full_text": text}
    export = x_export(tmp_path / "export", account=[{"account": {"accountId": "7"}}], tweets=[{"tweet": tweet}])
    shown = run(home, "ingest", export, "--dry-run").stdout
    assert "red [31m alert gnorw 2J next line" in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert answer(home, "ingest", export, "--dry-run")["samples"][-1]["text"] == text


def test_recorded_events_are_read_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    path = sample("jetstream", tmp_path)
    ways = {
        "plain": run(tmp_path / "plain", "ingest", path),
        "named": run(tmp_path / "named", "ingest", "jetstream", path),
        "piped": run(tmp_path / "piped", "ingest", "jetstream", "-", stdin=path.read_bytes()),
    }
    assert [result.exit_code for result in ways.values()] == [0, 0, 0]
    assert state_at(tmp_path / "plain") == state_at(tmp_path / "named") == state_at(tmp_path / "piped")
    assert ways["plain"].stdout == ways["named"].stdout
    assert ways["piped"].stdout.splitlines() == ways["plain"].stdout.splitlines()[1:]


def test_a_stream_with_lines_that_are_none_is_read_to_its_end(home: Path) -> None:
    good = jetstream([Act(operation="create", rkey="a", record=bluesky_post("hello"))]).encode()
    result = run(home, "ingest", "jetstream", "-", stdin=b"\xff\xfe\n{}\n\n" + good)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["read 1 member, 1 post", "set aside 2: malformed_event"]


def test_a_recording_that_is_not_there_is_an_error_of_one_line(home: Path, tmp_path: Path) -> None:
    assert "check that it is there" in failed(home, "ingest", "jetstream", tmp_path / "none.jsonl")
    assert "write a number and a unit" in run(home, "ingest", "jetstream", "--for", "soon").stderr


def licet(home: Path, *arguments: str | Path) -> list[str]:
    """Give the command line of a second process."""
    return [sys.executable, "-m", "licet.cli", "--home", str(home), *map(str, arguments)]


@pytest.mark.parametrize(
    ("form", "step"),
    [
        ("jetstream", "append before 0"),
        ("jetstream", "append after 2"),
        ("activitypub", "append before 5"),
        ("x-v1", "facts before 2"),
        ("mastodon-export", "end after 1"),
    ],
)
def test_a_killed_run_is_simply_run_again(form: str, step: str, tmp_path: Path) -> None:
    path = sample(form, tmp_path, 700)
    place, _, nth = step.rpartition(" ")
    whole, home = tmp_path / "whole", tmp_path / "home"
    assert run(whole, "ingest", path).exit_code == 0
    command = [sys.executable, "-c", KILLED, place, nth, "--home", str(home), "ingest", str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert state_at(home) != state_at(whole)
    assert run(home, "ingest", path).exit_code == 0
    assert state_at(home) == state_at(whole)


def test_a_large_recording_killed_half_way_ends_as_one_that_was_left_in_peace(tmp_path: Path) -> None:
    path, home, whole = sample("jetstream", tmp_path, 60_000), tmp_path / "home", tmp_path / "whole"
    log = home / "lake" / "reposts" / "_delta_log"
    process = subprocess.Popen(licet(home, "ingest", path), env=os.environ)
    while not any(log.glob("*.json")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    house = house_at(home)
    assert 0 < len(rows(house, Table.LIKES)) < 39_000
    house.database.dispose()
    assert subprocess.run(licet(home, "ingest", path), check=False).returncode == 0
    assert subprocess.run(licet(whole, "ingest", path), check=False).returncode == 0
    assert state_at(home) == state_at(whole)
    house = house_at(whole)
    assert len(standing(house)[Table.LIKES]) > 39_000
    house.database.dispose()
