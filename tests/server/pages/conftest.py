"""A platform with a year behind it, served over real HTTP, and people who are signed in at it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import platform_history
import pytest
from platform_history import Platform

from licet.store.house import open_house


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests: whoever changes something takes a member of their own."""
    home = tmp_path_factory.mktemp("platform")
    house = open_house(home / "home")
    yield platform_history.live(house, home / "data")
    house.database.dispose()


@pytest.fixture
def site(platform: Platform, serving: Callable[..., object]) -> Iterator[str]:
    """The address of the served platform."""
    with serving(platform) as url:  # type: ignore[attr-defined]
        yield url


class Visitor(httpx.Client):
    """A browser without scripts: keeps cookies, follows redirects, sends the forms of the page it is at."""

    def __init__(self, site: str, **options: object) -> None:
        super().__init__(base_url=site, follow_redirects=True, timeout=30, **options)  # type: ignore[arg-type]

    def token(self, path: str) -> str:
        """Give the form token of a page."""
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get(path).text)
        assert found, f"no form on {path}"
        return found[1]

    def submit(self, page: str, action: str, **fields: object) -> httpx.Response:
        """Send a form of a page."""
        return self.post(action, data={"form_token": self.token(page), **fields})


@pytest.fixture
def visit(site: str) -> Iterator[Callable[..., Visitor]]:
    """Open a browser, signed in as a role if one is named."""
    opened: list[Visitor] = []

    def open_one(role: str = "", who: str = "ada", token: str = "") -> Visitor:
        visitor = Visitor(site)
        opened.append(visitor)
        if role == "recipient":
            visitor.post("/sign-in/recipient", data={"token": token}).raise_for_status()
        elif role:
            visitor.post("/sign-in/development", data={"role": role, "member_id": who}).raise_for_status()
        return visitor

    yield open_one
    for visitor in opened:
        visitor.close()
