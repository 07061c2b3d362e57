"""`licet ingest`: bring posts, interactions, members and deletions into the lake and the facts."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import click

from licet.cli.configuration import configuration
from licet.cli.terminal import LicetGroup, emit, progress, read_text
from licet.ingest.jetstream import read_feed, read_lines
from licet.ingest.jetstream_live import follow
from licet.ingest.mapping import parse_mapping
from licet.ingest.marks import Mark
from licet.ingest.tabular import read_table
from licet.ingest.write import IngestReport, ingest, resume_from
from licet.model.errors import UsageError
from licet.model.records import Ingested

JETSTREAM = "wss://jetstream2.us-east.bsky.network/subscribe"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: str) -> timedelta:
    """Read a duration such as `60s`, `15m`, `24h` or `30d`.

    Raises:
        UsageError: it is none.
    """
    if value[-1:] not in _UNITS or not value[:-1].isdigit():
        raise UsageError(f"`{value}` is no duration", "write a number and a unit: 60s, 15m, 24h, 30d")
    return timedelta(**{_UNITS[value[-1]]: int(value[:-1])})


@click.group(name="ingest", cls=LicetGroup)
def ingest_group() -> None:
    """Bring a platform's data in; the same input twice changes nothing.

    Example: licet ingest table posts.csv --mapping posts.toml
    """


@ingest_group.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mapping", required=True, help="TOML file that says which column is what.")
def table(path: Path, mapping: str) -> None:
    """Read a CSV, JSON Lines or Parquet file by a mapping.

    Example: licet ingest table posts.csv --mapping posts.toml
    """
    parsed = parse_mapping(read_text(mapping), Path(mapping).name)
    _write(f"table:{path.name}", read_table(path, parsed), f"reading {path.name}")


@ingest_group.command()
@click.argument("path", default="", required=False)
@click.option("--for", "lasting", default="", help="How long to follow the live stream, such as 60s.")
@click.option("--url", default=JETSTREAM, show_default=True, help="The live stream's address.")
def jetstream(path: str, lasting: str, url: str) -> None:
    """Read Bluesky Jetstream events from a file, standard input (-) or, without a path, the live stream.

    Example: licet ingest jetstream --for 60s
    """
    if path == "-":
        _write("jetstream:stdin", read_lines(sys.stdin), "reading standard input")
    elif path:
        with click.open_file(path, encoding="utf-8") as lines:
            _write(f"jetstream:{Path(path).name}", read_lines(lines), f"reading {path}")
    else:
        _write(f"jetstream:{url}", read_feed(_live(url, lasting)), f"following {url}")


def _live(url: str, lasting: str) -> Iterator[tuple[int, str]]:
    end = time.monotonic() + duration(lasting).total_seconds() if lasting else float("inf")
    cursor = resume_from(configuration().open().database, f"jetstream:{url}")
    return follow(url, cursor, lambda: time.monotonic() >= end)


def _write(source: str, records: Iterable[Ingested | Mark], label: str) -> None:
    house = configuration().open()
    with progress(label) as step:
        report = ingest(house.database, house.lake, source, records, progress=step)
    emit(_facts(report), _lines(report))


def _facts(report: IngestReport) -> dict[str, object]:
    return {"read": dict(report.counts), "set_aside": dict(report.skipped), "duplicates": report.duplicates}


def _lines(report: IngestReport) -> list[str]:
    read = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.counts.items()) if count) or "nothing new"
    lines = [f"read {read}"]
    if report.duplicates:
        lines.append(f"{report.duplicates:,} were there already")
    lines += [f"set aside {count:,}: {reason}" for reason, count in sorted(report.skipped.items())]
    return lines
