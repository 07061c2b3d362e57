"""Whatever is withdrawn goes from the shared tables: exactly that, everywhere, once, and for good."""

import itertools
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recall_world import KEY, LICENSE, NOTICE, NOW, World, make_world, member, usual
from sqlalchemy import select

from licet.dataset.build import build
from licet.model.licenses import Delivery
from licet.model.members import AccountStatus, Choice
from licet.model.recalls import Cause, State
from licet.model.records import Table
from licet.policy.notice import digest, parse_notice
from licet.protocol.pseudonyms import member_secrets
from licet.recall.catch_up import catch_up, measure, prepare, tidy
from licet.store import facts, parties
from licet.store.database import reading, transaction
from licet.store.ledger_tables import metered_file
from licet.store.recalls import recalls_of
from licet.store.shared import KEYS_FOLDER

TABLES = (Table.POSTS, Table.LIKES)
_homes = itertools.count()

people = st.integers(0, 11).map(lambda n: f"x:{n}")
acts = st.one_of(
    st.tuples(st.just("deny"), people),
    st.tuples(st.just("allow"), people),
    st.tuples(st.just("deactivate"), people),
    st.tuples(st.just("return"), people),
    st.tuples(st.just("delete post"), people),
    st.tuples(st.just("edit post"), people),
    st.tuples(st.just("unlike by key"), people),
    st.tuples(st.just("unlike by id"), people),
    st.tuples(st.just("catch up"), people),
)


def act(world: World, what: str, who: str) -> None:
    """Do one thing that somebody does."""
    n = int(who.removeprefix("x:"))
    if what in {"deny", "allow"}:
        world.say(who, choice=Choice(what))
    elif what in {"deactivate", "return"}:
        status = AccountStatus.DEACTIVATED if what == "deactivate" else AccountStatus.ACTIVE
        world.change(replace(member(who), status=status))
    elif what in {"delete post", "edit post"}:
        world.delete(Table.POSTS, f"p:{n}", who, superseded=what == "edit post")
    elif what == "unlike by key":
        world.delete(Table.LIKES, f"{who} p:{(n + 1) % 12}", who)
    elif what == "unlike by id":
        world.delete(Table.LIKES, f"at://{who}/like/p:{(n + 5) % 12}", who)
    else:
        catch_up(world.house, NOW)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acts, min_size=1, max_size=8))
def test_shared_rows_are_those_shared_before_that_a_fresh_decision_still_permits(
    tmp_path: Path, happened: list[tuple[str, str]]
) -> None:
    world = make_world(tmp_path / str(next(_homes)), "", *usual())
    still = {table: {row[:2] for row in world.shared(table)} for table in TABLES}
    for what, who in happened:
        act(world, what, who)
        if what == "catch up":
            still = {table: still[table] & {row[:2] for row in world.expected(table)} for table in TABLES}
    catch_up(world.house, NOW)
    for table in TABLES:
        expected = [row for row in world.expected(table) if row[:2] in still[table]]
        shared = world.shared(table)
        assert [_but_links(row, table) for row in shared] == [_but_links(row, table) for row in expected]
        for mine, whole in zip(shared, expected, strict=True):
            assert all(link in {None, fresh} for link, fresh in zip(mine[5:], whole[5:], strict=True))
    world.house.database.dispose()


def _but_links(row: tuple[object, ...], table: Table) -> tuple[object, ...]:
    return row[:5] if table is Table.POSTS else row


def test_every_trace_of_a_member_is_gone_from_the_rows(any_world: World) -> None:
    any_world.say("x:3")
    assert catch_up(any_world.house, NOW) > 0
    for table in TABLES:
        assert any_world.shared(table) == any_world.expected(table)
    assert any_world.checked() == any_world.newest()


def test_many_members_go_in_one_version(any_world: World) -> None:
    any_world.say("x:1", "x:4")
    any_world.say("x:7")
    before = any_world.house.shared.latest_version(LICENSE.license_id, Table.POSTS)
    catch_up(any_world.house, NOW)
    assert any_world.house.shared.latest_version(LICENSE.license_id, Table.POSTS) == before + 1
    assert any_world.shared(Table.POSTS) == any_world.expected(Table.POSTS)


