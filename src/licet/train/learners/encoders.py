"""Frozen encoders: text to numbers, each text by itself, with nothing fitted on anybody's posts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from licet.model.errors import UsageError
from licet.train.learner import Global, Origin


def encode(encoder: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Give features of shape (texts, width), float32.

    `hash:WIDTH` hashes words and character n-grams of 3 to 5 into WIDTH columns, with unit length.

    Raises:
        UsageError: there is no such encoder.
    """
    name, _, width = encoder.partition(":")
    if name != "hash" or not width.isdecimal():
        raise UsageError(f"there is no encoder `{encoder}`", "use hash:256")
    halves = [
        HashingVectorizer(n_features=int(width), analyzer="word", ngram_range=(1, 2), norm=None),
        HashingVectorizer(n_features=int(width), analyzer="char_wb", ngram_range=(3, 5), norm=None),
    ]
    total = sum(half.transform(texts).toarray() for half in halves)
    lengths = np.sqrt(np.square(total).sum(axis=1, keepdims=True))
    features: NDArray[np.float32] = (total / np.maximum(lengths, 1.0)).astype(np.float32)
    return features


def encoder_global(encoder: str) -> Global:
    """Name an encoder as something that every shard uses."""
    return Global(name=f"encoder {encoder}", origin=Origin.CONSTANT)
