"""A platform that shares its posts and likes with one recipient, served over real HTTP."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1] / "recall"))  # the same world that recall is tested in

from recall_world import KEY, LICENSE, NOW, World, make_world, usual

from licet.dataset import package
from licet.dataset.build import build
from licet.model.licenses import LicenseId
from licet.recall.catch_up import catch_up
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import facts, parties
from licet.store.database import transaction
from licet.store.house import open_house

TABLES = "/shares/acme-1/schemas/licensed/tables"


@dataclass(slots=True, kw_only=True)
class Platform:
    """A world, its clock, and the recipient's way in."""

    world: World
    token: str
    address: str = ""
    now: datetime = NOW

    def clock(self) -> datetime:
        return self.now

    @property
    def client(self) -> httpx.Client:
        """A plain client with the recipient's token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"{self.address}/delta-sharing", headers=headers, timeout=30)

    def opts_out(self, *members: str) -> None:
        """Let members opt out, and the recall run."""
        self.world.say(*members)
        catch_up(self.world.house, NOW)

    def build(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(package, "FILE_ROWS", 4)
            build(self.world.house, LICENSE.license_id, NOW)

    def log(self, table: str = "posts") -> Path:
        """Give the folder of a table's Delta log."""
        return self.world.house.shared.root / "acme-1" / table / "_delta_log"

    def instant(self, version: int, table: str = "posts") -> str:
        """Give when a version was committed, as the log says it."""
        said = [json.loads(line) for line in (self.log(table) / f"{version:020d}.json").read_text().splitlines()]
        stamp = next(each["commitInfo"]["timestamp"] for each in said if "commitInfo" in each)
        return datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def furnish(home: Path) -> Platform:
    """Build a platform with two more licenses, of which nothing was built yet."""
    world = make_world(home, "", *usual(), file_rows=4)
    with transaction(world.house.database) as conn:
        token = parties.issue_token(conn, "acme", NOW + timedelta(days=30))
        for name in ("acme-2", "acme-3"):
            facts.grant_license(conn, replace(LICENSE, license_id=LicenseId(name)), KEY, NOW)
    return Platform(world=world, token=token)


@contextlib.contextmanager
def served(platform: Platform) -> Iterator[Platform]:
    """Serve a platform on a free port."""
    options = ServerOptions(secret=b"0" * 32, wait_s=0.5, clock=platform.clock)
    server = uvicorn.Server(configure(platform.world.house, "127.0.0.1", 0, options))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    platform.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield platform
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that only reads: built at version 0, rows left at versions 1 and 2."""
    made = furnish(tmp_path_factory.mktemp("platform") / "home")
    made.opts_out("x:3")
    made.opts_out("x:7")
    with served(made) as address:
        yield address
    made.world.house.database.dispose()


@pytest.fixture(scope="session")
def client(platform: Platform) -> Iterator[httpx.Client]:
    """The recipient, at the platform that only reads."""
    with platform.client as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Platform]:
    """A platform of a test's own, just built."""
    made = furnish(tmp_path / "home")
    with served(made) as address:
        yield address
    made.world.house.database.dispose()


@pytest.fixture
def reopened() -> Callable[[Platform], contextlib.AbstractContextManager[Platform]]:
    """Serve a platform's home a second time, by somebody who has read nothing of it yet."""

    @contextlib.contextmanager
    def again(platform: Platform) -> Iterator[Platform]:
        house = open_house(platform.world.house.shared.root.parent)
        other = Platform(world=replace(platform.world, house=house), token=platform.token)
        with served(other) as address:
            yield address
        house.database.dispose()

    return again


def lines(answer: httpx.Response) -> list[dict]:
    """Give the lines of a table's answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert all(len(line) == 1 for line in found)
    return found


def refused(answer: httpx.Response, code: str = "INVALID_PARAMETER_VALUE", status: int = 400) -> str:
    """Give the words of a refusal in the protocol's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    said = answer.json()
    assert (set(said), said["errorCode"]) == ({"errorCode", "message"}, code)
    return str(said["message"])


@pytest.fixture
def read() -> Callable[[httpx.Response], list[dict]]:
    """How lines are read."""
    return lines


@pytest.fixture
def refusal() -> Callable[..., str]:
    """How a refusal is read."""
    return refused
