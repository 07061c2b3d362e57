"""Where this installation keeps its things: flags and environment, read once."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from licet.model.errors import UsageError

if TYPE_CHECKING:
    from licet.store.engine import SqlEngine
    from licet.store.house import House

_MEMORY: Final = re.compile(r"[0-9]+(\.[0-9]+)? ?([KMGT]i?B)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a command was told about its surroundings."""

    home: Path
    database_url: str
    lake_url: str
    outlet_url: str = ""
    """Where recipients fetch files: `s3://bucket/prefix`; empty means from this server."""
    memory_limit: str
    spark: str
    """A Spark master's URL; empty means that builds and recalls run in DuckDB on this machine."""
    json: bool

    def open(self) -> "House":
        """Open the house; its database is migrated if need be."""
        from licet.store.house import open_house  # noqa: PLC0415 # a recipient's commands need not wait for it

        return open_house(self.home, self.database_url, self.lake_url, self.memory_limit, self.outlet_url)

    def engine(self) -> "SqlEngine | None":
        """Give the engine that builds and recalls run on; None means the house's own."""
        from licet.store.spark import SparkEngine  # noqa: PLC0415 # likewise

        return SparkEngine(master=self.spark) if self.spark else None


def configuration() -> Configuration:
    """Give the configuration of the command that is running."""
    found = click.get_current_context().find_object(Configuration)
    if found is None:
        raise UsageError("the command runs outside `licet`", "call it as `licet COMMAND`")
    return found


def memory(_ctx: click.Context, _parameter: click.Parameter, said: str) -> str:
    """Check an amount of memory.

    Raises:
        click.BadParameter: it is none.
    """
    if not _MEMORY.fullmatch(said):
        raise click.BadParameter(f"`{said}` is no amount of memory; write a number and a unit: 800MB, 4GB, 4GiB")
    return said


def now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)
