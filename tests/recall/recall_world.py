"""A small house with members, posts, links and likes, built once and shared under one license."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

import licet.policy
from licet.dataset import package
from licet.dataset.build import build
from licet.model.licenses import COLUMNS, License, LicenseId, RecipientId
from licet.model.members import (
    AccountStatus,
    AgeBand,
    Choice,
    Member,
    MemberId,
    Protection,
    SettingChange,
)
from licet.model.records import Deletion, Interaction, Post, PostId, Table, Visibility
from licet.model.schemas import LAKE
from licet.policy.decide import RecordFacts, Subject, Terms, decide
from licet.policy.notice import digest, parse_notice
from licet.protocol.pseudonyms import member_secrets, post_pseudonym
from licet.store import asof, facts, parties
from licet.store.database import reading, transaction
from licet.store.house import House, open_house

NOW = datetime(2040, 3, 1, tzinfo=UTC)
PURPOSE = "third_party_training"
KEY = b"k" * 32
NOTICE = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")
LICENSE = License(
    license_id=LicenseId("acme-1"),
    recipient_id=RecipientId("acme"),
    purpose=PURPOSE,
    tables=(Table.POSTS, Table.LIKES),
    columns=COLUMNS[Table.POSTS] + COLUMNS[Table.LIKES],
    langs=(),
    created_from=datetime(2020, 1, 1, tzinfo=UTC),
    created_until=datetime(2050, 1, 1, tzinfo=UTC),
    starts=datetime(2024, 12, 1, tzinfo=UTC),
    ends=datetime(2050, 12, 1, tzinfo=UTC),
    recall_within_hours=48,
)


def member(name: str) -> Member:
    """Give a member whom the notice permits."""
    return Member(
        member_id=MemberId(name),
        platform="x",
        region="US",
        age_band=AgeBand.ADULT,
        protection=Protection.OPEN,
        status=AccountStatus.ACTIVE,
    )


def post(name: str, author: str, in_reply_to: str = "", quote_of: str = "") -> Post:
    """Give a public post whose text is found again by its name."""
    return Post(
        post_id=PostId(name),
        author_id=MemberId(author),
        created_at=NOW - timedelta(days=9),
        text=f"words of {name} by its author",
        platform="x",
        visibility=Visibility.PUBLIC,
        lang="en",
        in_reply_to=in_reply_to,
        quote_of=quote_of,
    )


def like(actor: str, target: Post) -> Interaction:
    """Give a like that carries its target's author."""
    return Interaction(
        table=Table.LIKES,
        actor_id=MemberId(actor),
        post_id=target.post_id,
        post_author_id=target.author_id,
        created_at=NOW - timedelta(days=8),
        platform="x",
        interaction_id=f"at://{actor}/like/{target.post_id}",
    )


def _rows(table: Table, records: Sequence[Post] | Sequence[Interaction]) -> pa.Table:
    schema = pa.schema([field for field in LAKE[table] if field.name != "seq"])
    optional = {field.name for field in schema if field.nullable}
    values = [
        {name: (getattr(record, name) or None) if name in optional else str_of(record, name) for name in schema.names}
        for record in records
    ]
    return pa.Table.from_pylist(values, schema=schema)


def str_of(record: Post | Interaction, name: str) -> object:
    """Give a field of a record as the lake keeps it."""
    value = getattr(record, name)
    return value if isinstance(value, datetime) else str(value)


