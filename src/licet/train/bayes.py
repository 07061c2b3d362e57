"""Multinomial naive Bayes over hashed words and letters: integer counts by label."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from licet.model.errors import IntegrityError
from licet.protocol.attestation import Value
from licet.train.algebra import Floats, Tensors
from licet.train.quality import MACRO_RECALL, macro_recall
from licet.train.rows import Row
from licet.train.totals import Integers, Totals

BUCKETS: Final = 1 << 18
"""Half for words and pairs of words, half for two to five letters."""
ALPHA: Final = 1
"""Every bucket counts as seen once more: Laplace's rule, a constant."""
_PAIR: Final = np.dtype([("bucket", "<u4"), ("count", "<u4")])


@cache
def _vectorizers() -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer  # noqa: PLC0415 # seconds, which others need not wait

    plain = {"n_features": BUCKETS // 2, "alternate_sign": False, "norm": None, "dtype": np.float64}
    return (
        HashingVectorizer(analyzer="word", ngram_range=(1, 2), token_pattern=r"\S+", **plain),  # noqa: S106 # no password
        HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), **plain),
    )


def hashed(text: str) -> Integers:
    """Count a text's features: an array of (bucket, count) pairs, shape (distinct, 2), by bucket."""
    parts = []
    for half, vectorizer in enumerate(_vectorizers()):
        found = vectorizer.transform([text])
        found.sort_indices()
        parts.append(np.stack([found.indices + half * (BUCKETS // 2), found.data.astype(np.int64)], axis=1))
    return np.concatenate(parts).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveBayes:
    """The learner: a post adds its counts to those of its label."""

    labels: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Name the learner."""
        return "bayes"

    def frozen(self) -> dict[str, Value]:
        """Give the labels, the buckets and the constant."""
        return {"kind": self.kind, "labels": list(self.labels), "buckets": BUCKETS, "alpha": ALPHA}

    def encode(self, text: str) -> bytes:
        """Give the text's (bucket, count) pairs, four bytes each."""
        pairs = hashed(text)
        packed = np.empty(len(pairs), _PAIR)
        packed["bucket"], packed["count"] = pairs[:, 0], pairs[:, 1]
        return packed.tobytes()

    def start(self) -> Totals:
        """Give zeros: counts of shape (labels, buckets), records of shape (labels,)."""
        classes = len(self.labels)
        return Totals(dense={"counts": np.zeros((classes, BUCKETS), np.int64), "records": np.zeros(classes, np.int64)})

    def added(self, rows: Sequence[Row]) -> Totals:
        """Count the features of rows by label."""
        found = self.start()
        for row in rows:
            pairs = np.frombuffer(row.payload, _PAIR)
            found.dense["counts"][row.label, pairs["bucket"]] += pairs["count"]  # each bucket stands once in a row
            found.dense["records"][row.label] += 1
        return found

    def check(self, totals: Totals) -> None:
        """Check that nothing was taken away that was not there.

        Raises:
            IntegrityError: a count is negative.
        """
        if any((array < 0).any() for array in totals.dense.values()):
            raise IntegrityError("a count is negative: something was taken away twice", "fit the model again")

    def finish(self, totals: Totals) -> Tensors:
        """Give the logarithms of the smoothed shares, shape (labels, buckets), and of the labels' own."""
        counts = totals.dense["counts"]
        records = totals.dense["records"]
        likelihood = np.log(counts + ALPHA) - np.log(counts.sum(axis=1, keepdims=True) + ALPHA * BUCKETS)
        return {"likelihood": likelihood, "prior": np.log(records + 1) - np.log(records.sum() + len(records))}

    def predict(self, tensors: Tensors, payloads: Sequence[bytes]) -> Floats:
        """Score encoded texts against every label: shape (texts, labels)."""
        scores = []
        for payload in payloads:
            pairs = np.frombuffer(payload, _PAIR)
            scores.append(tensors["likelihood"][:, pairs["bucket"]] @ pairs["count"] + tensors["prior"])
        return np.array(scores).reshape(len(payloads), len(self.labels))

    @property
    def measure(self) -> str:
        """Name how well a model does is measured."""
        return MACRO_RECALL

    def quality(self, tensors: Tensors, rows: Sequence[Row]) -> float:
        """Measure how well a model does on one row or more."""
        return macro_recall(self.predict(tensors, [row.payload for row in rows]), rows)
