"""Rewrite the files of a shared table that hold what has to go, and no other file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from licet.model.records import Table
from licet.protocol.pseudonyms import bucket_of
from licet.recall.trace import Fallen
from licet.store.engine import LocalEngine, parquet
from licet.store.parcels import write_parcels
from licet.store.shared import DataFile, Snapshot

LINKS = ("in_reply_to", "quote_of")
"""Columns of posts that name another post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """Files that take the place of others; `rows` is how many rows went."""

    add: tuple[DataFile, ...] = ()
    remove: tuple[DataFile, ...] = ()
    rows: int = 0


def remove(folder: Path, table: Table, snapshot: Snapshot, fallen: Fallen, engine: LocalEngine) -> Rewritten:
    """Write the affected files of a version anew without what has to go; the new files are on disk, not committed."""
    files = {file.name: file for file in snapshot.files}
    own = _own_files(snapshot, fallen.owners)
    posts: Iterable[str] = fallen.posts
    if table is Table.POSTS:
        affected, posts = _posts_affected(folder, snapshot, own, fallen, engine)
    else:
        affected = _interactions_affected(folder, files, own, fallen, engine)
    cut = _Cut(table=table, fallen=fallen, posts=posts)
    old = [files[name] for name in sorted(affected)]
    share = max(1, -(-len(old) // engine.threads))
    parts = [old[start : start + share] for start in range(0, len(old), share)]
    with ThreadPoolExecutor(engine.threads) as pool:
        new = [file for part in pool.map(partial(cut.rewrite, folder), parts) for file in part]
    rows = sum(file.rows for file in old) - sum(file.rows for file in new)
    return Rewritten(add=tuple(new), remove=tuple(old), rows=rows)


def _own_files(snapshot: Snapshot, owners: Iterable[str]) -> list[str]:
    buckets = {bucket_of(owner, snapshot.facts.buckets) for owner in owners}
    return [file.name for file in snapshot.files if file.bucket in buckets]


def _posts_affected(
    folder: Path, snapshot: Snapshot, own: Sequence[str], fallen: Fallen, engine: LocalEngine
) -> tuple[set[str], set[str]]:
    """Give the files to rewrite, and the posts that go: links to them are cut too."""
    ids = {"members": fallen.members, "posts": fallen.posts}
    where = "author_id IN (FROM members) OR post_id IN (FROM posts)"
    rows = _scan(folder, own, f"SELECT filename, post_id FROM files WHERE {where}", ids, engine)
    affected, posts = _names(rows), {row[1] for row in rows}
    links = [name for name in LINKS if f'"{name}"' in snapshot.schema_string]
    if posts and links:
        where = " OR ".join(f"{name} IN (FROM posts)" for name in links)
        names = [file.name for file in snapshot.files if file.name not in affected]
        affected |= _names(
            _scan(folder, names, f"SELECT DISTINCT filename FROM files WHERE {where}", {"posts": posts}, engine)
        )
    return affected, posts


def _interactions_affected(
    folder: Path, names: Iterable[str], own: Sequence[str], fallen: Fallen, engine: LocalEngine
) -> set[str]:
    """Give the files to rewrite: the actor's bucket by name, the target's author and the target by a scan."""
    pairs = {f"{actor} {post}" for actor, post in fallen.pairs}
    ids = {"members": fallen.members, "posts": fallen.posts, "pairs": pairs}
    select = "SELECT DISTINCT filename FROM files WHERE"
    by_actor = "actor_id IN (FROM members) OR actor_id || ' ' || post_id IN (FROM pairs)"
    found = _names(_scan(folder, own, f"{select} {by_actor}", ids, engine))
    by_target = {"post_author_id IN (FROM members)": fallen.members, "post_id IN (FROM posts)": fallen.posts}
    asked = [text for text, wanted in by_target.items() if wanted]
    if asked:
        others = [name for name in names if name not in found]
        found |= _names(_scan(folder, others, f"{select} {' OR '.join(asked)}", ids, engine))
    return found


def _names(rows: Iterable[tuple[str, ...]]) -> set[str]:
    return {Path(row[0]).name for row in rows}


def _scan(
    folder: Path, names: Sequence[str], query: str, ids: Mapping[str, Iterable[str]], engine: LocalEngine
) -> list[tuple[str, ...]]:
    """Ask the named `files`, by lists of ids."""
    if not names:
        return []
    with engine.session() as session:
        for name, wanted in ids.items():
            session.register(name, pa.table({"id": pa.array(sorted(wanted), pa.string())}))
        source = parquet([str(folder / name) for name in names], filename=True)
        return session.sql(query.replace("FROM files", f"FROM {source}")).fetchall()


class _Cut:
    """What to leave out of every file of one table."""

    def __init__(self, *, table: Table, fallen: Fallen, posts: Iterable[str]) -> None:
        self.table = table
        self.members = pa.array(sorted(fallen.members), pa.string())
        self.posts = pa.array(sorted(posts), pa.string())
        self.pairs = pa.array(sorted(f"{actor} {post}" for actor, post in fallen.pairs), pa.string())

    def rewrite(self, folder: Path, files: Sequence[DataFile]) -> list[DataFile]:
        """Write files anew, in the same order, and bring them to the disk; a file left empty has no successor."""
        schema = pq.read_schema(folder / files[0].name).remove_metadata()
        written = write_parcels(self._kept(folder, files), folder, schema)
        return [DataFile(name=parcel.name, size=parcel.size, rows=parcel.rows) for parcel in written]

    def _kept(self, folder: Path, files: Sequence[DataFile]) -> Iterator[pa.RecordBatch]:
        for file in files:
            rows = pq.ParquetFile(folder / file.name).read()
            kept = self._unlink(rows.filter(pc.invert(self._gone(rows)))).combine_chunks()
            bucket = pa.repeat(pa.scalar(file.bucket, pa.int32()), kept.num_rows)
            yield from kept.append_column("bucket", bucket).to_batches()

    def _gone(self, rows: pa.Table) -> pa.ChunkedArray:
        if self.table is Table.POSTS:
            by_author = pc.is_in(rows["author_id"], value_set=self.members)
            return pc.or_(by_author, pc.is_in(rows["post_id"], value_set=self.posts))
        either = pc.or_(
            pc.is_in(rows["actor_id"], value_set=self.members), pc.is_in(rows["post_author_id"], value_set=self.members)
        )
        both = pc.binary_join_element_wise(rows["actor_id"], rows["post_id"], " ")
        record = pc.or_(pc.is_in(rows["post_id"], value_set=self.posts), pc.is_in(both, value_set=self.pairs))
        return pc.or_(either, record)

    def _unlink(self, rows: pa.Table) -> pa.Table:
        for name in LINKS:
            if self.table is Table.POSTS and name in rows.column_names:
                at = rows.column_names.index(name)
                cut = pc.is_in(rows[name], value_set=self.posts)
                values = pc.if_else(cut, pa.scalar(None, pa.string()), rows[name])
                rows = rows.set_column(at, rows.schema.field(name), values)
        return rows
