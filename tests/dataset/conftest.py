"""A house in which a license is granted, and short ways to put members and records into it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

import licet.policy
from licet.dataset.build import BuiltTable, build
from licet.model.licenses import License, LicenseId, RecipientId
from licet.model.members import AccountStatus, AgeBand, Choice, Member, MemberId, Protection, SettingChange
from licet.model.records import Deletion, Table
from licet.model.schemas import LAKE
from licet.policy.notice import digest, parse_notice
from licet.store.database import reading, transaction
from licet.store.engine import SqlEngine
from licet.store.facts import grant_license, last_seq, publish_notice, record_deletions, record_members, record_settings
from licet.store.house import House

NOW = datetime(2025, 3, 1, tzinfo=UTC)
_keys = itertools.count(1)
NOTICE = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")
EVERY_COLUMN = ("text", "lang", "created_at", "in_reply_to", "quote_of")
LICENSE = License(
    license_id=LicenseId("l1"),
    recipient_id=RecipientId("acme"),
    purpose="third_party_training",
    tables=(Table.POSTS, Table.LIKES),
    columns=EVERY_COLUMN,
    langs=(),
    created_from=datetime(2020, 1, 1, tzinfo=UTC),
    created_until=datetime(2026, 1, 1, tzinfo=UTC),
    starts=datetime(2025, 1, 1, tzinfo=UTC),
    ends=datetime(2026, 1, 1, tzinfo=UTC),
    recall_within_hours=24,
)


def member(member_id: str, **changes: Any) -> Member:  # noqa: ANN401 # any field of a member
    """Give a member of whom everything is known and nothing stands against sharing."""
    known = Member(
        member_id=MemberId(member_id),
        platform="x",
        region="US",
        age_band=AgeBand.ADULT,
        protection=Protection.OPEN,
        status=AccountStatus.ACTIVE,
    )
    return replace(known, **changes)


def post(post_id: str, author_id: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 # any column of a post
    """Give a public post as the lake keeps it."""
    row = {
        "post_id": post_id,
        "author_id": author_id,
        "created_at": NOW - timedelta(days=9),
        "text": f"words {next(_keys)}",
    }
    return {**row, "lang": "en", "in_reply_to": "", "quote_of": "", "visibility": "public", "platform": "x", **changes}


def like(actor_id: str, post_id: str, post_author_id: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 # likewise
    """Give a like as the lake keeps it."""
    row = {"actor_id": actor_id, "post_id": post_id, "post_author_id": post_author_id, "platform": "x"}
    return {**row, "created_at": NOW - timedelta(days=9), "interaction_id": "", **changes}


@dataclass(frozen=True, slots=True)
class Scene:
    """A house with short ways to change it."""

    house: House

    def license(self, license_: License = LICENSE) -> License:
        """Grant a license under a key of its own."""
        with transaction(self.house.database) as conn:
            grant_license(conn, license_, next(_keys).to_bytes(32), NOW)
        return license_

    def notice(self, text: str = NOTICE) -> None:
        """Publish a notice."""
        notice = parse_notice(text, "notice.toml")
        with transaction(self.house.database) as conn:
            publish_notice(conn, notice.version, digest(notice), notice.effective, text, NOW)

    def members(self, *members: Member) -> None:
        """Record members."""
        with transaction(self.house.database) as conn:
            record_members(conn, members, NOW)

    def choose(self, member_id: str, choice: Choice) -> None:
        """Let a member choose for every recipient."""
        change = SettingChange(member_id=MemberId(member_id), purpose=LICENSE.purpose, choice=choice)
        with transaction(self.house.database) as conn:
            record_settings(conn, [change], NOW)

    def delete(self, table: Table, record_id: str, *, superseded: bool = False) -> int:
        """Record a deletion or an edit, and give its number."""
        deletion = Deletion(table=table, record_id=record_id, member_id=MemberId("?"), superseded=superseded)
        with transaction(self.house.database) as conn:
            record_deletions(conn, [deletion], NOW)
        return self.seq()

    def seq(self) -> int:
        """Give the newest number."""
        with reading(self.house.database) as conn:
            return last_seq(conn)

    def ingest(self, table: Table, *rows: dict[str, Any], edited: dict[str, int] | None = None) -> None:
        """Append records to the lake, at the number reached."""
        schema = pa.schema([field for field in LAKE[table] if field.name != "seq"])
        self.house.lake.append(table, pa.Table.from_pylist(list(rows), schema=schema), self.seq(), edited)

    def build(self, license_: License = LICENSE, engine: SqlEngine | None = None) -> dict[Table, BuiltTable]:
        """Build, and give what was built by table."""
        return {one.table: one for one in build(self.house, license_.license_id, NOW, engine=engine)}

    def files(self, table: Table, license_: License = LICENSE) -> list[Path]:
        """Give the current version's files."""
        snapshot = self.house.shared.snapshot(license_.license_id, table)
        assert snapshot is not None
        return [self.house.shared.folder(license_.license_id, table) / file.name for file in snapshot.files]

    def rows(self, table: Table, license_: License = LICENSE) -> list[dict[str, Any]]:
        """Give the current version's rows."""
        return [row for path in self.files(table, license_) for row in pq.ParquetFile(path).read().to_pylist()]

    def texts(self, license_: License = LICENSE) -> list[str]:
        """Give the texts of the posts that are out, sorted."""
        return sorted(row["text"] for row in self.rows(Table.POSTS, license_))

    def bytes(self, license_: License = LICENSE) -> bytes:
        """Give every byte of a license's tables: data files with their footers, and logs."""
        folder = self.house.shared.root / license_.license_id
        return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def listed(rows: Sequence[dict[str, Any]]) -> list[tuple[tuple[str, str], ...]]:
    """Give rows in an order of their own, to be compared."""
    return sorted(tuple((name, str(value)) for name, value in sorted(row.items())) for row in rows)


@pytest.fixture
def scene(house: House) -> Scene:
    """An empty house with the ready-made opt-out notice and a license of posts and likes."""
    return opened(house)


@pytest.fixture
def any_scene(any_house: House) -> Scene:
    """The same, once on SQLite and once on PostgreSQL."""
    return opened(any_house)


def opened(house: House) -> Scene:
    """Publish the notice and grant the license in a house."""
    made = Scene(house)
    made.notice()
    made.license()
    return made
