"""`licet recipient` and `licet license`: who receives data, and under which agreement."""

import json
import re
import secrets
import unicodedata
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy import Connection

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, Moment, day, duration, emit, errors, show
from licet.model.errors import InputError, NotFound, UsageError
from licet.model.licenses import COLUMNS, License, RecipientId, license_id_of
from licet.model.records import Table
from licet.protocol.profiles import bearer_profile, oauth_profile
from licet.store import asof, credentials, facts, parties
from licet.store.credentials import Kind
from licet.store.database import reading, transaction

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_RECIPIENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
"""It stands in names of files, headers and accounts."""
_LONGEST_NAME: Final = 200
_STEERING: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_COLUMNS = tuple(dict.fromkeys(name for columns in COLUMNS.values() for name in columns))


@click.group(
    cls=LicetGroup,
    elsewhere={
        "webhook": (
            "licet.cli.contacts:webhook",
            "Send a recipient's notices of recall to an address, and print once the secret that signs them.",
        ),
        "key": ("licet.cli.contacts:key", "Register the keys under which a recipient attests."),
    },
)
def recipient() -> None:
    """Register companies that receive data, and give them access.

    Example: licet recipient add acme --name "Acme AI"
    """


def _steers(letter: str) -> bool:
    """Tell whether a letter does something to those around it instead of being seen."""
    return unicodedata.category(letter) == "Cc" or unicodedata.bidirectional(letter) in _STEERING


@recipient.command()
@click.argument("recipient_id")
@click.option("--name", required=True, help="The company's name.")
def add(recipient_id: str, name: str) -> None:
    """Register a recipient.

    Example: licet recipient add acme --name "Acme AI"
    """
    if not _RECIPIENT.fullmatch(recipient_id):
        raise UsageError(f"`{recipient_id}` cannot be an id", "use at most 48 letters of ASCII, digits and underscores")
    if not 0 < len(name.strip()) <= _LONGEST_NAME or any(map(_steers, name)):
        raise UsageError("that cannot be a name", f"write one line of at most {_LONGEST_NAME} letters")
    with transaction(configuration().open().database) as conn:
        parties.add_recipient(conn, recipient_id, name, now())
    emit({"recipient": recipient_id}, [f"{name} is registered as {recipient_id}"])


@recipient.command(name="list")
def list_recipients() -> None:
    """List the recipients, each credential's end, and where each is accepted from; never a credential itself.

    Example: licet recipient list
    """
    columns = ("recipient", "name", "kind", "credential", "expires", "networks")
    rows: list[tuple[object, ...]] = []
    with reading(configuration().open().database) as conn:
        held = credentials.credentials(conn, now())
        for recipient_id, name in parties.recipients(conn):
            where = " ".join(map(str, credentials.networks_of(conn, recipient_id))) or "any"
            theirs = [each for each in held if each.recipient_id == recipient_id]
            rows += [
                (recipient_id, name, str(c.kind), c.credential_id, c.expires.replace(microsecond=0), where)
                for c in theirs
            ]
            rows += [] if theirs else [(recipient_id, name, "", "", "", where)]
    show("recipients", columns, rows)


def _profile(conn: Connection, recipient_id: str, kind: Kind, endpoint: str, expires: datetime) -> dict[str, Any]:
    fresh = credentials.issue(conn, recipient_id, kind, expires)
    if kind == Kind.OAUTH:
        return oauth_profile(endpoint, fresh.credential_id, fresh.secret)
    return bearer_profile(endpoint, fresh.secret, expires)


def _write(profile: dict[str, Any], out: Path) -> None:
    """Write a profile that only its owner may read, also where a file that others may read was before."""
    try:
        out.touch(mode=0o600)
        out.chmod(0o600)
        out.write_text(json.dumps(profile) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"`{out}` cannot be written: {error.strerror}", "choose another file") from error


_ENDPOINT = click.option("--endpoint", default="http://127.0.0.1:8000/delta-sharing/", show_default=True)
_OUT = click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile to this file.")
_VALID = click.option("--valid", default="90d", show_default=True, help="How long the credential is good for.")


@recipient.command()
@click.argument("recipient_id")
@click.option("--oauth", is_flag=True, help="A version 2 profile: client id and secret, exchanged for access tokens.")
@_ENDPOINT
@_OUT
@_VALID
def profile(recipient_id: str, oauth: bool, endpoint: str, out: Path | None, valid: str) -> None:  # noqa: FBT001 # click passes flags so
    """Issue a Delta Sharing profile file with a fresh bearer token, or with a fresh OAuth client.

    Example: licet recipient profile acme --oauth --out acme.share
    """
    expires = now() + duration(valid)
    with transaction(configuration().open().database) as conn:
        content = _profile(conn, recipient_id, Kind.OAUTH if oauth else Kind.BEARER, endpoint, expires)
        # Written before the commit: a secret that nobody could read is not left behind.
        if out is not None:
            _write(content, out)
    _tell(content, out, expires)


def _tell(content: dict[str, Any], out: Path | None, expires: datetime, **more: object) -> None:
    if out is None:
        click.echo(json.dumps(content))
        return
    line = f"profile written to {out}; its credential expires {day(expires)}"
    emit({"profile": str(out), "expires": expires, **more}, [line])


