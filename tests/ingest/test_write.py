"""Writing: each record once, however often it comes and wherever the process dies."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from licet.ingest import write
from licet.ingest.jetstream import read_lines
from licet.ingest.tabular import parse_mapping, read_table
from licet.ingest.write import ingest
from licet.model.members import AccountChange, AccountStatus, AgeBand, Member, MemberId, Protection
from licet.model.records import Ingested, Table
from licet.store.asof import deletions_as_of, member_as_of
from licet.store.database import reading
from licet.store.facts import last_seq
from licet.store.house import House, open_house
from licet.store.lake import Lake

HERE = Path(__file__).parent
ANN = MemberId("x:ann")
KILLED = """
import os, signal, sys
from pathlib import Path
from licet.ingest.tabular import parse_mapping, read_table
from licet.ingest.write import ingest
from licet.store.house import open_house
home, table, mapping = map(Path, sys.argv[1:])
house = open_house(home)
def die(done):
    if done > 6000:
        os.kill(os.getpid(), signal.SIGKILL)
ingest(house.database, house.lake, "t", read_table(table, parse_mapping(mapping.read_text(), "m")), batch=2000,
       progress=die)
"""


@pytest.fixture
def events(test_data: Path) -> list[str]:
    """The 152 real events of one moment."""
    path = test_data / "bluesky" / "jetstream-corpus" / "expected_v1.jsonl"
    return path.read_text(encoding="utf-8").splitlines()


def rows(house: House, table: Table) -> list[dict[str, object]]:
    """Give the lake's rows."""
    delta = house.lake.open(table)
    return [] if delta is None else list(delta.to_pyarrow_table().to_pylist())


def standing(house: House) -> dict[str, str]:
    """Give the texts that are left after deletions and edits, by post."""
    with reading(house.database) as conn:
        gone = deletions_as_of(conn, last_seq(conn)).to_pylist()
    before = {
        row["record_id"]: max(r["before_seq"] for r in gone if r["record_id"] == row["record_id"]) for row in gone
    }
    kept = [row for row in rows(house, Table.POSTS) if int(str(row["seq"])) >= before.get(str(row["post_id"]), 0)]
    assert len({row["post_id"] for row in kept}) == len(kept)
    return {str(row["post_id"]): str(row["text"]) for row in kept}


def member(house: House, member_id: MemberId = ANN) -> Member | None:
    """Give a member's state now."""
    with reading(house.database) as conn:
        return member_as_of(conn, member_id, last_seq(conn))


def put(house: House, *records: Ingested) -> None:
    """Store a few records."""
    ingest(house.database, house.lake, "t", records)


def test_the_real_moment_is_stored_once_however_often_it_comes(any_house: House, events: list[str]) -> None:
    first = ingest(any_house.database, any_house.lake, "t", read_lines(events), batch=40)
    with reading(any_house.database) as conn:
        reached = last_seq(conn)
    again = ingest(any_house.database, any_house.lake, "t", read_lines(events), batch=31)
    assert (first.counts["posts"], first.counts["likes"], first.counts["reposts"]) == (17, 105, 15)
    assert (first.duplicates, again.duplicates) == (0, 137)
    assert first.skipped == again.skipped == {"not_a_record": 13}
    assert not any(again.counts.values())
    assert [len(rows(any_house, table)) for table in Table] == [17, 105, 0, 15]
    with reading(any_house.database) as conn:
        assert last_seq(conn) == reached


def test_what_a_source_does_not_know_stays_as_it_was(house: House) -> None:
    full = Member(member_id=ANN, platform="x", region="DE", age_band=AgeBand.ADULT, status=AccountStatus.ACTIVE)
    put(house, full, Member(member_id=ANN, platform="x"))
    put(house, Member(member_id=ANN, platform="x"))
    assert member(house) == full


