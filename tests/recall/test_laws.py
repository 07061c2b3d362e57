"""Whatever happens in whatever order: a state never goes back, no debt is lost, none is owed twice.

After every chase the whole database is asked, by code that shares nothing with what is tested.
"""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from clock import Clock
from debts import Debts
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from justified import ORDER, unjustified
from recipient import Manners, Recipient

from licet.model.recalls import State
from licet.model.records import Table
from licet.store import recall_notices, recalls
from licet.store.database import reading
from licet.store.house import open_house

LICENSES = {"a-1": "a", "a-2": "a", "b-1": "b"}
licenses = st.sampled_from(sorted(LICENSES))
tables = st.sampled_from([(Table.POSTS,), (Table.LIKES,), (Table.POSTS, Table.LIKES)])


class Chased(RuleBasedStateMachine):
    """Three licenses of two recipients, one with a webhook, and everything that can happen to them."""

    owed = Bundle("owed")

    def __init__(self) -> None:
        """Begin with three licenses."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="licet-laws-"))
        self.debts = Debts(open_house(self.folder / "home"), Clock())
        self.recipient = Recipient(self.debts.clock)
        self.places: dict[str, int] = {"a": 0, "b": 0}
        self.furthest: dict[str, int] = {}
        self.departed: dict[str, Any] = {}

    @initialize()
    def furnish(self) -> None:
        for name, who in LICENSES.items():
            self.debts.license(name, who)
        for who in ("a", "b"):
            self.debts.register(self.recipient, who)
        self.debts.hook(self.recipient, "a")

    @rule(target=owed, name=licenses, tables=tables, hours=st.integers(1, 72))
    def rows_leave(self, name: str, tables: tuple[Table, ...], hours: int) -> str:
        return self.debts.withdraw(name, *tables, due=self.debts.clock() + timedelta(hours=hours))

    @rule(name=licenses, table=st.sampled_from([Table.POSTS, Table.LIKES]), back=st.integers(0, 2))
    def a_file_is_fetched(self, name: str, table: Table, back: int) -> None:
        self.debts.deliver(name, table, max(0, self.debts.versions[name, table] - back))

    @rule(hours=st.sampled_from([0.01, 0.5, 1, 5, 30, 100, -0.5, -40]))
    def time_goes_by_or_jumps(self, hours: float) -> None:
        self.debts.clock.go(hours=hours)

    @rule(status=st.sampled_from([200, 200, 500]), acknowledges=st.booleans(), down=st.booleans())
    def the_receiver_changes_its_manners(self, status: int, *, acknowledges: bool, down: bool) -> None:
        self.recipient.manners = Manners(status=status, acknowledges=acknowledges, down=lambda _: down)

    @rule(who=st.sampled_from(["a", "b"]), go_on=st.booleans())
    def the_feed_is_read(self, who: str, *, go_on: bool) -> None:
        place = self.debts.read_feed(who, self.places[who])
        self.places[who] = place if go_on else self.places[who]

    @rule(name=owed)
    def the_keys_are_fetched(self, name: str) -> None:
        self.debts.fetch_keys(name)

    @rule(name=owed)
    def it_is_acknowledged(self, name: str) -> None:
        with self.debts.house.database.begin() as conn:
            recall_notices.acknowledge(conn, name, "endpoint", self.debts.clock())

    @rule(name=owed)
    def it_is_attested(self, name: str) -> None:
        if self._told(name):
            self.debts.attest(self.recipient, name)

    @rule(name=licenses, state=st.sampled_from(["active", "suspended", "ended"]))
    def the_operator_changes_a_license(self, name: str, state: str) -> None:
        self.debts.change(state, name)

    @rule()
    def all_is_chased(self) -> None:
        self.debts.chase()
        assert unjustified(self.debts.house.database, self.debts.clock()) == []

    @rule()
    def states_are_moved_and_nothing_is_sent(self) -> None:
        self.debts.chasing.look()
        assert unjustified(self.debts.house.database, self.debts.clock()) == []

    @rule()
    def notices_are_sent_and_no_state_is_moved(self) -> None:
        self.debts.chasing.send()

    @invariant()
    def nothing_goes_back_and_nothing_is_forgotten(self) -> None:
        with reading(self.debts.house.database) as conn:
            now = {each.recall_id: each for each in recalls.recalls_of(conn)}
        for name, recall in now.items():
            assert ORDER.index(recall.state) >= self.furthest.get(name, 0)
            self.furthest[name] = ORDER.index(recall.state)
            assert self.departed.setdefault(name, recall.departures) == recall.departures
        assert set(now) == set(self.furthest)
        assert self.recipient.refused == []

    def _told(self, name: str) -> bool:
        """Tell whether the recipient can attest: it was told, and it has not settled the recall."""
        with reading(self.debts.house.database) as conn:
            told = recall_notices.notice_of(conn, name) is not None
        return told and self.debts.state(name) is not State.CLOSED

    def teardown(self) -> None:
        """Settle everything: every debt can be paid in the end, and every license then comes back."""
        self.recipient.manners = Manners()
        self.debts.clock.go(days=30)
        self.debts.chase()
        with reading(self.debts.house.database) as conn:
            left = recalls.recalls_of(conn, "", recalls.UNSETTLED)
        for recall in left:
            self.debts.attest(self.recipient, recall.recall_id)
        self.debts.chase()
        assert unjustified(self.debts.house.database, self.debts.clock()) == []
        with reading(self.debts.house.database) as conn:
            assert [each.recall_id for each in recalls.recalls_of(conn, "", recalls.UNSETTLED)] == []
        self.recipient.close()
        self.debts.house.database.dispose()
        shutil.rmtree(self.folder)


TestChased = Chased.TestCase
TestChased.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
