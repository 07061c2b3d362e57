"""`licet recipient` and `licet license`: who receives data, and under which agreement."""

import json
import secrets
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from licet.cli.configuration import configuration, now
from licet.cli.ingesting import duration
from licet.cli.terminal import LicetGroup, Moment, emit, show
from licet.model.errors import NotFound, UsageError
from licet.model.licenses import COLUMNS, License, LicenseId, RecipientId
from licet.model.records import Table
from licet.store import asof, facts, parties
from licet.store.database import reading, transaction

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_COLUMNS = tuple(dict.fromkeys(name for columns in COLUMNS.values() for name in columns))


@click.group(cls=LicetGroup)
def recipient() -> None:
    """Register companies that receive data, and give them access.

    Example: licet recipient add acme --name "Acme AI"
    """


@recipient.command()
@click.argument("recipient_id")
@click.option("--name", required=True, help="The company's name.")
def add(recipient_id: str, name: str) -> None:
    """Register a recipient.

    Example: licet recipient add acme --name "Acme AI"
    """
    if not recipient_id.isidentifier():
        raise UsageError(f"`{recipient_id}` cannot be an id", "use letters, digits and underscores")
    with transaction(configuration().open().database) as conn:
        parties.add_recipient(conn, recipient_id, name, now())
    emit({"recipient": recipient_id}, [f"{name} is registered as {recipient_id}"])


@recipient.command(name="list")
def list_recipients() -> None:
    """List the recipients.

    Example: licet recipient list
    """
    with reading(configuration().open().database) as conn:
        show("recipients", ("recipient", "name"), parties.recipients(conn))


