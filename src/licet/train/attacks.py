"""Attacks on models: was a text among those trained on? Scores are higher for likelier members.

LOSS (Yeom et al. 2018), zlib (Carlini et al. 2021), Min-K%++ (Zhang et al. 2024), LiRA (Carlini et al. 2022, offline)
and RMIA (Zarifzadeh et al. 2024), and the exposure of a planted canary (Carlini et al. 2019).
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.train.learner import Probabilities

LOWEST: Final = 0.2
"""The share of positions that Min-K%++ looks at."""
CHANCE: Final = 0.5
TINY: Final = 1e-12
ROUNDS: Final = 1000
"""Resamples of a bootstrap interval."""

Scores = NDArray[np.float64]
Outcomes = Sequence[NDArray[np.int64]]


def log_chances(answers: Sequence[Probabilities], wanted: Outcomes) -> list[Scores]:
    """Give the log probability of what happened at each position of each example."""
    pairs = zip(answers, wanted, strict=True)
    return [np.log(np.maximum(chances[np.arange(len(said)), said], TINY)) for chances, said in pairs]


def loss_scores(answers: Sequence[Probabilities], wanted: Outcomes) -> Scores:
    """Score by the mean log probability."""
    return np.array([each.mean() for each in log_chances(answers, wanted)])


def zlib_scores(answers: Sequence[Probabilities], wanted: Outcomes) -> Scores:
    """Score by the mean log probability over the compressed length in bytes; outcomes are the bytes that were read."""
    lengths = [len(zlib.compress(bytes(each.tolist()))) for each in wanted]
    return np.asarray(loss_scores(answers, wanted) / lengths, dtype=np.float64)


def min_k_scores(answers: Sequence[Probabilities], wanted: Outcomes) -> Scores:
    """Score by the mean of the lowest fifth of normalized log probabilities (Min-K%++)."""
    found = []
    for chances, happened in zip(answers, log_chances(answers, wanted), strict=True):
        logs = np.log(np.maximum(chances, TINY))
        mean = (chances * logs).sum(axis=1)
        spread = np.sqrt(np.maximum((chances * np.square(logs - mean[:, None])).sum(axis=1), TINY))
        normal = np.sort((happened - mean) / spread)
        found.append(normal[: max(1, int(len(normal) * LOWEST))].mean())
    return np.array(found)


def lira_scores(target: Scores, references: NDArray[np.float64]) -> Scores:
    """Score by how far the target's LOSS score lies above those of reference models, in their standard deviation.

    `references` has shape (models, examples) and is NaN where a model saw the example. One deviation stands for all
    examples, as the paper has it for fewer than 64 models; so whoever is compared must be scored in one call.
    """
    spread = np.sqrt(np.nanvar(references, axis=0).mean())
    return np.asarray((target - np.nanmean(references, axis=0)) / (spread + TINY), dtype=np.float64)


def rmia_scores(
    target: Scores, references: NDArray[np.float64], others: Scores, other_references: NDArray[np.float64]
) -> Scores:
    """Score by the share of other texts whose likelihood ratio the text's own is not below; NaN as for LiRA."""
    ratio = target - np.log(np.nanmean(np.exp(references), axis=0))
    others_ratio = others - np.log(np.nanmean(np.exp(other_references), axis=0))
    return np.array([(each >= others_ratio).mean() for each in ratio])


def exposure(canary: float, candidates: Scores) -> float:
    """Give log2 of the number of candidates less log2 of the canary's rank among them: 0 is the last, none known.

    Among equals it stands in the middle; one that nobody planted is expected to have 1.44 bits, log2 of e.
    """
    rank = 1 + (candidates > canary).sum() + (candidates == canary).sum() / 2
    return float(np.log2(len(candidates) + 1) - np.log2(rank))


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well scores tell members from others: area under the curve with a 95 % bootstrap interval."""

    auc: float
    low: float
    high: float
    caught: float
    """Share of members found where one in a hundred others is accused."""

    @property
    def chance(self) -> bool:
        """Tell whether the interval holds one half."""
        return self.low <= CHANCE <= self.high


def separate(members: Scores, others: Scores, seed: int = 0) -> Separation:
    """Compare the scores of members with those of others."""
    draws = np.random.default_rng(seed)
    area = auc(members, others)
    again = [auc(draws.choice(members, len(members)), draws.choice(others, len(others))) for _ in range(ROUNDS)]
    low, high = np.quantile(again, [0.025, 0.975])
    threshold = np.quantile(others, 0.99, method="higher")
    return Separation(auc=area, low=float(low), high=float(high), caught=float((members > threshold).mean()))


def auc(members: Scores, others: Scores) -> float:
    """Give the chance that a member scores higher than another, ties counting half."""
    ordered = np.sort(others)
    below, upto = np.searchsorted(ordered, members, "left"), np.searchsorted(ordered, members, "right")
    return float((below + (upto - below) / 2).mean() / len(others))
