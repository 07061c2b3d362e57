"""What delivered files hold: rows and tokens, and whose. Measured once a file, and before its bytes go.

A file is measured only if somebody fetched it: by the server within a minute, by a recall or build before it deletes
the file, else when a month is closed. What is kept are numbers by pseudonym, and nothing of the content.
"""

import json
import logging
import secrets
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq
from sqlalchemy import Connection, insert, select

from licet.model.errors import IntegrityError
from licet.model.records import Table
from licet.store import ledger_tables as lt
from licet.store import tables as t
from licet.store.database import lease, reading, transaction
from licet.store.facts import CHUNK, micros
from licet.store.house import House
from licet.store.shared import SharedTables
from licet.store.statements import ledger_folder, sync

_log = logging.getLogger("licet.ledger")

TOKENIZER: Final = "words-1"
"""The name of our tokenizer: a change of `TOKEN` would need another."""
_SPACED: Final = (
    "Arabic Bengali Devanagari Ethiopic Gujarati Gurmukhi Hangul Hebrew Kannada Malayalam Sinhala Tamil Telugu"
)
_WORD: Final = r"\p{Lu}\p{Ll}\p{Lt}\p{Lm}\p{M}\p{N}" + "".join(rf"\p{{{script}}}" for script in _SPACED.split())
TOKEN: Final = rf"[{_WORD}]+|[^\s{_WORD}]"
"""RE2: a word is one token in scripts that put spaces between words; else each character but white space is one."""
LINES: Final = pa.schema(
    [("number", pa.int64()), ("pseudonym", pa.string()), ("rows", pa.int64()), ("tokens", pa.int64())]
)
PART: Final = 8
"""Files measured under one lease: a recall that must measure others waits no longer than that."""
OWNER: Final = {Table.POSTS: "author_id"}
"""Whose a row is: a post its author's, an interaction its actor's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One file: its number, rows and tokens."""

    file: str
    number: int
    rows: int
    tokens: int


