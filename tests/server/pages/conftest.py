"""A platform with a year behind it, served over real HTTP, and people who are signed in at it."""

from collections.abc import Callable, Iterator

import platform_history
import pytest
from page_tour import Visitor
from platform_history import Platform

from licet.ledger.papers import PAPERS
from licet.store.house import open_house


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests of a module: whoever changes something takes a member of their own."""
    home = tmp_path_factory.mktemp("platform")
    house = open_house(home / "home")
    yield platform_history.live(house, home / "data")
    house.database.dispose()


@pytest.fixture
def site(platform: Platform, serving: Callable[..., object]) -> Iterator[str]:
    """The address of the served platform."""
    with serving(platform, papers=PAPERS) as url:  # type: ignore[attr-defined]
        yield url


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
