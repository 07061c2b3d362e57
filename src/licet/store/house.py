"""All that a workflow needs to reach: the facts, lake, shared tables, local engine, published log, and outlet."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from licet.model.errors import InputError
from licet.store.bucket import Bucket
from licet.store.database import open_database
from licet.store.engine import LocalEngine
from licet.store.lake import Lake
from licet.store.log_files import LogFiles
from licet.store.outlet import Outlet
from licet.store.shared import SharedTables


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One installation: its facts (SQL), its lake, shared tables, local engine, published log, and outlet if any."""

    database: Engine
    lake: Lake
    shared: SharedTables
    engine: LocalEngine
    log: LogFiles
    outlet: Outlet | None = None


def open_house(
    home: Path, database_url: str = "", lake_url: str = "", memory_limit: str = "1GB", outlet_url: str = ""
) -> House:
    """Open the house whose files live under `home`; database and lake may live elsewhere, by URL.

    Where there is an outlet, recipients fetch shared files from its copy.

    Raises:
        UsageError: a URL is not one that licet speaks.
        InputError: the home cannot be made.
    """
    bucket = Bucket.open(outlet_url) if outlet_url else None
    _make(home)
    engine = LocalEngine(scratch=home / "scratch", memory_limit=memory_limit)
    database = open_database(database_url or f"sqlite:///{home.resolve() / 'licet.db'}")
    shared = SharedTables(root=home.resolve() / "shared")
    return House(
        database=database,
        lake=Lake(url=lake_url or str(home.resolve() / "lake"), engine=engine),
        shared=shared,
        engine=engine,
        log=LogFiles(root=home.resolve() / "log"),
        outlet=Outlet(bucket, database, shared) if bucket else None,
    )


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the home `{home}` cannot be made: {error.strerror}", "choose another with --home") from error
