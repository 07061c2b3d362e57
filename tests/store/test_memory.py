"""What was read at one moment is believed until the next commit, whoever makes it, and not a moment longer."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, select, text

from licet.store import facts
from licet.store import tables as t
from licet.store.database import open_database, transaction
from licet.store.house import House
from licet.store.memory import Memory

NOW = datetime(2025, 3, 1, tzinfo=UTC)
COMMIT = """
import sys
from licet.store.database import open_database, transaction
from licet.store import facts
from datetime import UTC, datetime
engine = open_database(sys.argv[1])
with transaction(engine) as conn:
    print(facts.take(conn, "test", 1, datetime.now(UTC), withdraws=True))
engine.dispose()
"""


@pytest.fixture
def memory(any_house: House) -> Iterator[Memory]:
    made = Memory(any_house.database)
    yield made
    made.close()


class Newest:
    """Asks for the newest withdrawal and counts how often."""

    def __init__(self) -> None:
        """Begin at none."""
        self.times = 0

    def __call__(self, conn: Connection) -> int:
        self.times += 1
        return facts.newest_withdrawal(conn)


def withdraw(house: House) -> int:
    with transaction(house.database) as conn:
        return facts.take(conn, "test", 1, NOW, withdraws=True)


def test_nothing_is_asked_twice_while_nothing_is_committed(memory: Memory) -> None:
    newest = Newest()
    assert [memory.ask("newest", newest) for _ in range(5)] == [0] * 5
    assert newest.times == 1


def test_every_commit_is_seen_by_the_next_question(any_house: House, memory: Memory) -> None:
    newest = Newest()
    for _ in range(20):
        seq = withdraw(any_house)
        assert memory.ask("newest", newest) == seq
    assert newest.times == 20


def test_a_commit_of_another_process_is_seen(any_house: House, memory: Memory) -> None:
    newest = Newest()
    assert memory.ask("newest", newest) == 0
    url = any_house.database.url.render_as_string(hide_password=False)
    said = subprocess.run([sys.executable, "-c", COMMIT, url], check=True, capture_output=True, text=True).stdout
    assert memory.ask("newest", newest) == int(said)


def test_what_is_rolled_back_was_never_so(any_house: House, memory: Memory) -> None:
    newest = Newest()
    with any_house.database.connect() as conn:
        facts.take(conn, "test", 1, NOW, withdraws=True)
        conn.rollback()
    assert memory.ask("newest", newest) == 0


def test_no_question_begun_after_a_commit_gets_an_answer_from_before_it(any_house: House, memory: Memory) -> None:
    """Two threads ask without a pause while facts are committed."""
    done, wrong = threading.Event(), []
    committed = [0]

    def ask() -> None:
        while not done.is_set():
            known = committed[0]
            if memory.ask("newest", facts.newest_withdrawal) < known:
                wrong.append(known)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        committed[0] = withdraw(any_house)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_is_no_answer_to_remember(memory: Memory) -> None:
    times = []
    for _ in range(3):
        assert memory.ask("nobody", lambda _: times.append(1)) is None
    assert len(times) == 3


def test_it_does_not_grow_without_end(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("licet.store.memory.MOST", 10)
    for n in range(25):
        memory.ask(n, lambda conn: conn is not None)
        assert len(memory._known) <= 10


def test_asking_needs_no_place_in_the_pool_of_a_local_database(house: House) -> None:
    memory = Memory(house.database)
    assert memory.is_local
    assert memory.ask("newest", facts.newest_withdrawal) == 0
    held = [house.database.connect() for _ in range(15)]
    try:
        withdrawn = memory.ask("other", lambda conn: conn.execute(select(t.sequence.c.last)).scalar_one())
    finally:
        for each in held:
            each.close()
        memory.close()
    assert withdrawn >= 0


def test_a_connection_that_was_cut_is_made_anew(any_house: House, memory: Memory) -> None:
    assert memory.ask("newest", facts.newest_withdrawal) == 0
    seq = withdraw(any_house)
    if any_house.database.dialect.name == "postgresql":
        with any_house.database.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            conn.execute(text(others + " AND datname = current_database()"))
        any_house.database.dispose()
    else:
        memory._watch.connection.close()
    assert memory.ask("newest", facts.newest_withdrawal) == seq


def test_after_a_farewell_it_connects_anew(memory: Memory) -> None:
    memory.close()
    assert memory.ask("newest", facts.newest_withdrawal) == 0


def test_a_database_that_is_away_is_an_error_not_an_old_answer(tmp_path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    memory = Memory(engine)
    memory.ask("newest", facts.newest_withdrawal)
    memory.close()
    engine.dispose()
    (tmp_path / "a.db").write_bytes(b"no database" * 100)
    with pytest.raises(Exception, match="not a database"):
        memory.ask("newest", facts.newest_withdrawal)
    engine.dispose()
