"""What a forgetting costs under a plan, before there is data: simulated with heavy-tailed members, and in closed form.

The closed form takes members of equal size who leave at random: of `slices` single-visit slices in each of `shards`
shards, `leavers` leavers make the share E = (1/R) * sum over j = 1..R of 1 - (1 - j/(R*S))^K to be trained again.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import UsageError

LIKELY: Final = 0.2
"""The share of members who carry most of the risk of leaving, where leaving is predicted."""
CARRIED: Final = 0.8
"""The share of the risk that they carry."""
MISTAKEN: Final = 0.25
"""The share of members whose prediction is wrong."""
TAIL: Final = 0.7
"""Members' numbers of records fall as rank to the power of minus this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The share of the members' part that is trained again: closed form, and simulated means with a middle 80 %."""

    shards: int
    slices: int
    leavers: int
    closed: float
    uniform: float
    uniform_range: tuple[float, float]
    predicted: float
    predicted_range: tuple[float, float]


def closed_form(shards: int, slices: int, leavers: int) -> float:
    """Give the expected share that is trained again when leavers are drawn at random."""
    steps = np.arange(1, slices + 1)
    return float(np.mean(1 - (1 - steps / (slices * shards)) ** leavers))


def estimate(shards: int, slices: int, leavers: int, *, members: int, trials: int, seed: int = 0) -> Estimate:
    """Simulate leaving at random and leaving as predicted.

    Raises:
        UsageError: more leave than there are, or there is no shard, slice or trial.
    """
    if min(shards, slices, trials) < 1:
        raise UsageError("without a shard, a slice and a trial nothing is simulated", "use 1 or more of each")
    if not 0 < leavers <= members:
        raise UsageError(f"{leavers} of {members} members cannot leave", "let fewer leave")
    draws = np.random.default_rng(seed)
    uniform = [_once(draws, shards, slices, leavers, members, predicted=False) for _ in range(trials)]
    predicted = [_once(draws, shards, slices, leavers, members, predicted=True) for _ in range(trials)]
    return Estimate(
        shards=shards,
        slices=slices,
        leavers=leavers,
        closed=closed_form(shards, slices, leavers),
        uniform=float(np.mean(uniform)),
        uniform_range=_middle(uniform),
        predicted=float(np.mean(predicted)),
        predicted_range=_middle(predicted),
    )


def _once(  # the plan, who leaves, and how
    draws: np.random.Generator, shards: int, slices: int, leavers: int, members: int, *, predicted: bool
) -> float:
    records = np.maximum(1, np.round(3 * (np.arange(1, members + 1) / members) ** -TAIL)).astype(np.int64)
    likely = draws.random(members) < LIKELY
    risk = np.where(likely, CARRIED / LIKELY, (1 - CARRIED) / (1 - LIKELY)) if predicted else np.ones(members)
    told = likely ^ (draws.random(members) < MISTAKEN)
    bucket = _buckets(draws, told, slices) if predicted else draws.integers(slices, size=members)
    shard = draws.integers(shards, size=members)
    gone = draws.choice(members, size=leavers, replace=False, p=risk / risk.sum())
    return share(records, shard, bucket, gone, (shards, slices))


def _buckets(draws: np.random.Generator, told: NDArray[np.bool_], slices: int) -> NDArray[np.int64]:
    """Put members told to be likely leavers into the last part of the slices, the others before it."""
    expected = LIKELY * (1 - MISTAKEN) + (1 - LIKELY) * MISTAKEN
    spread = draws.random(len(told))
    place = np.where(told, 1 - expected * spread, (1 - expected) * spread)
    return np.minimum(slices - 1, (slices * place).astype(np.int64))


def share(
    records: NDArray[np.int64],
    shard: NDArray[np.int64],
    bucket: NDArray[np.int64],
    gone: NDArray[np.int64],
    size: tuple[int, int],
) -> float:
    """Give the share of records that is trained again when the members `gone` leave; arrays are by member."""
    shards, slices = size
    work = np.zeros((shards, slices))
    np.add.at(work, (shard, bucket), records)
    whole = work.sum()
    np.subtract.at(work, (shard[gone], bucket[gone]), records[gone])
    first = np.full(shards, slices)
    np.minimum.at(first, shard[gone], bucket[gone])
    again = np.arange(slices)[None, :] >= first[:, None]
    return float(work[again].sum() / whole)


def _middle(found: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(found, [0.1, 0.9])
    return float(low), float(high)


def chart(estimates: Sequence[Estimate]) -> bytes:
    """Draw the share trained again against the number of leavers, as SVG; the same input gives the same bytes."""
    import matplotlib as mpl  # noqa: PLC0415 # only who draws waits for it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plt.rcParams["svg.hashsalt"] = "licet"
    sizes = sorted({(each.shards, each.slices) for each in estimates})
    figure, axes = plt.subplots(figsize=(8, 5))
    for n, (shards, slices) in enumerate(sizes):
        kept = sorted((e for e in estimates if (e.shards, e.slices) == (shards, slices)), key=lambda e: e.leavers)
        leavers = [each.leavers for each in kept]
        label = f"{shards} shards x {slices} slices"
        axes.plot(leavers, [each.closed for each in kept], color=f"C{n}", label=f"{label}, closed form")
        axes.plot(leavers, [each.uniform for each in kept], "o", color=f"C{n}", label=f"{label}, uniform, simulated")
        axes.plot(leavers, [each.predicted for each in kept], "v--", color=f"C{n}", label=f"{label}, predicted")
        axes.fill_between(leavers, *zip(*(each.uniform_range for each in kept), strict=True), color=f"C{n}", alpha=0.15)
    axes.set(xscale="log", yscale="log", xlabel="members who leave in one batch", ylabel="share trained again")
    axes.set_title("What forgetting costs")
    axes.legend(fontsize="small")
    axes.grid(visible=True, alpha=0.3)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return drawn.getvalue()
