"""Open the SQL database (SQLite by default, PostgreSQL by URL), migrate it, and hold transactions and leases."""

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from licet.model.errors import Refused, UsageError


def open_database(url: str) -> Engine:
    """Open and migrate the database at a URL: `sqlite:///path` or `postgresql+psycopg://…`.

    Raises:
        UsageError: the URL is not one that licet speaks.
        Refused: another version of licet made the database.
    """
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError as error:
        raise UsageError("the database URL cannot be read", "write sqlite:///file or postgresql+psycopg://…") from error
    if backend == "sqlite":
        engine = _open_sqlite(url)
    elif backend == "postgresql":
        engine = create_engine(url, pool_pre_ping=True, pool_size=20)
    else:
        raise UsageError(f"no database of kind `{backend}`", "use sqlite or postgresql")
    migrate(engine)
    return engine


def _open_sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 60, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:  # noqa: ANN401 # DBAPI connections have no common type
        connection.isolation_level = None  # the driver's own transactions begin too late to keep order
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=60000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; two processes at once wait for each other.

    Raises:
        Refused: the schema is of a version that this one does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with lease(engine, "migrate"), engine.execution_options(writing=True).begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Refused(
                "another version of licet made this database",
                "use the version that made it, or a newer one; before the first release, make a new database",
            ) from error


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Write facts: all of them are there after the block, or none."""
    with engine.execution_options(writing=True).begin() as connection:
        yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Read facts of one moment."""
    if engine.dialect.name == "postgresql":  # whose default shows every statement another moment
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.begin() as connection:
        yield connection


@contextlib.contextmanager
def lease(engine: Engine, name: str) -> Iterator[None]:
    """Be the only one in the house who holds `name`; a killed holder loses it at once."""
    if engine.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": number})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": number})
        return
    database = engine.url.database or "licet.db"
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    path = Path(f"{database}.{digest}.lease")
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