def count_tokens(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give the tokens of each text; none of a null."""
    return pc.fill_null(pc.count_substring_regex(texts, TOKEN), 0).cast(pa.int64())


def measure_delivered(house: House, license_id: str, table: Table, names: Sequence[str], at: datetime) -> int:
    """Measure those of some files that were fetched and are not yet measured; return how many.

    A file that goes meanwhile is passed over.
    """
    with reading(house.database) as conn:
        due = fetched(conn, license_id, table, unmeasured(conn, license_id, table, names))
    return sum(measure(house, license_id, table, due[n : n + PART], at) for n in range(0, len(due), PART))


def measure_leaving(house: House, license_id: str, table: Table, at: datetime) -> None:
    """Measure fetched files that the current version does not list, which a sweep is about to delete.

    A failure is logged and keeps no sweep waiting: that bytes go matters more than what they were worth.
    """
    try:
        measure_delivered(house, license_id, table, house.shared.unlisted(license_id, table), at)
    except Exception as error:  # noqa: BLE001 # nothing may keep withdrawn bytes on the disk
        _log.error("a file leaves unmeasured: %s", type(error).__name__)  # a traceback may name values


def unmeasured(conn: Connection, license_id: str, table: Table, names: Iterable[str]) -> list[str]:
    """Give those of some files that are not yet measured."""
    c = lt.metered_file.c
    left = dict.fromkeys(names)
    for some in _chunks(list(left)):
        query = select(c.file).where(c.license_id == license_id, c.record_table == str(table), c.file.in_(some))
        for name in conn.execute(query).scalars():
            left.pop(name, None)
    return list(left)


def fetched(conn: Connection, license_id: str, table: Table, names: Sequence[str]) -> list[str]:
    """Give those of some files of which bytes were delivered."""
    c = t.delivery.c
    found: set[str] = set()
    for some in _chunks(names):
        query = select(c.file).distinct().where(c.file.in_(some), c.bytes > 0)
        found |= set(conn.execute(query.where(c.license_id == license_id, c.record_table == str(table))).scalars())
    return sorted(found)


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + CHUNK] for start in range(0, len(names), CHUNK))


def measure(house: House, license_id: str, table: Table, names: Sequence[str], at: datetime) -> int:
    """Measure files and write the numbers down; return how many were there to be measured."""
    with lease(house.database, f"meter {license_id}"):
        with reading(house.database) as conn:
            due = unmeasured(conn, license_id, table, names)  # asked again: who held the lease may have measured them
        path = ledger_folder(house.shared, license_id) / f"lines-{uuid.uuid4().hex}.parquet"
        found = _written(house.shared.folder(license_id, table), table, due, path) if due else []
        if found:
            with transaction(house.database) as conn:
                _record(conn, license_id, table, found, path.name, at)
        else:
            path.unlink(missing_ok=True)
        return len(found)


def _written(folder: Path, table: Table, names: Sequence[str], path: Path) -> list[Measured]:
    """Write the lines of files, one a member and file, and bring them to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found: list[Measured] = []
    with pq.ParquetWriter(path, LINES, compression="zstd", write_statistics=["number"]) as writer:
        for name in names:
            try:
                lines = lines_of(folder / name, table, number := secrets.randbits(63))
            except FileNotFoundError:
                continue
            writer.write_table(lines)
            rows, tokens = (int(pc.sum(lines[each]).as_py() or 0) for each in ("rows", "tokens"))
            found.append(Measured(file=name, number=number, rows=rows, tokens=tokens))
    sync(path)
    return found


def lines_of(path: Path, table: Table, number: int) -> pa.Table:
    """Give the rows and tokens of each member in a data file (schema `LINES`), in the order of pseudonyms."""
    owner = OWNER.get(table, "actor_id")
    with pq.ParquetFile(path) as parquet:
        has_text = "text" in parquet.schema_arrow.names
        read = parquet.read(columns=[owner, "text"] if has_text else [owner])
    tokens = count_tokens(read["text"]) if has_text else pa.repeat(pa.scalar(0, pa.int64()), read.num_rows)
    rows = pa.table({"pseudonym": read[owner].cast(pa.string()), "tokens": tokens})
    sums = rows.group_by("pseudonym").aggregate([([], "count_all"), ("tokens", "sum")]).sort_by("pseudonym")
    numbers = pa.repeat(pa.scalar(number, pa.int64()), sums.num_rows)
    columns = [numbers, sums["pseudonym"], sums["count_all"], sums["tokens_sum"]]
    return pa.table(columns, names=LINES.names).cast(LINES)


def _record(
    conn: Connection, license_id: str, table: Table, found: Iterable[Measured], lines: str, at: datetime
) -> None:
    same = {"license_id": license_id, "record_table": str(table), "lines": lines, "at_us": micros(at)}
    rows = [
        {**same, "file": each.file, "rows": each.rows, "tokens": each.tokens, "number": each.number} for each in found
    ]
    conn.execute(insert(lt.metered_file), rows)


def give_up(house: House, license_id: str, table: Table, names: Sequence[str], at: datetime) -> int:
    """Write down fetched files whose bytes went before they were measured, and return how many.

    Their rows are what the commit states that added them; their tokens, and whose rows they were, are lost.

    Raises:
        IntegrityError: the table's whole folder is not there, so that nothing tells what went.
    """
    with lease(house.database, f"meter {license_id}"):
        with reading(house.database) as conn:
            lost = unmeasured(conn, license_id, table, names)
        if lost and not house.shared.folder(license_id, table).is_dir():
            raise IntegrityError(f"the shared files of `{license_id}/{table}` are not there", "mount the shared folder")
        if lost:
            stated = _stated(house.shared, license_id, table, set(lost))
            found = [
                Measured(file=name, number=secrets.randbits(63), rows=stated.get(name, 0), tokens=0) for name in lost
            ]
            with transaction(house.database) as conn:
                _record(conn, license_id, table, found, "", at)
        return len(lost)


def _stated(shared: SharedTables, license_id: str, table: Table, wanted: set[str]) -> dict[str, int]:
    """Give the rows of files as the commits that added them state."""
    found: dict[str, int] = {}
    for path in (shared.folder(license_id, table) / "_delta_log").glob("*.json"):
        for line in path.read_bytes().splitlines():
            action = json.loads(line).get("add")
            if action and action["path"] in wanted:
                found[action["path"]] = int(json.loads(action["stats"])["numRecords"])
    return found
