"""The law of the opt-out under attack: thousands opt out while others read and the recall is killed again and again."""

import contextlib
import io
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.protocol.sharing import SCHEMA
from licet.recall.catch_up import catch_up
from licet.server.sharing import PREFIX
from licet.store import parties
from licet.store.database import transaction

sys.path.insert(0, str(Path(__file__).parents[1] / "recall"))

from recall_world import KEY, LICENSE, PURPOSE, World, like, make_world, post

SECOND = Path(__file__).with_name("opt_out_worker.py")
MEMBERS = 2400
LEAVING = 2000
LEAVERS = 6
READERS = 2
ENOUGH = 4


@dataclass
class Ledger:
    """Who was told that they are out, and what readers saw."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    out: set[str] = field(default_factory=set)
    seen_after: list[str] = field(default_factory=list)
    answers: int = 0
    files: int = 0
    errors: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def told(self) -> set[str]:
        """Give the pseudonyms of members whose opt-out was acknowledged by now."""
        with self.lock:
            return set(self.out)


@pytest.mark.usefixtures("database_url")
def test_no_read_begun_after_an_acknowledged_opt_out_returns_the_member(tmp_path: Path, database_url: str) -> None:
    world, token = _crowd(tmp_path / "home", database_url)
    ledger = Ledger()
    dice = random.Random(7)  # noqa: S311 # an attack that can be repeated
    with _second("serve", tmp_path, database_url, talk=True) as server:
        assert server.stdout is not None
        address = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        names = [f"x:{n}" for n in range(LEAVING)]
        leavers = [_thread(ledger, _leave, address, names[n::LEAVERS]) for n in range(LEAVERS)]
        readers = [_thread(ledger, _read_on, address, token) for _ in range(READERS)]
        _torment(tmp_path, database_url, leavers, dice)
        with _second("work", tmp_path, database_url):
            ledger.done.wait(1)
            ledger.done.set()
            for thread in readers:
                thread.join()
            while min(ledger.answers, ledger.files) < ENOUGH:
                _read_once(ledger, address, token)
    assert ledger.errors == []
    assert ledger.seen_after == []
    assert len(ledger.out) == LEAVING
    _settled(world, ledger)


def _settled(world: World, ledger: Ledger) -> None:
    """Whatever was killed, the tables end up exact, and every row of those who stayed is still there."""
    catch_up(world.house, datetime.now(UTC))
    assert world.checked() >= world.newest()
    for table in (Table.POSTS, Table.LIKES):
        assert world.shared(table) == world.expected(table)
    assert ledger.out.isdisjoint({row[1] for row in world.shared(Table.POSTS)})
    world.house.database.dispose()


def _crowd(home: Path, database_url: str) -> tuple[World, str]:
    """Share the posts and likes of a crowd with a recipient who holds a token."""
    names = [f"x:{n}" for n in range(MEMBERS)]
    posts = [post(f"p:{n}", name) for n, name in enumerate(names)]
    likes = [like(name, posts[(n * 7 + 1) % MEMBERS]) for n, name in enumerate(names)]
    world = make_world(home, database_url, names, posts, likes, file_rows=100)
    with transaction(world.house.database) as conn:
        token = parties.issue_token(conn, LICENSE.recipient_id, datetime.now(UTC) + timedelta(days=1))
    return world, token


def _thread(ledger: Ledger, act: Callable[..., None], *args: object) -> threading.Thread:
    def run() -> None:
        try:
            act(ledger, *args)
        except Exception as error:  # noqa: BLE001 # told by the test's own thread
            ledger.errors.append(repr(error))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _leave(ledger: Ledger, address: str, names: list[str]) -> None:
    """Opt members out one after another, and note each once the answer is there."""
    with httpx.Client(base_url=address, timeout=60, verify=False) as client:  # noqa: S501 # plain HTTP on this machine
        for name in names:
            client.post("/sign-in", json={"member_id": name}).raise_for_status()
            client.put(f"/settings/{PURPOSE}", json={"choice": "deny"}).raise_for_status()
            with ledger.lock:
                ledger.out.add(member_secrets(KEY, name)[0])


def _read_on(ledger: Ledger, address: str, token: str) -> None:
    while not ledger.done.is_set():
        _read_once(ledger, address, token)


def _read_once(ledger: Ledger, address: str, token: str) -> None:
    """Read both tables, and note every member who was told that they are out before the query, or the fetch, began."""
    with httpx.Client(timeout=60, verify=False) as client:  # noqa: S501 # plain HTTP on this machine
        for table in (Table.POSTS, Table.LIKES):
            out = ledger.told()
            path = f"{address}{PREFIX}/shares/{LICENSE.license_id}/schemas/{SCHEMA}/tables/{table}/query"
            answer = client.post(path, json={}, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                continue
            answer.raise_for_status()
            ledger.answers += 1
            links = [line["file"]["url"] for line in map(json.loads, answer.text.splitlines()) if "file" in line]
            for link in links:
                if not _fetch(ledger, client, link, out):
                    break


def _fetch(ledger: Ledger, client: httpx.Client, link: str, out: set[str]) -> bool:
    """Fetch a file; tell whether the version still stands. Whoever was out when the fetch began must not be there."""
    out = out | ledger.told()
    answer = client.get(link)
    if answer.status_code in {httpx.codes.GONE, httpx.codes.SERVICE_UNAVAILABLE}:
        return False
    answer.raise_for_status()
    ledger.files += 1
    for row in pq.read_table(io.BytesIO(answer.content)).to_pylist():
        subjects = {row.get("author_id"), row.get("actor_id"), row.get("post_author_id")}
        ledger.seen_after += sorted(subjects & out)
    return True


def _torment(home: Path, database_url: str, leavers: list[threading.Thread], dice: random.Random) -> None:
    """Kill the recall at random moments for as long as members leave, and often enough to tell."""
    kills = 0
    while kills < ENOUGH or any(thread.is_alive() for thread in leavers):
        with _second("work", home, database_url) as worker, contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(dice.uniform(1.0, 5.0))
        kills += 1


@contextlib.contextmanager
def _second(role: str, folder: Path, database_url: str, *, talk: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run a process of its own, and kill it in the end without a word."""
    command = [sys.executable, str(SECOND), role, str(folder / "home"), database_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE if talk else None, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
