"""Limits: a bucket is exactly a bucket, one recipient's haste is nobody else's, the official client gets through."""

import json
import pathlib
import threading
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

import delta_sharing
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import UsageError
from licet.protocol.profiles import bearer_profile
from licet.server import limits
from licet.server.errors import WireError
from licet.server.limits import SECOND, Buckets, network_of
from licet.store import audit, parties
from licet.store.database import reading, transaction

QUERY = "/shares/acme-2025/schemas/licensed/tables/posts/query"


@dataclass
class Clock:
    """A clock that a test turns."""

    now: int = 10**15

    def __call__(self) -> int:
        return self.now


def taken(buckets: Buckets, key: str = "a", patience_s: float = 0) -> float | None:
    try:
        return buckets.take(key, patience_s)
    except WireError:
        return None


@given(
    rate=st.sampled_from([1, 2, 5, 50, 1000]),
    burst=st.integers(1, 5),
    pauses=st.lists(st.integers(0, 2 * SECOND) | st.sampled_from([0, SECOND // 1000, SECOND // 5]), max_size=60),
)
def test_a_bucket_lets_through_what_a_textbook_bucket_does(rate, burst, pauses) -> None:
    """The textbook counts tokens that flow in, in exact fractions."""
    clock = Clock()
    buckets = Buckets(rate, burst, clock)
    tokens = Fraction(burst)
    for pause in pauses:
        clock.now += pause
        tokens = min(Fraction(burst), tokens + Fraction(pause * rate, SECOND))
        assert (taken(buckets) is not None) == (tokens >= 1)
        tokens -= tokens >= 1


@given(
    rate=st.floats(0.1, 5000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=80),
)
def test_no_window_holds_more_than_a_burst_and_what_flows_in(rate, burst, pauses) -> None:
    clock = Clock()
    buckets = Buckets(rate, burst, clock)
    let = []
    for pause in pauses:
        clock.now += pause
        if taken(buckets) is not None:
            let.append(clock.now)
    gap = round(SECOND / rate)
    for first in range(len(let)):
        for last in range(first, len(let)):
            assert last - first + 1 <= burst + (let[last] - let[first]) // gap


@given(rate=st.sampled_from([1, 4, 100]), burst=st.integers(1, 4), count=st.integers(1, 40), patience=st.integers(0, 3))
def test_the_patient_are_spaced_by_the_rate_and_never_wait_longer_than_they_would(rate, burst, count, patience) -> None:
    buckets = Buckets(rate, burst, Clock())
    waits = [taken(buckets, patience_s=patience) for _ in range(count)]
    let = [wait for wait in waits if wait is not None]
    assert let == [max(0, n + 1 - burst) / rate for n in range(len(let))]
    assert len(let) == min(count, burst + patience * rate)


@given(rate=st.sampled_from([0.1, 1, 3, 50]), burst=st.integers(1, 3))
def test_whoever_comes_back_when_told_gets_in(rate, burst) -> None:
    clock = Clock()
    buckets = Buckets(rate, burst, clock)
    for _ in range(burst):
        assert taken(buckets) == 0
    with pytest.raises(WireError) as refused:
        buckets.take("a")
    clock.now += int(refused.value.headers["Retry-After"]) * SECOND
    assert taken(buckets) == 0


def test_keys_do_not_share_a_bucket_and_only_so_many_are_remembered(monkeypatch) -> None:
    monkeypatch.setattr(limits, "MOST", 3)
    buckets = Buckets(1, 1, Clock())
    assert [taken(buckets, key) for key in "abcabc"] == [0, 0, 0, None, None, None]
    assert taken(buckets, "d") == 0
    # `a` was silent longest and is forgotten; the others still wait.
    assert [taken(buckets, key) for key in "bcda"] == [None, None, None, 0]


def test_threads_take_no_token_twice() -> None:
    buckets = Buckets(1, 100, Clock())
    got: list[float | None] = []
    threads = [threading.Thread(target=lambda: got.extend(taken(buckets) for _ in range(50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got.count(0), got.count(None)) == (100, 300)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_a_limit_that_lets_nothing_through_is_refused(rate, burst) -> None:
    with pytest.raises(UsageError, match="above 0"):
        Buckets(rate, burst)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_an_address_is_cut_to_its_network(address, network) -> None:
    assert network_of(address, 24, 48) == network


def told(answer: httpx.Response) -> int:
    assert answer.status_code == 429, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json()["errorCode"] == "RESOURCE_EXHAUSTED"
    return int(answer.headers["retry-after"])


def client(url: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{url}/delta-sharing", headers=headers, timeout=30)


@pytest.mark.usefixtures("another_license")
def test_a_recipient_who_asks_too_much_waits_and_the_others_do_not(scene, serving) -> None:
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "other", scene.now + timedelta(days=1))
        second = parties.issue_token(conn, "acme", scene.now + timedelta(days=1))
    with serving(scene, rate=0.01, burst=3) as url, client(url, scene.token) as acme, client(url, token) as other:
        assert [acme.get("/shares").status_code for _ in range(3)] == [200] * 3
        assert 1 <= told(acme.get("/shares")) <= 100
        assert other.get("/shares").status_code == 200
        with client(url, second) as same:
            told(same.post(QUERY, json={}))


def test_files_are_counted_apart(scene, serving) -> None:
    with serving(scene, rate=0.01, burst=1, file_rate=0.01, file_burst=2) as url, client(url, scene.token) as acme:
        file = json.loads(acme.post(QUERY, json={}).text.splitlines()[2])["file"]["url"]
        told(acme.get("/shares"))
        assert [httpx.get(file).status_code, httpx.head(file).status_code] == [200, 200]
        told(httpx.get(file))


def test_a_file_asked_for_a_little_early_is_held_back_not_refused(scene, serving) -> None:
    with serving(scene, file_rate=20, file_burst=1, wait_s=30) as url, client(url, scene.token) as acme:
        file = json.loads(acme.post(QUERY, json={}).text.splitlines()[2])["file"]["url"]
        assert [httpx.get(file).status_code for _ in range(8)] == [200] * 8


def test_nobody_we_know_is_slowed_down_and_nobody_else_for_it(scene, serving) -> None:
    """Wrong tokens, unsigned files and wrong clients count together against the address that they come from."""
    with serving(scene, failure_rate=0.01, failure_burst=4) as url, client(url, scene.token) as acme:
        shares, token = f"{url}/delta-sharing/shares", f"{url}/delta-sharing/oauth2/token"
        wrong = [
            httpx.get(shares),
            httpx.get(shares, headers={"Authorization": "Bearer x"}),
            httpx.get(f"{url}/delta-sharing/files/acme-2025/posts/0/x?expires=99999999999&X-Amz-Signature=0"),
            httpx.post(token, data={"grant_type": "client_credentials"}, auth=("c_x", "x")),
        ]
        assert [answer.status_code for answer in wrong] == [401, 401, 403, 401]
        assert 1 <= told(httpx.get(shares)) <= 100
        assert httpx.post(token, data={"grant_type": "client_credentials"}, auth=("c_x", "x")).status_code == 429
        # Whoever shares the address and proves who they are comes in.
        assert acme.get("/shares").status_code == 200


def test_addresses_fail_apart(scene, serving) -> None:
    proxy = {"trusted_proxies": ("127.0.0.1",), "development_sign_in": False}
    with serving(scene, failure_rate=0.01, failure_burst=1, **proxy) as url:
        froms = ["203.0.113.1", "203.0.113.1", "203.0.113.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
        answers = [httpx.get(f"{url}/delta-sharing/shares", headers={"X-Forwarded-For": each}) for each in froms]
    assert [answer.status_code for answer in answers] == [401, 429, 401, 401, 429, 401]


def test_the_official_client_backs_off_and_reads_everything(scene, serving, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "recipient.share"
    with serving(scene, rate=4, burst=1, file_rate=40, file_burst=1, wait_s=30) as url:
        path.write_text(json.dumps(bearer_profile(f"{url}/delta-sharing/", scene.token, scene.now)))
        frames = [delta_sharing.load_as_pandas(f"{path}#acme-2025.licensed.posts") for _ in range(2)]
    assert [len(frame) for frame in frames] == [5, 5]
    with reading(scene.house.database) as conn:
        found = audit.requests(conn, scene.now)
    assert {entry.status for entry in found if "/files/" not in entry.route} == {200, 429}
    assert {entry.status for entry in found if "/files/" in entry.route} <= {200, 206}
