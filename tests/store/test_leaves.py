"""Choices in the log: bound to their members, and by nobody else."""

from datetime import datetime

import pytest
from sqlalchemy import event, select

from licet.model.errors import NotFound
from licet.model.members import Choice, MemberId, SettingChange
from licet.protocol.leaves import read_entry
from licet.store import leaves
from licet.store import log_tables as lt
from licet.store.database import reading, transaction
from licet.store.facts import record_settings
from licet.store.house import House
from licet.store.log_proofs import recall_proofs, setting_proof
from licet.store.publication import publish

PURPOSE = "third_party_training"


def choose(house: House, now: datetime, *names: str, source: str = "member") -> int:
    changes = [
        SettingChange(member_id=MemberId(name), purpose=PURPOSE, choice=Choice.DENY, source=source) for name in names
    ]
    with transaction(house.database) as conn:
        return record_settings(conn, changes, now)


def proof(house: House, name: str, seq: int) -> str:
    with reading(house.database) as conn:
        return setting_proof(conn, house.log, name, seq)


def test_a_choice_is_proven_once_it_is_published(any_house: House, now: datetime) -> None:
    seq = choose(any_house, now, "x:ada")
    assert proof(any_house, "x:ada", seq) == ""
    publish(any_house, now)
    assert proof(any_house, "x:ada", seq).startswith("c2sp.org/tlog-proof@v1\n")


def test_nobody_gets_the_proof_of_anothers_choice(house: House, now: datetime) -> None:
    seq = choose(house, now, "x:ada", "x:bob")
    publish(house, now)
    assert proof(house, "x:ada", seq) == ""
    assert proof(house, "x:bob", seq)


def test_many_choices_at_once_share_entries_of_a_bounded_size(
    house: House, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaves, "TOGETHER", 10)
    last = choose(house, now, *(f"x:{n}" for n in range(25)), source="platform")
    publish(house, now)
    with reading(house.database) as conn:
        entries = conn.execute(select(lt.log_entry.c.entry).order_by(lt.log_entry.c.n)).scalars().all()
    spans = [(said["first"], said["last"]) for said in map(read_entry, map(bytes, entries))]
    assert spans == [(1, 10), (11, 20), (21, 25)]
    assert all(proof(house, f"x:{n}", n + 1) for n in range(last))


def test_without_the_members_key_nothing_is_proven_any_more(house: House, now: datetime) -> None:
    seq = choose(house, now, "x:ada")
    publish(house, now)
    with transaction(house.database) as conn:
        leaves.destroy_key(conn, "x:ada")
    assert proof(house, "x:ada", seq) == ""
    later = choose(house, now, "x:ada")
    publish(house, now)
    assert proof(house, "x:ada", later)
    assert proof(house, "x:ada", seq) == "", "a new key opens nothing old"


def test_a_key_that_was_destroyed_is_in_no_file_of_the_database(house: House, now: datetime) -> None:
    choose(house, now, "x:ada", "x:bob")
    with reading(house.database) as conn:
        keys = {row.member_id: bytes(row.key) for row in conn.execute(select(lt.member_key))}

    def lies_around(key: bytes) -> bool:
        files = [path for path in house.log.root.parent.glob("licet.db*") if path.is_file()]
        return any(key in path.read_bytes() for path in files)

    assert lies_around(keys["x:ada"])
    with transaction(house.database) as conn:
        leaves.destroy_key(conn, "x:ada")
    assert leaves.scrub(house.database)
    assert not lies_around(keys["x:ada"])
    assert lies_around(keys["x:bob"])


def test_keys_are_scrubbed_from_any_database(any_house: House, now: datetime) -> None:
    choose(any_house, now, "x:ada")
    with transaction(any_house.database) as conn:
        leaves.destroy_key(conn, "x:ada")
    assert leaves.scrub(any_house.database)
    assert choose(any_house, now, "x:ada")


def test_the_proofs_of_a_recall_are_found_without_reading_the_whole_log(house: House, now: datetime) -> None:
    with transaction(house.database) as conn:
        leaves.note(conn, "recall", 1, {"recall": "acme.9"}, "acme.9")
    publish(house, now)
    asked: list[tuple[str, tuple[object, ...]]] = []
    with reading(house.database) as conn:
        event.listen(conn, "before_cursor_execute", lambda _conn, _cursor, said, given, *_: asked.append((said, given)))
        assert len(recall_proofs(conn, house.log, "acme.9")) == 1
        statement, given = next(each for each in asked if "about" in each[0])
        plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
    assert "log_entry_about" in str(plan)


def test_where_there_is_no_key_there_is_nothing_to_destroy(house: House) -> None:
    with transaction(house.database) as conn, pytest.raises(NotFound, match="nothing ties"):
        leaves.destroy_key(conn, "x:ada")
