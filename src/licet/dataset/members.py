"""Members as a build joins them: what a decision sees, their pseudonym for this license, and who fell."""

import pyarrow as pa
import pyarrow.compute as pc

from licet.model.records import Table
from licet.protocol.pseudonyms import DIGITS, bucket_of, member_digests

SPREAD = 1 << 32
"""Members are spread over this many places; a power of two of buckets divides it."""


def with_pseudonyms(subjects: pa.Table, key: bytes) -> pa.Table:
    """Add the columns `pseudonym` and `secret` (32 hexadecimal digits), and `spread` (INT64 in [0, 2^32))."""
    digests = list(member_digests(key, subjects.column("member_id").to_pylist()))
    pseudonyms = [digest[:DIGITS] for digest in digests]
    spread = pa.array([bucket_of(pseudonym, SPREAD) for pseudonym in pseudonyms], pa.int64())
    return (
        subjects.append_column("pseudonym", pa.array(pseudonyms, pa.string()))
        .append_column("secret", pa.array([digest[DIGITS:] for digest in digests], pa.string()))
        .append_column("spread", spread)
    )


def fallen(deletions: pa.Table, table: Table) -> pa.Table:
    """Give a table's deleted and edited records once each: `record_id`, and `before_seq`, below which rows fall."""
    of_table = deletions.filter(pc.equal(deletions.column("record_table"), str(table)))
    grouped = of_table.group_by("record_id").aggregate([("before_seq", "max")])
    return grouped.select(["record_id", "before_seq_max"]).rename_columns(["record_id", "before_seq"])


def deleted_only(fallen_records: pa.Table, forever: int) -> pa.Table:
    """Leave out records that were only edited: an edited post is still there to be liked."""
    return fallen_records.filter(pc.greater_equal(fallen_records.column("before_seq"), forever))
