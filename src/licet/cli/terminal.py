"""What people and scripts see: tables or JSON, progress, one-line errors."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from sqlalchemy.exc import OperationalError

from licet.cli.configuration import configuration
from licet.model.errors import InputError, LicetError, UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class LicetGroup(click.Group):
    """A group of commands in sections, whose errors are one line with the remedy."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 # click's own arguments
        sections: Mapping[str, Sequence[str]] = MappingProxyType({}),
        elsewhere: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Take click's arguments, the sections of the help page, and commands that are not imported yet.

        Of each of those, where it is (`module:name`) and what it does, in the sentence that its own help begins with.
        """
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands, imported or not."""
        return sorted({*super().list_commands(ctx), *self.elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command; its module is imported when it is asked for: all of them together take seconds."""
        if cmd_name in self.elsewhere and cmd_name not in self.commands:
            module, _, name = self.elsewhere[cmd_name][0].partition(":")
            self.add_command(getattr(import_module(module), name), cmd_name)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 # as click declares it
        """Run a command; an error of ours ends it with exit code 1."""
        try:
            return super().invoke(ctx)
        except (LicetError, OperationalError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            errors.print(f"error: {_said(error)}", markup=False, soft_wrap=True)
            ctx.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section."""
        for title, names in (self.sections or {"Commands": self.list_commands(ctx)}).items():
            with formatter.section(title):
                # In full: click would cut the sentences to one line.
                formatter.write_dl([(name, self._sentence(name)) for name in names])

    def _sentence(self, name: str) -> str:
        return self.elsewhere[name][1] if name in self.elsewhere else self.commands[name].get_short_help_str(1000)


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or instant; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 # click's contract
        """Read the value."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` is no ISO 8601 time; write 2024-11-15 or 2024-11-15T08:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def duration(value: str) -> timedelta:
    """Read a duration such as `60s`, `15m`, `24h` or `30d`.

    Raises:
        UsageError: it is none.
    """
    if value[-1:] not in _UNITS or not value[:-1].isdigit():
        raise UsageError(f"`{value}` is no duration", "write a number and a unit: 60s, 15m, 24h, 30d")
    return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})


def _said(error: LicetError | OperationalError | OSError) -> str:
    """Say in one line what is wrong, and the remedy."""
    if isinstance(error, OperationalError):
        # The driver's own words: SQLAlchemy's would bring the statement's values along.
        said = str(error.orig).splitlines()[0]
        return f"the database cannot be used: {said}; check --database, that it runs, and that its disk has room"
    if isinstance(error, OSError):
        where = f"`{error.filename}`: " if error.filename else ""
        return f"{where}{error.strerror or error}; check the path, its rights and the disk"
    return str(error)


def day(moment: datetime) -> str:
    """Write a day for people: `5 March 2025`."""
    return f"{moment.day} {moment:%B %Y}"


def counted(number: int, plural: str) -> str:
    """Count things that are named in the plural: `1 post`, `2 account changes`."""
    named = plural.replace("_", " ")
    return f"{number:,} {named.removesuffix('s') if number == 1 else named}"


def emit(value: Mapping[str, Any], lines: Sequence[str] = ()) -> None:
    """Print a result: JSON for scripts, else the lines."""
    if configuration().json:
        click.echo(json.dumps(value, default=str, sort_keys=True))
        return
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, or a JSON list of objects for scripts."""
    if configuration().json:
        click.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str))
        return
    cells = [[_cell(cell) for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, width in enumerate(_widths([columns, *cells])):
        table.add_column(
            columns[number],
            justify="right" if rows and isinstance(rows[0][number], int) else "left",
            overflow="fold",  # what is cut cannot be copied
            width=width,
        )
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Give each column its room: where there is too little, the widest wrap between words, and break them last."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [max(len(word) for cell in column for word in ["", *cell.split()]) for column in columns]
    while sum(widths) + 2 * len(widths) > console.width and max(widths) > 1:
        loose = [number for number, width in enumerate(widths) if width > words[number]] or range(len(widths))
        widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


class Step(Protocol):
    """Called with the amount done since the last call."""

    def __call__(self, done: int) -> None:
        """Move on by `done`."""


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Step]:
    """Show progress on standard error while the work lasts; silent where nobody watches."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)


class ReadingBar:
    """How far an input was read, in bytes, and how many records were stored."""

    def __init__(self, bar: Progress, total: int) -> None:
        """Begin at nothing, of `total` bytes; 0 where that is not known."""
        self._bar = bar
        self._task = bar.add_task("", total=total or None, records=0)

    def read(self, count: int) -> None:
        """Note that bytes were read."""
        self._bar.advance(self._task, count)

    def stored(self, records: int) -> None:
        """Note how many records are done so far."""
        self._bar.update(self._task, records=records)


@contextmanager
def reading_bar(label: str, total: int) -> Iterator[ReadingBar]:
    """Show bytes read, their rate and the time left on standard error; silent where nobody watches."""
    columns = (
        SpinnerColumn(),
        TextColumn(f"reading {label.replace('[', '(')}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[records]:,} records"),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        yield ReadingBar(bar, total)


def read_text(path: str) -> str:
    """Read a text file that the caller named.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 # `-` and pipes are files too
            return file.read()
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"`{path}` is not UTF-8 text", "save it as UTF-8") from error
