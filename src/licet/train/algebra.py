"""What a learner by algebra is: frozen encoding, integer sums, and a fixed function from the sums to a model."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from licet.protocol.attestation import Value
from licet.train.rows import Row
from licet.train.totals import Totals

Tensors: TypeAlias = Mapping[str, NDArray[Any]]
Floats: TypeAlias = NDArray[np.float64]


class Algebra(Protocol):
    """A learner whose whole knowledge of members is a sum of integers over their records."""

    @property
    def kind(self) -> str:
        """Name the learner."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Give the frozen labels; empty where the learner needs none."""

    def frozen(self) -> dict[str, Value]:
        """Give all that is fixed before any member is seen: constants, and digests of public parts."""

    def encode(self, text: str) -> bytes:
        """Give the integers that stand for one text, looked at by itself."""

    def start(self) -> Totals:
        """Give the statistics of no record at all."""

    def added(self, rows: Sequence[Row]) -> Totals:
        """Give what rows add to the statistics: the sum of what each adds alone."""

    def check(self, totals: Totals) -> None:
        """Check that statistics can be a sum over records.

        Raises:
            IntegrityError: they cannot.
        """

    def finish(self, totals: Totals) -> Tensors:
        """Compute the model from the statistics."""

    @property
    def measure(self) -> str:
        """Name how well a model does is measured."""

    def quality(self, tensors: Tensors, rows: Sequence[Row]) -> float:
        """Measure how well a model does on one row or more."""
