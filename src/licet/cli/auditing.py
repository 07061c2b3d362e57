"""`licet audit`: which requests recipients made."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from licet.cli.configuration import Configuration, configuration
from licet.cli.licensing import EARLIEST
from licet.cli.terminal import LicetGroup, Moment, emit, errors
from licet.store.audit import AuditEntry, requests
from licet.store.audit import prune as prune_entries
from licet.store.database import reading


@click.group(cls=LicetGroup)
def audit() -> None:
    """Read and prune the record of recipients' requests.

    Example: licet audit list --recipient acme --since 2025-01-01
    """


def _print_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 # click's contract
    found = ctx.find_object(Configuration)
    if value and found is not None:
        ctx.obj = replace(found, json=True)


@audit.command(name="list")
@click.option("--recipient", "recipient_id", default="", help="Requests of one recipient; of everybody by default.")
@click.option("--since", type=Moment(), default=EARLIEST, help="Requests at or after this time; all by default.")
@click.option("--limit", default=1000, type=click.IntRange(1), show_default=True, help="The newest so many.")
@click.option("--json", "_json", is_flag=True, expose_value=False, callback=_print_json, help="As `licet --json`.")
def list_requests(recipient_id: str, since: datetime, limit: int) -> None:
    """List requests, oldest first: who asked what when, and what came of it.

    Example: licet audit list --recipient acme --since 2025-01-01 --json
    """
    with reading(configuration().open().database) as conn:
        found = requests(conn, since, recipient_id, limit + 1)
    if len(found) > limit:
        errors.print(f"older requests are left out: --limit {limit}", soft_wrap=True)
    if configuration().json:
        click.echo(json.dumps([_told(entry) for entry in found[-limit:]]))
        return
    for entry in found[-limit:]:
        click.echo(_line(entry))


def _told(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "recipient": entry.recipient_id,
        "credential": entry.credential_id,
        "method": entry.method,
        "route": entry.route,
        "share": entry.license_id,
        "table": entry.record_table,
        "status": entry.status,
        "bytes": entry.bytes,
        "duration_ms": entry.duration_us / 1000,
        "network": entry.network,
    }


def _line(entry: AuditEntry) -> str:
    """Give one line as an access log has it; a table of so many columns fits no terminal."""
    place = "/".join(filter(None, (entry.license_id, entry.record_table)))
    parts = (
        f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03}",
        entry.recipient_id or "-",
        entry.credential_id or "-",
        entry.network or "-",
        str(entry.status),
        f"{entry.bytes:,} B",
        f"{entry.duration_us / 1000:.1f} ms",
        entry.method,
        entry.route or "-",
        place or "-",
    )
    return "  ".join(parts)


@audit.command()
@click.option("--before", type=Moment(), required=True, help="Requests before this time are forgotten.")
def prune(before: datetime) -> None:
    """Forget old requests.

    Example: licet audit prune --before 2024-01-01
    """
    gone = sum(prune_entries(configuration().open().database, before))
    emit({"pruned": gone, "before": before}, [f"requests forgotten: {gone:,}"])
