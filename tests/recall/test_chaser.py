"""The chaser does everything by itself, and outlives every failure."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from debts import Debts
from recipient import Manners, Recipient, receiving

from licet.model.recalls import State
from licet.recall import chaser as room
from licet.recall.chaser import Chaser
from licet.store.house import House


@pytest.fixture
def debts(any_house: House, monkeypatch: pytest.MonkeyPatch) -> Debts:
    """A house with one license whose posts were delivered, looked at often."""
    monkeypatch.setattr(room, "LOOK_S", 0.02)
    made = Debts(any_house)
    made.license()
    made.deliver()
    return made


@pytest.fixture
def recipient(debts: Debts) -> Iterator[Recipient]:
    """A recipient with a registered key and a webhook."""
    with receiving(debts.clock) as one:
        debts.register(one)
        debts.hook(one)
        yield one


def eventually(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_recall_is_told_chased_suspended_and_settled_without_anybody(debts: Debts, recipient: Recipient) -> None:
    with Chaser(debts.chasing), Chaser(debts.chasing):
        name = debts.withdraw()
        eventually(lambda: debts.state(name) is State.NOTIFIED)
        debts.clock.go(days=1, seconds=1)
        eventually(lambda: debts.license_state() == "suspended")
        debts.attest(recipient, name)
        eventually(lambda: debts.state(name) is State.CLOSED and debts.license_state() == "active")
    assert [len(times) for times in recipient.times.values()] == [1]


def test_a_silent_webhook_keeps_no_reinstatement_waiting(debts: Debts, recipient: Recipient) -> None:
    late = debts.withdraw()
    debts.chase()
    debts.clock.go(days=2)
    gate = threading.Event()
    recipient.manners = Manners(gate=gate)
    with Chaser(debts.chasing):
        debts.withdraw()
        eventually(lambda: debts.license_state() == "suspended")
        debts.attest(recipient, late)
        eventually(lambda: debts.license_state() == "active")
        gate.set()


def test_a_failure_is_tried_again_and_its_log_names_nobody(
    debts: Debts, recipient: Recipient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([True, True])

    def flaky(*args: object) -> room.Chased:
        if next(failures, False):
            raise ValueError("x:3 is somebody's name")
        return chase(*args)  # type: ignore[arg-type]

    chase = room.chase
    monkeypatch.setattr(room, "chase", flaky)
    name = debts.withdraw()
    with Chaser(debts.chasing):
        eventually(lambda: debts.state(name) is State.NOTIFIED)
    assert "chase failed: ValueError" in caplog.text
    assert "x:3" not in caplog.text
    assert len(recipient.times) == 1


def test_a_chaser_that_was_never_started_can_be_stopped(debts: Debts) -> None:
    Chaser(debts.chasing).stop()
