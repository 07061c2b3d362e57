"""Posts to be valued, and what members' data were found to be worth: a Parquet file of pseudonyms a valuation."""

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet as pq
from sqlalchemy import Connection, insert, select

from licet.model.errors import InputError, NotFound
from licet.model.money import Month
from licet.model.records import Table
from licet.store import ledger_tables as lt
from licet.store.database import transaction
from licet.store.facts import micros
from licet.store.house import House
from licet.store.shared import SharedTables
from licet.store.statements import ledger_folder, sync

SCALE: Final = 10**12
"""A value of one, as a whole weight."""
VALUES: Final = pa.schema([("pseudonym", pa.string()), ("weight", pa.int64())])


def licensed_posts(shared: SharedTables, license_id: str) -> list[Path]:
    """Give the files of a license's current posts.

    Raises:
        NotFound: they were never built.
    """
    snapshot = shared.snapshot(license_id, Table.POSTS)
    if snapshot is None:
        raise NotFound(f"license `{license_id}` has no posts", "`licet build` builds them")
    return [shared.folder(license_id, Table.POSTS) / file.name for file in snapshot.files]


def posts_in(folder: Path) -> list[Path]:
    """Give the Parquet files below a folder that hold posts."""
    found = []
    for path in sorted(folder.rglob("*.parquet")):
        try:
            names = set(pq.read_schema(path).names)
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"`{path}` is no Parquet file", "remove it from the folder") from error
        if {"author_id", "text"} <= names:
            found.append(path)
    return found


def sampled(paths: Sequence[Path], columns: Sequence[str], most: int, seed: int) -> pa.Table:
    """Give some columns of at most so many rows of files, drawn evenly; all of them where `most` is 0.

    Raises:
        InputError: a file has no such column.
    """
    if not paths:
        raise InputError("there are no posts", "name a license that was built, or a folder of its Parquet files")
    counts = [pq.read_metadata(path).num_rows for path in paths]
    total, rng = sum(counts), random.Random(seed)  # noqa: S311 # a sample, no secret
    chosen = sorted(rng.sample(range(total), most)) if 0 < most < total else None
    parts, start = [], 0
    for path, count in zip(paths, counts, strict=True):
        missing = [name for name in columns if name not in pq.read_schema(path).names]
        if missing:
            raise InputError(f"the posts have no column `{missing[0]}`", "choose another, or give --labels")
        table = pq.read_table(path, columns=list(columns))
        if chosen is not None:
            table = table.take([n - start for n in chosen if start <= n < start + count])
        parts.append(table)
        start += count
    return pa.concat_tables(parts)


def save_values(house: House, license_id: str, values: Mapping[str, float], at: datetime) -> None:
    """Keep what the members of a license were found to be worth; less than nothing counts as nothing."""
    path = ledger_folder(house.shared, license_id) / f"values-{uuid.uuid4().hex}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = sorted(values)
    weights = [max(0, round(values[name] * SCALE)) for name in names]
    pq.write_table(pa.table([names, weights], schema=VALUES), path)
    sync(path)
    with transaction(house.database) as conn:
        row = {"license_id": license_id, "at_us": micros(at), "file": path.name}
        conn.execute(insert(lt.member_values).values(**row))


def newest_values(conn: Connection, shared: SharedTables, license_id: str, month: Month) -> Path | None:
    """Give the newest valuation of a license before a month's end, None if there is none."""
    c = lt.member_values.c
    query = select(c.file).where(c.license_id == license_id, c.at_us < micros(month.end)).order_by(c.n.desc()).limit(1)
    file = conn.execute(query).scalar_one_or_none()
    return None if file is None else ledger_folder(shared, license_id) / file