@dataclass(frozen=True, kw_only=True)
class World:
    """What was ingested, and the house that holds it."""

    house: House
    posts: tuple[Post, ...]
    likes: tuple[Interaction, ...]

    def say(self, *names: str, choice: Choice = Choice.DENY) -> int:
        """Let members choose."""
        changes = [SettingChange(member_id=MemberId(name), purpose=PURPOSE, choice=choice) for name in names]
        with transaction(self.house.database) as conn:
            return facts.record_settings(conn, changes, NOW)

    def delete(self, table: Table, record_id: str, by: str, *, superseded: bool = False) -> None:
        """Delete or edit a record."""
        deletion = Deletion(table=table, record_id=record_id, member_id=MemberId(by), superseded=superseded)
        with transaction(self.house.database) as conn:
            facts.record_deletions(conn, [replace(deletion, revision="2" if superseded else "")], NOW)

    def change(self, *members: Member) -> None:
        """Let members' states change."""
        with transaction(self.house.database) as conn:
            facts.record_members(conn, members, NOW)

    def folder(self, table: Table) -> Path:
        """Give the folder of a shared table."""
        return self.house.shared.folder(LICENSE.license_id, table)

    def files(self, table: Table) -> set[str]:
        """Give the names of the current version's files."""
        snapshot = self.house.shared.snapshot(LICENSE.license_id, table)
        return {file.name for file in snapshot.files} if snapshot else set()

    def shared(self, table: Table) -> list[tuple[object, ...]]:
        """Give the shared rows, sorted."""
        rows: list[tuple[object, ...]] = []
        for name in self.files(table):
            found = pq.ParquetFile(self.folder(table) / name).read().to_pylist()
            rows += [tuple(row[column] for column in LICENSE.columns_of(table)) for row in found]
        return sorted(rows, key=repr)

    def checked(self) -> int:
        """Give the license's watermark."""
        with reading(self.house.database) as conn:
            return parties.checked_seq(conn, LICENSE.license_id)

    def newest(self) -> int:
        """Give the newest withdrawal."""
        with reading(self.house.database) as conn:
            return facts.newest_withdrawal(conn)

    def expected(self, table: Table) -> list[tuple[object, ...]]:
        """Give the rows that a fresh decision on every record still permits, as the license shares them."""
        with reading(self.house.database) as conn:
            seq = facts.last_seq(conn)
            notice = asof.notice_in_force(conn, seq, NOW)
            subjects = asof.subjects(conn, seq, PURPOSE, LICENSE.recipient_id, notice.version if notice else "")
            fallen = asof.deletions_as_of(conn, seq).to_pylist()
        known = {row.pop("member_id"): Subject(**row) for row in subjects.to_pylist()}
        gone = {(row["record_table"], row["record_id"]) for row in fallen}
        deleted = {
            key
            for key, row in zip(((r["record_table"], r["record_id"]) for r in fallen), fallen, strict=True)
            if row["before_seq"] > seq
        }
        terms = Terms(purpose=PURPOSE, channel="third_party", recipient_id=LICENSE.recipient_id, at=NOW)

        def permitted(record_table: Table, who: Sequence[str], *, fell: bool) -> bool:
            record = RecordFacts(table=record_table, visibility="public", created_at=NOW, deleted=fell)
            return decide([known.get(name) for name in who], record, terms, notice).permit

        kept = {
            p.post_id: post_pseudonym(member_secrets(KEY, p.author_id)[1], p.post_id)
            for p in self.posts
            if permitted(Table.POSTS, [p.author_id], fell=("posts", p.post_id) in gone)
        }
        if table is Table.POSTS:
            rows = [self._post_row(p, kept) for p in self.posts if p.post_id in kept]
            return sorted(rows, key=repr)
        found = []
        for one in self.likes:
            names = {("likes", f"{one.actor_id} {one.post_id}"), ("likes", one.interaction_id)}
            fell = bool(names & gone) or ("posts", one.post_id) in deleted
            if permitted(Table.LIKES, [one.actor_id, one.post_author_id], fell=fell):
                author, secret = member_secrets(KEY, one.post_author_id)
                target = post_pseudonym(secret, one.post_id)
                found.append((member_secrets(KEY, one.actor_id)[0], target, author, one.created_at))
        return sorted(found, key=repr)

    def _post_row(self, p: Post, kept: dict[PostId, str]) -> tuple[object, ...]:
        links = [kept.get(PostId(p.in_reply_to)), kept.get(PostId(p.quote_of))]
        return (kept[p.post_id], member_secrets(KEY, p.author_id)[0], p.created_at, p.text, p.lang, *links)


def make_world(
    home: Path,
    database_url: str,
    names: Sequence[str],
    posts: Sequence[Post],
    likes: Sequence[Interaction],
    file_rows: int = package.FILE_ROWS,
) -> World:
    """Ingest, grant and build, with so many rows to a file."""
    house = open_house(home, database_url)
    notice = parse_notice(NOTICE, "x.toml")
    with transaction(house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, NOTICE, NOW)
        facts.record_members(conn, [member(name) for name in names], NOW)
        parties.add_recipient(conn, LICENSE.recipient_id, "Acme", NOW)
        facts.grant_license(conn, LICENSE, KEY, NOW)
        seq = facts.last_seq(conn)
    house.lake.append(Table.POSTS, _rows(Table.POSTS, posts), seq)
    house.lake.append(Table.LIKES, _rows(Table.LIKES, likes), seq)
    with mock.patch.object(package, "FILE_ROWS", file_rows):
        build(house, LICENSE.license_id, NOW)
    return World(house=house, posts=tuple(posts), likes=tuple(likes))


def usual(count: int = 12) -> tuple[list[str], list[Post], list[Interaction]]:
    """Give members in a ring: each replies to the one before, quotes the one after, and likes two others."""
    names = [f"x:{n}" for n in range(count)]
    posts = [
        post(f"p:{n}", names[n], in_reply_to=f"p:{(n - 1) % count}", quote_of=f"p:{(n + 1) % count}")
        for n in range(count)
    ]
    likes = [like(names[n], posts[(n + step) % count]) for n in range(count) for step in (1, 5)]
    return names, posts, likes