def test_being_seen_never_reopens_a_closed_or_protected_account(house: House) -> None:
    seen = Member(member_id=ANN, platform="x", protection=Protection.OPEN, status=AccountStatus.ACTIVE)
    closed = AccountChange(member_id=ANN, platform="x", status=AccountStatus.SUSPENDED, protection=Protection.PROTECTED)
    put(house, seen)
    put(house, closed)
    put(house, seen)
    state = member(house)
    assert state is not None
    assert (state.status, state.protection) == (AccountStatus.SUSPENDED, Protection.PROTECTED)
    put(house, AccountChange(member_id=ANN, platform="x", status=AccountStatus.ACTIVE))
    state = member(house)
    assert state is not None
    assert state.status is AccountStatus.ACTIVE


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.parametrize("step", ["lake.append", "set_aside"])
@pytest.mark.parametrize("dies", [0, 1, 2, 3])
def test_edited_words_never_return_wherever_batches_are_cut_and_writing_fails(
    house: House, events: list[str], monkeypatch: pytest.MonkeyPatch, batch: int, step: str, dies: int
) -> None:
    create = next(line for line in events if "super boring" in line)
    second = create.replace('"create"', '"update"').replace('"rev":"3', '"rev":"4').replace("super boring", "second")
    third = second.replace('"rev":"4', '"rev":"5').replace("second", "third")
    history = [create, second, third]
    with monkeypatch.context() as patch:
        fail_at(patch, step, dies)
        with contextlib.suppress(OSError):
            ingest(house.database, house.lake, "t", read_lines(history), batch=batch)
    for _ in range(2):
        ingest(house.database, house.lake, "t", read_lines(history), batch=batch)
        assert list(standing(house).values()) == ["My show is third"]


def fail_at(patch: pytest.MonkeyPatch, step: str, nth: int) -> None:
    """Let one step of writing find the disk full from its nth call on."""
    owner, name = (Lake, "append") if step == "lake.append" else (write, "set_aside")
    real, calls = getattr(owner, name), itertools.count()

    def step_or_fail(*args: object) -> object:
        if next(calls) >= nth:
            raise OSError("no space")
        return real(*args)

    patch.setattr(owner, name, step_or_fail)


def test_a_killed_process_loses_nothing_and_doubles_nothing(house: House, tmp_path: Path, test_data: Path) -> None:
    home, table = tmp_path / "home", test_data / "fivethirtyeight_tweets" / "mayweather_mcgregor_tweets.csv"
    how = HERE / "mapping_mayweather.toml"
    killed = subprocess.run([sys.executable, "-c", KILLED, home, table, how], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert 0 < len(rows(house, Table.POSTS)) < 12_118
    mapping = parse_mapping(how.read_text(), how.name)
    report = ingest(house.database, house.lake, "t", read_table(table, mapping))
    stored = rows(house, Table.POSTS)
    assert len(stored) == len({row["post_id"] for row in stored}) == 12_118
    assert report.counts["posts"] + report.duplicates == 12_118


def test_a_record_aside_is_kept_by_place_and_reason_only(house: House, test_data: Path) -> None:
    how = HERE / "mapping_presidents.toml"
    path = test_data / "fivethirtyeight_tweets" / "BarackObama.csv"
    report = ingest(house.database, house.lake, "t", read_table(path, parse_mapping(how.read_text(), "m")))
    assert report.skipped == {"someone_elses_words": 351}
    with house.database.begin() as conn:
        places = [tuple(row) for row in conn.exec_driver_sql("SELECT place, reason FROM set_aside")]
    assert len(places) == 351
    assert {reason for _, reason in places} == {"someone_elses_words"}
    assert all(place.startswith("BarackObama.csv:") for place, _ in places)


def test_open_house_twice_is_the_same_house(house: House, tmp_path: Path) -> None:
    put(house, Member(member_id=ANN, platform="x"))
    again = open_house(tmp_path / "home")
    assert member(again) == member(house)
    again.database.dispose()
