"""`licet train plan`: which shard and slice holds a member, and what that will cost when members leave."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from licet.cli.configuration import configuration
from licet.cli.terminal import emit, show
from licet.cli.train_auditing import audit
from licet.cli.train_fitting import Told, data_options
from licet.model.errors import InputError, UsageError

if TYPE_CHECKING:
    from licet.train.hazard import Score, Signals
    from licet.train.simulate import Estimate

LEAVERS: Final = (1, 10, 100, 1000)
SHARDS: Final = 64
SLICES: Final = 8
"""How a new plan is divided where the caller does not say."""


@click.command()
@click.argument("store", type=click.Path(path_type=Path), required=False)
@click.option("--shards", type=int, show_default="64", help="Shards; fixed for the plan's life. 1 gives one model.")
@click.option("--slices", type=int, show_default="8", help="Slices of each generation, by likelihood of leaving.")
@click.option("--score", default="evenly", show_default=True, help="evenly, activity, or package.module:function.")
@click.option(
    "--signals",
    type=click.Path(path_type=Path, exists=True),
    help="CSV of each member's own signals: member,account_age_days,days_since_last_record,records,toggles.",
)
@click.option("--simulate", is_flag=True, help="Only say what forgetting would cost; nothing is written but a chart.")
@click.option(
    "--members",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="With --simulate: how many members.",
)
@click.option("--trials", default=60, show_default=True, help="With --simulate: how many times to draw who leaves.")
@click.option("--chart", type=click.Path(path_type=Path), help="With --simulate: an SVG file to draw into.")
@data_options
def plan(store: Path | None, **told: Any) -> None:  # noqa: ANN401 # by click
    """Put members into shards and slices before training, or let new members join as a generation of their own.

    Nobody is ever moved: run it again when there are new members.

    \b
    Example: licet train plan model --data ./data --shards 64 --slices 8
             licet train plan --simulate --shards 64 --slices 8 --chart cost.svg
    """  # noqa: D301 # click's mark for lines that stay as they are
    if told["simulate"]:
        _simulate(told)
    elif store is None or told["data"] is None:
        raise UsageError("a plan needs a folder and data", "licet train plan FOLDER --data DIR, or --simulate")
    else:
        _plan(store, told)


def _plan(folder: Path, told: Mapping[str, Any]) -> None:
    from licet.train.chain_store import ChainStore
    from licet.train.hazard import find_score
    from licet.train.plan import join, member_mark, new_plan, plan_digest

    store, score = ChainStore(folder), find_score(told["score"])
    source = Told(data=told["data"], columns=told["columns"], labels_from=told["labels_from"]).source(labelled=False)
    with store.locked():
        key = store.make_key()
        known = store.plan() if (folder / "plan.json").exists() else new_plan(key, *_size(told))
        if (told["shards"] or known.shards, told["slices"] or known.slices) != (known.shards, known.slices):
            raise UsageError(
                f"this plan has {known.shards} shards of {known.slices} slices for its life",
                "leave --shards and --slices out, or begin a new folder",
            )
        members = sorted({example.member for example in source.examples()})
        marks = {member: member_mark(key, member) for member in members}
        new = {member: mark for member, mark in marks.items() if mark not in known.rows}
        placed = _buckets(new, score, _signals(told["signals"]), known.slices)
        grown = join(known, placed) if new else known
        store.keep_plan(grown)
    emit(
        {"members": len(grown.rows), "joined": len(new), "generations": grown.generations, "plan": plan_digest(grown)},
        [
            f"{len(grown.rows):,} members in {grown.shards} shards; generations: {grown.generations}",
            f"{len(new):,} joined now; nobody moved",
            f"plan        {plan_digest(grown)}",
            f"keep secret {folder / 'plan.key'}",
        ],
    )


def _size(told: Mapping[str, Any]) -> tuple[int, int]:
    shards, slices = told["shards"], told["slices"]
    return SHARDS if shards is None else shards, SLICES if slices is None else slices


def _buckets(marks: Mapping[str, str], score: "Score", signals: "Mapping[str, Signals]", slices: int) -> dict[str, int]:
    from licet.train.hazard import Signals, slice_of

    return {
        mark: slice_of(score(signals.get(member, Signals())), bytes.fromhex(mark), slices)
        for member, mark in marks.items()
    }


def _signals(path: Path | None) -> "dict[str, Signals]":
    """Read each member's signals; a column that is missing counts as zero."""
    from licet.train.hazard import Signals

    if path is None:
        return {}
    names = list(Signals.__dataclass_fields__)
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return {row["member"]: Signals(**{n: int(row[n]) for n in names if row.get(n)}) for row in _rows(file)}
        except (KeyError, ValueError, csv.Error) as error:
            raise InputError(f"`{path}` is no table of signals", f"columns: member,{','.join(names)}") from error


def _rows(file: Iterable[str]) -> Iterable[dict[str, str]]:
    return csv.DictReader(file)


def _simulate(told: Mapping[str, Any]) -> None:
    from licet.train.simulate import chart, estimate

    size = dict(zip(("shards", "slices"), _size(told), strict=True))
    leaving = [each for each in LEAVERS if each <= told["members"]]
    found = [estimate(**size, leavers=each, members=told["members"], trials=told["trials"]) for each in leaving]
    if told["chart"]:
        told["chart"].write_bytes(chart(found))
    _tell(found, told)


def _tell(found: "list[Estimate]", told: Mapping[str, Any]) -> None:
    columns = ("members who leave", "closed form", "uniform, simulated", "as predicted, simulated", "checkpoints kept")
    rows = [
        (
            each.leavers,
            f"{each.closed:.2%}",
            f"{each.uniform:.2%} ({each.uniform_range[0]:.2%} to {each.uniform_range[1]:.2%})",
            f"{each.predicted:.2%} ({each.predicted_range[0]:.2%} to {each.predicted_range[1]:.2%})",
            each.shards * each.slices,
        )
        for each in found
    ]
    shards, slices = _size(told)
    title = f"share of training done again, {shards} shards, {slices} slices, {told['members']} members"
    show(title, columns, rows)
    if told["chart"] and not configuration().json:
        emit({}, [f"chart: {told['chart']}"])


PLANNING: Final[tuple[click.Command, ...]] = (plan, audit)
"""The commands of this module."""