def test_a_second_catch_up_changes_nothing(world: World) -> None:
    world.say("x:3")
    catch_up(world.house, NOW)
    files = {table: world.files(table) for table in TABLES}
    assert catch_up(world.house, NOW) == 0
    assert {table: world.files(table) for table in TABLES} == files


def test_a_choice_taken_back_before_anybody_looked_keeps_the_rows(world: World) -> None:
    files = world.files(Table.POSTS)
    world.say("x:3")
    world.say("x:3", choice=Choice.ALLOW)
    assert catch_up(world.house, NOW) == 0
    assert world.files(Table.POSTS) == files
    assert world.checked() >= world.newest()


def test_a_permission_given_back_brings_nothing_back_until_the_next_build(world: World) -> None:
    world.say("x:3")
    catch_up(world.house, NOW)
    left = world.shared(Table.POSTS)
    world.say("x:3", choice=Choice.ALLOW)
    catch_up(world.house, NOW)
    assert world.shared(Table.POSTS) == left
    build(world.house, LICENSE.license_id, NOW)
    assert world.shared(Table.POSTS) == world.expected(Table.POSTS)


def test_a_member_without_rows_moves_the_watermark_and_commits_nothing(world: World) -> None:
    versions = [world.house.shared.latest_version(LICENSE.license_id, table) for table in TABLES]
    world.change(member("x:99"))
    world.say("x:99")
    assert catch_up(world.house, NOW) == 0
    assert [world.house.shared.latest_version(LICENSE.license_id, table) for table in TABLES] == versions
    assert world.checked() >= world.newest()


def test_a_post_deleted_under_a_wrong_name_goes_too(world: World) -> None:
    world.delete(Table.POSTS, "p:7", "x:0")
    catch_up(world.house, NOW)
    for table in TABLES:
        assert world.shared(table) == world.expected(table)


def test_new_rules_keep_the_watermark_where_it_is(world: World) -> None:
    text = NOTICE.replace('version = "x-2024-11-15"', 'version = "x-2"')
    notice = parse_notice(text, "x-2.toml")
    checked = world.checked()
    with transaction(world.house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, text, NOW)
    world.say("x:3")
    catch_up(world.house, NOW)
    assert world.checked() == checked
    build(world.house, LICENSE.license_id, NOW)
    assert world.checked() >= world.newest()


def test_the_bytes_of_removed_rows_are_gone_from_the_disk(world: World) -> None:
    pseudonym, _ = member_secrets(KEY, "x:3")
    told = [row for row in world.shared(Table.POSTS) if row[1] == pseudonym]
    words = [pseudonym, *(str(row[0]) for row in told), "words of p:3 by its author"]
    assert _found(world, words) == set(words)
    world.say("x:3")
    catch_up(world.house, NOW)
    assert _found(world, words) == set()
    assert _found(world, ["x:3", "words of p:3 by its author"], but="") == set()


def test_what_left_is_told_by_its_keys_and_why_and_by_nothing_else(world: World) -> None:
    pseudonym, _ = member_secrets(KEY, "x:3")
    told = {(row[0], row[1]) for row in world.shared(Table.POSTS) if row[1] == pseudonym}
    world.say("x:3")
    catch_up(world.house, NOW)
    with reading(world.house.database) as conn:
        (recall,) = recalls_of(conn)
    (departure,) = [each for each in recall.departures if each.table is Table.POSTS]
    rows = [
        row
        for file in departure.keys
        for row in pq.ParquetFile(world.folder(Table.POSTS) / KEYS_FOLDER / file.name).read().to_pylist()
    ]
    assert {(row["post_id"], row["author_id"]) for row in rows} == told
    assert {(row["_change_type"], row["_reason"]) for row in rows} == {("delete", Cause.OPTED_OUT)}
    assert set(rows[0]) == {"post_id", "author_id", "_change_type", "_reason"}
    assert departure.rows == len(rows)
    assert (recall.state, recall.due > recall.opened) == (State.OPEN, True)


def _found(world: World, words: list[str], but: str = KEYS_FOLDER) -> set[str]:
    """Give the words that some file of the shared tables holds, in its bytes or in its Parquet columns."""
    found: set[str] = set()
    for path in world.house.shared.root.rglob("*"):
        if path.is_file() and path.parent.name != but:
            held = path.read_bytes()
            held += str(pq.ParquetFile(path).read().to_pylist()).encode() if path.suffix == ".parquet" else b""
            found |= {word for word in words if word.encode() in held}
    return found


