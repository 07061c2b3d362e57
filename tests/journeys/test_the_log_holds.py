"""What honest histories leave in the log fits together, whoever wrote at once, whenever it was published."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platform_history
from click.testing import CliRunner
from sqlalchemy import select

from licet.cli.main import main
from licet.model.licenses import Delivery, LicenseId, RecipientId, SharedVersion
from licet.model.members import Choice, MemberId, SettingChange
from licet.model.records import Deletion, Table
from licet.protocol.leaves import read_entry
from licet.store import facts, parties
from licet.store import log_tables as lt
from licet.store.database import reading, transaction
from licet.store.house import House, open_house
from licet.store.log_proofs import verifier_of
from licet.store.publication import publish

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
TURNS = 12


def audit(house: House, seen: Path) -> str:
    """Read a house's log as a stranger does, who keeps what was seen."""
    with reading(house.database) as conn:
        key = str(verifier_of(conn))
    arguments = ["log", "audit", str(house.log.root), "--key", key, "--seen", str(seen)]
    result = CliRunner().invoke(main, ["--home", str(seen.parent / "nowhere"), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


SAID = {
    "facts": "kind first last withdraws at",
    "settings": "first last root",
    "notice": "seq version digest effective at",
    "license": "seq license recipient state terms at",
    "version": "license table version as_of_seq policy cause at",
    "delivery": "recipient license table version file bytes at",
    "recall": "recall n state detail license recipient as_of_seq due at",
    "told": "recall recipient notice body at",
    "attestation": "recall key statement signature verdict at",
    "key": "recipient key public_key state at",
    "month": "month currency digest at",
}
"""What entries say by type: a name that is added here is read by everybody."""


def entries_in_the_log(house: House) -> list[bytes]:
    with reading(house.database) as conn:
        return [bytes(entry) for entry in conn.execute(select(lt.log_entry.c.entry)).scalars()]


def test_a_year_of_a_platform_contradicts_nothing_and_names_no_member(tmp_path: Path) -> None:
    house = open_house(tmp_path / "home")
    platform = platform_history.live(house, tmp_path / "data", members=120, posts=300)
    said = audit(house, tmp_path / "seen")
    entries = entries_in_the_log(house)
    house.database.dispose()
    for entry in map(read_entry, entries):
        assert set(entry) - {"type", "v"} <= set(SAID[str(entry["type"])].split())
    written = b"".join(entries)
    assert [name for name in platform.members if name.encode() in written] == []
    kinds = ("facts", "settings", "notice", "license", "version", "delivery", "recall", "told", "attestation", "month")
    assert [kind for kind in kinds if kind not in said] == []


def choose(house: House, chance: random.Random, turn: int) -> None:
    names = [f"x:{chance.randrange(50)}" for _ in range(chance.randrange(1, 4))]
    changes = [
        SettingChange(member_id=MemberId(name), purpose=f"p{turn}.{chance.random()}", choice=Choice.DENY)
        for name in names
    ]
    with transaction(house.database) as conn:
        facts.record_settings(conn, changes, NOW)
        time.sleep(chance.random() / 100)


def delete(house: House, chance: random.Random, turn: int) -> None:
    gone = Deletion(table=Table.POSTS, record_id=f"{turn}.{chance.random()}", member_id=MemberId("x:1"))
    with transaction(house.database) as conn:
        facts.record_deletions(conn, [gone], NOW)
        time.sleep(chance.random() / 100)


def deliver(house: House, license_id: str, turn: int) -> None:
    """Share a version as of what is known now, and hand a file of it out."""
    with reading(house.database) as conn:
        as_of = facts.last_seq(conn)
    made = SharedVersion(
        license_id=LicenseId(license_id),
        table=Table.POSTS,
        version=turn,
        as_of_seq=as_of,
        policy_digest="d",
        cause="build",
        rows=1,
        at=NOW,
    )
    with transaction(house.database) as conn:
        parties.record_version(conn, made, {})
    fetched = Delivery(
        recipient_id=RecipientId("acme"),
        license_id=LicenseId(license_id),
        table=Table.POSTS,
        version=turn,
        file="f",
        bytes=1,
        at=NOW,
    )
    with transaction(house.database) as conn:
        parties.record_delivery(conn, fetched)


@contextlib.contextmanager
def publishing(house: House) -> Iterator[None]:
    """Publish without a pause, from two threads."""
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            publish(house, NOW + timedelta(seconds=1))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        done.set()
        for each in threads:
            each.join()


def test_who_writes_at_once_leaves_a_log_that_fits_together(any_house: House, tmp_path: Path) -> None:
    failed: list[Exception] = []

    def turns(write: Callable[[int], None]) -> None:
        try:
            for turn in range(TURNS):
                write(turn)
        except Exception as error:  # noqa: BLE001 # a thread's failure is the test's
            failed.append(error)

    writers: list[Callable[[int], None]] = []
    for n in range(3):
        chance = random.Random(n)  # noqa: S311 # reproducible, no secret
        writers.append(lambda turn, chance=chance: choose(any_house, chance, turn))  # type: ignore[misc]
        writers.append(lambda turn, chance=chance: delete(any_house, chance, turn))  # type: ignore[misc]
        writers.append(lambda turn, n=n: deliver(any_house, f"license_{n}", turn))  # type: ignore[misc]
    threads = [threading.Thread(target=turns, args=[write]) for write in writers]
    with publishing(any_house):
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert failed == []
    publish(any_house, NOW)
    assert "delivery" in audit(any_house, tmp_path / "seen")
