"""Books in a house, once on SQLite and once on each database."""

import pathlib
import sys

import pytest

from licet.store.house import House

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from ledger_world import Books  # beside this file


@pytest.fixture
def world(house: House) -> Books:
    """Books with terms and without a license, on SQLite."""
    made = Books(house)
    made.terms()
    return made


@pytest.fixture
def any_world(any_house: House) -> Books:
    """The same, once on each database."""
    made = Books(any_house)
    made.terms()
    return made
