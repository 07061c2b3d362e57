"""`licet train audit`: attack a model before and after forgetting, beside the oracle and an approximate method."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from licet.cli.terminal import errors, show
from licet.cli.train_fitting import Told, data_options
from licet.model.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from licet.train.audit import Row

MANY = click.IntRange(min=1)


@click.command()
@click.option(
    "--records", type=MANY, default=400, show_default=True, help="Examples to use at most, the first by name."
)
@click.option("--leavers", type=MANY, default=10, show_default=True, help="Members who leave.")
@click.option("--shards", type=click.IntRange(min=2), default=4, show_default=True, help="Others are reference models.")
@click.option("--slices", type=MANY, default=2, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Chooses who leaves.")
@click.option("--workers", type=MANY, default=1, show_default=True, help="Shards trained at once.")
@click.option("--chart", type=click.Path(path_type=Path), help="An SVG file to draw into.")
@data_options
def audit(data: Path | None, chart: Path | None, **told: Any) -> None:  # noqa: ANN401 # by click
    """Attack a small generator before and after it forgets members, beside the oracle and gradient ascent.

    It trains copies in a folder of its own, plants canaries with those who will leave, runs LOSS, zlib, Min-K%++,
    LiRA and RMIA, trains on unrelated texts and rounds to four bits to bring back what is hidden. Your models stay
    untouched.

    Example: licet train audit --data ./data --chart audit.svg
    """
    from licet.train.audit import Setup
    from licet.train.audit import audit as run
    from licet.train.audit_chart import audit_chart
    from licet.train.chain_workers import Workers
    from licet.train.environment import environment

    if data is None:
        raise UsageError("there is nothing to learn from", "name the folder that `licet sync` keeps: --data DIR")
    source = Told(data=data, columns=told["columns"], labels_from=told["labels_from"]).source(labelled=False)
    examples = sorted(source.examples(), key=lambda each: each.record)[: told["records"]]
    setup = Setup(shards=told["shards"], slices=told["slices"], leavers=told["leavers"], seed=told["seed"])
    with (
        tempfile.TemporaryDirectory(prefix="licet-audit-") as folder,
        Workers(told["workers"]) as workers,
        errors.status("starting") as status,
    ):
        rows = run(Path(folder), examples, setup, environment(), workers, status.update)
    if chart:
        chart.write_bytes(audit_chart(rows))
    _tell(rows)


def _tell(rows: "Sequence[Row]") -> None:
    attacks = list(rows[0].attacks)
    told = [
        (
            row.name,
            *(f"{found.auc:.2f} ({found.low:.2f} to {found.high:.2f})" for found in row.attacks.values()),
            f"{row.exposure:.2f}",
            f"{row.held_loss:.3f}",
            row.digest[:12],
        )
        for row in rows
    ]
    show("attacks on those who left", ("model", *attacks, "exposure, bits", "held-out loss", "states"), told)
    digests = {row.name: row.digest for row in rows}
    if digests["after (ours)"] != digests["oracle"]:
        raise IntegrityError("the model after forgetting is not the oracle", "run licet train probe on this machine")
