"""Notices reach webhooks signed, once for each recall as the receiver knows it, however long it was away."""

import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from clock import Clock
from debts import Debts
from hypothesis import given
from hypothesis import strategies as st
from justified import unjustified
from recipient import Manners, Recipient, receiving
from standardwebhooks import Webhook

from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.recall_notices import Endpoint, notice_id_of, signed_headers
from licet.recall.notices import FIRST, pause_after, send_all
from licet.store import recall_notices, webhooks
from licet.store.database import reading, transaction
from licet.store.house import House
from licet.store.recall_notices import LONGEST, RecallNotice


@pytest.fixture
def debts(house: House) -> Debts:
    """A house with one license whose posts were delivered."""
    made = Debts(house)
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


def notice(debts: Debts, name: str) -> RecallNotice:
    """Give a recall's notice."""
    with reading(debts.house.database) as conn:
        found = recall_notices.notice_of(conn, name)
    assert found is not None
    return found


def test_a_notice_says_what_left_and_why_until_when_and_how_to_follow(debts: Debts, recipient: Recipient) -> None:
    causes = {"opted_out": 3, "deleted": 1}
    name = debts.withdraw("acme-1", Table.POSTS, Table.LIKES, causes=causes)
    debts.chase()
    (said,) = recipient.notices.values()
    data = said["data"]
    assert said["type"] == "recall.opened"
    assert (data["recall_id"], data["license_id"], data["rows"]) == (name, "acme-1", 8)
    assert datetime.fromisoformat(data["due"]) == debts.clock() + timedelta(days=1)
    assert data["tables"] == [
        {"table": table, "version": 1, "rows": 4, "reasons": causes} for table in ("likes", "posts")
    ]
    base = "https://data.example/delta-sharing/shares/acme-1/schemas/licensed/tables"
    assert data["follow"]["changes"][1] == f"{base}/posts/changes?startingVersion=1&endingVersion=1"
    assert data["follow"]["removals"] == "acme-1.licensed.removals"
    assert data["follow"]["attestation"] == f"https://data.example/recalls/{name}/attestation"
    assert debts.steps(name)[-1] == ("notified", "webhook")


def test_a_notice_names_nobody(debts: Debts, recipient: Recipient) -> None:
    debts.withdraw()
    debts.chase()
    text = json.dumps(list(recipient.notices.values()))
    assert "opted_out" in text
    assert not [key for key in ("author_id", "post_id", "actor_id") if key in text]


