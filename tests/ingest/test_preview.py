"""The dry run: everything is counted, a few of every kind are shown, and nothing is stored."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.every_form import TOLD, bring, read, sample

from licet.ingest.formats import NAMES, NOTHING_TOLD
from licet.ingest.preview import EVERY, SAMPLES, kind_of, preview
from licet.model.members import AccountChange, Choice, Member, MemberId, SettingChange
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, PostId, Skipped, Table, Visibility
from licet.store.house import House

ANN, AT = MemberId("x:ann"), datetime(2024, 5, 1, tzinfo=UTC)
KINDS: dict[str, Ingested] = {
    "posts": Post(
        post_id=PostId("x:1"), author_id=ANN, created_at=AT, text="a", platform="x", visibility=Visibility.PUBLIC
    ),
    "members": Member(member_id=ANN, platform="x"),
    "account_changes": AccountChange(member_id=ANN, platform="x"),
    "settings": SettingChange(member_id=ANN, purpose="p", choice=Choice.DENY),
    "deletions": Deletion(table=Table.POSTS, record_id="x:1", member_id=ANN),
    "hidden_or_shown": Hiding(table=Table.POSTS, record_id="x:1", member_id=ANN, hidden=True, at=AT),
    **{
        str(table): Interaction(
            table=table, actor_id=ANN, post_id=PostId("x:1"), post_author_id=ANN, created_at=AT, platform="x"
        )
        for table in (Table.LIKES, Table.BOOKMARKS, Table.REPOSTS)
    },
    "set_aside": Skipped(where="a:1", reason="no_text"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_name_that_reports_use(kind: str) -> None:
    assert kind_of(KINDS[kind]) == kind


@given(names=st.lists(st.sampled_from(sorted(KINDS)), max_size=60))
def test_everything_is_counted_once_and_a_few_of_every_kind_are_shown(names: list[str]) -> None:
    found = preview(KINDS[name] for name in names)
    expected = Counter(name for name in names if name != "set_aside")
    assert found.counts == expected
    assert found.skipped == ({"no_text": names.count("set_aside")} if "set_aside" in names else {})
    shown = Counter(map(kind_of, found.samples))
    assert shown.total() == min(SAMPLES, expected.total())
    assert shown <= expected
    assert shown.keys() == expected.keys()
    fewest = min((shown[name] for name in shown if shown[name] < expected[name]), default=SAMPLES)
    assert max(shown.values(), default=0) - fewest <= 1


def test_the_first_of_a_kind_are_shown_in_their_order() -> None:
    posts = [Deletion(table=Table.POSTS, record_id=f"x:{n}", member_id=ANN) for n in range(30)]
    assert preview(posts).samples == tuple(posts[:SAMPLES])


def test_progress_is_told_now_and_then() -> None:
    told: list[int] = []
    preview((KINDS["set_aside"] for _ in range(EVERY * 3 + 1)), told.append)
    assert told == [EVERY, 2 * EVERY, 3 * EVERY]


@pytest.mark.parametrize("form", NAMES)
def test_the_dry_run_promises_what_ingestion_then_stores(form: str, house: House, tmp_path: Path) -> None:
    path, told = sample(form, tmp_path), TOLD.get(form, NOTHING_TOLD)
    records = read(path, told=told)
    promised, stored = preview(records), bring(house, path, told)
    assert promised.skipped == stored.skipped
    assert promised.samples
    # Of a record that is edited in the same batch only the newest words are written.
    edits = sum(isinstance(record, Deletion) and record.superseded for record in records)
    told_of = sum(promised.counts.get(table, 0) for table in Table)
    assert told_of - edits <= stored.duplicates + sum(stored.counts.get(table, 0) for table in Table) <= told_of
