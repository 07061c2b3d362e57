"""Whoever chases may be killed at any step: whoever chases next ends where nobody was killed."""

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from debts import Debts
from justified import unjustified
from recipient import Manners, Recipient, receiving
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from licet.model.records import Table
from licet.protocol.recall_notices import notice_id_of
from licet.store.database import reading
from licet.store.house import House, open_house
from licet.store.suspensions import standing

WORKER = Path(__file__).with_name("chase_worker.py")
KILLED = -9


@pytest.fixture
def worker() -> Iterator[Callable[..., int]]:
    """Give what has a second process chase a house, to be killed at a step, and tells how it ended."""
    command = [sys.executable, str(WORKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def chase(debts: Debts, step: int) -> int:
            url = debts.house.database.url.render_as_string(hide_password=False)
            home = debts.house.shared.root.parent
            stdin.write(f"{home} {url} {step} {debts.clock().isoformat()}\n")
            stdin.flush()
            return int(stdout.readline())

        yield chase
        stdin.close()


def furnish(debts: Debts, recipient: Recipient) -> dict[str, str]:
    """Leave one recall, or two, before every step that a chase can take; give their names."""
    for name, who in (("acme-1", "acme"), ("late-1", "late"), ("paid-1", "paid"), ("free-1", "free")):
        debts.license(name, who)
        debts.register(recipient, who)
        if name != "free-1":
            debts.deliver(name)
    debts.hook(recipient, "acme")
    names = {"paid": debts.withdraw("paid-1"), "closed": debts.withdraw("free-1")}
    names["none"] = debts.withdraw("free-1", Table.LIKES)
    debts.clock.go(days=1, hours=1)
    names["late"] = debts.withdraw("late-1", due=debts.clock() + timedelta(hours=1))
    debts.chase()  # paid-1 is suspended, free-1 is free
    debts.clock.go(hours=2)
    debts.deliver("free-1")
    debts.attest(recipient, names["paid"])
    debts.fetch_keys(names["late"])
    names |= {"new": debts.withdraw("acme-1"), "more": debts.withdraw("acme-1", Table.POSTS, Table.LIKES)}
    debts.attest(recipient, names["more"])
    return names


def outcome(debts: Debts) -> dict[str, Any]:
    """Give all that must be the same, whoever died on the way."""
    with reading(debts.house.database) as conn:
        steps = conn.execute(text("SELECT recall_id, n, state, detail FROM recall_step ORDER BY recall_id, n")).all()
        notices = conn.execute(text("SELECT recall_id, taken_us > 0, acknowledged_by FROM recall_notice")).all()
        licenses = conn.execute(text("SELECT license_id, state FROM license_fact ORDER BY seq")).all()
        verdicts = conn.execute(text("SELECT recall_id, verdict FROM attestation")).all()
        suspended = [each.license_id for each in standing(conn)]
    return {
        "steps": list(map(tuple, steps)),
        "notices": sorted(map(tuple, notices)),
        "licenses": list(map(tuple, licenses)),
        "verdicts": sorted(map(tuple, verdicts)),
        "suspended": suspended,
    }


def copied(debts: Debts, home: Path) -> Debts:
    """Give the same house at another place, its database copied as it lies."""
    debts.house.database.dispose()
    shutil.copytree(debts.house.shared.root.parent, home)
    url = debts.house.database.url
    if url.get_backend_name() == "sqlite":
        shutil.copy(str(url.database), home / "licet.db")
        return replace(debts, house=open_house(home))
    name = f"copy_{home.name}_{id(home)}"
    admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {url.database}"))
    admin.dispose()
    return replace(debts, house=open_house(home, make_url(url).set(database=name).render_as_string(False)))


def test_killed_at_every_step_the_next_chase_ends_where_nobody_was_killed(
    any_house: House, tmp_path: Path, worker: Callable[..., int]
) -> None:
    debts = Debts(any_house)
    with receiving(debts.clock) as recipient:
        names = furnish(debts, recipient)
        whole = copied(debts, tmp_path / "whole")
        assert worker(whole, 0) == 0
        expected = outcome(whole)
        assert unjustified(whole.house.database, whole.clock()) == []
        assert {state for _, _, state, _ in expected["steps"]} == {
            "open",
            "notified",
            "acknowledged",
            "attested",
            "closed",
        }
        assert ("late-1", "suspended") in expected["licenses"]
        assert expected["licenses"][-1] == ("paid-1", "active")
        assert f"{names['closed']}.late" in {name for name, *_ in expected["steps"]}
        sent = set(recipient.times)
        assert sent == {notice_id_of(names["new"])}
        deaths = 0
        every = 1 if any_house.database.dialect.name == "sqlite" else 2
        for step in itertools.count(1, every):
            recipient.manners = Manners()
            recipient.times.clear()
            one = copied(debts, tmp_path / f"step{step}")
            ended = worker(one, step)
            assert ended in {0, KILLED}
            deaths += ended == KILLED
            one.clock.go(minutes=3)  # what the dead had claimed is free again
            assert worker(one, 0) == 0
            assert outcome(one) == expected, f"killed at step {step}"
            assert set(recipient.times) == sent, "told, if twice then under the same id"
            assert unjustified(one.house.database, one.clock()) == []
            one.clock.go(minutes=-3)
            one.house.database.dispose()
            if ended == 0:
                break
        assert deaths > 100 / every
