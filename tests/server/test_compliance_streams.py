"""Compliance streams over real HTTP: what leaves a license is told as it leaves, to its recipient only."""

import contextlib
import http.client
import json
import pathlib
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import httpx
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from compliance_world import Ring, make_ring, post_of, served, user
from recall_world import LICENSE, NOW

from licet.dataset.build import build
from licet.model.licenses import LicenseId
from licet.model.members import AccountStatus
from licet.model.records import Table
from licet.protocol.compliance import instant_text, partition_of
from licet.protocol.pseudonyms import member_secrets
from licet.recall.catch_up import catch_up
from licet.server import compliance_streams
from licet.store import credentials, facts, parties
from licet.store.database import transaction

POSTS, USERS, LIKES = (f"/2/{name}/compliance/stream" for name in ("tweets", "users", "likes"))
PATIENCE_S = 60


class Heard:
    """A stream that is listened to in a thread."""

    parts: queue.Queue[object]

    def __init__(self, address: str, path: str, token: str, **params: str) -> None:
        """Connect."""
        self.parts = queue.Queue()
        self._connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE_S)
        self._connection.request("GET", f"{path}?{urlencode(params)}", headers={"Authorization": f"Bearer {token}"})
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while part := self.answer.read1(1 << 20):
                self.parts.put(part)
            self.parts.put("ended in order")
        except (http.client.HTTPException, OSError) as error:
            self.parts.put(error)

    def next(self) -> object:
        """Give the next bytes, or how the stream ended."""
        return self.parts.get(timeout=PATIENCE_S)

    def events(self, count: int) -> list[dict]:
        """Wait for so many events."""
        found: list[dict] = []
        rest = b""
        while len(found) < count:
            part = self.next()
            assert isinstance(part, bytes), part
            *lines, rest = (rest + part).split(b"\r\n")
            found += [json.loads(line)["data"] for line in lines if line]
        assert rest == b""
        return found

    def close(self) -> None:
        """Hang up."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self.answer.close()
        self._connection.close()


@pytest.fixture
def ring(tmp_path: pathlib.Path) -> Iterator[Ring]:
    made = make_ring(tmp_path / "home", "")
    yield made
    made.house.database.dispose()


@pytest.fixture
def any_ring(tmp_path: pathlib.Path, database_url: str) -> Iterator[Ring]:
    made = make_ring(tmp_path / "home", database_url)
    yield made
    made.house.database.dispose()


@pytest.fixture
def address(ring: Ring) -> Iterator[str]:
    with served(ring) as url:
        yield url


@pytest.fixture
def listen(ring: Ring, address: str) -> Iterator[Callable[..., Heard]]:
    opened: list[Heard] = []

    def connect(path: str, **params: str) -> Heard:
        heard = Heard(address, path, params.pop("token", ring.token), **({"id_format": "hex"} | params))
        opened.append(heard)
        assert heard.next() == b"\r\n"
        return heard

    yield connect
    for heard in opened:
        heard.close()


def partition(pseudonym: str) -> str:
    return str(partition_of(pseudonym))


def test_posts_that_leave_are_told_as_they_leave(any_ring) -> None:
    who, gone = user("x:3"), post_of("p:3", "x:3")
    with served(any_ring) as address:
        heard = Heard(address, POSTS, any_ring.token, partition=partition(who), id_format="hex")
        try:
            any_ring.leave("x:3")
            (event,) = heard.events(1)
        finally:
            heard.close()
    assert set(event) == {"drop"}
    assert event["drop"]["tweet"] == {"id": gone, "author_id": who}
    assert event["drop"]["reason"] == "opted_out"
    at = any_ring.house.shared.snapshot(LICENSE.license_id, Table.POSTS).at
    assert event["drop"]["event_at"] == instant_text(at)


def test_an_answer_has_a_streams_headers(listen) -> None:
    answer = listen(LIKES).answer
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["cache-control"] == "no-store"


POST_CAUSES = [
    (lambda ring: ring.leave("x:3"), "drop", "opted_out"),
    (lambda ring: ring.change("x:3", protected=True), "drop", "protected"),
    (lambda ring: ring.change("x:3", AccountStatus.SUSPENDED), "drop", "suspended"),
    (lambda ring: ring.change("x:3", AccountStatus.DEACTIVATED), "drop", "deactivated"),
    (lambda ring: ring.change("x:3", AccountStatus.DELETED), "delete", "deleted"),
    (lambda ring: ring.delete("p:3", "x:3"), "delete", "deleted"),
    (lambda ring: ring.delete("p:3", "x:3", edited=True), "drop", "edited"),
]


@pytest.mark.parametrize(("act", "name", "reason"), POST_CAUSES)
def test_a_posts_event_follows_from_its_cause(ring, listen, act, name, reason) -> None:
    heard = listen(POSTS, partition=partition(user("x:3")))
    act(ring)
    (event,) = heard.events(1)
    assert set(event) == {name}
    assert event[name]["reason"] == reason


USER_CAUSES = [
    (lambda ring: ring.leave("x:3"), "user_protect", "opted_out"),
    (lambda ring: ring.change("x:3", protected=True), "user_protect", "protected"),
    (lambda ring: ring.change("x:3", AccountStatus.SUSPENDED), "user_suspend", "suspended"),
    (lambda ring: ring.change("x:3", AccountStatus.DEACTIVATED), "user_delete", "deactivated"),
    (lambda ring: ring.change("x:3", AccountStatus.DELETED), "user_delete", "deleted"),
]


@pytest.mark.parametrize(("act", "name", "reason"), USER_CAUSES)
def test_a_users_event_follows_from_the_cause_and_is_told_once(ring, listen, act, name, reason) -> None:
    """The user has a post and likes; both tables lose rows."""
    heard = listen(USERS, partition=partition(user("x:3")))
    act(ring)
    same = next(f"x:{n}" for n in range(12) if n != 3 and partition(user(f"x:{n}")) == partition(user("x:3")))
    ring.leave(same)
    events = heard.events(2)
    assert [(list(each), each[next(iter(each))]["user"]["id"]) for each in events] == [
        ([name], user("x:3")),
        (["user_protect"], user(same)),
    ]
    assert events[0][name]["reason"] == reason


def all_partitions(listen: Callable[..., Heard], path: str) -> list[Heard]:
    return [listen(path, partition=str(n)) for n in (1, 2, 3, 4)]


def told_by_the_end(ring: Ring, heard: list[Heard], *busy: str) -> dict[str, str]:
    """Give what all partitions told, user and reason, up to the events of members who leave last, one in each."""
    idle = [f"x:{n}" for n in range(12) if f"x:{n}" not in busy]
    last = {partition(user(name)): name for name in idle}
    assert len(last) == 4
    ring.leave(*last.values())
    found: list[dict] = []
    for n, each in enumerate(heard, 1):
        while user(last[str(n)]) not in json.dumps(found):
            found += each.events(1)
    told = [(event[name]["user"]["id"], event[name]["reason"]) for event in found for name in event]
    assert len(dict(told)) == len(told)
    for name in last.values():
        assert dict(told)[user(name)] == "opted_out"
    return {who: reason for who, reason in told if who not in map(user, last.values())}


def test_only_whoever_left_is_told_of_not_whom_they_had_to_do_with(ring, listen) -> None:
    """Everybody who liked the leaver's post loses a like for it; of a deleted post's author nothing else is gone."""
    heard = all_partitions(listen, USERS)
    ring.delete("p:7", "x:7")
    ring.unlike("x:9", "p:10")
    ring.leave("x:3")
    assert told_by_the_end(ring, heard, "x:3", "x:7", "x:9") == {user("x:3"): "opted_out"}


def test_an_opt_out_that_a_build_saw_first_is_told_of_its_user(ring, listen) -> None:
    heard = all_partitions(listen, USERS)
    ring.world.say("x:3")
    ring.build()
    assert told_by_the_end(ring, heard, "x:3") == {user("x:3"): "opted_out"}


@pytest.mark.parametrize(
    ("act", "pairs", "reason"),
    [
        (
            lambda ring: ring.leave("x:3"),
            [("x:3", "p:4"), ("x:3", "p:8"), ("x:2", "p:3"), ("x:10", "p:3")],
            "opted_out",
        ),
        (lambda ring: ring.unlike("x:3", "p:4"), [("x:3", "p:4")], "deleted"),
        (lambda ring: ring.delete("p:4", "x:4"), [("x:3", "p:4"), ("x:11", "p:4")], "deleted"),
    ],
)
def test_likes_that_leave_are_told(ring, listen, act, pairs, reason) -> None:
    heard = listen(LIKES)
    act(ring)
    events = heard.events(len(pairs))
    assert all(set(event) == {"delete"} and event["delete"]["reason"] == reason for event in events)
    told = {(event["delete"]["favorite"]["user_id"], event["delete"]["favorite"]["id"]) for event in events}
    assert told == {(user(who), post_of(target, target.replace("p", "x"))) for who, target in pairs}


def test_partitions_share_all_events_among_them_by_the_users_id(ring, listen) -> None:
    names = [f"x:{n}" for n in range(12)]
    ring.leave(*names)
    found = []
    for n in (1, 2, 3, 4):
        mine = [name for name in names if int(user(name), 16) % 4 + 1 == n]
        heard = listen(POSTS, partition=str(n), backfill_minutes="5", id_format="decimal")
        events = heard.events(len(mine)) if mine else []
        assert {event["drop"]["tweet"]["author_id"] for event in events} == {str(int(user(m), 16)) for m in mine}
        found += [event["drop"]["tweet"]["id"] for event in events]
    assert sorted(found) == sorted(str(int(post_of(f"p:{n}", f"x:{n}"), 16)) for n in range(12))


def test_what_left_before_is_told_to_those_who_ask_for_it_only(ring, listen) -> None:
    ring.leave("x:3")
    ring.unlike("x:6", "p:7")
    told = listen(LIKES, backfill_minutes="1").events(5)
    assert [event["delete"]["reason"] for event in told] == ["opted_out"] * 4 + ["deleted"]
    live, early = listen(LIKES), listen(LIKES, backfill_minutes="0")
    ring.clock.ahead = timedelta(minutes=6)
    late = listen(LIKES, backfill_minutes="5")
    ring.clock.ahead = timedelta()
    ring.unlike("x:7", "p:8")
    for heard in (live, early, late):
        assert [event["delete"]["favorite"]["user_id"] for event in heard.events(1)] == [user("x:7")]


def test_a_span_of_time_is_told_and_nothing_before_or_after(ring, listen) -> None:
    instants = []
    for actor, target in (("x:1", "p:2"), ("x:2", "p:3"), ("x:3", "p:4"), ("x:4", "p:5")):
        ring.unlike(actor, target)
        instants.append(ring.house.shared.snapshot(LICENSE.license_id, Table.LIKES).at)
    span = {"start_time": instant_text(instants[1]), "end_time": instant_text(instants[3])}
    heard = listen(LIKES, **span)
    whose = [event["delete"]["favorite"]["user_id"] for event in heard.events(2)]
    assert whose == [user("x:2"), user("x:3")]
    open_end = listen(LIKES, start_time=span["start_time"])
    assert len(open_end.events(3)) == 3
    ring.unlike("x:5", "p:6")
    assert len(open_end.events(1)) == 1
    assert heard.parts.empty()


def test_a_silent_stream_gives_signs_of_life_and_stays_open(listen, monkeypatch) -> None:
    monkeypatch.setattr(compliance_streams, "KEEP_ALIVE_S", 0.01)
    monkeypatch.setattr(compliance_streams, "LOOK_S", 0.001)
    span = {"start_time": "2024-01-01T00:00:00Z", "end_time": "2024-01-02T00:00:00Z"}
    for heard in (listen(LIKES), listen(LIKES, **span)):
        assert b"".join(heard.next() for _ in range(20)).replace(b"\r\n", b"") == b""  # type: ignore[misc]
    assert compliance_streams.KEEP_ALIVE_S < 20


def test_signs_of_life_are_frequent_enough_for_clients() -> None:
    assert compliance_streams.KEEP_ALIVE_S + compliance_streams.LOOK_S < 20


def test_a_look_that_takes_long_is_no_silence(ring, listen, monkeypatch) -> None:
    monkeypatch.setattr(compliance_streams, "KEEP_ALIVE_S", 0.01)
    go = threading.Event()
    read = compliance_streams.Feed.read

    def slowly(feed: compliance_streams.Feed) -> bytes:
        go.wait(PATIENCE_S)
        return read(feed)

    monkeypatch.setattr(compliance_streams.Feed, "read", slowly)
    heard = listen(LIKES)
    try:
        for _ in range(5):
            assert set(heard.next()) == set(b"\r\n")  # type: ignore[call-overload]
        ring.unlike("x:3", "p:4")
    finally:
        go.set()
    assert len(heard.events(1)) == 1


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (POSTS, {}),
        (USERS, {}),
        (POSTS, {"partition": "0"}),
        (POSTS, {"partition": "5"}),
        (POSTS, {"partition": "one"}),
        (POSTS, {"partition": "٣"}),
        (LIKES, {"partition": "1"}),
        (LIKES, {"backfill_minutes": "6"}),
        (LIKES, {"backfill_minutes": "-1"}),
        (LIKES, {"start_time": "yesterday"}),
        (LIKES, {"start_time": "2024-01-01T00:00:00"}),
        (LIKES, {"start_time": "2024-01-02T00:00:00Z", "end_time": "2024-01-01T00:00:00Z"}),
        (LIKES, {"id_format": "base64"}),
        (LIKES, {"since": "2024-01-01T00:00:00Z"}),
    ],
)
def test_a_bad_question_is_refused(ring, address, path, params) -> None:
    headers = {"Authorization": f"Bearer {ring.token}"}
    answer = httpx.get(address + path, params=params, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Invalid Request"


@pytest.mark.parametrize("path", [POSTS, USERS, LIKES])
def test_strangers_hear_nothing(address, path) -> None:
    answer = httpx.get(address + path, params={"partition": "1"})
    assert answer.status_code == 401
    assert answer.json()["title"] == "Unauthorized"


def another(ring: Ring, license_id: str, recipient_id: str, key: bytes, *tables: Table) -> None:
    """Grant and build another license."""
    license_ = replace(LICENSE, license_id=LicenseId(license_id), recipient_id=recipient_id, tables=tables)
    with transaction(ring.house.database) as conn:
        facts.grant_license(conn, license_, key, NOW)
    build(ring.house, license_id, NOW)


def test_a_recipient_hears_of_all_their_licenses_and_of_no_other(ring, listen) -> None:
    """One of the licenses is granted while the stream is connected."""
    with transaction(ring.house.database) as conn:
        parties.add_recipient(conn, "other", "Other", NOW)
        other = parties.issue_token(conn, "other", ring.clock.now() + timedelta(days=1))
    another(ring, "other-1", "other", b"o" * 32, Table.LIKES)
    mine, theirs = listen(LIKES), listen(LIKES, token=other)
    another(ring, "acme-2", "acme", b"2" * 32, Table.LIKES)
    ring.unlike("x:3", "p:4")
    keys = {"acme-1": b"k" * 32, "acme-2": b"2" * 32, "other-1": b"o" * 32}
    names = {which: member_secrets(key, "x:3")[0] for which, key in keys.items()}
    assert {e["delete"]["favorite"]["user_id"] for e in mine.events(2)} == {names["acme-1"], names["acme-2"]}
    assert [e["delete"]["favorite"]["user_id"] for e in theirs.events(1)] == [names["other-1"]]


def test_what_is_written_down_late_is_still_told(ring, listen) -> None:
    """A recall is committed, and written down only after others that were committed later."""
    another(ring, "acme-2", "acme", b"2" * 32, Table.LIKES)
    heard = listen(LIKES)
    ring.unlike("x:3", "p:4")
    heard.events(2)
    with transaction(ring.house.database) as conn:
        for version in parties.versions(conn, "acme-1", Table.LIKES)[-1:]:
            earlier = version[0].at - timedelta(seconds=50)
            parties.record_version(conn, replace(version[0], version=version[0].version + 1, at=earlier), {})
    (event,) = heard.events(1)
    assert event["delete"]["event_at"] == instant_text(earlier)


def test_a_token_that_ends_breaks_the_stream_off_and_opens_no_other(ring, address, listen) -> None:
    heard = listen(LIKES)
    with transaction(ring.house.database) as conn:
        credentials.revoke(conn, "acme", ring.clock.now())
    part = heard.next()
    while part == b"\r\n":
        part = heard.next()
    assert isinstance(part, http.client.IncompleteRead)
    assert httpx.get(address + LIKES, headers={"Authorization": f"Bearer {ring.token}"}).status_code == 401


def test_a_lost_file_of_keys_breaks_the_stream_off(ring, listen) -> None:
    """An orderly silence would be a lie."""
    ring.leave("x:3")
    (keys,) = (ring.world.folder(Table.LIKES) / "_keys").iterdir()
    keys.unlink()
    assert isinstance(listen(LIKES, backfill_minutes="5").next(), http.client.IncompleteRead)


def test_a_recipient_has_so_many_streams_and_a_place_becomes_free(ring, address, listen, monkeypatch) -> None:
    monkeypatch.setattr(compliance_streams, "MOST_STREAMS", 2)
    first, _ = listen(LIKES), listen(LIKES)
    headers = {"Authorization": f"Bearer {ring.token}"}
    answer = httpx.get(address + LIKES, headers=headers)
    assert answer.status_code == 429
    assert answer.json()["title"] == "Too Many Requests"
    first.close()
    while True:
        with httpx.stream("GET", address + LIKES, headers=headers) as again:
            if again.status_code == 200:
                break


def test_a_suspended_license_still_tells_what_leaves(ring, listen) -> None:
    """The duty to follow outlives the right to fetch."""
    with transaction(ring.house.database) as conn:
        facts.change_license(conn, LICENSE, "suspended", NOW)
    heard = listen(LIKES)
    ring.world.say("x:3")
    catch_up(ring.house, NOW)
    assert len(heard.events(4)) == 4
