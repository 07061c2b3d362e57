"""The transparency log, published: everything in it, in one order for ever, also after a kill."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, text, update

from licet.model.errors import IntegrityError, Unavailable, UsageError
from licet.model.licenses import License
from licet.model.members import Choice, MemberId, SettingChange
from licet.protocol.leaves import read_entry
from licet.store import log_tables as lt
from licet.store import publication
from licet.store.asof import instant
from licet.store.database import reading, transaction
from licet.store.facts import grant_license, publish_notice, record_settings
from licet.store.house import House
from licet.store.leaves import note, note_each
from licet.store.log_files import LogFiles
from licet.store.publication import Head, create_log, head_of, is_behind, oldest_waiting, publish, signer_of
from licet.tlog.checkpoints import Checkpoint, opened_checkpoint, signed_checkpoint
from licet.tlog.merkle import leaf_hash, root_of
from licet.tlog.notes import Verifier
from licet.tlog.tiles import ENTRIES, WIDTH, Edge, Tile, check_bundle, width_at


def entries_published(house: House, size: int) -> list[bytes]:
    """Read every entry of a log of some size as a stranger would: from its files alone."""
    found = []
    for place in range((size + WIDTH - 1) // WIDTH):
        width = width_at(0, place, size)
        hashes = house.log.read(Tile(level=0, place=place, width=width))
        tile = Tile(level=ENTRIES, place=place, width=width)
        found += check_bundle(tile, house.log.read(tile), hashes)
    return found


def must_be_whole(house: House) -> Head:
    """Check that what is published is one log of everything that was written."""
    with transaction(house.database) as conn:
        written = conn.execute(select(lt.log_entry.c.entry).order_by(lt.log_entry.c.place)).scalars().all()
        head = conn.execute(select(lt.log_head)).one()
        verifier = signer_of(conn, head.origin).verifier
        assert not is_behind(conn)
    checkpoint = opened_checkpoint(house.log.checkpoint(), verifier)
    entries = entries_published(house, checkpoint.size)
    assert entries == [bytes(entry) for entry in written]
    assert checkpoint.root == root_of(map(leaf_hash, entries)) == bytes(head.root)
    return Head(origin=head.origin, placed=head.placed, size=head.size, root=bytes(head.root), at=instant(head.at_us))


def note_many(house: House, count: int) -> None:
    with transaction(house.database) as conn:
        note_each(conn, "test", [(1_731_745_815_123_457 + n, {"n": n}) for n in range(count)])


def test_an_empty_log_is_signed_too(house: House, now: datetime) -> None:
    assert publish(house, now).size == 0
    assert must_be_whole(house).size == 0


@pytest.mark.parametrize("steps", [[1], [255, 1, 1], [300, 700, 5], [16_384, 1]])
def test_everything_is_published_in_the_order_of_writing(any_house: House, now: datetime, steps: list[int]) -> None:
    for count in steps:
        note_many(any_house, count)
        publish(any_house, now)
        must_be_whole(any_house)
    head = must_be_whole(any_house)
    assert head.size == sum(steps)
    said = [read_entry(entry)["n"] for entry in entries_published(any_house, head.size)]
    assert said == [n for count in steps for n in range(count)]


def test_a_checkpoint_never_changes_what_an_earlier_one_said(house: House, now: datetime) -> None:
    note_many(house, 300)
    first = publish(house, now)
    before = entries_published(house, first.size)
    note_many(house, 300)
    publish(house, now + timedelta(seconds=1))
    assert entries_published(house, 600)[:300] == before


def test_what_was_finished_is_no_longer_there_unfinished(house: House, now: datetime) -> None:
    note_many(house, 44)
    publish(house, now)
    assert (house.log.root / "tile/0/000.p/44").exists()
    note_many(house, 300)
    publish(house, now)
    assert not (house.log.root / "tile/0/000.p").exists()
    assert not (house.log.root / "tile/entries/000.p").exists()
    assert len(house.log.read(Tile(level=0, place=0, width=44))) == 44 * 32
    must_be_whole(house)


def test_facts_stand_in_the_log_and_choices_cannot_be_read_in_it(house: House, granted: License, now: datetime) -> None:
    with transaction(house.database) as conn:
        publish_notice(conn, "2024-11", "d" * 64, now, "text", now)
        grant_license(conn, granted, b"k" * 32, now)
        change = SettingChange(
            member_id=MemberId("x:ada"), purpose="third_party_training", choice=Choice.DENY, source="page"
        )
        record_settings(conn, [change], now)
    head = publish(house, now)
    entries = entries_published(house, head.size)
    assert [read_entry(entry)["type"] for entry in entries] == ["notice", "license", "settings"]
    assert not any(word in b"".join(entries) for word in (b"ada", b"deny", b"third_party"))


def test_a_fact_that_is_rolled_back_leaves_nothing_in_the_log(house: House, now: datetime) -> None:
    with house.database.connect() as conn:
        publish_notice(conn, "2024-11", "d" * 64, now, "text", now)
        conn.rollback()
    assert publish(house, now).size == 0


def test_a_log_keeps_its_name(house: House, now: datetime) -> None:
    assert publish(house, now, "example.org/log").origin == "example.org/log"
    assert publish(house, now).origin == "example.org/log"
    assert publish(house, now, "example.org/other").origin == "example.org/log"
    with transaction(house.database) as conn, pytest.raises(UsageError, match="its name stays"):
        create_log(conn, "example.org/other", now)


def test_a_log_that_nobody_named_is_named_after_its_key(house: House, now: datetime) -> None:
    assert publish(house, now).origin.startswith("licet.invalid/")


@pytest.mark.parametrize("name", ["two words", "a+b"])
def test_a_name_that_no_note_can_hold_is_refused(house: House, now: datetime, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a log"):
        publish(house, now, name)


def test_files_that_were_lost_are_written_once_more(house: House, now: datetime) -> None:
    note_many(house, 700)
    publish(house, now)
    shutil.rmtree(house.log.root / "tile")
    publish(house, now)
    must_be_whole(house)


def test_a_database_older_than_the_published_log_signs_nothing(house: House, now: datetime, tmp_path: Path) -> None:
    note_many(house, 10)
    publish(house, now)
    shutil.copytree(house.log.root, tmp_path / "seen")
    with transaction(house.database) as conn:
        conn.execute(update(lt.log_head).values(placed=4, size=4))
    with pytest.raises(IntegrityError, match="the database knows of 4"):
        publish(house, now)
    assert LogFiles(root=tmp_path / "seen").checkpoint() == house.log.checkpoint()


@pytest.mark.parametrize("left", [b"", b"data.example/log\n3", b"\xff"])
def test_a_checkpoint_that_was_cut_off_is_written_again_or_the_remedy_told(
    house: House, now: datetime, left: bytes
) -> None:
    note_many(house, 3)
    publish(house, now)
    file = house.log.root / "checkpoint"
    file.write_bytes(left)
    if left:
        with pytest.raises(IntegrityError, match="damaged") as refused:
            publish(house, now)
        assert f"remove `{file}`" in refused.value.remedy
        file.unlink()
    publish(house, now)
    must_be_whole(house)


def test_a_published_log_that_the_database_does_not_continue_is_not_extended(house: House, now: datetime) -> None:
    note_many(house, 3)
    publish(house, now)
    with transaction(house.database) as conn:
        signer = signer_of(conn, head_in(conn).origin)
    other = Checkpoint(origin=signer.name, size=2, root=b"r" * 32)
    house.log.publish(signed_checkpoint(other, signer))
    with pytest.raises(IntegrityError, match="not the beginning"):
        publish(house, now)
    assert opened_checkpoint(house.log.checkpoint(), signer.verifier) == other


def test_who_lost_the_lease_signs_nothing_that_another_went_past(
    any_house: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_many(any_house, 10)
    extend, rounds = publication._extend, []  # the moment between placing and signing

    def overtaken(house: House, head: Head, edge: Edge) -> Edge:
        grown = extend(house, head, edge)
        if not rounds:
            rounds.append(head.placed)
            publish(house, now)
            note_many(house, 5)
            publish(house, now)
        return grown

    monkeypatch.setattr(publication, "lease", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(publication, "_extend", overtaken)
    with pytest.raises(Unavailable, match="another process"):
        publish(any_house, now)
    assert must_be_whole(any_house).size == 15


@pytest.mark.parametrize("step", range(6))
def test_a_full_disk_leaves_a_log_that_goes_on_once_there_is_room(
    house: House, now: datetime, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    note_many(house, 250)
    publish(house, now)
    note_many(house, 20)
    sync, left = os.fsync, [step]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            publish(house, now)
    verifier = opened_by(house)
    assert len(entries_published(house, opened_checkpoint(house.log.checkpoint(), verifier).size)) in {250, 270}
    publish(house, now)
    assert must_be_whole(house).size == 270


def head_in(conn: Connection) -> Head:
    head = head_of(conn)
    assert head
    return head


def opened_by(house: House) -> Verifier:
    with transaction(house.database) as conn:
        return signer_of(conn, head_in(conn).origin).verifier


def drop_one(conn: Connection) -> None:
    conn.execute(delete(lt.log_entry).where(lt.log_entry.c.place == 3))


def change_one(conn: Connection) -> None:
    conn.execute(update(lt.log_entry).where(lt.log_entry.c.place == 3).values(entry=b"{}"))


@pytest.mark.parametrize("damage", [drop_one, change_one])
def test_history_that_was_changed_in_the_database_is_not_signed(
    house: House, now: datetime, damage: Callable[[Connection], None]
) -> None:
    note_many(house, 10)
    publish(house, now)
    shutil.rmtree(house.log.root / "tile")
    with transaction(house.database) as conn:
        damage(conn)
    note_many(house, 1)
    with pytest.raises(IntegrityError):
        publish(house, now)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from licet.store.house import open_house
from licet.store.publication import publish
house, left = open_house(Path(sys.argv[1]), sys.argv[2]), [int(sys.argv[3])]
def counted(real):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call
os.fsync, os.rename, os.replace = counted(os.fsync), counted(os.rename), counted(os.replace)
Path.replace = counted(Path.replace)
publish(house, datetime.now(UTC))
print("published")
"""


