"""Members as a build joins them: what a decision sees, and their pseudonym for this license."""

import sys
from array import array
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from licet.model.schemas import SUBJECTS
from licet.protocol.pseudonyms import DIGITS, member_digests

MEMBERS = SUBJECTS.append(pa.field("pseudonym", pa.string())).append(pa.field("secret", pa.string()))
MEMBERS = MEMBERS.append(pa.field("spread", pa.int64()))
"""A member as a build sees them; `spread` is in [0, 2^60) and gives the bucket and the order of their rows."""


def write_members(subjects: Iterable[pa.RecordBatch], key: bytes, target: Path) -> None:
    """Write members (schema `MEMBERS`), batch by batch."""
    with pq.ParquetWriter(target, MEMBERS, compression="lz4", write_statistics=False) as writer:
        for batch in subjects:
            writer.write_batch(with_pseudonyms(batch, key))


def with_pseudonyms(subjects: pa.RecordBatch, key: bytes) -> pa.RecordBatch:
    """Add the columns `pseudonym` and `secret` (32 hexadecimal digits), and `spread`."""
    digests = b"".join(member_digests(key, subjects.column("member_id").to_pylist()))
    width = pa.binary(2 * DIGITS)
    digits = pa.Array.from_buffers(width, subjects.num_rows, [None, pa.py_buffer(digests.hex().encode())])
    halves = [pc.binary_slice(digits, start, start + DIGITS).cast(pa.string()) for start in (0, DIGITS)]
    return pa.RecordBatch.from_arrays([*subjects.columns, *halves, _spreads(digests)], schema=MEMBERS)


def _spreads(digests: bytes) -> pa.Array:
    """Give `pseudonyms.spread_of` of many members: the first 60 bits of each digest."""
    words = array("Q", digests)
    if sys.byteorder == "little":
        words.byteswap()
    first = words[:: DIGITS // words.itemsize]
    values = pa.Array.from_buffers(pa.uint64(), len(first), [None, pa.py_buffer(first)])
    return pc.shift_right(values, pa.scalar(4, pa.uint64())).cast(pa.int64())
