"""A build that dies at any moment leaves the version before in place, and the next build leaves nothing behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.dataset.conftest import LICENSE, NOW, Scene, like, listed, member, post

from licet.model.members import Choice
from licet.model.records import Table
from licet.store import parties
from licet.store.database import reading

_CHILD = """
import sys
from datetime import datetime
from pathlib import Path
from licet.dataset import package
from licet.dataset.build import build
from licet.store.house import open_house
package.FILE_ROWS = 20
print("ready", flush=True)
build(open_house(Path(sys.argv[1])), "l1", datetime.fromisoformat(sys.argv[2]))
print("done", flush=True)
"""


def _killed(home: Path, after_s: float) -> bool:
    """Start a build in a second process, kill it after so many seconds, and tell whether it had finished."""
    command = [sys.executable, "-c", _CHILD, str(home), NOW.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(after_s)
        os.kill(child.pid, signal.SIGKILL)
        return "done" in child.stdout.read()


def test_a_build_killed_at_random_moments_never_shows_half_a_version(scene: Scene, tmp_path: Path) -> None:
    """What is listed is the whole old version or the whole new one, and every listed file is there and whole."""
    scene.members(*(member(f"x:{n}") for n in range(30)))
    scene.ingest(Table.POSTS, *(post(f"x:p{n}", f"x:{n % 30}") for n in range(600)))
    scene.ingest(Table.LIKES, *(like(f"x:{n % 30}", f"x:p{n}", f"x:{n % 30}") for n in range(600)))
    scene.build()
    checked = scene.seq()
    old = {table: listed(scene.rows(table)) for table in LICENSE.tables}
    scene.choose("x:7", Choice.DENY)
    unfinished = 0
    for moment in random.Random(7).sample(range(20, 500, 20), 12):  # noqa: S311 # moments, no secret
        finished = _killed(tmp_path / "home", moment / 1000)
        unfinished += not finished
        for table in LICENSE.tables:
            rows = listed(scene.rows(table))
            assert len(rows) in {580, 600}
            assert len(rows) == 580 or rows == old[table]
        with reading(scene.house.database) as conn:
            claimed = parties.checked_seq(conn, "l1") > checked
        # The statement that nothing withdrawn is left is made only once it is true of every table.
        assert not claimed or all(len(scene.rows(table)) == 580 for table in LICENSE.tables)
    assert unfinished > 0
    scene.build()
    built = scene.build()
    assert {one.rows for one in built.values()} == {580}
    for table in LICENSE.tables:
        folder = scene.house.shared.folder("l1", table)
        there = {path.name for path in folder.glob("*.parquet")}
        # The version before this one keeps its files until somebody sweeps: two whole versions, and nothing else.
        assert {path.name for path in scene.files(table)} <= there
        assert len(there) == 2 * len(scene.files(table))


def test_files_of_a_dead_build_are_gone_after_the_next_one_and_its_versions_are_written_down(scene: Scene) -> None:
    """An orphan is deleted, and a commit that SQL does not know of is made known."""
    scene.members(member("x:a"))
    scene.ingest(Table.POSTS, post("x:1", "x:a"))
    scene.build()
    orphan = scene.house.shared.folder("l1", Table.POSTS) / "bucket-00000-dead.parquet"
    orphan.write_bytes(b"half a file")
    with reading(scene.house.database) as conn:
        first = parties.versions(conn, "l1", Table.POSTS)
    scene.build()
    assert not orphan.exists()
    with reading(scene.house.database) as conn:
        assert [version.version for version, _ in parties.versions(conn, "l1", Table.POSTS)] == [0, 1]
        assert parties.versions(conn, "l1", Table.POSTS)[0] == first[0]