@pytest.mark.parametrize("step", range(0, 16, 3))
def test_a_publication_killed_at_any_write_is_taken_up_where_it_was(any_house: House, now: datetime, step: int) -> None:
    note_many(any_house, 250)
    publish(any_house, now)
    before = any_house.log.checkpoint()
    note_many(any_house, 20)
    home, url = str(any_house.log.root.parent), any_house.database.url.render_as_string(hide_password=False)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, home, url, str(step)], capture_output=True, check=False, env=os.environ
    )
    assert ended.returncode in {-9, 0}, ended.stderr
    published = any_house.log.checkpoint()
    with reading(any_house.database) as conn:
        size = conn.execute(select(lt.log_head.c.size)).scalar_one()
    assert len(entries_published(any_house, 250 if published == before else 270)) in {250, 270}
    assert size in {250, 270}
    note_many(any_house, 7)
    publish(any_house, now)
    assert must_be_whole(any_house).size == 277


def test_two_publishers_at_once_make_one_log(any_house: House) -> None:
    note_many(any_house, 500)
    home, url = str(any_house.log.root.parent), any_house.database.url.render_as_string(hide_password=False)
    others = [
        subprocess.Popen([sys.executable, "-c", KILLED, home, url, "100000"], stdout=subprocess.PIPE) for _ in range(2)
    ]
    for other in others:
        out, _ = other.communicate(timeout=60)
        assert out.strip() == b"published"
    assert must_be_whole(any_house).size == 500


def test_to_learn_that_nothing_waits_no_database_reads_the_whole_log(any_house: House, now: datetime) -> None:
    note_many(any_house, 20_000)
    is_sqlite = any_house.database.dialect.name == "sqlite"
    with transaction(any_house.database) as conn:
        conn.execute(text("ANALYZE log_entry"))  # all wait: what statistics say long after it is no longer so
    publish(any_house, now)
    with reading(any_house.database) as conn:
        asked = oldest_waiting().compile(conn, compile_kwargs={"literal_binds": True})
        rows = conn.execute(text(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{asked}")).all()
    plan = " ".join(str(cell) for row in rows for cell in row)
    assert ("SEARCH" if is_sqlite else "log_entry_waiting") in plan


def test_the_log_is_behind_until_it_is_published(house: House, now: datetime) -> None:
    with reading(house.database) as conn:
        assert is_behind(conn)
    publish(house, now)
    with transaction(house.database) as conn:
        assert not is_behind(conn)
        note(conn, "test", 1, {"n": 1})
        assert is_behind(conn)