@recipient.command()
@click.argument("recipient_id")
@click.option("--endpoint", default="http://127.0.0.1:8000/delta-sharing/", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile to this file.")
@click.option("--valid", default="90d", show_default=True, help="How long the token is good for.")
def profile(recipient_id: str, endpoint: str, out: Path | None, valid: str) -> None:
    """Issue a Delta Sharing profile file with a fresh bearer token.

    Example: licet recipient profile acme --out acme.share
    """
    expires = now() + duration(valid)
    with transaction(configuration().open().database) as conn:
        token = parties.issue_token(conn, recipient_id, expires)
    content = {
        "shareCredentialsVersion": 1,
        "endpoint": endpoint,
        "bearerToken": token,
        "expirationTime": f"{expires:%Y-%m-%dT%H:%M:%S.000Z}",
    }
    if out is None:
        click.echo(json.dumps(content))
        return
    out.touch(mode=0o600)
    out.write_text(json.dumps(content) + "\n", encoding="utf-8")
    emit({"profile": str(out), "expires": expires}, [f"profile written to {out}; its token expires {expires:%d %B %Y}"])


@click.group(name="license", cls=LicetGroup)
def license_group() -> None:
    """Grant, list and end licenses.

    Example: licet license grant --recipient acme --purpose third_party_training --tables posts,likes
    """


def _tables(value: str) -> tuple[Table, ...]:
    names = value.split(",")
    unknown = [name for name in names if name not in set(Table)]
    if unknown:
        raise UsageError(f"no table `{unknown[0]}`", f"choose from {', '.join(Table)}")
    return tuple(Table(name) for name in names)


def _columns(value: str) -> tuple[str, ...]:
    names = tuple(value.split(",")) if value else _COLUMNS
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown:
        raise UsageError(f"no column `{unknown[0]}`", f"choose from {', '.join(_COLUMNS)}")
    return names


def _filters(values: tuple[str, ...]) -> dict[str, object]:
    chosen: dict[str, object] = {"langs": (), "created_from": EARLIEST, "created_until": LATEST}
    for value in values:
        key, _, text = value.partition("=")
        if key == "lang":
            chosen["langs"] = tuple(text.split(","))
        elif key in ("created_from", "created_until"):
            chosen[key] = Moment().convert(text, None, None)
        else:
            raise UsageError(f"no filter `{key}`", "write lang=en,fr or created_from=2024-01-01 or created_until=…")
    return chosen


@license_group.command()
@click.option("--recipient", "recipient_id", required=True)
@click.option("--purpose", default="third_party_training", show_default=True)
@click.option("--tables", default="posts,likes,bookmarks,reposts", show_default=True)
@click.option("--columns", default="", help="Columns to share; all of them by default. Keys are always shared.")
@click.option("--filter", "filters", multiple=True, help="lang=en,fr · created_from=2024-01-01 · created_until=…")
@click.option("--term", default="365d", show_default=True, help="How long the license lasts.")
@click.option("--recall-within", default="24h", show_default=True, help="How soon a recall must be attested.")
@click.option("--id", "license_id", default="", help="The license's id; made up if absent.")
def grant(  # noqa: PLR0913, PLR0917 # click hands every option over as an argument
    recipient_id: str,
    purpose: str,
    tables: str,
    columns: str,
    filters: tuple[str, ...],
    term: str,
    recall_within: str,
    license_id: str,
) -> None:
    """Grant a license to a recipient.

    Example: licet license grant --recipient acme --tables posts,likes --filter lang=en --recall-within 24h
    """
    start = now()
    granted = License(
        license_id=LicenseId(license_id or f"{recipient_id}_{secrets.token_hex(3)}"),
        recipient_id=RecipientId(recipient_id),
        purpose=purpose,
        tables=_tables(tables),
        columns=_columns(columns),
        starts=start,
        ends=start + duration(term),
        recall_within_hours=int(duration(recall_within) / timedelta(hours=1)),
        **_filters(filters),  # type: ignore[arg-type] # a closed set of three fields
    )
    house = configuration().open()
    with transaction(house.database) as conn:
        _check(conn, granted)
        seq = facts.grant_license(conn, granted, secrets.token_bytes(32), start)
    line = f"license {granted.license_id} granted to {recipient_id} until {granted.ends:%d %B %Y}"
    emit({"license": granted.license_id, "seq": seq}, [line, f"build it: licet build {granted.license_id}"])


def _check(conn: object, granted: License) -> None:
    if parties.recipient_name(conn, granted.recipient_id) is None:  # type: ignore[arg-type] # a Connection
        raise NotFound(f"no recipient `{granted.recipient_id}`", "`licet recipient add` registers one")
    notice = asof.notice_in_force(conn, facts.last_seq(conn), granted.starts)  # type: ignore[arg-type] # a Connection
    if notice is None:
        raise UsageError("no notice is published", "`licet notice publish x-2024-11-15` publishes a ready-made one")
    if granted.purpose not in notice.purposes:
        known = ", ".join(sorted(notice.purposes))
        raise UsageError(f"the notice in force knows no purpose `{granted.purpose}`", f"choose from {known}")


@license_group.command(name="list")
def list_licenses() -> None:
    """List the licenses and what was delivered under each.

    Example: licet license list
    """
    columns = ("license", "recipient", "purpose", "tables", "state", "ends", "bytes delivered")
    rows = []
    with reading(configuration().open().database) as conn:
        for found, state in asof.licenses_as_of(conn, facts.last_seq(conn)):
            sent = sum(amount for *_, amount in parties.delivered(conn, found.license_id))
            tables = ",".join(found.tables)
            rows.append((found.license_id, found.recipient_id, found.purpose, tables, state, found.ends.date(), sent))
    show("licenses", columns, rows)


@license_group.command(name="show")
@click.argument("license_id")
def show_license(license_id: str) -> None:
    """Show a license's terms.

    Example: licet license show acme_1a2b3c
    """
    with reading(configuration().open().database) as conn:
        found, state = asof.license_as_of(conn, license_id, facts.last_seq(conn))
    values = asdict(found) | {"state": state}
    emit(values, [f"{name}: {value}" for name, value in values.items()])


@license_group.command()
@click.argument("license_id")
@click.option("--state", type=click.Choice(["active", "suspended", "ended"]), default="ended", show_default=True)
def end(license_id: str, state: str) -> None:
    """End, suspend or reactivate a license; its shares refuse at once.

    Example: licet license end acme_1a2b3c
    """
    with transaction(configuration().open().database) as conn:
        found, _ = asof.license_as_of(conn, license_id, facts.last_seq(conn))
        seq = facts.change_license(conn, found, state, now())
    emit({"license": license_id, "state": state, "seq": seq}, [f"license {license_id} is {state}"])
