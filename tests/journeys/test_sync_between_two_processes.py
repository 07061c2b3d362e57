"""An AI company keeps a copy by `licet sync` while members leave and the process is killed again and again."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import delta_sharing
import pandas as pd
import pyarrow.parquet as pq
import pytest

from licet.cli.community import Community
from licet.cli.configuration import now
from licet.cli.demo import LICENSE, Demo, free_port
from licet.dataset import package
from licet.dataset.build import build
from licet.model.licenses import KEYS
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.store.house import open_house

ROUNDS = 3
LONGEST_S = 120
FILE_ROWS = 60


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A house with a community's posts in many small files, and a recipient with a profile."""
    home = tmp_path / "home"
    made = Demo(house=open_house(home), home=home, data=tmp_path / "community", port=free_port())
    Community(seed=11, members=200, posts=1500).write(made.data)
    made.ingest()
    made.publish()
    made.grant()
    _build(made)
    yield made
    made.house.database.dispose()


def _build(demo: Demo) -> None:
    with mock.patch.object(package, "FILE_ROWS", FILE_ROWS):
        build(demo.house, LICENSE, now())


@contextlib.contextmanager
def _serving(demo: Demo) -> Iterator[None]:
    """Run `licet serve` as a process of its own, however long a busy machine takes to start it."""
    options = ["serve", "--port", str(demo.port), "--development-sign-in"]
    command = [sys.executable, "-m", "licet.cli", "--home", str(demo.home), *options]
    with (demo.home / "server.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            for _ in range(LONGEST_S * 10):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", demo.port), 1):
                    break
                assert process.poll() is None, (demo.home / "server.log").read_text()
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def _start(demo: Demo, copy: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "licet.cli", "sync", str(demo.profile), str(copy), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _sync(demo: Demo, copy: Path, *arguments: str) -> tuple[int, str]:
    with _start(demo, copy, *arguments) as process:
        out, err = process.communicate(timeout=LONGEST_S)
    return process.returncode, out + err


def _paths(copy: Path) -> set[str]:
    return {os.path.join(place, name) for place, _, names in os.walk(copy) for name in names}  # noqa: PTH118 # fast


def _killed(demo: Demo, copy: Path, after: int) -> bool:
    """Start a run, kill it once so many names in the copy changed, and tell whether that was before its end."""
    before = _paths(copy)
    with _start(demo, copy) as process:
        while process.poll() is None and len(_paths(copy) ^ before) < after:
            time.sleep(0.001)
        unfinished = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return unfinished


def _folder(copy: Path, table: Table) -> Path:
    return copy / LICENSE / "licensed" / str(table)


def _opt_out(demo: Demo, member: str) -> str:
    demo.chosen = member
    demo.opt_out()
    return member_secrets(demo.house_key(), member)[0]


def _holders(paths: Iterator[Path], gone: set[str]) -> list[str]:
    """Give the Parquet files that name somebody who left, whatever their names are."""
    found = []
    for path in paths:
        if path.is_file() and "removals" not in path.parts and path.suffix in {".parquet", ".whole"}:
            table = pq.ParquetFile(path).read()
            names = {
                name for column in table.column_names if column.endswith("_id") for name in table[column].to_pylist()
            }
            found += [str(path)] if names & gone else []
    return found


def _leaders(demo: Demo, copy: Path, count: int) -> list[str]:
    """Give members with posts in the copy, the busiest first."""
    known = {member_secrets(demo.house_key(), name)[0]: name for name in demo.known_members()}
    authors = pd.read_parquet(_folder(copy, Table.POSTS))["author_id"].value_counts().index
    return [known[author] for author in authors[:count]]


def _sorted(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    keys = list(KEYS[table])
    return frame.sort_values(keys).reset_index(drop=True)


def test_whatever_is_killed_and_whoever_leaves_the_copy_is_the_share_in_the_end(demo: Demo, tmp_path: Path) -> None:
    """Opt-outs between runs, runs killed half-way, a rebuild: then pandas, the official client and the check agree."""
    copy, derived = tmp_path / "copy", tmp_path / "features.parquet"
    dice = random.Random(5)  # noqa: S311 # moments, no secret
    with _serving(demo):
        unfinished = int(_killed(demo, copy, 25))
        assert _sync(demo, copy)[0] == 0
        pd.read_parquet(_folder(copy, Table.POSTS)).to_parquet(derived)
        assert _sync(demo, copy, "--also", f"posts={derived}")[0] == 0
        gone: set[str] = set()
        for turn, member in enumerate(_leaders(demo, copy, ROUNDS)):
            gone.add(_opt_out(demo, member))
            if turn == ROUNDS // 2:
                _build(demo)
            unfinished += _killed(demo, copy, dice.randrange(1, 30))
        code, said = _sync(demo, copy, "--json")
        assert code == 0, said
        assert unfinished > ROUNDS // 2
        assert _holders(iter([derived, *copy.rglob("*")]), gone) == []
        assert not [*copy.rglob("_incoming/*"), *copy.rglob("*.licet-new"), *tmp_path.glob(".*.licet-new")]
        for table in Table:
            official = delta_sharing.load_as_pandas(
                f"{demo.profile}#{LICENSE}.licensed.{table}", use_delta_format=False
            )
            assert len(official) > 100
            mine = pd.read_parquet(_folder(copy, table))[list(official.columns)]
            pd.testing.assert_frame_equal(_sorted(mine, table), _sorted(official, table), check_dtype=False)
        posts = pd.read_parquet(_folder(copy, Table.POSTS))
        assert set(pd.read_parquet(derived)["post_id"]) == set(posts["post_id"])
        code, said = _sync(demo, copy, "--check", "--json")
        assert code == 0, said
        removals = [each for each in json.loads(said)["tables"] if each["table"] == "posts"]
        assert [(each["good"], each["removed"]) for each in removals] == [(True, 0)]


def test_whoever_watches_follows_an_opt_out_unasked(demo: Demo, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with _serving(demo):
        assert _sync(demo, copy)[0] == 0
        (member,) = _leaders(demo, copy, 1)
        with _start(demo, copy, "--watch", "1s") as watching:
            gone = {_opt_out(demo, member)}
            for _ in range(LONGEST_S * 10):
                if not _holders(_folder(copy, Table.POSTS).glob("*.parquet"), gone):
                    break
                time.sleep(0.1)
            watching.send_signal(signal.SIGINT)
            _, errors = watching.communicate(timeout=LONGEST_S)
        assert _holders(_folder(copy, Table.POSTS).glob("*.parquet"), gone) == []
        assert watching.returncode == 0, errors
