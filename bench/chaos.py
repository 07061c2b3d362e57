"""An hour in which everything goes wrong, and what is owed at its end.

`python bench/chaos.py [recipients] [withdrawals]` lets members opt out all through an hour of simulated time. The
recipients' webhooks are down, broken, slow to believe or lying, at random; some recipients read the feed, some attest,
some fetch files while rows leave; and the process that recalls and chases is killed, at random, by SIGKILL. In the end
everybody does as they should. It fails unless then every row that left stands in one file of keys and no other, every
debt is settled, every license is back, and every state on record is what the facts justify, as asked by SQL that shares
nothing with licet's.
"""

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import fan_out
import pyarrow.parquet as pq
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "simulators"))

from clock import Clock
from debts import Debts
from justified import unjustified
from recipient import Manners, Recipient, receiving

from licet.model.licenses import License
from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.recall.catch_up import catch_up
from licet.recall.chaser import Chasing
from licet.store import recall_notices, recalls
from licet.store.database import reading
from licet.store.house import open_house
from licet.store.shared import KEYS_FOLDER

MINUTES = 60
KILLED = 0.5
"""How often the process that works is killed, of all minutes."""
STAY = 500
"""Members who stay."""


class Works:
    """A second process that recalls and chases when told to, and may be killed at it."""

    def __init__(self, home: Path) -> None:
        """Start it."""
        self.deaths = 0
        self._home = home
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, __file__, "--work", str(self._home)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, now: datetime) -> None:
        """Have it do everything that there is to do at an instant."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{now.isoformat()}\n")
        self._process.stdin.flush()

    def kill_after(self, seconds: float) -> None:
        """Kill it in the middle, and start another."""
        time.sleep(seconds)
        self.deaths += 1
        self._process.kill()
        self._process.communicate()
        self._process = self._start()

    def wait(self) -> None:
        """Wait until it has done what it was told."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n", "the process that works has failed"

    def end(self) -> None:
        """Let it go."""
        self._process.communicate()


def work(home: Path) -> None:
    """Recall and chase at each instant that is told."""
    house = open_house(home)
    for line in sys.stdin:
        now = datetime.fromisoformat(line.strip())
        catch_up(house, now)
        Chasing(house=house, base="https://data.example", clock=lambda now=now: now).once()
        print("done", flush=True)


