"""The `licet` command."""

from pathlib import Path
from typing import Any

import click

from licet.cli.auditing import audit
from licet.cli.building import build_command
from licet.cli.configuration import Configuration, memory
from licet.cli.contacts import key, webhook
from licet.cli.demo import demo
from licet.cli.ingesting import ingest_group
from licet.cli.invoicing import billing, invoice
from licet.cli.ledger import ledger_group, price_command
from licet.cli.licensing import license_group, recipient
from licet.cli.members import member, why
from licet.cli.notices import notice
from licet.cli.paying import payout
from licet.cli.publishing import log_group
from licet.cli.recalling import recall
from licet.cli.serving import serve
from licet.cli.syncing import sync
from licet.cli.terminal import LicetGroup
from licet.cli.training import train
from licet.cli.valuing import value
from licet.cli.verifying import verify

SECTIONS = {
    "Try it": ("demo",),
    "Operator": ("notice", "ingest", "recipient", "license", "build", "serve", "recall", "ledger", "value"),
    "Evidence": ("audit", "log", "verify"),
    "Members and reasons": ("member", "why"),
    "Recipient": ("sync", "train"),
}


@click.group(cls=LicetGroup, sections=SECTIONS)
@click.option(
    "--home",
    envvar="LICET_HOME",
    type=click.Path(path_type=Path),
    default=Path("licet-home"),
    show_default=True,
    help="The folder that holds everything.",
)
@click.option("--database", envvar="LICET_DATABASE", default="", help="Database URL; SQLite in the home by default.")
@click.option(
    "--lake", envvar="LICET_LAKE", default="", help="Lake folder or object store URL; in the home by default."
)
@click.option(
    "--outlet", envvar="LICET_OUTLET", default="", help="Have recipients fetch files from s3://bucket/prefix."
)
@click.option(
    "--memory-limit",
    envvar="LICET_MEMORY_LIMIT",
    default="1GB",
    show_default=True,
    callback=memory,
    help="What a build may take before it spills to disk.",
)
@click.option("--spark", envvar="LICET_SPARK", default="", help="Spark master to build on, such as local[2] or yarn.")
@click.option("--json", "as_json", is_flag=True, help="Print machine-readable output.")
@click.version_option(package_name="licet")
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401 # click hands every option over by name
    """License a social platform's data for AI training so that permission is real.

    Example: licet demo
    """
    ctx.obj = Configuration(
        home=options["home"],
        database_url=options["database"],
        lake_url=options["lake"],
        outlet_url=options["outlet"],
        memory_limit=options["memory_limit"],
        spark=options["spark"],
        json=options["as_json"],
    )


for _command in (
    demo,
    notice,
    ingest_group,
    recipient,
    license_group,
    build_command,
    serve,
    recall,
    ledger_group,
    value,
    audit,
    log_group,
    verify,
    member,
    why,
    sync,
    train,
):
    main.add_command(_command)
for _command in (webhook, key):
    recipient.add_command(_command)
license_group.add_command(price_command)
for _command in (invoice, billing, payout):
    ledger_group.add_command(_command)
