"""A class-balanced ridge classifier from integer Gram matrices of eight-bit features, one matrix a label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from licet.model.errors import IntegrityError
from licet.protocol.attestation import Value
from licet.train.algebra import Floats, Tensors
from licet.train.encoder import SCALE, WIDTH, encoder, encoder_digest
from licet.train.environment import one_thread
from licet.train.quality import MACRO_RECALL, macro_recall
from licet.train.rows import Row
from licet.train.sketch import sketch
from licet.train.totals import Totals

ONE: Final = 64
"""The constant feature, as large as a typical other one."""
EXACT: Final = 2**53
"""Up to here every whole number is a float64, so a product of matrices of whole numbers has no rounding."""
PENALTY: Final = 10
"""Added to the diagonal of the mean Gram matrix: a constant, chosen once on public posts rated by volunteers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """The learner: a post adds the outer product of its features to its label's matrix."""

    labels: tuple[str, ...]
    encoded: bool = True
    """Whether the sentence encoder's 384 features are used."""
    sketched: int = 0
    """How many features sketch the text's words and letters."""

    @property
    def kind(self) -> str:
        """Name the learner."""
        return "ridge"

    @property
    def width(self) -> int:
        """Give the number of features, the constant one included."""
        return WIDTH * self.encoded + self.sketched + 1

    def frozen(self) -> dict[str, Value]:
        """Give the labels, the constants and the encoder's digest."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "encoder": encoder_digest() if self.encoded else "",
            "scale": SCALE,
            "sketched": self.sketched,
            "constant": ONE,
            "penalty": PENALTY,
        }

    def encode(self, text: str) -> bytes:
        """Give the text's features, one byte each."""
        dense = encoder().encode(text).tobytes() if self.encoded else b""
        return dense + (sketch(text, self.sketched).tobytes() if self.sketched else b"")

    def start(self) -> Totals:
        """Give zeros: Gram matrices of shape (labels, width, width), records of shape (labels,)."""
        classes = len(self.labels)
        gram = np.zeros((classes, self.width, self.width), np.int64)
        return Totals(dense={"gram": gram, "records": np.zeros(classes, np.int64)})

    def added(self, rows: Sequence[Row]) -> Totals:
        """Sum the outer products of rows by label; the constant feature's column holds the plain sums."""
        found = self.start()
        labels = np.array([row.label for row in rows], np.int64)
        features = self.features([row.payload for row in rows])
        for label in set(labels.tolist()):
            some = features[labels == label]
            if len(some) * 127**2 >= EXACT:
                raise IntegrityError("so many rows at once are no longer exact", "add them in parts")
            # Whole numbers below 2**53 all the way: any order of summation, on any machine, gives these integers.
            found.dense["gram"][label] = (some.T @ some).astype(np.int64)
            found.dense["records"][label] = len(some)
        return found

    def features(self, payloads: Sequence[bytes]) -> Floats:
        """Give encoded texts as float64, each entry a whole number: shape (texts, width)."""
        whole = np.frombuffer(b"".join(payloads), np.int8).reshape(len(payloads), self.width - 1)
        return np.concatenate([whole, np.full((len(payloads), 1), ONE)], axis=1).astype(np.float64)

    def check(self, totals: Totals) -> None:
        """Check that the matrices can be sums of squares.

        Raises:
            IntegrityError: a diagonal or a count is negative, or a label without records left something.
        """
        gram, records = totals.dense["gram"], totals.dense["records"]
        diagonal = np.diagonal(gram, axis1=1, axis2=2)
        if (records < 0).any() or (diagonal < 0).any() or gram[records == 0].any():
            raise IntegrityError("these are no sums of squares: something was taken away twice", "fit the model again")

    def finish(self, totals: Totals) -> Tensors:
        """Solve for the weights, shape (width, labels); each label counts the same however many records it has."""
        gram, records = totals.dense["gram"], np.maximum(totals.dense["records"], 1)
        mean = PENALTY * np.eye(self.width)
        for matrix, many in zip(gram, records.tolist(), strict=True):
            mean += matrix / (many * len(self.labels))
        sums = gram[:, :, -1].T / (ONE * records)
        with one_thread():
            return {"weights": np.linalg.solve(mean, sums)}

    def predict(self, tensors: Tensors, payloads: Sequence[bytes]) -> Floats:
        """Score encoded texts against every label: shape (texts, labels)."""
        return np.asarray(self.features(payloads) @ tensors["weights"])

    @property
    def measure(self) -> str:
        """Name how well a model does is measured."""
        return MACRO_RECALL

    def quality(self, tensors: Tensors, rows: Sequence[Row]) -> float:
        """Measure how well a model does on one row or more."""
        return macro_recall(self.predict(tensors, [row.payload for row in rows]), rows)
