"""What the end of a license takes back: every row that is shared under it, by its keys as with any recall."""

from datetime import datetime

import pyarrow as pa
from pyarrow import parquet as pq
from sqlalchemy import Connection

from licet.model.licenses import KEYS, License
from licet.model.recalls import Cause
from licet.recall.remove import Rewritten, Shelf
from licet.store import parties
from licet.store.keys import KeyWriter


def is_over(license_: License, state: str, now: datetime) -> bool:
    """Tell whether a license was ended or its term is over; a suspended one is not."""
    return state == "ended" or now >= license_.ends


def is_left(conn: Connection, license_: License) -> bool:
    """Tell whether the newest version of any of a license's tables has rows."""
    return any(parties.newest_rows(conn, license_.license_id, table) for table in license_.tables)


def retire(shelf: Shelf) -> Rewritten:
    """Give all files of a version up; the keys of their rows are on disk, nothing is committed."""
    names = KEYS[shelf.table]
    with KeyWriter(shelf.folder, names, shelf.snapshot.version + 1) as keys:
        for file in shelf.snapshot.files:
            rows = pq.read_table(shelf.folder / file.name, columns=list(names))
            keys.add(rows, pa.repeat(pa.scalar(str(Cause.LICENSE_ENDED)), rows.num_rows))
    kept = () if keys.file is None else (keys.file,)
    return Rewritten(remove=shelf.snapshot.files, rows=shelf.snapshot.rows, keys=kept)
