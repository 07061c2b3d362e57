"""`licet build`: make a license's shared tables."""

import click

from licet.cli.configuration import configuration, now
from licet.cli.terminal import emit, progress, show
from licet.dataset.build import BuiltTable, build


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
