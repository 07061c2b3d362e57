"""`licet sync`: as a recipient, keep a local copy in step with a share, and settle what recalls ask for."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from licet.cli.configuration import Configuration, configuration
from licet.cli.sync_check import check, no_longer_shared
from licet.cli.sync_client import Client
from licet.cli.sync_derived import Derived, read_pattern
from licet.cli.sync_folder import only_one
from licet.cli.sync_recalls import Owed, attest, counter_of, read_feed, statement_of
from licet.cli.sync_report import Problem, Report, Stated, checked_lines, checked_value, lines, value
from licet.cli.sync_table import Followed, Follower
from licet.cli.terminal import duration, emit, errors, read_text
from licet.model.errors import LicetError, NotFound, Refused, Unavailable, UsageError
from licet.protocol.attestation import Done, key_id_of, public_bytes
from licet.protocol.reading import TableName, plain, read_profile
from licet.protocol.sharing import REMOVALS
from licet.protocol.signing_keys import read_private_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the command was told."""

    profile: Path
    root: Path
    target: str = ""
    """share, share.schema or share.schema.table; empty means everything."""
    also: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    patience_s: float = 300
    at_once: int = 4
    key: Ed25519PrivateKey | None = None
    models: tuple[str, ...] = ()
    done: tuple[Done, ...] = (Done.DELETED,)


@contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show bytes, their rate and the time left on standard error; silent where nobody watches."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not (errors.is_terminal and total)) as bar:
        task = bar.add_task(plain(label).replace("[", "("), total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def _follower(told: Told) -> Iterator[tuple[Follower, list[TableName], list[TableName]]]:
    """Give who follows, the tables meant (removals first), and all tables that are shared."""
    with only_one(told.root), _no_disk_error():
        client = Client(profile=read_profile(read_text(str(told.profile))), patience_s=told.patience_s)
        try:
            shared = client.tables()
            removals = {(name.share, name.schema): name for name in shared if name.table == REMOVALS}
            meant = [name for name in shared if name.is_meant_by(told.target)]
            if not meant:
                known = ", ".join(str(name) for name in shared[:20])
                raise NotFound(f"`{told.target or 'anything'}` is not shared with this profile", f"there is: {known}")
            # What tells which rows have to go comes along with whatever is copied.
            wanted = {
                *meant,
                *(removals[name.share, name.schema] for name in meant if (name.share, name.schema) in removals),
            }
            follower = Follower(
                client=client,
                root=told.root,
                derived=Derived.read(told.root),
                bar=_bar,
                at_once=told.at_once,
                removals=removals,
            )
            yield follower, sorted(wanted, key=lambda name: (name not in removals.values(), name)), shared
        finally:
            client.close()


@contextmanager
def _no_disk_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or "a file"
        raise Unavailable(
            f"`{where}` cannot be read or written: {error.strerror}", "free the disk, then run it again"
        ) from error


def _sync(told: Told) -> Report:
    """Follow every table meant, then settle recalls."""
    with _follower(told) as (follower, meant, shared):
        if told.also or told.forget:
            follower.derived.register(map(read_pattern, told.also), map(read_pattern, told.forget))
        followed: list[Followed] = []
        problems: list[Problem] = []
        for name in meant:
            try:
                with _no_disk_error():
                    followed.append(follower.follow(name))
            except LicetError as error:
                # What has to go from the other tables goes all the same.
                problems.append(Problem(name=str(name), said=error.message, remedy=error.remedy))
        followed = [_with_the_newest(follower, each, followed) for each in followed]
        stated, problem = _settle(told, follower, followed)
        gone = no_longer_shared(told.root, shared)
        return Report(
            followed=tuple(followed),
            problems=(*problems, *problem),
            stated=tuple(stated),
            no_longer_shared=tuple(map(str, gone)),
            unmatched=tuple(map(str, follower.derived.unmatched())),
        )


def _with_the_newest(follower: Follower, each: Followed, followed: Sequence[Followed]) -> Followed:
    """Follow removals once more after tables that moved: those wait for a recall under way, removals do not."""
    schema = (each.name.share, each.name.schema)
    others = (other for other in followed if other is not each and (other.name.share, other.name.schema) == schema)
    if follower.removals.get(schema) != each.name or not any(other.moved for other in others):
        return each
    try:
        with _no_disk_error():
            again = follower.follow(each.name)
    except LicetError:
        return each  # As good as a moment ago; the next run asks again.
    return replace(
        again,
        moved=each.moved or again.moved,
        fetched=each.fetched + again.fetched,
        bytes=each.bytes + again.bytes,
        dropped=each.dropped + again.dropped,
    )


def bring_in_step(profile: Path, root: Path) -> None:
    """Keep a local copy of everything that a profile opens in step, and attest nothing.

    Raises:
        LicetError: something could not be followed.
    """
    report = _sync(Told(profile=profile, root=root))
    for each in report.problems:
        raise Unavailable(f"{each.name}: {each.said}", each.remedy)


def _settle(told: Told, follower: Follower, followed: Sequence[Followed]) -> tuple[list[Stated], list[Problem]]:
    """Acknowledge what is owed, and attest what is carried out."""
    through = {(each.name.share, each.name.table): each.copy.followed for each in followed}
    counter = counter_of(follower.client)
    try:
        owed = read_feed(counter, told.root)
        return [_stated(told, counter, each, each.lacking(through)) for each in owed], []
    except LicetError as error:
        return [], [Problem(name="recalls", said=error.message, remedy=error.remedy)]
    finally:
        counter.close()


def _stated(told: Told, counter: Client, owed: Owed, lacking: list[str]) -> Stated:
    key_id = key_id_of(public_bytes(told.key)) if told.key else ""
    statement = statement_of(owed, told.models, told.done, key_id, datetime.now(UTC))
    found = Stated(
        recall_id=owed.recall_id, due=owed.due, rows=owed.rows, statement=statement.value(), lacking=tuple(lacking)
    )
    if lacking or told.key is None:
        return found
    refused = attest(counter, statement, told.key)
    return replace(found, sent=not refused, refused=refused)


def _check(told: Told) -> None:
    """Check every table meant; one that cannot be checked is told, and is not good."""
    with _follower(told) as (follower, meant, shared):
        found, problems = [], []
        for name in meant:
            try:
                found.append(check(follower, name))
            except LicetError as error:
                problems.append(Problem(name=str(name), said=error.message, remedy=error.remedy))
        gone = [str(path) for path in no_longer_shared(told.root, shared)]
    emit(checked_value(found, gone, problems), checked_lines(found, gone, problems))
    if gone or problems or not all(each.is_good for each in found):
        click.get_current_context().exit(1)


def _report(report: Report) -> None:
    emit(value(report), lines(report))
    for each in report.problems:
        errors.print(f"error: {each}", markup=False, soft_wrap=True)


def _watch(told: Told, pause_s: float) -> None:
    """Follow again and again until interrupted; what may be otherwise the next time ends nothing.

    An interruption is remembered, for one that comes inside a library's callback may be lost as an exception.
    """
    stop = threading.Event()

    def interrupt(_number: int, _frame: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    while not stop.is_set():
        try:
            _report(_sync(told))
        except (Unavailable, Refused) as error:
            errors.print(f"error: {error}", markup=False, soft_wrap=True)
        told = replace(told, also=(), forget=())
        stop.wait(pause_s)


def _print_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 # click's contract
    found = ctx.find_object(Configuration)
    if value and found is not None:
        ctx.obj = replace(found, json=True)


@click.command()
@click.argument("profile")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--check", "checking", is_flag=True, help="Change nothing; prove that DIR equals the share and is clean.")
@click.option("--watch", default="", metavar="60s", help="Go on, with so long a pause in between.")
@click.option("--also", multiple=True, metavar="[TABLE=]GLOB", help="Keep these derived Parquet files clean, too.")
@click.option("--forget", multiple=True, metavar="[TABLE=]GLOB", help="Leave files alone that were registered so.")
@click.option(
    "--key", default="", metavar="FILE", help="Attest recalls under this Ed25519 key; else show what would be."
)
@click.option("--models", multiple=True, metavar="A,B", help="Models that had learned from what was recalled.")
@click.option(
    "--done",
    type=click.Choice([str(each) for each in Done]),
    multiple=True,
    default=[str(Done.DELETED)],
    show_default=True,
)
@click.option("--patience", default="5m", show_default=True, help="How long a request may wait for the server.")
@click.option("--jobs", default=4, type=click.IntRange(1, 64), show_default=True, help="Files fetched at once.")
@click.option("--json", is_flag=True, expose_value=False, callback=_print_json, help="Print machine-readable output.")
def sync(profile: str, folder: Path, checking: bool, watch: str, **more: Any) -> None:  # noqa: ANN401, FBT001 # click hands options over so
    """As a recipient: keep the Parquet files in DIR in step with a share, and take out what was withdrawn.

    PROFILE is the profile file, or FILE#share.schema.table for a part of it.

    Example: licet sync acme.share ./data --also 'features/*.parquet' --key acme.pem --watch 60s
    """
    configuration()
    told = _told(profile, folder, more)
    if checking:
        if watch or told.also or told.forget:
            raise UsageError("--check changes nothing", "leave out --watch, --also and --forget")
        _check(told)
        return
    if watch:
        with suppress(KeyboardInterrupt):
            _watch(told, duration(watch).total_seconds())
        return
    report = _sync(told)
    _report(report)
    if not report.is_good:
        click.get_current_context().exit(1)


def _told(profile: str, folder: Path, more: dict[str, Any]) -> Told:
    file, _, target = profile.rpartition("#") if "#" in profile else (profile, "", "")
    return Told(
        profile=Path(file),
        target=target,
        root=folder,
        also=more["also"],
        forget=more["forget"],
        patience_s=duration(more["patience"]).total_seconds(),
        at_once=more["jobs"],
        key=read_private_key(read_text(more["key"])) if more["key"] else None,
        models=tuple(name.strip() for each in more["models"] for name in each.split(",") if name.strip()),
        done=tuple(Done(each) for each in more["done"]),
    )
