"""`licet recall`: take withdrawn rows out of what is shared, and see that recipients follow."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from sqlalchemy import Connection

from licet.cli.configuration import configuration, now
from licet.cli.sync_client import Client, json_of
from licet.cli.terminal import LicetGroup, counted, duration, emit, read_text, show
from licet.model.errors import InputError, UsageError
from licet.model.recalls import Recall, State
from licet.protocol import attestation as wire
from licet.protocol.reading import read_profile
from licet.protocol.recall_notices import FEED, read_notice
from licet.protocol.signing_keys import read_private_key
from licet.recall.catch_up import catch_up
from licet.recall.chaser import Chasing
from licet.store import asof, attestations, facts, parties, recall_notices, recalls
from licet.store.database import reading
from licet.store.recall_notices import RecallNotice

_DONE = [str(each) for each in wire.Done]
PATIENCE_S = 60.0
"""How long a recipient's command waits for the server, in seconds."""


@click.group(cls=LicetGroup)
def recall() -> None:
    """Take withdrawn rows out of what is shared and chase recipients; `licet serve` does it by itself.

    Example: licet recall status
    """


@recall.command()
def run() -> None:
    """Bring every license up to the newest withdrawal, once.

    Example: licet recall run
    """
    told = configuration()
    removed = catch_up(told.open(), now(), engine=told.engine())
    emit({"rows": removed}, [f"{removed:,} rows taken out" if removed else "nothing withdrawn was shared"])


@recall.command()
def lag() -> None:
    """Show how far each license has followed withdrawals.

    Example: licet recall lag
    """
    with reading(configuration().open().database) as conn:
        newest = facts.newest_withdrawal(conn)
        rows = []
        for found, state in asof.licenses_as_of(conn, facts.last_seq(conn)):
            checked = parties.checked_seq(conn, found.license_id)
            text = "never built" if checked < 0 else "up to date" if checked >= newest else "behind"
            rows.append((found.license_id, state, text, checked, newest))
    show("recall", ("license", "state", "recall", "checked", "newest withdrawal"), rows)


@recall.command()
@click.option("--license", "license_id", default="", help="Only recalls of one license.")
@click.option("--all", "settled", is_flag=True, help="Closed ones too.")
def status(license_id: str, settled: bool) -> None:  # noqa: FBT001 # click passes flags so
    """List what recipients owe: every recall that is not closed, by when, and whether that is past.

    Example: licet recall status --license acme_1a2b3c
    """
    states = tuple(State) if settled else recalls.UNSETTLED
    with reading(configuration().open().database) as conn:
        found, moment = recalls.recalls_of(conn, license_id, states), now()
        rows = [_row(each, late=each.state in recalls.UNSETTLED and each.due < moment) for each in found]
    show("recalls", ("license", "recall", "recipient", "state", "due", "overdue", "rows"), rows)


def _row(each: Recall, *, late: bool) -> tuple[object, ...]:
    due = each.due.replace(microsecond=0)
    rows = sum(departure.rows for departure in each.departures)
    return (each.license_id, each.recall_id, each.recipient_id, str(each.state), due, "yes" if late else "no", rows)


@recall.command(name="show")
@click.argument("recall_id")
def show_recall(recall_id: str) -> None:
    """Show a recall: what left and why, its notice, every step, and what was attested.

    Example: licet recall show acme_1a2b3c.42
    """
    house = configuration().open()
    with reading(house.database) as conn:
        found = recalls.recall_of(conn, recall_id)
        told = _told(conn, found, recall_notices.reasons(house.shared, found))
    emit(told, _lines(told))


def _told(conn: Connection, found: Recall, reasons: dict[tuple[str, int], dict[str, int]]) -> dict[str, Any]:
    notice = recall_notices.notice_of(conn, found.recall_id)
    departures = [
        {"table": str(d.table), "version": d.version, "rows": d.rows, "reasons": reasons[str(d.table), d.version]}
        for d in found.departures
    ]
    said = asdict(found) | {"departures": departures, "notice": None if notice is None else _sending(notice)}
    said["steps"] = [
        {"state": str(state), "detail": detail, "at": at} for state, detail, at in recalls.steps(conn, found.recall_id)
    ]
    said["attestations"] = [
        {
            "digest": each.attestation.digest,
            "verdict": each.verdict,
            "received": each.received,
            "statement": each.attestation.statement.value(),
            "signature": each.attestation.signature_text,
        }
        for each in attestations.attestations_of(conn, found.recall_id)
    ]
    return said


