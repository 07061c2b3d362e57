"""The `licet` command."""

from pathlib import Path
from typing import Any

import click

from licet.cli.configuration import Configuration, memory
from licet.cli.terminal import LicetGroup

SECTIONS = {
    "Try it": ("demo",),
    "Operator": ("notice", "ingest", "recipient", "license", "build", "serve", "recall", "ledger", "value"),
    "Evidence": ("audit", "log", "verify"),
    "Members and reasons": ("member", "why"),
    "Recipient": ("sync", "train"),
}
COMMANDS = {
    "audit": ("licet.cli.auditing:audit", "Read and prune the record of recipients' requests."),
    "build": ("licet.cli.building:build_command", "Build a license's shared tables from everything permitted now."),
    "demo": ("licet.cli.demo:demo", "Run the whole way on made-up data: ingest, license, share, opt out, read again."),
    "ingest": ("licet.cli.ingesting:ingest_group", "Bring a platform's data in; the same input twice changes nothing."),
    "ledger": ("licet.cli.ledger:ledger_group", "Meter and price deliveries, close months, pay members."),
    "license": ("licet.cli.licensing:license_group", "Grant, list and end licenses."),
    "log": ("licet.cli.publishing:log_group", "Publish and check the transparency log."),
    "member": ("licet.cli.members:member", "Look at a member's state, or record a choice they made elsewhere."),
    "notice": ("licet.cli.notices:notice", "Publish the words and rules under which data may be licensed."),
    "recall": (
        "licet.cli.recalling:recall",
        "Take withdrawn rows out of what is shared and chase recipients; `licet serve` does it by itself.",
    ),
    "recipient": ("licet.cli.licensing:recipient", "Register companies that receive data, and give them access."),
    "serve": (
        "licet.cli.serving:serve",
        "Serve the shares, the settings and the pages, take withdrawals out as they come, and chase recalls.",
    ),
    "sync": (
        "licet.cli.syncing:sync",
        "As a recipient: keep the Parquet files in DIR in step with a share, and take out what was withdrawn.",
    ),
    "train": ("licet.cli.training:train", "Train models that lose a member exactly, and prove it."),
    "value": (
        "licet.cli.valuing:value",
        "Measure what posts are worth to a model: a license's, or those of a folder of Parquet files.",
    ),
    "verify": (
        "licet.cli.verifying:verify",
        "Check that a choice, or the way of a recall, stands in the log as a file says; nothing else is needed.",
    ),
    "why": ("licet.cli.members:why", "Explain why a record, or a member's public posts, are in or out, rule by rule."),
}
"""Where each command is, and what it does in a sentence, so that the help page imports none of them."""


@click.group(cls=LicetGroup, sections=SECTIONS, elsewhere=COMMANDS)
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
