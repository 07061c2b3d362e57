"""`licet ingest`: bring posts, interactions, members and deletions into the lake and the facts."""

import re
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from licet.cli.configuration import configuration
from licet.cli.terminal import LicetGroup, ReadingBar, counted, duration, emit, read_text, reading_bar
from licet.ingest.formats import NAMES, NOTHING_TOLD, Told, recognize
from licet.ingest.jetstream import read_feed, read_lines
from licet.ingest.jetstream_live import follow
from licet.ingest.mapping import parse_mapping
from licet.ingest.marks import Mark
from licet.ingest.opened import Opened, open_input
from licet.ingest.preview import Preview, kind_of, preview
from licet.ingest.tabular import read_table
from licet.ingest.watched import watched
from licet.ingest.write import IngestReport, ingest, resume_from
from licet.model.errors import UsageError
from licet.model.members import MemberId
from licet.model.records import Ingested, Visibility

JETSTREAM = "wss://jetstream2.us-east.bsky.network/subscribe"
_MOVING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class IngestGroup(LicetGroup):
    """`licet ingest PATH` is `licet ingest file PATH`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take whatever is no command of the group for a path and its options."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["file", *args]
        return super().parse_args(ctx, args)


@click.group(name="ingest", cls=IngestGroup, subcommand_metavar="PATH|COMMAND [ARGS]...")
def ingest_group() -> None:
    """Bring a platform's data in; the same input twice changes nothing.

    Example: licet ingest twitter-2024-11-15.zip
    """


@ingest_group.command(name="file")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--mapping", default="", help="For a table: the TOML file that says which column is what.")
@click.option("--format", "form", type=click.Choice(NAMES), help="The form, where several are possible.")
@click.option("--member", default="", help="Whose export it is, where it does not say; as `linkedin:17000001`.")
@click.option(
    "--visibility", type=click.Choice(["public", "unlisted"]), default=None, help="Where an export is silent."
)
@click.option("--dry-run", is_flag=True, help="Count and show samples; store nothing.")
def ingest_file(path: Path, mapping: str, form: str | None, member: str, visibility: str | None, dry_run: bool) -> None:  # noqa: FBT001 # click's options
    """Read an export, an archive, a recording or a table; `licet ingest PATH` is enough.

    Example: licet ingest file posts.csv --mapping posts.toml
    """
    if mapping:
        if form or member or visibility:
            raise UsageError("a table's mapping says all of it", "leave out --format, --member and --visibility")
        parsed = parse_mapping(read_text(mapping), Path(mapping).name)
        with reading_bar(path.name, 0) as bar:
            _take(f"table:{path.name}", "a table", read_table(path, parsed), bar, dry_run=dry_run)
        return
    told = Told(
        member_id=MemberId(member) if member else None, visibility=Visibility(visibility) if visibility else None
    )
    _read(path, form or "", told, dry_run=dry_run)


def _read(path: Path, form: str, told: Told, *, dry_run: bool) -> None:
    with open_input(path) as source, reading_bar(source.name, _size(path, source)) as bar:
        found = recognize(source, form)
        records = found.read(watched(source, bar.read), told)
        _take(f"{found.format.name}:{source.name}", found.seen, records, bar, dry_run=dry_run)


def _size(path: Path, source: Opened) -> int:
    """Give the bytes to be read; 0 for a compressed file, which states only how many it takes up."""
    packed = len(source.parts) == 1 and path.suffix.lower() in {".gz", ".bz2"}
    return 0 if packed else sum(part.size for part in source.parts)


@ingest_group.command()
@click.argument("path", default="", required=False)
@click.option("--for", "lasting", default="", help="How long to follow the live stream, such as 60s.")
@click.option("--url", default=JETSTREAM, show_default=True, help="The live stream's address.")
def jetstream(path: str, lasting: str, url: str) -> None:
    """Read Bluesky Jetstream events from a file, standard input (-) or, without a path, the live stream.

    Example: licet ingest jetstream --for 60s
    """
    if path == "-":
        _write("jetstream:stdin", read_lines(sys.stdin.buffer), "standard input")
    elif path:
        _read(Path(path), "jetstream", NOTHING_TOLD, dry_run=False)
    else:
        _write(f"jetstream:{url}", read_feed(_live(url, lasting)), url)


def _live(url: str, lasting: str) -> Iterator[tuple[int, str]]:
    end = time.monotonic() + duration(lasting).total_seconds() if lasting else float("inf")
    cursor = resume_from(configuration().open().database, f"jetstream:{url}")
    return follow(url, cursor, lambda: time.monotonic() >= end)


def _take(source: str, seen: str, records: Iterable[Ingested], bar: ReadingBar, *, dry_run: bool) -> None:
    if dry_run:
        _show(seen, preview(records, bar.stored))
        return
    house = configuration().open()
    report = ingest(house.database, house.lake, source, records, progress=bar.stored)
    emit({"seen": seen, **_facts(report)}, [f"saw {seen}", *_lines(report)])


def _show(seen: str, found: Preview) -> None:
    value = {"seen": seen, "would_read": found.counts, "set_aside": found.skipped}
    lines = [f"saw {seen}; nothing was stored", *_counted("would read", found.counts, found.skipped)]
    samples = [{"kind": kind_of(item), **asdict(item)} for item in found.samples]
    emit({**value, "samples": samples}, [*lines, *(f"  {_sample(each)}" for each in samples)])


def _sample(values: dict[str, object]) -> str:
    known = ", ".join(f"{name}={value}" for name, value in values.items() if name != "kind" and value not in ("", None))
    # What stands in somebody's post must not move the cursor, or turn the line around.
    return textwrap.shorten(_MOVING.sub(" ", f"{values['kind']}: {known}"), 200, placeholder=" …")


def _write(source: str, records: Iterable[Ingested | Mark], label: str) -> None:
    house = configuration().open()
    with reading_bar(label, 0) as bar:
        report = ingest(house.database, house.lake, source, records, progress=bar.stored)
    emit(_facts(report), _lines(report))


def _facts(report: IngestReport) -> dict[str, object]:
    return {"read": dict(report.counts), "set_aside": dict(report.skipped), "duplicates": report.duplicates}


def _lines(report: IngestReport) -> list[str]:
    first, *rest = _counted("read", report.counts, report.skipped)
    return [first, *([f"{report.duplicates:,} were there already"] if report.duplicates else []), *rest]


def _counted(verb: str, counts: Mapping[str, int], skipped: Mapping[str, int]) -> list[str]:
    read = ", ".join(counted(count, kind) for kind, count in sorted(counts.items()) if count) or "nothing new"
    return [f"{verb} {read}", *(f"set aside {n:,}: {reason}" for reason, n in sorted(skipped.items()))]