@dataclass
class Hour:
    """The hour: a house, its recipients, and chance."""

    debts: Debts
    works: Works
    recipient: Recipient
    licenses: list[License]
    dice: random.Random
    manners: dict[str, Manners] = field(default_factory=dict)

    def minute(self, leaving: list[str]) -> None:
        """Let a minute go by in which members leave."""
        self.debts.clock.go(minutes=1)
        self.worsen()
        fan_out.opt_out(self.debts.house, leaving)
        self.works.tell(self.debts.clock())
        if self.dice.random() < KILLED:
            self.works.kill_after(self.dice.uniform(0.1, 6))
        else:
            self.works.wait()
        self.recipients_act()

    def worsen(self) -> None:
        """Give each recipient's webhook other manners."""
        for each in self.licenses:
            luck = self.dice.random()
            self.manners[f"/hooks/{each.recipient_id}"] = Manners(
                status=500 if luck < 0.2 else 200,
                down=lambda _, luck=luck: 0.2 <= luck < 0.6,
                acknowledges=luck > 0.9,
            )

    def recipients_act(self) -> None:
        """Let some fetch, some read the feed, and some settle what they know of."""
        for each in self.dice.sample(self.licenses, len(self.licenses) // 5):
            version = self.debts.house.shared.latest_version(each.license_id, Table.POSTS)
            self.debts.deliver(each.license_id, Table.POSTS, max(0, version - self.dice.randint(0, 1)))
        for each in self.dice.sample(self.licenses, len(self.licenses) // 10):
            self.debts.read_feed(each.recipient_id)
        for each in self.dice.sample(self.licenses, len(self.licenses) // 10):
            self.settle(each)

    def settle(self, license_: License) -> None:
        """Let a recipient attest everything of which there is a notice."""
        with reading(self.debts.house.database) as conn:
            open_ = recalls.recalls_of(conn, license_.license_id, recalls.UNSETTLED)
            told = [each.recall_id for each in open_ if recall_notices.notice_of(conn, each.recall_id) is not None]
        for name in told:
            self.debts.attest(self.recipient, name)

    def mend(self) -> None:
        """Let everybody do as they should."""
        for path in self.manners:
            self.manners[path] = Manners()
        for _ in range(2):
            self.debts.clock.go(hours=25)
            self.works.tell(self.debts.clock())
            self.works.wait()
            for each in self.licenses:
                self.settle(each)
        self.works.tell(self.debts.clock())
        self.works.wait()


def keys_of(hour: Hour, license_: License) -> Counter[str]:
    """Count the rows that left a license by their author, in all files of keys that versions name."""
    with reading(hour.debts.house.database) as conn:
        found = recalls.recalls_of(conn, license_.license_id)
    folder = hour.debts.house.shared.folder(license_.license_id, Table.POSTS) / KEYS_FOLDER
    names = [file.name for recall in found for departure in recall.departures for file in departure.keys]
    return Counter(author for name in names for author in pq.read_table(folder / name)["author_id"].to_pylist())


def _owed(hour: Hour, license_: License) -> list[str]:
    with reading(hour.debts.house.database) as conn:
        open_ = recalls.recalls_of(conn, license_.license_id, recalls.UNSETTLED)
        return [str(recalls.steps(conn, each.recall_id)) for each in open_]


def check(hour: Hour, left: list[str]) -> int:
    """Fail unless everything is as it should be; give the number of recalls."""
    assert unjustified(hour.debts.house.database, hour.debts.clock()) == []
    for n, each in enumerate(hour.licenses):
        expected = {member_secrets(n.to_bytes(32), name)[0]: fan_out.POSTS_EACH for name in left}
        assert keys_of(hour, each) == expected, "a row that left is lost, or told twice"
        assert hour.debts.license_state(each.license_id) == "active", f"{each.license_id}: {_owed(hour, each)}"
    with reading(hour.debts.house.database) as conn:
        found = recalls.recalls_of(conn)
    assert {each.state for each in found} == {State.CLOSED}
    assert hour.recipient.refused == []
    return len(found)


def main() -> None:
    """Go through the hour and print what became of it."""
    recipients, withdrawals = (*map(int, sys.argv[1:]), *(100, 10_000)[len(sys.argv) - 1 :])
    fan_out.POSTS_EACH = 1
    names = [f"x:{n}" for n in range(withdrawals + STAY)]
    left = names[:withdrawals]
    licenses = [fan_out.license_of(n) for n in range(recipients)]
    clock = Clock(datetime.now(UTC))  # as commits know no other time, no fact may lie before them
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder, contextlib.ExitStack() as stack:
        house = open_house(Path(folder) / "home")
        fan_out.furnish(house, names, licenses)
        manners: dict[str, Manners] = {}
        recipient = stack.enter_context(receiving(clock, manners.__getitem__))
        debts = Debts(house=house, clock=clock)
        for each in licenses:
            debts.register(recipient, each.recipient_id)
            debts.hook(recipient, each.recipient_id, f"/{each.recipient_id}")
        works = Works(Path(folder) / "home")
        hour = Hour(debts, works, recipient, licenses, random.Random(1), manners)  # noqa: S311 # chance, not a secret
        for n in track(range(MINUTES), "an hour"):
            hour.minute(left[n * withdrawals // MINUTES : (n + 1) * withdrawals // MINUTES])
        suspended = sum(debts.license_state(each.license_id) != "active" for each in licenses)
        hour.mend()
        works.end()
        count = check(hour, left)
        house.database.dispose()
    print(f"{withdrawals:,} opt-outs, {recipients} recipients, {works.deaths} kills, {MINUTES} simulated minutes")
    print(
        f"  {count:,} recalls, {len(recipient.notices):,} notices believed, {suspended} licenses suspended at the end"
    )
    print(f"  every row told once, every debt settled, every state justified; {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]))
    else:
        main()
