"""A small house with members, posts, links and likes, built once and shared under one license."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # second processes import the same world

from recall_world import World, make_world, usual


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a small world on SQLite."""
    made = make_world(tmp_path / "home", "", *usual())
    yield made
    made.house.database.dispose()


@pytest.fixture
def any_world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a small world, once on SQLite and once on PostgreSQL."""
    made = make_world(tmp_path / "home", database_url, *usual())
    yield made
    made.house.database.dispose()
