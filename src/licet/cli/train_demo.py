"""`licet train demo`: a model that knows a member's secret phrase, and then does not."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.configuration import configuration
from licet.cli.terminal import console, emit, progress, show
from licet.model.errors import UsageError

if TYPE_CHECKING:
    from licet.train.demonstration import Demonstration


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Folder to keep models and certificate in.")
@click.option("--public", type=click.Path(path_type=Path), help="Folder of the public base; kept for the next time.")
@click.option("--chart", type=click.Path(path_type=Path), default=Path("forgetting.png"), show_default=True)
def demo(keep: Path | None, public: Path | None, chart: Path) -> None:
    """Train a generator on made-up members, forget one exactly, and show what it knew before and knows after.

    The first time the public base is learned, which takes a minute or two.

    Example: licet train demo --keep demo --chart demo/forgetting.svg
    """
    from licet.train.charts import check_ending, surprise_chart
    from licet.train.demonstration import demonstrate
    from licet.train.hybrid import Hybrid
    from licet.train.made_up import CANARY, made_up_posts
    from licet.train.public_base import PublicFolder

    check_ending(chart)
    if keep and (keep / "model").exists():
        raise UsageError(f"`{keep}` holds a demonstration already", "name another folder")
    base = PublicFolder(root=public or Path(click.get_app_dir("licet")) / "public").base(progress)
    posts = made_up_posts()
    with tempfile.TemporaryDirectory() as scratch, progress("training", len(posts)) as step:
        seen = demonstrate(keep or Path(scratch), Hybrid(public=base), posts, "sailor", CANARY, step)
    chart.parent.mkdir(parents=True, exist_ok=True)
    surprise_chart(chart, seen.surprise)
    _tell(seen, chart, keep)


def _tell(seen: "Demonstration", chart: Path, keep: Path | None) -> None:
    samples = {"before": seen.samples_before, "after": seen.samples_after}
    if not configuration().json:
        for moment, texts in samples.items():
            console.print(f"In the manner of the {seen.member}, {moment} forgetting:")
            for text in texts:
                console.print(f"  {text}", markup=False)
        rows = [(phrase, *(f"{bits:.2f}" for bits in moments.values())) for phrase, moments in seen.surprise.items()]
        show("Bits of surprise: more is less likely", ("phrase", *next(iter(seen.surprise.values()))), rows)
    made = seen.certificate
    emit(
        {"surprise": seen.surprise, "samples": samples, "certificate": made.digest, "chart": str(chart)},
        [
            f"forgotten: {made.removed.records} records; every byte equals the model that never saw the {seen.member}",
            f"certificate: {made.digest}" + (f" in {keep / 'model' / 'certificates'}" if keep else ""),
            f"chart: {chart}",
        ],
    )
