"""Step 3, package: how many files, whose rows in which, and the commit that makes them the current version."""

from collections.abc import Sequence

from licet.model.errors import IntegrityError
from licet.model.licenses import License
from licet.model.records import Table
from licet.store.parcels import Parcel
from licet.store.shared import CommitFacts, DataFile, SharedTables, Snapshot

FILE_ROWS = 20_000
"""Rows that a file should have: small enough that taking one member's rows out rewrites little."""

MOST_BUCKETS = 4096

ORDER = ("spread",)
"""Rows of a file stand in the order of their author's or actor's pseudonym, from which the bucket comes too."""


def buckets_for(rows: int) -> int:
    """Give the power of two, 1 to 4,096, that makes files of about `FILE_ROWS` rows."""
    wanted = max(1, -(-rows // FILE_ROWS))
    return min(MOST_BUCKETS, 1 << (wanted - 1).bit_length())


def publish(
    shared: SharedTables, license_: License, table: Table, parcels: Sequence[Parcel], facts: CommitFacts, rows: int
) -> Snapshot:
    """Commit the files written as the table's new version, in place of every earlier file.

    Raises:
        IntegrityError: the files do not hold the rows that were counted.
    """
    written = sum(parcel.rows for parcel in parcels)
    if written != rows:
        raise IntegrityError(
            f"table `{table}`: {rows} rows are permitted, {written} were written",
            "nothing was committed; look for records that are in the lake twice",
        )
    earlier = shared.snapshot(license_.license_id, table)
    add = [DataFile(name=parcel.name, size=parcel.size, rows=parcel.rows) for parcel in parcels]
    return shared.commit(license_, table, add, earlier.files if earlier else (), facts)
