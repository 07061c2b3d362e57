"""No answer begun after a withdrawal comes from a version that may still hold it."""

import concurrent.futures
import json
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest

QUERY = "/shares/acme-2025/schemas/licensed/tables/posts/query"


def test_a_query_waits_for_the_recall_and_sees_its_version(scene, serving) -> None:
    seq = scene.withdraw()
    with (
        serving(scene, wait_s=20) as url,
        concurrent.futures.ThreadPoolExecutor() as pool,
        httpx.Client(headers={"Authorization": f"Bearer {scene.token}"}, timeout=30) as client,
    ):
        waiting = pool.submit(client.post, f"{url}/delta-sharing{QUERY}", json={})
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(timeout=0.2)
        scene.commit({1: 2})
        answer = waiting.result(timeout=20)
    assert (answer.status_code, answer.headers["delta-table-version"]) == (200, "1")
    assert scene.house.shared.snapshot("acme-2025", "posts").facts.as_of_seq == seq


def test_a_query_gives_up_and_says_when_to_come_back(scene, recipient) -> None:
    scene.withdraw()
    answer = recipient.post(QUERY, json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["errorCode"] == "TEMPORARILY_UNAVAILABLE"


TABLE = QUERY.removesuffix("/query")
READS = [
    ("POST", "/query", {}),
    ("POST", "/query", {"json": {"version": 0}}),
    ("POST", "/query", {"json": {"timestamp": "2020-01-01T00:00:00Z"}}),
    ("POST", "/query", {"json": {"startingVersion": 0}}),
    ("POST", "/query", {"json": {"maxFiles": 1, "pageToken": "x"}}),
    ("POST", "/query", {"json": {"refreshToken": "x"}}),
    ("POST", "/query", {"json": {"idempotencyKey": "x"}, "headers": {"delta-sharing-capabilities": "asyncquery=true"}}),
    ("GET", "/changes", {"params": {"startingVersion": 0}}),
    ("GET", "/changes", {"params": {"startingTimestamp": "2020-01-01T00:00:00Z"}}),
    ("GET", "/changes", {"params": {"startingVersion": 0, "maxFiles": 1, "pageToken": "x"}}),
]


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_no_way_of_reading_goes_past_a_pending_withdrawal(scene, serving, form) -> None:
    scene.withdraw()
    with (
        serving(scene, wait_s=0.01) as url,
        httpx.Client(base_url=f"{url}/delta-sharing{TABLE}", timeout=30) as client,
    ):
        for method, path, said in READS:
            asked = {"Authorization": f"Bearer {scene.token}", "delta-sharing-capabilities": f"responseformat={form}"}
            options = {"json": {}, **said} if method == "POST" else dict(said)
            options["headers"] = asked | options.get("headers", {})
            answer = client.request(method, path, **options)
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1"), said
            assert "http" not in answer.text


def test_the_older_version_is_never_given_while_many_withdraw(scene, serving) -> None:
    """Queries race withdrawals and recalls: an answer's version is as new as the withdrawals before its question."""
    done = threading.Event()
    newest = [0]

    def recall() -> None:
        while not done.is_set():
            seq = scene.withdraw()
            newest[0] = seq
            scene.commit({0: 1})

    with serving(scene, wait_s=20) as url, httpx.Client(timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {scene.token}"
        thread = threading.Thread(target=recall)
        thread.start()
        try:
            seen: list[tuple[int, int]] = []
            while len(seen) < 15 or len({version for _, version in seen}) < 2:
                before = newest[0]
                answer = client.post(f"{url}/delta-sharing{QUERY}", json={})
                seen.append((before, int(answer.headers["delta-table-version"])))
        finally:
            done.set()
            thread.join()
    log = dict(_versions(scene))
    assert all(log[version] >= before for before, version in seen)


def _versions(scene) -> list[tuple[int, int]]:
    """Give each version's as_of_seq from the Delta log itself."""
    folder = scene.house.shared.folder("acme-2025", "posts") / "_delta_log"
    found = []
    for path in folder.glob("*.json"):
        for line in path.read_text().splitlines():
            said = json.loads(line)
            if "commitInfo" in said:
                found.append((int(path.stem), json.loads(said["commitInfo"]["licet"])["as_of_seq"]))
    return found


def test_a_hundred_waiting_queries_do_not_keep_a_member_from_opting_out(scene, serving) -> None:
    scene.withdraw()
    limits = httpx.Limits(max_connections=200)
    with (
        serving(scene, wait_s=60) as url,
        httpx.Client(timeout=90, limits=limits, headers={"Authorization": f"Bearer {scene.token}"}) as client,
        concurrent.futures.ThreadPoolExecutor(100) as pool,
        httpx.Client(base_url=url, timeout=30) as member,
    ):
        waiting = [pool.submit(client.post, f"{url}/delta-sharing{QUERY}", json={}) for _ in range(100)]
        member.post("/sign-in", json={"member_id": "x:1"}).raise_for_status()
        answer = member.put("/settings/third_party_training", json={"choice": "deny"})
        still = sum(not each.done() for each in waiting)
        scene.commit({1: 1})
        answers = [each.result(timeout=60) for each in waiting]
    assert (answer.status_code, still) == (200, 100)
    assert {(a.status_code, a.headers["delta-table-version"]) for a in answers} == {(200, "1")}


def test_new_rules_close_the_tables_until_they_are_built_again(scene, recipient) -> None:
    scene.publish("two", datetime(2025, 2, 1, tzinfo=UTC))
    scene.checked(10_000)
    answer = recipient.post(QUERY, json={})
    assert answer.status_code == 503
    assert "rules" in answer.json()["message"]


def test_rules_that_come_into_force_close_the_tables_at_that_moment(scene, recipient) -> None:
    """No fact is written at that moment: only the clock moves."""
    scene.publish("two", datetime(2025, 3, 2, tzinfo=UTC))
    scene.checked(10_000)
    assert recipient.post(QUERY, json={}).status_code == 200
    scene.now = datetime(2025, 3, 2, tzinfo=UTC)
    assert recipient.post(QUERY, json={}).status_code == 503
    scene.now -= timedelta(seconds=1)
    assert recipient.post(QUERY, json={}).status_code == 200
