"""How well a model does on records that it keeps: a sanity check beside the proof, and no measure on unseen text."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from licet.train.rows import Row

MACRO_RECALL: Final = "macro-recall in percent, over records that are left"
BITS_PER_TOKEN: Final = "bits per token, over records that are left"  # noqa: S105 # a unit
MOST: Final = 200
"""Records that a model is measured on, at most."""


Measured = TypeVar("Measured")


class Scoring(Protocol):
    """A language model that tells the probability of each token of a post."""

    def score(self, post: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Give the probability of each token, and of the end, after those before it."""


def sample(rows: Sequence[Measured], most: int = MOST) -> Sequence[Measured]:
    """Give so many rows at most, evenly from all."""
    return rows[:: max(1, -(-len(rows) // most))]


def macro_recall(scores: NDArray[np.float64], rows: Sequence[Row]) -> float:
    """Give the mean, over the labels that occur, of the share of rows whose label scores highest, in percent."""
    wanted = np.array([row.label for row in rows], np.int64)
    said = scores.argmax(axis=1)
    found = [np.mean(said[wanted == label] == label) for label in sorted(set(wanted.tolist()))]
    return float(100 * np.mean(found))


def bits_per_token(model: Scoring, posts: Sequence[NDArray[np.uint16]]) -> float:
    """Give the mean surprise of the tokens of posts, their ends among them, in bits."""
    chances = np.concatenate([model.score(post) for post in posts])
    return float(-np.log2(chances).mean())
