"""Frozen encoders: text to numbers, each text by itself, with nothing fitted on anybody's posts."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from licet.model.errors import UsageError
from licet.train.learner import Global, Origin

MINILM: Final = "minilm"
SENTENCE: Final = 384
"""Features of a sentence."""


def encode(encoder: str, texts: Sequence[str]) -> NDArray[np.float32]:
    """Give features of shape (texts, width), float32.

    `hash:WIDTH` hashes words and character n-grams of 3 to 5 into WIDTH columns, with unit length; `minilm` is the
    public sentence encoder inside the extra `train`, rounded to eight bits.

    Raises:
        UsageError: there is no such encoder.
    """
    width = width_of(encoder)
    if encoder == MINILM:
        from licet.train.encoder import SCALE  # noqa: PLC0415 # torch is loaded only where it is needed

        whole = np.stack([np.frombuffer(_sentence(text), np.int8) for text in texts])
        return (whole / np.float32(SCALE)).astype(np.float32)
    halves = [
        HashingVectorizer(n_features=width, analyzer="word", ngram_range=(1, 2), norm=None),
        HashingVectorizer(n_features=width, analyzer="char_wb", ngram_range=(3, 5), norm=None),
    ]
    total = sum(half.transform(texts).toarray() for half in halves)
    lengths = np.sqrt(np.square(total).sum(axis=1, keepdims=True))
    features: NDArray[np.float32] = (total / np.maximum(lengths, 1.0)).astype(np.float32)
    return features


def width_of(encoder: str) -> int:
    """Give how many features an encoder gives.

    Raises:
        UsageError: there is no such encoder.
    """
    name, _, width = encoder.partition(":")
    if encoder != MINILM and (name != "hash" or not width.isdecimal() or not int(width)):
        raise UsageError(f"there is no encoder `{encoder}`", f"use {MINILM} or hash:256")
    return SENTENCE if encoder == MINILM else int(width)


def encoder_global(encoder: str) -> Global:
    """Name an encoder as something that every shard uses."""
    if encoder == MINILM:
        from licet.train.encoder import encoder_digest  # noqa: PLC0415 # torch is loaded only where it is needed

        return Global(name="encoder MiniLM-L6", origin=Origin.PUBLIC, digest=encoder_digest())
    return Global(name=f"encoder {encoder}", origin=Origin.CONSTANT)


@lru_cache(maxsize=1 << 17)
def _sentence(text: str) -> bytes:
    """Encode a text by itself; kept in this process only, so that no file remembers it."""
    from licet.train.encoder import encoder as sentences  # noqa: PLC0415 # torch is loaded only where it is needed

    return sentences().encode(text).tobytes()