def test_the_official_library_believes_the_signature_and_nothing_else() -> None:
    secret, body, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"type":"recall.opened"}', datetime.now(UTC)
    headers = signed_headers(secret, notice_id_of("acme-1.7"), body, at)
    assert Webhook(secret).verify(body, headers) == {"type": "recall.opened"}
    for wrong in (
        (body + " ", headers),
        (body, headers | {"webhook-id": notice_id_of("acme-1.8")}),
        (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        (body, signed_headers(secret, notice_id_of("acme-1.7"), body, at - timedelta(minutes=6))),
    ):
        with pytest.raises(Exception, match=r"signature|timestamp"):
            Webhook(secret).verify(*wrong)


def test_a_receiver_that_is_down_for_days_is_told_when_it_comes_back(debts: Debts, recipient: Recipient) -> None:
    begun, back = debts.clock(), debts.clock() + timedelta(days=3)
    recipient.manners = Manners(down=lambda at: at < back)
    name = debts.withdraw(due=begun + timedelta(days=30))
    while debts.state(name) is State.OPEN:
        debts.chase()
        debts.clock.go(minutes=30)
        assert debts.clock() < back + LONGEST + timedelta(hours=2)
    found = notice(debts, name)
    assert list(recipient.notices) == [found.notice_id]
    assert 12 < found.attempts < 40
    assert (found.last_status, found.last_error) == (200, "")
    assert unjustified(debts.house.database, debts.clock()) == []


def test_nobody_listening_is_no_error_of_ours(debts: Debts) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with transaction(debts.house.database) as conn:
            url = f"http://127.0.0.1:{free.getsockname()[1]}/"
            webhooks.set_webhook(conn, "acme", url, debts.clock(), private=True)
        name = debts.withdraw()
        debts.chase()
    assert (notice(debts, name).last_error, notice(debts, name).last_status) == ("unreachable", 0)


@pytest.mark.parametrize("status", [500, 503, 404, 410, 301, 302])
def test_any_answer_but_success_is_tried_again_under_the_same_id(
    debts: Debts, recipient: Recipient, status: int
) -> None:
    recipient.manners = Manners(status=status, headers={"location": recipient.url + "/elsewhere"})
    name = debts.withdraw()
    debts.chase()
    found = notice(debts, name)
    assert (found.attempts, found.last_status, found.last_error) == (1, status, f"status {status}")
    assert debts.state(name) is State.OPEN
    recipient.manners = Manners()
    debts.chase()
    assert recipient.notices == {}, "it is left alone for a while"
    debts.clock.go(seconds=10)
    debts.chase()
    assert list(recipient.notices) == [notice_id_of(name)]
    assert debts.state(name) is State.NOTIFIED


def test_what_was_taken_is_not_sent_again(debts: Debts, recipient: Recipient) -> None:
    debts.withdraw()
    for _ in range(5):
        debts.chase()
        debts.clock.go(hours=12)
    assert [len(times) for times in recipient.times.values()] == [1]


def test_a_receiver_that_says_yes_and_lies_is_suspended_and_comes_back_by_attesting(
    debts: Debts, recipient: Recipient
) -> None:
    recipient.manners = Manners(acknowledges=True)
    name = debts.withdraw()
    debts.chase()
    assert debts.steps(name)[-1] == ("acknowledged", "webhook")
    debts.clock.go(days=1, seconds=1)
    debts.chase()
    assert debts.license_state() == "suspended"
    debts.attest(recipient, name)
    debts.chase()
    assert (debts.state(name), debts.license_state()) == (State.CLOSED, "active")
    assert unjustified(debts.house.database, debts.clock()) == []


@pytest.mark.parametrize(
    "body",
    [b'{"acknowledged":"acme-1.999"}', b'{"acknowledged":true}', b"[" * 9000, b'"ok"', b"\xff\xfe", b" " * 40_000],
)
def test_an_answer_that_acknowledges_something_else_acknowledges_nothing(
    debts: Debts, recipient: Recipient, body: bytes
) -> None:
    recipient.manners = Manners(body=body)
    name = debts.withdraw()
    debts.chase()
    assert debts.state(name) is State.NOTIFIED


def test_the_receiver_may_ask_for_a_longer_pause_but_not_for_ever(debts: Debts, recipient: Recipient) -> None:
    recipient.manners = Manners(status=429, headers={"retry-after": "3600"})
    debts.withdraw()
    debts.chase()
    recipient.manners = Manners()
    debts.clock.go(minutes=59)
    debts.chase()
    assert recipient.notices == {}
    debts.clock.go(minutes=1)
    debts.chase()
    assert len(recipient.notices) == 1
    recipient.manners = Manners(status=429, headers={"retry-after": "999999999"})
    name = debts.withdraw()
    debts.chase()
    recipient.manners = Manners()
    debts.clock.go(seconds=LONGEST.total_seconds())
    debts.chase()
    assert notice_id_of(name) in recipient.notices


def test_a_dead_webhook_is_tried_with_one_notice_and_then_given_all(debts: Debts, recipient: Recipient) -> None:
    recipient.manners = Manners(status=500)
    names = [debts.withdraw(due=debts.clock() + timedelta(days=9)) for _ in range(30)]
    debts.chase()
    with reading(debts.house.database) as conn:
        assert sum(each.attempts for each in recall_notices.feed(conn, "acme", 0, 99)) == 1
    recipient.manners = Manners()
    debts.clock.go(minutes=1)
    debts.chase()
    assert set(recipient.notices) == {notice_id_of(name) for name in names}


def test_a_silent_receiver_keeps_no_other_waiting(debts: Debts, recipient: Recipient) -> None:
    debts.license("other-1", "other")
    debts.deliver("other-1")
    with receiving(debts.clock) as other:
        debts.hook(other, "other")
        gate = threading.Event()
        recipient.manners = Manners(gate=gate)
        names = [debts.withdraw(), debts.withdraw("other-1")]
        debts.chasing.look()
        thread = threading.Thread(target=debts.chasing.send)
        thread.start()
        deadline = time.monotonic() + 30
        while not other.notices:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list(other.notices) == [notice_id_of(names[1])]
        assert recipient.notices == {}
        gate.set()
        thread.join()


def test_two_senders_at_once_send_each_notice_once(any_house: House) -> None:
    debts = Debts(any_house)
    with receiving(debts.clock) as recipient:
        for n in range(4):
            debts.license(f"l-{n}", f"r{n}")
            debts.deliver(f"l-{n}")
            debts.hook(recipient, f"r{n}", f"/{n}")
        names = [debts.withdraw(f"l-{n % 4}") for n in range(24)]
        debts.chasing.look()
        threads = [threading.Thread(target=debts.chasing.send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        debts.chasing.look()
        assert {name: len(times) for name, times in recipient.times.items()} == {notice_id_of(n): 1 for n in names}
        assert {debts.state(name) for name in names} == {State.NOTIFIED}
        assert recipient.refused == []


def test_a_notice_that_a_dead_sender_had_claimed_is_sent_by_the_next(debts: Debts, recipient: Recipient) -> None:
    name = debts.withdraw()
    debts.chasing.look()
    with transaction(debts.house.database) as conn:
        assert recall_notices.claim(conn, notice(debts, name), debts.clock() + timedelta(minutes=2))
    debts.chase()
    assert recipient.notices == {}
    debts.clock.go(minutes=2)
    debts.chase()
    assert list(recipient.notices) == [notice_id_of(name)]


def test_nothing_is_sent_once_the_recipient_knows_or_has_settled(debts: Debts, recipient: Recipient) -> None:
    recipient.manners = Manners(status=500)
    known, settled = debts.withdraw(), debts.withdraw()
    debts.chase()
    debts.fetch_keys(known)
    debts.attest(recipient, settled)
    recipient.manners = Manners()
    debts.clock.go(minutes=1)
    debts.chase()
    debts.clock.go(days=1)
    debts.chase()
    assert recipient.notices == {}
    assert [debts.state(name) for name in (known, settled)] == [State.ACKNOWLEDGED, State.CLOSED]


def test_a_webhook_that_comes_later_is_told_what_is_still_owed(debts: Debts) -> None:
    name = debts.withdraw()
    debts.chase()
    with receiving(debts.clock) as recipient:
        debts.hook(recipient)
        debts.chase()
        assert list(recipient.notices) == [notice_id_of(name)]


def test_logs_hold_neither_an_address_nor_a_secret(
    debts: Debts, recipient: Recipient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "licet")
    for status in (200, 500):
        recipient.manners = Manners(status=status)
        debts.withdraw()
        debts.chase()
    assert "/hooks" not in caplog.text
    assert "whsec_" not in caplog.text
    assert logging.getLogger("httpx").level == logging.WARNING


def test_a_secret_does_not_show_when_an_endpoint_is_printed() -> None:
    assert "whsec" not in repr(Endpoint(url="https://a.example", secret="whsec_abc", private=False))


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_double_up_to_the_longest_and_never_vanish(attempts: int, luck: float) -> None:
    pause = pause_after(attempts, lambda: luck)
    assert FIRST / 2 <= pause <= LONGEST
    assert pause <= pause_after(attempts, lambda: 0.0) <= pause * 2 + timedelta(microseconds=1)
    assert pause_after(attempts + 1, lambda: luck) >= pause


def test_receivers_that_failed_together_do_not_come_back_together() -> None:
    dice = random.Random(1).random  # noqa: S311 # no secret
    assert len({pause_after(5, dice) for _ in range(50)}) > 45


def test_days_of_failures_cost_a_bounded_number_of_attempts() -> None:
    at, attempts = timedelta(), 0
    while at < timedelta(days=10):
        attempts += 1
        at += pause_after(attempts, lambda: 0.0)
    assert 40 < attempts < 60


def test_sending_with_nothing_due_sends_nothing(house: House) -> None:
    clock = Clock()
    sent = send_all(house, clock, Debts(house, clock).courier)
    assert (sent.taken, sent.failed) == (0, 0)
