"""`licet build` and `licet recall`: make a license's shared tables, and take withdrawn rows out of them."""

import click

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, emit, progress, show
from licet.dataset.build import BuiltTable, build
from licet.recall.catch_up import catch_up
from licet.store import asof, facts, parties
from licet.store.database import reading


@click.command(name="build")
@click.argument("license_id")
def build_command(license_id: str) -> None:
    """Build a license's shared tables from everything permitted now.

    Example: licet build acme_1a2b3c
    """
    told = configuration()
    with progress(f"building {license_id}") as step:
        built = build(told.open(), license_id, now(), lambda _: step(1), told.engine())
    if told.json:
        emit({"license": license_id, "tables": [_facts(table) for table in built]})
        return
    rows = []
    for table in built:
        name = str(table.table)
        rows.append((name, table.version, "shared", table.rows))
        rows += [
            (name, table.version, f"left out: {reason}", count) for reason, count in sorted(table.excluded.items())
        ]
    show(f"license {license_id}", ("table", "version", "what", "rows"), rows)


def _facts(table: BuiltTable) -> dict[str, object]:
    return {"table": str(table.table), "version": table.version, "rows": table.rows, "excluded": dict(table.excluded)}


@click.group(cls=LicetGroup)
def recall() -> None:
    """Take withdrawn rows out of what is shared; `licet serve` does it by itself.

    Example: licet recall run
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
def status() -> None:
    """Show how far each license has followed withdrawals.

    Example: licet recall status
    """
    with reading(configuration().open().database) as conn:
        newest = facts.newest_withdrawal(conn)
        rows = []
        for found, state in asof.licenses_as_of(conn, facts.last_seq(conn)):
            checked = parties.checked_seq(conn, found.license_id)
            text = "never built" if checked < 0 else "up to date" if checked >= newest else "behind"
            rows.append((found.license_id, state, text, checked, newest))
    show("recall", ("license", "state", "recall", "checked", "newest withdrawal"), rows)
