"""Everything a workflow needs to reach: the facts, the lake, the shared tables and the local engine."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from licet.store.database import open_database
from licet.store.engine import LocalEngine
from licet.store.lake import Lake
from licet.store.shared import SharedTables


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One installation: its facts (SQL), its lake, its shared tables and its local engine."""

    database: Engine
    lake: Lake
    shared: SharedTables
    engine: LocalEngine


def open_house(home: Path, database_url: str = "", lake_url: str = "", memory_limit: str = "1GB") -> House:
    """Open the house whose files live under `home`; database and lake may live elsewhere, by URL."""
    home.mkdir(parents=True, exist_ok=True)
    engine = LocalEngine(scratch=home / "scratch", memory_limit=memory_limit)
    return House(
        database=open_database(database_url or f"sqlite:///{home.resolve() / 'licet.db'}"),
        lake=Lake(url=lake_url or str(home.resolve() / "lake"), engine=engine),
        shared=SharedTables(root=home.resolve() / "shared"),
        engine=engine,
    )