def test_files_written_anew_keep_no_statistics_of_texts_and_ids(world: World) -> None:
    old = world.files(Table.POSTS)
    world.say("x:3")
    catch_up(world.house, NOW)
    fresh = world.files(Table.POSTS) - old
    assert fresh
    for name in fresh:
        group = pq.ParquetFile(world.folder(Table.POSTS) / name).metadata.row_group(0)
        columns = [group.column(n) for n in range(group.num_columns)]
        assert not [c.path_in_schema for c in columns if c.is_stats_set]
        assert {c.compression for c in columns} == {"ZSTD"}


def test_only_files_that_held_something_are_written_anew(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", "", *usual(40), file_rows=2)
    pseudonym, _ = member_secrets(KEY, "x:3")
    for table in TABLES:
        assert len(world.files(table)) > 4
    posts = {row[0] for row in world.shared(Table.POSTS) if row[1] == pseudonym}
    held = {table: _holding(world, table, {pseudonym, *posts}) for table in TABLES}
    before = {table: world.files(table) for table in TABLES}
    world.say("x:3")
    catch_up(world.house, NOW)
    for table in TABLES:
        assert before[table] - world.files(table) == held[table]
        assert held[table] < before[table]
        assert world.shared(table) == world.expected(table)
    world.house.database.dispose()


def test_what_is_known_of_files_stays_true_from_recall_to_recall(tmp_path: Path) -> None:
    """Neighbors in the ring leave one after another, then all is built anew: no link to any of them is overlooked."""
    world = make_world(tmp_path / "home", "", *usual(40), file_rows=2)
    for leaving in (["x:3"], ["x:4", "x:20"], [], ["x:5"], ["x:21"]):
        if not leaving:
            build(world.house, LICENSE.license_id, NOW)
            prepare(world.house, LICENSE.license_id)
        world.say(*leaving)
        catch_up(world.house, NOW)
        for table in TABLES:
            assert world.shared(table) == world.expected(table)
    world.house.database.dispose()


def test_what_was_delivered_is_measured_before_its_bytes_go(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", "", *usual(12), file_rows=2)
    rows = {name: pq.read_metadata(world.folder(Table.POSTS) / name).num_rows for name in world.files(Table.POSTS)}
    sent = {"license_id": LICENSE.license_id, "recipient_id": LICENSE.recipient_id, "table": Table.POSTS, "version": 0}
    with transaction(world.house.database) as conn:
        for name in rows:
            parties.record_delivery(conn, Delivery(**sent, file=name, bytes=1, at=NOW))
    world.say("x:3")
    catch_up(world.house, NOW)
    gone = {name for name in rows if not (world.folder(Table.POSTS) / name).exists()}
    c = metered_file.c
    with reading(world.house.database) as conn:
        measured = {row.file: row.rows for row in conn.execute(select(c.file, c.rows))}
    assert gone
    assert measured == {name: rows[name] for name in gone}
    assert measure(world.house, LICENSE.license_id, NOW) == len(rows) - len(gone)
    world.house.database.dispose()


def _holding(world: World, table: Table, ids: set[object]) -> set[str]:
    found = set()
    for name in world.files(table):
        rows = pq.ParquetFile(world.folder(table) / name).read().to_pylist()
        if any(value in ids for row in rows for value in row.values()):
            found.add(name)
    return found


def test_a_version_committed_before_a_crash_is_written_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    world.say("x:3")
    with monkeypatch.context() as patch:
        patch.setattr("licet.recall.catch_up.parties.set_checked_seq", crash)
        with pytest.raises(Crash):
            catch_up(world.house, NOW)
    assert world.checked() < world.newest()
    catch_up(world.house, NOW)
    assert world.checked() >= world.newest()
    with reading(world.house.database) as conn:
        causes = [version.cause for version, _ in parties.versions(conn, LICENSE.license_id, Table.POSTS)]
    assert causes == ["build", "recall"]
    assert tidy(world.house, LICENSE.license_id, NOW) > 0
    on_disk = {path.name for path in world.folder(Table.POSTS).glob("*.parquet")}
    assert on_disk == world.files(Table.POSTS)