def _sending(notice: RecallNotice) -> dict[str, Any]:
    return {name: value for name, value in asdict(notice).items() if name not in {"body", "recall_id", "n"}}


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"recall {told['recall_id']} of license {told['license_id']}: {told['state']}, due {told['due']}"]
    for each in told["departures"]:
        why = ", ".join(f"{reason} {count:,}" for reason, count in sorted(each["reasons"].items()))
        lines.append(f"  {each['table']} version {each['version']}: {counted(each['rows'], 'rows')} left ({why})")
    steps = ((step, f" ({step['detail']})" if step["detail"] else "") for step in told["steps"])
    lines += [f"  {step['at']}  {step['state']}{detail}" for step, detail in steps]
    notice = told["notice"]
    if notice and notice["attempts"] and not notice["taken"]:
        why = notice["last_error"] or "not answered yet"
        lines.append(f"  the webhook was tried {notice['attempts']:,} times: {why}")
    for each in told["attestations"]:
        done = ", ".join(each["statement"]["done"])
        lines.append(f"  attestation {each['digest'][:16]}: {each['verdict']}; {done}")
    return lines


@recall.command()
@click.option("--public-url", default="", help="The server's address as recipients know it, for links in notices.")
@click.option("--horizon", default="1h", show_default=True, help="How long the server's file addresses work.")
def chase(public_url: str, horizon: str) -> None:
    """Send the notices that are due, judge attestations, and move every recall on, once.

    Example: licet recall chase --public-url https://data.example
    """
    horizon_s = int(duration(horizon).total_seconds())
    done, sent = Chasing(house=configuration().open(), base=public_url, horizon_s=horizon_s, clock=now).once()
    said = asdict(done) | {"sent": sent.taken, "not_taken": sent.failed}
    lines = [f"{name.replace('_', ' ')}: {count:,}" for name, count in said.items() if count]
    emit(said, lines or ["nothing to do"])


@recall.command()
@click.argument("recall_id")
@click.option("--key", "key_file", required=True, help="The recipient's private Ed25519 key: PEM, or base64.")
@click.option("--profile", "profile_file", default="", help="The recipient's profile: look the recall up, and send.")
@click.option(
    "--notice", "notice_file", default="", help="The notice as it came; nothing is sent. - is standard input."
)
@click.option("--models", multiple=True, help="A model that had learned from it; once for each.")
@click.option("--done", type=click.Choice(_DONE), multiple=True, default=_DONE[:1], show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the attestation to this file too.")
def attest(  # noqa: PLR0913, PLR0917 # click hands every option over as an argument
    recall_id: str,
    key_file: str,
    profile_file: str,
    notice_file: str,
    models: tuple[str, ...],
    done: tuple[str, ...],
    out: Path | None,
) -> None:
    """As a recipient: state under your key that a recall is carried out, and send the statement.

    Example: licet recall attest acme_1a2b3c.42 --key acme.pem --profile acme.share --models gpt-acme --done retrained
    """
    if bool(profile_file) == bool(notice_file):
        raise UsageError("give --profile or --notice", "licet recall attest ID --key FILE --profile acme.share")
    key = read_private_key(read_text(key_file))
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_client(profile_file)) if profile_file else None
        said = read_notice(_asked(client, recall_id) if client else read_text(notice_file))
        if said["recall_id"] != recall_id:
            raise UsageError("the notice is of another recall", f"it is of {said['recall_id']}")
        signed = wire.sign(_statement(said, models, done, wire.key_id_of(wire.public_bytes(key))), key)
        wire.read_attestation(wire.canonical(signed))  # what contradicts itself is not sent
        if out is not None:
            _write(out, wire.canonical(signed))
        if client is None:
            click.echo(wire.canonical(signed))
            return
        emit(_sent(client, recall_id, signed), [f"the server has the attestation of recall {recall_id}"])


@contextlib.contextmanager
def _client(profile_file: str) -> Iterator[Client]:
    profile = read_profile(read_text(profile_file))
    # Recalls lie beside the shares, not below them.
    base = profile.endpoint.rstrip("/").removesuffix("/delta-sharing") + "/"
    client = Client(profile=replace(profile, endpoint=base), patience_s=PATIENCE_S)
    try:
        yield client
    finally:
        client.close()


def _asked(client: Client, recall_id: str) -> str:
    return client.ask("GET", f"{FEED[1:]}/{quote(recall_id, safe='')}").text


def _sent(client: Client, recall_id: str, signed: dict[str, wire.Value]) -> dict[str, Any]:
    answer = json_of(client.ask("POST", f"{FEED[1:]}/{quote(recall_id, safe='')}/attestation", json=signed))
    return dict(answer) if isinstance(answer, dict) else {}


def _statement(said: dict[str, Any], models: Sequence[str], done: Sequence[str], key_id: str) -> wire.Statement:
    versions: dict[str, int] = {}
    for each in said["tables"]:
        versions[each["table"]] = max(each["version"], versions.get(each["table"], -1))
    return wire.Statement(
        recall_id=said["recall_id"],
        license_id=said["license_id"],
        versions=versions,
        models=tuple(models),
        done=tuple(wire.Done(each) for each in done),
        issued_at=now(),
        key_id=key_id,
    )


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content + b"\n")
    except OSError as error:
        raise InputError(f"`{out}` cannot be written: {error.strerror}", "choose another file") from error
