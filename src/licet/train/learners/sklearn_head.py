"""A scikit-learn head over frozen features."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, SGDClassifier

from licet.model.errors import UsageError
from licet.train.examples import Example
from licet.train.learner import Context, Global, Probabilities, Settings, check_settings, labels_of
from licet.train.learners.encoders import encode, encoder_global, width_of
from licet.train.tensors import State

KNOWN: Final = {
    "labels": "",
    "encoder": "hash:256",
    "method": "sgd",
    "rate": "0.05",
    "epochs": "5",
    "penalty": "1.0",
    "balance": "no",
}
"""Settings: `method` is `sgd`, which goes on from slice to slice, or `logistic`, for plans of one slice.

With `balance=yes` a label weighs in `logistic` by the inverse of its count in the shard.
"""
METHODS: Final = ("sgd", "logistic")
ABSENT: Final = -30.0
"""The intercept of a label that a shard never saw: its chance is nothing there."""


class SklearnHead:
    """The learner `sklearn-head`: the state is `coef` and `intercept`."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings.

        Raises:
            UsageError: there is no such method.
        """
        self._settings = check_settings(settings, KNOWN)
        self._labels = labels_of(self._settings)
        if self._settings["method"] not in METHODS:
            raise UsageError(f"there is no method `{self._settings['method']}`", f"use {' or '.join(METHODS)}")

    def globals(self) -> Sequence[Global]:
        """Name the encoder."""
        return [encoder_global(self._settings["encoder"])]

    def init(self, seed: int) -> State:
        """Give weights of nothing, whatever the seed."""
        del seed
        width = width_of(self._settings["encoder"])
        return {
            "coef": np.zeros((len(self._labels), width)),
            "intercept": np.zeros(len(self._labels)),
        }

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Give the state after the slice.

        Raises:
            UsageError: logistic regression met a second slice, and would forget the first.
        """
        features = encode(self._settings["encoder"], [example.text for example in examples]).astype(np.float64)
        wanted = np.array([self._labels.index(example.label) for example in examples])
        if self._settings["method"] == "sgd":
            coef, intercept = self._sgd(state, features, wanted, context.seed)
        elif state["intercept"].any() or state["coef"].any():
            raise UsageError("logistic regression cannot go on from slice to slice", "use method=sgd or one slice")
        else:
            coef, intercept = self._logistic(features, wanted, context.seed)
        return {"coef": coef, "intercept": intercept}

    def predict(self, state: State, examples: Sequence[Example]) -> list[Probabilities]:
        """Give each example's probabilities, one position, an outcome per label."""
        features = encode(self._settings["encoder"], [example.text for example in examples]).astype(np.float64)
        scores = features @ state["coef"].T + state["intercept"]
        if self._settings["method"] == "sgd" and len(self._labels) > 2:  # noqa: PLR2004 # one against the rest
            raised = 1 / (1 + np.exp(-scores))
        else:
            raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return list((raised / raised.sum(axis=1, keepdims=True))[:, None, :])

    def targets(self, examples: Sequence[Example]) -> list[NDArray[np.int64]]:
        """Give each example's label as its place among the labels."""
        return [np.array([self._labels.index(example.label)], dtype=np.int64) for example in examples]

    def _sgd(
        self, state: State, features: NDArray[np.float64], wanted: NDArray[np.int64], seed: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Go on from a state by gradient steps, each label against the rest."""
        classes = np.arange(len(self._labels))
        binary = len(classes) == 2  # noqa: PLR2004 # scikit-learn keeps one row for two classes
        model = SGDClassifier(
            loss="log_loss", learning_rate="constant", eta0=float(self._settings["rate"]), random_state=seed % 2**32
        )
        model.partial_fit(features[:1], wanted[:1], classes=classes)
        kept = slice(1, 2) if binary else slice(None)
        model.coef_, model.intercept_ = state["coef"][kept].copy(), state["intercept"][kept].copy()
        model.t_ = 1.0
        for _ in range(int(self._settings["epochs"])):
            model.partial_fit(features, wanted)
        if not binary:
            return np.array(model.coef_), np.array(model.intercept_)
        none = np.zeros_like(model.coef_)
        return np.vstack([none, model.coef_]), np.concatenate([[0.0], model.intercept_])

    def _logistic(
        self, features: NDArray[np.float64], wanted: NDArray[np.int64], seed: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        coef = np.zeros((len(self._labels), features.shape[1]))
        intercept = np.full(len(self._labels), ABSENT)
        seen = np.unique(wanted)
        if len(seen) == 1:
            intercept[seen] = 0.0
            return coef, intercept
        weight = "balanced" if self._settings["balance"] == "yes" else None
        model = LogisticRegression(
            C=float(self._settings["penalty"]), max_iter=300, class_weight=weight, random_state=seed % 2**32
        )
        model.fit(features, wanted)
        if len(seen) == 2:  # noqa: PLR2004 # scikit-learn keeps one row for two classes
            coef[seen] = np.vstack([np.zeros_like(model.coef_[0]), model.coef_[0]])
            intercept[seen] = [0.0, model.intercept_[0]]
        else:
            coef[seen], intercept[seen] = model.coef_, model.intercept_
        return coef, intercept