@recipient.command()
@click.argument("recipient_id")
@click.option("--overlap", default="7d", show_default=True, help="How long the old credentials still work.")
@click.option("--oauth/--bearer", default=None, help="Which profile to write; like the old one by default.")
@_ENDPOINT
@_OUT
@_VALID
def rotate(
    recipient_id: str,
    overlap: str,
    oauth: bool | None,  # noqa: FBT001 # click passes flags so
    endpoint: str,
    out: Path | None,
    valid: str,
) -> None:
    """Issue a new profile; all older credentials of the recipient end after the overlap.

    Example: licet recipient rotate acme --overlap 7d --out acme.share
    """
    at = now()
    expires, last = at + duration(valid), at + duration(overlap)
    with transaction(configuration().open().database) as conn:
        kind = _kind_to_rotate(conn, recipient_id, oauth=oauth, at=at)
        ended = credentials.end_by(conn, recipient_id, last)
        content = _profile(conn, recipient_id, kind, endpoint, expires)
        if out is not None:
            _write(content, out)
    _tell(content, out, expires, ended=ended, overlap_until=last)
    errors.print(f"older credentials of {recipient_id} end by {day(last)} {last:%H:%M} UTC", soft_wrap=True)


def _kind_to_rotate(conn: Connection, recipient_id: str, *, oauth: bool | None, at: datetime) -> Kind:
    credentials.require_recipient(conn, recipient_id)
    kinds = {each.kind for each in credentials.credentials(conn, at) if each.recipient_id == recipient_id}
    if oauth is not None:
        return Kind.OAUTH if oauth else Kind.BEARER
    if not kinds:
        raise NotFound(f"`{recipient_id}` has no credential to rotate", "`licet recipient profile` issues one")
    if len(kinds) > 1:
        raise UsageError(f"`{recipient_id}` has profiles of both kinds", "say --oauth or --bearer")
    return kinds.pop()


@recipient.command()
@click.argument("recipient_id")
def revoke(recipient_id: str) -> None:
    """End all that a recipient holds, at once: tokens, clients, access tokens and file addresses.

    Example: licet recipient revoke acme
    """
    with transaction(configuration().open().database) as conn:
        ended = credentials.revoke(conn, recipient_id, now())
    line = f"{recipient_id} has no access any more; credentials ended: {ended}"
    emit({"recipient": recipient_id, "ended": ended}, [line, "new access: licet recipient profile " + recipient_id])


@recipient.command()
@click.argument("recipient_id")
@click.argument("networks", nargs=-1)
@click.option("--only", is_flag=True, help="These networks instead of those listed so far.")
@click.option("--any", "anywhere", is_flag=True, help="Lift the list: accept the recipient from everywhere.")
def allow(recipient_id: str, networks: tuple[str, ...], only: bool, anywhere: bool) -> None:  # noqa: FBT001 # click passes flags so
    """Accept a recipient only from listed networks (IPv4 or IPv6), and add to the list.

    Example: licet recipient allow acme 203.0.113.0/24 2001:db8::/48
    """
    if anywhere == bool(networks):
        raise UsageError("name networks, or --any", "licet recipient allow acme 203.0.113.0/24")
    named = {_network(each) for each in networks}
    with transaction(configuration().open().database) as conn:
        kept = set() if only or anywhere else set(credentials.networks_of(conn, recipient_id))
        credentials.allow(conn, recipient_id, named | kept)
        listed = [str(each) for each in credentials.networks_of(conn, recipient_id)]
    line = f"{recipient_id} is accepted from {', '.join(listed) or 'everywhere'}"
    emit({"recipient": recipient_id, "networks": listed}, [line])


def _network(said: str) -> credentials.Network:
    try:
        return ip_network(said)
    except ValueError as error:
        raise UsageError(f"`{said}` is no network", "write 203.0.113.0/24, 203.0.113.7 or 2001:db8::/48") from error


@click.group(
    name="license",
    cls=LicetGroup,
    elsewhere={
        "price": (
            "licet.cli.ledger:price_command",
            "Attach a price plan to a license: a TOML file, or a ready-made one; it holds from the running month on.",
        )
    },
)
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
        license_id=license_id_of(license_id or f"{recipient_id}_{secrets.token_hex(3)}"),
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
    line = f"license {granted.license_id} granted to {recipient_id} until {day(granted.ends)}"
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
            tables = ", ".join(found.tables)
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
    emit(values, [f"{name.replace('_', ' ')}: {_term(value)}" for name, value in values.items()])


def _term(value: object) -> str:
    """Write a term for people, not as Python does; a bound that bounds nothing says so."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "all"
    if isinstance(value, datetime):
        return "any time" if value in {EARLIEST, LATEST} else f"{value:%Y-%m-%d %H:%M} UTC"
    return str(value)


@license_group.command()
@click.argument("license_id")
@click.option("--state", type=click.Choice(["active", "suspended", "ended"]), default="ended", show_default=True)
def end(license_id: str, state: str) -> None:
    """End, suspend or reactivate a license; its shares refuse at once.

    Example: licet license end acme_1a2b3c
    """
    with transaction(configuration().open().database) as conn:
        found, standing = asof.license_as_of(conn, license_id, facts.last_seq(conn))
        if standing in {"offered", "agreed", "countersigned"} and state != "ended":
            raise UsageError(
                f"license `{license_id}` is {standing}", "both sides sign it on the pages before it is active"
            )
        seq = facts.change_license(conn, found, state, now())
    emit({"license": license_id, "state": state, "seq": seq}, [f"license {license_id} is {state}"])
