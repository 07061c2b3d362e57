"""The database: opened twice, held by one, and freed by a killed holder."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from licet.model.errors import Refused, UsageError
from licet.store import facts, ledger_tables, log_tables
from licet.store.database import lease, migrate, open_database, reading, transaction
from licet.store.house import House
from licet.store.tables import metadata

HOLDER = """
import sys, time
from licet.store.database import lease, open_database
with lease(open_database(sys.argv[1]), "license acme"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lease_is_held_by_one_at_a_time(any_house: House) -> None:
    inside, most = 0, []
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside
        for _ in range(25):
            with lease(any_house.database, "license acme"):
                with guard:
                    inside += 1
                    most.append(inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 100


def test_leases_of_different_names_do_not_wait_for_each_other(any_house: House) -> None:
    with lease(any_house.database, "license a"), lease(any_house.database, "license b"):
        pass


def test_a_killed_holder_loses_its_lease(database_url: str) -> None:
    """A second process holds the lease: we wait while it lives, and hold it once it is killed."""
    engine = open_database(database_url)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, database_url], stdout=subprocess.PIPE, text=True)
    taken = threading.Event()

    def take() -> None:
        with lease(engine, "license acme"):
            taken.set()

    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiting = threading.Thread(target=take)
    waiting.start()
    assert not taken.wait(0.5)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    waiting.join(60)
    assert taken.is_set()
    holder.stdout.close()
    engine.dispose()


def test_opening_again_changes_nothing(database_url: str) -> None:
    first = open_database(database_url)
    with transaction(first) as conn:
        conn.exec_driver_sql("UPDATE sequence SET last = 41")
    migrate(first)
    second = open_database(database_url)
    with reading(second) as conn:
        assert facts.last_seq(conn) == 41
    first.dispose()
    second.dispose()


def test_migrations_make_the_tables_that_the_code_knows(any_house: House) -> None:
    with reading(any_house.database) as conn:
        options = {"compare_type": True, "compare_server_default": True}
        assert {ledger_tables.metadata, log_tables.metadata} == {metadata}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), metadata) == []


def test_a_database_of_another_version_is_refused_and_left_as_it_is(database_url: str) -> None:
    first = open_database(database_url)
    with transaction(first) as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999_later'")
    with pytest.raises(Refused, match="another version of licet made this database"):
        open_database(database_url)
    with reading(first) as conn:
        assert conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "9999_later"
    first.dispose()


def test_a_reading_sees_one_moment(any_house: House) -> None:
    with reading(any_house.database) as conn:
        before = facts.last_seq(conn)
        with transaction(any_house.database) as other:
            other.exec_driver_sql("UPDATE sequence SET last = 41")
        assert facts.last_seq(conn) == before
    with reading(any_house.database) as conn:
        assert facts.last_seq(conn) == 41


@pytest.mark.parametrize("url", ["mysql://host/name", "not a url"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        open_database(url)
