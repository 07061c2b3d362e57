"""A text as a short row of small integers: its hashed words and letters, folded with signs."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.train.bayes import hashed

_PRIME: Final = 2_654_435_761
"""Knuth's multiplier: spreads neighbouring numbers over 32 bits."""


def sketch(text: str, width: int) -> NDArray[np.int8]:
    """Fold a text's hashed features into `width` signed sums from -127 to 127."""
    pairs = hashed(text)
    spread = (pairs[:, 0] * _PRIME) & 0xFFFFFFFF
    signs = 1 - 2 * ((spread >> 8) & 1)
    sums = np.zeros(width, np.int64)
    np.add.at(sums, (spread >> 9) % width, signs * pairs[:, 1])
    return np.clip(sums * 8, -127, 127).astype(np.int8)
