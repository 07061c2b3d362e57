"""Which members and records of a license have to go, by the facts between two numbers; names become pseudonyms here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from licet.model.licenses import License
from licet.model.members import UNKNOWN_REGION, AccountStatus, Choice, Protection
from licet.model.recalls import Cause
from licet.model.records import Deletion, Table
from licet.policy.decide import Subject, Terms
from licet.policy.notice import Notice
from licet.policy.residual import withdrawn
from licet.policy.vocabulary import CHANNELS
from licet.protocol.pseudonyms import member_secrets, post_pseudonym
from licet.store import asof
from licet.store.engine import SqlEngine
from licet.store.lake import Lake

_CLOSED: dict[str, Cause] = {
    AccountStatus.DEACTIVATED: Cause.DEACTIVATED,
    AccountStatus.SUSPENDED: Cause.SUSPENDED,
    AccountStatus.DELETED: Cause.DELETED,
}

NAMED = 50_000
"""Up to this many members are asked for by name; for more, reading all of them is cheaper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """What has to go from one shared table, by pseudonym."""

    members: frozenset[str] = frozenset()
    """Members whose every row goes, whichever of its subjects they are."""
    posts: frozenset[str] = frozenset()
    """Of posts, those that were deleted or edited; of interactions, the deleted targets."""
    pairs: frozenset[tuple[str, str]] = frozenset()
    """Interactions that were deleted: actor and post."""
    owners: frozenset[str] = frozenset()
    """Members in whose bucket rows of their own may have to go."""
    causes: Mapping[str, Cause] = field(default_factory=dict)
    """Why, by what is named: a member, a post, or an actor and a post with a space between."""

    def __bool__(self) -> bool:
        """Tell whether anything has to go."""
        return bool(self.members or self.posts or self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The facts numbered in (after, upto], judged at an instant under a notice."""

    after: int
    upto: int
    notice: Notice | None
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The lake, and the engine that looks records up in it."""

    lake: Lake
    engine: SqlEngine

    def rows(self, table: Table, columns: str, where: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
        """Give columns of the records of which `where` holds; it may read the ids `FROM wanted`."""
        wanted = pa.table({"id": pa.array(sorted(ids), pa.string())})
        with self.engine.run({str(table): self.lake.source(table), "wanted": wanted}) as run:
            return run.fetch(f"SELECT DISTINCT {columns} FROM {table} WHERE {where}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What has to go from each table, and where those live to whom it is owed (`unknown` where nobody asked)."""

    tables: Mapping[Table, Fallen]
    regions: frozenset[str]


def trace(conn: Connection, records: Records, license_: License, changes: asof.Changes, span: Span) -> Traced:
    """Give what has to go from each table of a license by the facts of a span."""
    key = asof.license_key(conn, license_.license_id)
    leaving = _leaving(conn, license_, changes.member_ids, span)
    edited = [d for d in changes.deletions if d.superseded]
    deleted = [d for d in changes.deletions if not d.superseded]
    # An edited post loses its earlier text, not the interactions with it.
    targets = _deleted_posts(records, license_.tables, deleted, key)
    posts = targets | _deleted_posts(records, (), edited, key)
    found: dict[Table, Fallen] = {}
    for table in license_.tables:
        members = {member_secrets(key, who)[0]: cause for who, (cause, _) in leaving[table].items()}
        pairs = frozenset(_deleted_pairs(records, table, changes.deletions, key))
        owners = set(posts.values()) if table is Table.POSTS else {actor for actor, _ in pairs}
        gone = frozenset(posts if table is Table.POSTS else targets)
        causes = {
            **dict.fromkeys(gone, Cause.EDITED),
            **dict.fromkeys(targets, Cause.DELETED),
            **{f"{actor} {post}": Cause.DELETED for actor, post in pairs},
            **members,
        }
        found[table] = Fallen(
            members=frozenset(members),
            posts=gone,
            pairs=pairs,
            owners=frozenset(owners | members.keys()),
            causes=causes,
        )
    regions = {region for each in leaving.values() for _, region in each.values()}
    if changes.deletions:
        regions.add(UNKNOWN_REGION)
    return Traced(tables=found, regions=frozenset(regions))


def _leaving(
    conn: Connection, license_: License, member_ids: frozenset[str], span: Span
) -> dict[Table, dict[str, tuple[Cause, str]]]:
    """Give, for each table, the members whose change takes away a permission they had, with why, and their region.

    A member who keeps some of it leaves whole: the next build brings back what is still permitted.
    """
    known = _subjects(conn, license_, member_ids, span, span.after)
    now = _subjects(conn, license_, frozenset(known), span, span.upto)
    verdicts: dict[tuple[Subject, Subject | None, Table], bool] = {}
    leaving: dict[Table, dict[str, tuple[Cause, str]]] = {table: {} for table in license_.tables}
    for member_id, before in known.items():
        after = now.get(member_id)
        for table in license_.tables if before != after else ():
            change = (before, after, table)
            if change not in verdicts:
                verdicts[change] = _withdrawn(before, after, license_, span, table)
            if verdicts[change]:
                leaving[table][member_id] = (_cause(after), before.region)
    return leaving


def _cause(after: Subject | None) -> Cause:
    if after is None:
        return Cause.NO_LONGER_PERMITTED
    if after.setting == Choice.DENY:
        return Cause.OPTED_OUT
    if after.protection == Protection.PROTECTED:
        return Cause.PROTECTED
    return _CLOSED.get(after.status, Cause.NO_LONGER_PERMITTED)


def _withdrawn(before: Subject, after: Subject | None, license_: License, span: Span, table: Table) -> bool:
    """Tell whether a change takes a permission away over any channel: a license names none, so each counts."""
    return any(
        withdrawn(
            before,
            after,
            Terms(purpose=license_.purpose, channel=channel, recipient_id=license_.recipient_id, at=span.now),
            span.notice,
            str(table),
        )
        for channel in sorted(CHANNELS)
    )


def _subjects(
    conn: Connection, license_: License, member_ids: frozenset[str], span: Span, seq: int
) -> dict[str, Subject]:
    """Give the named members as decisions saw them at `seq`; whoever was unknown then is not there."""
    if not member_ids:
        return {}
    named = sorted(member_ids) if len(member_ids) <= NAMED else None
    version = span.notice.version if span.notice else ""
    rows = asof.subjects(conn, seq, license_.purpose, license_.recipient_id, version, named)
    return {
        row.pop("member_id"): Subject(**row)
        for batch in rows.to_batches(max_chunksize=NAMED)
        for row in batch.to_pylist()
        if row["member_id"] in member_ids
    }


def _deleted_posts(
    records: Records, tables: Sequence[Table], deletions: Iterable[Deletion], key: bytes
) -> dict[str, str]:
    """Give the pseudonyms of deleted and edited posts, each with its author's.

    Whoever the lake names as a post's author counts beside the member whom the deletion names.
    """
    named = {(d.record_id, str(d.member_id)) for d in deletions if d.table is Table.POSTS}
    ids = {post_id for post_id, _ in named}
    if named:
        for table in {Table.POSTS, *tables}:
            author = "author_id" if table is Table.POSTS else "post_author_id"
            where = "post_id IN (SELECT id FROM wanted)"
            named.update(records.rows(table, f"post_id, {author}", where, ids))
    found: dict[str, str] = {}
    for post_id, author_id in named:
        pseudonym, secret = member_secrets(key, author_id)
        found[post_pseudonym(secret, post_id)] = pseudonym
    return found


def _deleted_pairs(
    records: Records, table: Table, deletions: Iterable[Deletion], key: bytes
) -> Iterable[tuple[str, str]]:
    """Give the deleted interactions of a table by the pseudonyms of actor and post, as the lake knows them."""
    ids = sorted({d.record_id for d in deletions if d.table is table})
    if table is Table.POSTS or not ids:
        return
    where = "interaction_id IN (SELECT id FROM wanted) OR (actor_id || ' ' || post_id) IN (SELECT id FROM wanted)"
    for actor_id, post_id, author_id in records.rows(table, "actor_id, post_id, post_author_id", where, ids):
        secret = member_secrets(key, author_id)[1]
        yield member_secrets(key, actor_id)[0], post_pseudonym(secret, post_id)
