"""Sentence features of posts for the benchmarks, computed once, on all cores, and kept below `.bench`."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from licet.train.encoder import encoder, encoder_digest

KEPT = Path(__file__).parents[2] / ".bench" / "minilm"
AT_ONCE = 500


def sentence_features(texts: Sequence[str]) -> NDArray[np.int8]:
    """Encode texts, each by itself, to shape (texts, 384); what an earlier run encoded is read."""
    KEPT.mkdir(parents=True, exist_ok=True)
    chunks = [texts[first : first + AT_ONCE] for first in range(0, len(texts), AT_ONCE)]
    missing = [chunk for chunk in chunks if not _place(chunk).exists()]
    if missing:
        print(f"encoding {len(missing) * AT_ONCE:,} of {len(texts):,} posts", flush=True)
        with ProcessPoolExecutor() as pool:
            list(pool.map(_encode, missing))
    return np.concatenate([np.load(_place(chunk)) for chunk in chunks])


def _place(chunk: Sequence[str]) -> Path:
    name = hashlib.sha256("\0".join([encoder_digest(), *chunk]).encode()).hexdigest()[:32]
    return KEPT / f"{name}.npy"


def _encode(chunk: Sequence[str]) -> None:
    np.save(_place(chunk), np.stack([encoder().encode(text) for text in chunk]))
