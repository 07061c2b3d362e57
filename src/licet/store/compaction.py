"""Keep the lake's files few: batches leave small ones, which are put together as they add up."""

import math
from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
from deltalake import DeltaTable, WriterProperties

SIZES = (256 * 2**10, 4 * 2**20, 64 * 2**20)
"""Bytes of a file made of smaller ones: in three steps, so that few bytes are written more than four times."""

FEWER = 12
"""How many files fewer there must be for small ones to be put together."""

KEPT = timedelta(hours=24)
"""How long a file stays that the current version does not list: no build or recall reads its version for longer."""

_WRITTEN = WriterProperties(compression="ZSTD", compression_level=1)


def due(sizes: Sequence[int]) -> int | None:
    """Give the size to which small files should be put together now, by the sizes of all files; None for not now."""
    # Files too small for a step do not count for it, for the step before makes fewer of them at less cost.
    for least, limit in zip((0, *(size // 2 for size in SIZES)), SIZES, strict=False):
        small = [size for size in sizes if least <= size < limit]
        if len(small) - math.ceil(sum(small) / limit) >= FEWER:
            return limit
    return None


def tidy(delta: DeltaTable, kept: timedelta = KEPT) -> bool:
    """Put small files together if that is due, and delete files that no version of the last hours lists.

    Rows stay as they are, and so does every version that somebody reads. Tells whether anything was put together.
    """
    limit = due(pa.table(delta.get_add_actions(flatten=True)).column("size_bytes").to_pylist())
    if limit is None:
        return False
    # One file at a time, for each is held in memory while it is made.
    delta.optimize.compact(target_size=limit, max_concurrent_tasks=1, writer_properties=_WRITTEN)
    delta.vacuum(math.ceil(kept / timedelta(hours=1)), dry_run=False, enforce_retention_duration=False, full=True)
    return True
