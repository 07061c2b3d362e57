"""A ridge classifier over frozen features whose state is sums, so that the mean of shards' states loses nothing.

A head that is solved in each shard knows some directions badly, and the mean of solved heads keeps that noise. Here
shards hand over what they would have solved, and `--aggregate weights` solves once: as one shard would have.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.train.examples import Example
from licet.train.learner import Context, Global, Probabilities, Settings, check_settings, labels_of
from licet.train.learners.encoders import encode, encoder_global, width_of
from licet.train.tensors import State

KNOWN: Final = {"labels": "", "encoder": "hash:256"}
"""Settings: the labels told apart and the frozen encoder."""
PENALTY: Final = 4e-5
"""Added to the diagonal of the mean Gram matrix of features of unit length; chosen once, on public posts."""
ONE: Final = 0.125
"""The constant feature."""
LEAST: Final = 1e-6
"""No probability is less."""


class RidgeHead:
    """The learner `ridge-head`: a label's records add the outer products of their features, slice after slice."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        self._settings = check_settings(settings, KNOWN)
        self._labels = labels_of(self._settings)

    def globals(self) -> Sequence[Global]:
        """Name the encoder."""
        return [encoder_global(self._settings["encoder"])]

    def init(self, seed: int) -> State:
        """Give sums of nothing, whatever the seed: `gram` of shape (labels, width, width), `records` of (labels,)."""
        del seed
        labels, width = len(self._labels), width_of(self._settings["encoder"]) + 1
        return {"gram": np.zeros((labels, width, width)), "records": np.zeros(labels)}

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the sums with those of the slice."""
        del context
        features, wanted = self._features(examples), np.concatenate(self.targets(examples))
        gram, records = state["gram"].copy(), state["records"].copy()
        for label in np.unique(wanted):
            some = features[wanted == label]
            gram[label] += some.T @ some
            records[label] += len(some)
        return {"gram": gram, "records": records}

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give each example's probabilities, one position, an outcome per label."""
        raised = np.maximum(self._features(examples) @ solved(state), LEAST)
        return list((raised / raised.sum(axis=1, keepdims=True))[:, None, :])

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give each example's label as its place among the labels."""
        return [np.array([self._labels.index(example.label)], dtype=np.int64) for example in examples]

    def _features(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        found = encode(self._settings["encoder"], [example.text for example in examples])
        return np.concatenate([found, np.full((len(examples), 1), ONE)], axis=1, dtype=np.float64)


def solved(state: State) -> NDArray[np.float64]:
    """Solve for the weights, shape (width, labels); each label that occurs counts the same."""
    gram, records = state["gram"], state["records"]
    there = np.where(records > 0, records, 1.0)
    mean = PENALTY * np.eye(gram.shape[1]) + (gram / (there * len(records))[:, None, None]).sum(axis=0)
    weights: NDArray[np.float64] = np.linalg.solve(mean, (gram[:, :, -1] / (there * len(records) * ONE)[:, None]).T)
    return weights
