"""`licet log`: begin and publish the transparency log, look after it, and audit somebody's."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, emit, progress, show
from licet.cli.verifying import KEY
from licet.model.errors import InputError, IntegrityError, Unavailable, UsageError
from licet.protocol.log_claims import Claims
from licet.store.database import reading, transaction
from licet.store.facts import micros
from licet.store.leaves import destroy_key, scrub, when
from licet.store.log_health import Health, state_of
from licet.store.log_proofs import verifier_of
from licet.store.publication import begin_log, publish
from licet.tlog.checkpoints import Checkpoint, opened_checkpoint
from licet.tlog.following import entries_of
from licet.tlog.notes import MOST, Verifier
from licet.tlog.tiles import WIDTH, Tile, bundle_of, entries_in

_TIMEOUT_S = 30
_LARGEST = (65_535 + 2) * WIDTH
"""Bytes of the largest bundle."""

Fetch = Callable[[str], bytes]
"""Gives a file of a log by its path; FileNotFoundError where there is none."""


@click.group(name="log", cls=LicetGroup)
def log_group() -> None:
    """Publish and check the transparency log.

    Example: licet log status
    """


@log_group.command()
@click.argument("origin")
def create(origin: str) -> None:
    """Begin the log under a name, which it keeps: the address that it is served at, without https://.

    Example: licet log create data.example/log
    """
    database = configuration().open().database
    head = begin_log(database, origin, now())
    with reading(database) as conn:
        key = str(verifier_of(conn))
    emit({"origin": head.origin, "key": key}, [f"the log is {head.origin}", f"its key, for everybody: {key}"])


@log_group.command(name="publish")
def publish_command() -> None:
    """Give waiting entries their places and sign a checkpoint over them; `licet serve` does so every second.

    Example: licet log publish
    """
    try:
        head = publish(configuration().open(), now())
    except OSError as error:
        raise Unavailable(f"the log cannot be written: {error.strerror}", "mend that; nothing is lost") from error
    emit(
        {"origin": head.origin, "size": head.size, "root": head.root.hex()},
        [f"{head.origin}: {head.size:,} entries are published"],
    )


@log_group.command()
def key() -> None:
    """Print the key that checks the log, to be published where it cannot be exchanged.

    Example: licet log key > licet-log.key
    """
    with reading(configuration().open().database) as conn:
        found = verifier_of(conn)
    if found is None:
        raise UsageError("the log has not begun", "`licet log create ORIGIN` begins it")
    emit({"key": str(found)}, [str(found)])


@log_group.command()
def status() -> None:
    """Tell what the log holds and whether disk, database and signature agree; exits with 1 where they do not.

    Example: licet log status
    """
    house = configuration().open()
    with reading(house.database) as conn:
        state = state_of(conn, house, now())
    said = {"health": str(state.health), "origin": state.origin, "size": state.size, "waiting": state.waiting}
    lines = [f"{state.health}: {state.origin or 'no log'}, {state.size:,} entries, {state.waiting:,} waiting"]
    emit({**said, "trouble": state.trouble, "entries": dict(state.counts)}, lines)
    if state.health is Health.BROKEN:
        raise IntegrityError(state.trouble, "`licet log publish` mends lost files; else restore the newest database")


@log_group.command()
@click.argument("member_id")
def unlink(member_id: str) -> None:
    """Destroy what ties a member to their choices in the log, for good: nobody can prove or tell them any more.

    Receipts that the member downloaded still prove what they say.

    Example: licet log unlink x:12
    """
    database = configuration().open().database
    with transaction(database) as conn:
        destroy_key(conn, member_id)
    scrubbed = scrub(database)
    later = "" if scrubbed else "; its bytes leave the disk with the database's next checkpoint"
    emit({"unlinked": member_id, "scrubbed": scrubbed}, [f"the member's key is destroyed{later}"])


@log_group.command()
@click.argument("source")
@KEY
@click.option(
    "--seen",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with the checkpoint that was seen last; it is checked, and replaced by the new one.",
)
def audit(source: str, key: str, seen: Path | None) -> None:  # a report in one go
    """Check a whole log by its address or folder: signature, every entry, history, and what the entries claim.

    Example: licet log audit https://data.example/log --key "$(cat licet-log.key)" --seen checkpoint.seen
    """
    verifier, fetch = Verifier.read(key), _fetch_of(source)
    note = _required(fetch, "checkpoint")
    checkpoint, claims = opened_checkpoint(note, verifier), Claims()
    before = opened_checkpoint(seen.read_bytes(), verifier) if seen and seen.exists() else None
    if seen:
        # Beside the old one until it is proven to continue it: if it does not, the two are the evidence.
        fresh = seen.with_name(f"{seen.name}.new")
        _keep(fresh, note)
    with progress("reading the log", checkpoint.size) as step:
        _take_all(checkpoint, fetch, before, claims, step)
    if seen:
        fresh.replace(seen)
    overdue = claims.overdue(when(micros(now())))
    if not configuration().json:
        click.echo(f"{checkpoint.origin}: {checkpoint.size:,} entries, as signed")
    show("", ("type", "entries"), claims.counts.most_common())
    for line in [*claims.wrong, *claims.remarks, *(f"recall {name} is overdue" for name in overdue)]:
        click.echo(line, err=True)
    if claims.contradictions:
        raise IntegrityError(f"{claims.contradictions:,} entries contradict others", "ask the operator about each")


def _keep(path: Path, note: bytes) -> None:
    try:
        path.write_bytes(note)
    except OSError as error:
        raise InputError(f"`{path}` cannot be written: {error.strerror}", "choose another place") from error


def _take_all(
    checkpoint: Checkpoint, fetch: Fetch, seen: Checkpoint | None, claims: Claims, step: Callable[[int], None]
) -> None:
    place = 0
    for entries in entries_of(checkpoint, lambda tile: _bundle(fetch, tile), seen):
        for n, entry in enumerate(entries, place):
            claims.take(n, entry)
        place += len(entries)
        step(len(entries))


def _bundle(fetch: Fetch, tile: Tile) -> bytes:
    """Give a bundle; what was unfinished when it was signed may have been finished since, and is cut again."""
    try:
        return fetch(tile.path)
    except FileNotFoundError:
        whole = Tile(level=tile.level, place=tile.place)
        return bundle_of(entries_in(whole, _required(fetch, whole.path))[: tile.width])


def _required(fetch: Fetch, path: str) -> bytes:
    try:
        return fetch(path)
    except FileNotFoundError as error:
        raise InputError(f"the log has no `{path}`", "check its address") from error


def _fetch_of(source: str) -> Fetch:
    if urlsplit(source).scheme in {"http", "https"}:
        client = httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)
        return lambda path: _fetched(client, f"{source.rstrip('/')}/{path}")
    return lambda path: _read(Path(source) / path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}", "give the log's folder or address") from error


def _fetched(client: httpx.Client, address: str) -> bytes:
    try:
        with client.stream("GET", address) as answer:
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise FileNotFoundError(address)
            answer.raise_for_status()
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > max(_LARGEST, MOST):
                    raise InputError("the log sends a file larger than any it may have", "check its address")
            return bytes(body)
    except httpx.HTTPError as error:
        raise Unavailable("the log does not answer as it should", "check its address, and try again later") from error
