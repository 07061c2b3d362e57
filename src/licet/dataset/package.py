"""Step 3, package: how many files, whose rows in which, and the commit that makes them the current version."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from licet.model.errors import IntegrityError
from licet.model.licenses import KEYS, License
from licet.model.recalls import Cause, KeyFile
from licet.model.records import Table
from licet.store.engine import BATCH, parquet
from licet.store.house import House
from licet.store.keys import KeyWriter
from licet.store.parcels import Parcel
from licet.store.shared import CommitFacts, DataFile, Snapshot

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
    house: House, license_: License, table: Table, parcels: Sequence[Parcel], facts: CommitFacts, rows: int
) -> Snapshot:
    """Commit the files written as the table's new version, in place of every earlier file; note which keys left.

    Raises:
        IntegrityError: the files do not hold the rows that were counted.
    """
    written = sum(parcel.rows for parcel in parcels)
    if written != rows:
        raise IntegrityError(
            f"table `{table}`: {rows} rows are permitted, {written} were written",
            "nothing was committed; look for records that are in the lake twice",
        )
    earlier = house.shared.snapshot(license_.license_id, table)
    add = [DataFile(name=parcel.name, size=parcel.size, rows=parcel.rows) for parcel in parcels]
    if earlier is None:
        return house.shared.commit(license_, table, add, (), facts)
    cause = Cause.NO_LONGER_PERMITTED
    if facts.policy_digest != earlier.facts.policy_digest:
        cause = Cause.RULES_CHANGED
    keys = _departed(house, license_, table, earlier, [parcel.name for parcel in parcels], cause)
    return house.shared.commit(license_, table, add, earlier.files, replace(facts, keys=keys))


def _departed(
    house: House, license_: License, table: Table, earlier: Snapshot, names: Sequence[str], cause: Cause
) -> tuple[KeyFile, ...]:
    """Write down the keys of rows that the version before had and the files named have not."""
    folder = house.shared.folder(license_.license_id, table)
    old = [str(folder / file.name) for file in earlier.files]
    if not old:
        return ()
    left = f"SELECT {', '.join(f'o.{name}' for name in KEYS[table])} FROM {parquet(old)} AS o"
    if names:
        same = " AND ".join(f"n.{name} = o.{name}" for name in KEYS[table])
        left += f" WHERE NOT EXISTS (SELECT 1 FROM {parquet([str(folder / name) for name in names])} AS n WHERE {same})"
    with house.engine.session() as session, KeyWriter(folder, KEYS[table], earlier.version + 1) as keys:
        for batch in session.sql(left).to_arrow_reader(BATCH):
            keys.add(pa.Table.from_batches([batch]), pa.repeat(pa.scalar(str(cause)), batch.num_rows))
    return () if keys.file is None else (keys.file,)
