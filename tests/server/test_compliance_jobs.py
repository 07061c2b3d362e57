"""Compliance jobs over real HTTP: whoever sends ids learns which of them have to go, and nobody else does."""

import itertools
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # second processes import the same world

from compliance_world import Ring, make_ring, post_of, served, user
from recall_world import LICENSE, NOTICE, World

from licet.model.members import AccountStatus, Choice
from licet.model.records import Table
from licet.policy.notice import digest, parse_notice
from licet.protocol.compliance import Form, JobType, written
from licet.server import compliance_jobs
from licet.store import compliance, compliance_results, credentials, facts, parties
from licet.store.database import reading, transaction

JOBS = "/2/compliance/jobs"
_homes = itertools.count()


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
def client(ring: Ring) -> Iterator[httpx.Client]:
    with served(ring) as address, client_of(ring, address) as made:
        yield made


def client_of(ring: Ring, address: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {ring.token}"}, timeout=30)


def created(client: httpx.Client, type_: str = "tweets", **more: object) -> dict:
    answer = client.post(JOBS, json={"type": type_, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def sent(job: dict, content: object) -> httpx.Response:
    return httpx.put(job["upload_url"], content=content, headers={"Content-Type": "text/plain"}, timeout=30)


def ended(client: httpx.Client, job: dict) -> dict:
    for _ in range(3000):
        found = client.get(f"{JOBS}/{job['id']}").json()["data"]
        if found["status"] not in {"created", "in_progress"}:
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def lines(job: dict) -> list[dict]:
    answer = httpx.get(job["download_url"])
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


def asked(client: httpx.Client, type_: str, ids: list[str]) -> list[dict]:
    """Go the whole way: create, upload, wait, download."""
    job = created(client, type_)
    assert sent(job, "\n".join(ids).encode()).status_code == 200
    job = ended(client, job)
    assert job["status"] == "complete", job
    return lines(job)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert set(said) == {"title", "type", "status", "detail", "errors"}
    assert said["status"] == status
    assert said["errors"][0]["message"] == said["detail"]
    return said["detail"]


def test_a_job_tells_which_posts_have_to_go(any_ring) -> None:
    any_ring.leave("x:3")
    with served(any_ring) as address, client_of(any_ring, address) as client:
        before = datetime.now(UTC)
        gone, stays = post_of("p:3", "x:3"), post_of("p:4", "x:4")
        found = asked(client, "tweets", [gone, stays, "1" * 19])
    assert [set(line) for line in found] == [{"id", "action", "created_at", "redacted_at", "reason"}]
    (line,) = found
    assert (line["id"], line["action"], line["reason"]) == (gone, "delete", "opted_out")
    for name in ("created_at", "redacted_at"):
        assert datetime.strptime(line[name], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) < before


def test_a_job_tells_which_users_have_to_go(any_ring) -> None:
    any_ring.leave("x:3")
    with served(any_ring) as address, client_of(any_ring, address) as client:
        found = asked(client, "users", [user("x:3"), user("x:4")])
    assert [(line["id"], line["reason"]) for line in found] == [(user("x:3"), "opted_out")]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda ring: ring.leave("x:3"), "opted_out"),
        (lambda ring: ring.change("x:3", protected=True), "protected"),
        (lambda ring: ring.change("x:3", AccountStatus.SUSPENDED), "suspended"),
        (lambda ring: ring.change("x:3", AccountStatus.DEACTIVATED), "deactivated"),
        (lambda ring: ring.change("x:3", AccountStatus.DELETED), "deleted"),
        (lambda ring: ring.delete("p:3", "x:3"), "deleted"),
        (lambda ring: ring.delete("p:3", "x:3", edited=True), "edited"),
    ],
)
def test_the_reason_is_why_the_post_left(ring, client, act: Callable[[Ring], None], reason) -> None:
    act(ring)
    assert [line["reason"] for line in asked(client, "tweets", [post_of("p:3", "x:3")])] == [reason]


def test_a_newer_unlike_does_not_hide_why_the_post_left(ring, client) -> None:
    ring.delete("p:3", "x:3", edited=True)
    ring.unlike("x:2", "p:3")
    assert [line["reason"] for line in asked(client, "tweets", [post_of("p:3", "x:3")])] == ["edited"]


def test_a_post_that_only_lost_a_like_stays(ring, client) -> None:
    ring.unlike("x:2", "p:3")
    ring.leave("x:10")
    assert asked(client, "tweets", [post_of("p:3", "x:3")]) == []


def test_who_came_back_and_is_shared_again_is_not_listed(ring, client) -> None:
    ring.leave("x:3", "x:4")
    ring.come_back("x:3")
    ids = {"tweets": [post_of("p:3", "x:3"), post_of("p:4", "x:4")], "users": [user("x:3"), user("x:4")]}
    for type_, (back, gone) in ids.items():
        assert [line["id"] for line in asked(client, type_, [back, gone])] == [gone]


def test_whoever_left_again_is_listed_with_the_newest_reason(ring, client) -> None:
    ring.leave("x:3")
    ring.come_back("x:3")
    ring.change("x:3", AccountStatus.SUSPENDED)
    for type_, id_ in {"tweets": post_of("p:3", "x:3"), "users": user("x:3")}.items():
        assert [line["reason"] for line in asked(client, type_, [id_])] == ["suspended"]


@pytest.mark.parametrize("type_", ["tweets", "users"])
def test_both_forms_of_an_id_are_answered_as_they_were_asked(ring, client, type_) -> None:
    ring.leave("x:3")
    plain = post_of("p:3", "x:3") if type_ == "tweets" else user("x:3")
    asked_ids = {plain, plain.upper(), str(int(plain, 16)), "0" + str(int(plain, 16))[:38]}
    padded = f"\ufeff{plain}\r\n\r\n  {plain.upper()} \n{int(plain, 16)}\n0{str(int(plain, 16))[:38]}\n{plain}"
    found = {line["id"] for line in asked(client, type_, [padded])}
    listed = {each for each in asked_ids if each.upper() == plain.upper() or int(each) == int(plain, 16)}
    assert found == listed
    assert len(found) >= 3


people = st.integers(0, 7).map(lambda n: f"x:{n}")
acts = st.one_of(
    *(st.tuples(st.just(what), people) for what in ("deny", "allow", "suspend", "open", "delete", "edit", "unlike")),
    st.tuples(st.just("recall"), people),
    st.tuples(st.just("build"), people),
)


def do(ring: Ring, what: str, who: str) -> None:
    n = int(who.removeprefix("x:"))
    if what in {"deny", "allow"}:
        ring.world.say(who, choice=Choice(what))
    elif what in {"suspend", "open"}:
        ring.change(who, AccountStatus.SUSPENDED if what == "suspend" else AccountStatus.ACTIVE)
    elif what in {"delete", "edit"}:
        ring.delete(f"p:{n}", who, edited=what == "edit")
    elif what == "unlike":
        ring.unlike(who, f"p:{(n + 1) % 8}")
    else:
        {"recall": ring.recall, "build": ring.build}[what]()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acts, min_size=3, max_size=12), st.integers(2, 30))
def test_an_id_is_in_the_result_if_and_only_if_it_left_and_is_not_there_any_more(tmp_path, history, file_rows) -> None:
    ring = make_ring(tmp_path / f"home-{next(_homes)}", "", 8, file_rows)
    try:
        for what, who in history:
            do(ring, what, who)
        ring.recall()
        for type_, ever, gone in (
            (JobType.TWEETS, ring.ever_posts | ring.ever_liked, ring.gone_posts()),
            (JobType.USERS, ring.ever_users, ring.gone_users()),
        ):
            for form in Form:
                upload, target = tmp_path / "ids", tmp_path / "found"
                upload.write_text("\n".join(written(each, form) for each in [*sorted(ever), "0" * 31 + "7"]))
                count = compliance_results.answer(ring.house, "acme", type_, upload, target, lambda: None)
                found = [json.loads(line)["id"] for line in target.read_text().splitlines()]
                assert found == sorted(written(each, form) for each in gone)
                assert count == len(found)
    finally:
        ring.house.database.dispose()


def test_a_license_of_another_recipient_is_not_looked_at(any_ring) -> None:
    any_ring.leave("x:3")
    with transaction(any_ring.house.database) as conn:
        parties.add_recipient(conn, "other", "Other", any_ring.clock.now())
        other = parties.issue_token(conn, "other", any_ring.clock.now() + timedelta(days=1))
    with served(any_ring) as address, client_of(any_ring, address) as client:
        job = created(client)
        client.headers["Authorization"] = f"Bearer {other}"
        assert asked(client, "tweets", [post_of("p:3", "x:3")]) == []
        assert problem(client.get(f"{JOBS}/{job['id']}"), 404).startswith("Could not find compliance job")
        assert [each["id"] for each in client.get(JOBS, params={"type": "tweets"}).json()["data"]] != [job["id"]]


def test_what_was_withdrawn_before_the_upload_is_waited_for(any_ring) -> None:
    with served(any_ring) as address, client_of(any_ring, address) as client:
        any_ring.world.say("x:3")
        job = created(client)
        assert sent(job, post_of("p:3", "x:3").encode()).status_code == 200
        for _ in range(20):
            assert client.get(f"{JOBS}/{job['id']}").json()["data"]["status"] == "in_progress"
            assert problem(httpx.get(job["download_url"]), 404).startswith("the job is in_progress")
        any_ring.recall()
        assert ended(client, job)["status"] == "complete"
        assert [line["reason"] for line in lines(job)] == ["opted_out"]


def test_a_recall_that_never_comes_fails_the_job(ring, client) -> None:
    ring.world.say("x:3")
    job = created(client)
    sent(job, post_of("p:3", "x:3").encode())
    ring.clock.ahead = timedelta(minutes=16)
    found = ended(client, job)
    assert (found["status"], found["error"]) == (
        "failed",
        "rows are still being withdrawn: send the ids again later",
    )


def test_a_license_that_awaits_a_build_keeps_no_job_waiting(ring, client) -> None:
    ring.leave("x:3")
    text = NOTICE.replace('"x-2024-11-15"', '"next"').replace("effective = 2024-11-15", "effective = 2025-01-01")
    notice = parse_notice(text, "next")
    with transaction(ring.house.database) as conn:
        facts.publish_notice(conn, "next", digest(notice), notice.effective, text, ring.clock.now())
    assert [line["reason"] for line in asked(client, "tweets", [post_of("p:3", "x:3")])] == ["opted_out"]


def test_a_job_is_shown_as_x_shows_it(client) -> None:
    job = created(client, name="nightly", resumable=False)
    assert set(job) == {
        *("id", "type", "name", "status", "resumable", "created_at", "estimated_completion"),
        *("upload_url", "upload_expires_at", "download_url", "download_expires_at"),
    }
    assert (job["type"], job["name"], job["status"], job["resumable"]) == ("tweets", "nightly", "created", False)
    assert len(job["id"]) == 19
    assert int(job["id"]) < 2**63
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    times = {name: datetime.strptime(job[name], form).replace(tzinfo=UTC) for name in job if name.endswith("_at")}
    assert times["upload_expires_at"] - times["created_at"] == timedelta(minutes=15)
    assert times["download_expires_at"] - times["created_at"] == timedelta(days=7)
    assert client.get(f"{JOBS}/{job['id']}").json()["data"]["id"] == job["id"]


def test_jobs_are_listed_by_type_and_status_newest_first(any_ring) -> None:
    with served(any_ring) as address, client_of(any_ring, address) as client:
        assert client.get(JOBS, params={"type": "users"}).json() == {"data": [], "meta": {"result_count": 0}}
        first, second, other = created(client), created(client), created(client, "users")
        sent(first, b"1")
        ended(client, first)

        def listed(**params: str) -> list[str]:
            answer = client.get(JOBS, params=params).json()
            assert answer["meta"]["result_count"] == len(answer["data"])
            return [job["id"] for job in answer["data"]]

        assert listed(type="tweets") == [second["id"], first["id"]]
        assert listed(type="users") == [other["id"]]
        assert listed(type="tweets", status="complete") == [first["id"]]
        assert listed(type="tweets", status="created") == [second["id"]]
        assert listed(type="tweets", status="in_progress") == listed(type="tweets", status="failed") == []


def test_a_caller_gets_the_fields_they_ask_for(client) -> None:
    fields = {"compliance_job.fields": "status,upload_url"}
    answer = client.post(JOBS, json={"type": "tweets"}, params=fields).json()["data"]
    assert set(answer) == {"id", "status", "upload_url"}
    (listed,) = client.get(JOBS, params={"type": "tweets", **fields}).json()["data"]
    assert set(listed) == {"id", "status", "upload_url"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b"{}", "$.type: is not one of [tweets,users]"),
        (b'{"type": "likes"}', "$.type: is not one of [tweets,users]"),
        (b'{"type": ["tweets"]}', "$.type: is not one of [tweets,users]"),
        (b'{"type": "users", "more": 1}', "$.more: is not defined in the schema"),
        (b'{"type": "users", "name": 1}', "$.name: is not text of at most 64 characters"),
        (b'{"type": "users", "name": "' + b"n" * 65 + b'"}', "$.name: is not text of at most 64 characters"),
        (b'{"type": "users", "resumable": true}', "$.resumable: only false is supported; send the ids in one request"),
        (b" " * 20_000, "the body is too long"),
    ],
)
def test_a_bad_wish_is_refused(client, body, detail) -> None:
    answer = client.post(JOBS, content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 400) == detail


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("", {}, 400),
        ("", {"type": "likes"}, 400),
        ("", {"type": "users", "status": "expired"}, 400),
        ("", {"type": "users", "more": "1"}, 400),
        ("", {"type": "users", "compliance_job.fields": "id,secret"}, 400),
        ("/abc", {}, 400),
        ("/" + "1" * 20, {}, 400),
        ("/" + "9" * 19, {}, 400),
        ("/1234567890123456789", {}, 404),
    ],
)
def test_a_bad_question_is_refused(client, path, params, status) -> None:
    problem(client.get(JOBS + path, params=params), status)


@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_learn_nothing(client, method) -> None:
    for token in ("", "Basic YWNtZTp4", "Bearer licet_wrong"):
        client.headers["Authorization"] = token
        answer = client.request(method, JOBS, params={"type": "tweets"})
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("which", ["upload_url", "download_url"])
def test_an_address_opens_what_it_was_signed_for_and_nothing_else(ring, client, which) -> None:
    job, other = created(client), created(client)
    sent(job, b"1")
    ended(client, job)
    url = job[which]
    forged = [
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.replace(job["id"], other["id"]),
        url.replace("expires=", "expires=9"),
        url.partition("?")[0],
        url.replace("/upload", "/swapped").replace("/download", "/upload").replace("/swapped", "/download"),
    ]
    method = {"upload_url": "PUT", "download_url": "GET"}
    for each in forged:
        verb = "PUT" if "/upload" in each else "GET"
        assert problem(httpx.request(verb, each), 403).startswith("the address is not signed by this server")
    ring.clock.ahead = timedelta(days=8)
    assert problem(httpx.request(method[which], url), 403).startswith("the address has expired")


def test_addresses_end_when_access_is_revoked(ring, client) -> None:
    job, fresh = created(client), created(client)
    sent(job, b"1")
    ended(client, job)
    with transaction(ring.house.database) as conn:
        credentials.revoke(conn, "acme", ring.clock.now())
    for verb, url in (("PUT", fresh["upload_url"]), ("GET", job["download_url"])):
        assert problem(httpx.request(verb, url), 403).startswith("the address was given out before access was revoked")


def test_addresses_are_bound_to_the_recipients_networks(ring, client) -> None:
    job = created(client)
    with transaction(ring.house.database) as conn:
        credentials.allow(conn, "acme", [ip_network("192.0.2.0/24")])
    assert problem(sent(job, b"1"), 403).startswith("this address is in none of the networks")


def test_addresses_lie_where_the_proxy_is(ring) -> None:
    with served(ring, public_url="https://data.example/") as address, client_of(ring, address) as client:
        job = created(client)
        assert {urlsplit(job[name]).netloc for name in ("upload_url", "download_url")} == {"data.example"}


def test_addresses_count_among_the_recipients_requests(ring) -> None:
    with served(ring, rate=0.001, burst=3) as address, client_of(ring, address) as client:
        job = created(client)
        assert sent(job, b"1").status_code == 200
        problem(httpx.get(job["download_url"] + "0"), 403)
        assert httpx.get(job["download_url"]).status_code in {200, 404}
        assert problem(httpx.get(job["download_url"]), 429).startswith("too many requests")


def test_ids_may_come_in_chunks(ring, client) -> None:
    ring.leave("x:3")
    job = created(client)
    gone = post_of("p:3", "x:3")
    parts = [f"{n}\n".encode() for n in range(1000)] + [gone[:7].encode(), gone[7:].encode(), b"\n"]
    assert sent(job, iter(parts)).status_code == 200
    assert ended(client, job)["status"] == "complete"
    assert [line["id"] for line in lines(job)] == [gone]


def test_ids_are_taken_once(client) -> None:
    job = created(client)
    assert sent(job, b"1").status_code == 200
    assert problem(sent(job, b"2"), 409) == "this job has its ids: create another job"


@pytest.mark.parametrize("chunked", [True, False])
def test_too_many_ids_are_refused_and_not_kept(ring, client, monkeypatch, chunked) -> None:
    monkeypatch.setattr(compliance_jobs, "UPLOAD_BYTES", 1000)
    job = created(client)
    content = iter([b"1\n" * 250] * 3) if chunked else b"1\n" * 600
    assert problem(sent(job, content), 413) == "more than 1000 bytes of ids: spread them over several jobs"
    assert list(compliance.folder_of(ring.house).iterdir()) == []
    assert client.get(f"{JOBS}/{job['id']}").json()["data"]["status"] == "created"
    assert sent(job, b"1\n" * 500).status_code == 200


def test_ids_that_stop_coming_leave_nothing(ring, client) -> None:
    job = created(client)
    url = urlsplit(job["upload_url"])
    with socket.create_connection((url.hostname, url.port)) as raw:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n"
        raw.sendall(head.encode() + b"1\n" * 1_000_000)
        folder = compliance.folder_of(ring.house)
        while not list(folder.iterdir()):
            time.sleep(0.01)
    while list(folder.iterdir()):
        time.sleep(0.01)
    assert client.get(f"{JOBS}/{job['id']}").json()["data"]["status"] == "created"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"1\n2\n\nx:3\n4", "line 4 of the upload is not an id"),
        (b"id\n1", "line 1 of the upload is not an id"),
        (b'"1"\n', "line 1 of the upload is not an id"),
        (b"1\n1,2\n", "line 2 of the upload is not an id"),
        (b"-1\n", "line 1 of the upload is not an id"),
        (b"1" * 40, "line 1 of the upload is not an id"),
        ("١٢\n".encode(), "line 1 of the upload is not an id"),
        (b"1\n\xff\n", "the upload is not text with one id a line"),
        (b"1\t2\n", "the upload is not text with one id a line"),
        (b"\x1f\x8b\x08\x00\x00\x00", "the upload is not text with one id a line"),
    ],
)
def test_a_line_that_is_no_id_fails_the_job(client, content, error) -> None:
    job = created(client)
    assert sent(job, content).status_code == 200
    found = ended(client, job)
    assert (found["status"], found["error"]) == ("failed", error)
    problem(httpx.get(job["download_url"]), 404)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"9" * 39])
def test_a_job_about_nothing_is_complete_and_empty(client, content) -> None:
    job = created(client)
    sent(job, content)
    assert ended(client, job)["status"] == "complete"
    assert lines(job) == []


def test_a_job_before_the_first_build_is_complete_and_empty(house) -> None:
    with transaction(house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", datetime.now(UTC))
        token = parties.issue_token(conn, "acme", datetime.now(UTC) + timedelta(days=1))
        facts.grant_license(conn, LICENSE, b"k" * 32, datetime.now(UTC))
    ring = Ring(world=World(house=house, posts=(), likes=()), token=token)
    with served(ring) as address, client_of(ring, address) as client:
        assert asked(client, "tweets", ["1"]) == []


def test_a_job_without_ids_expires(ring, client) -> None:
    job = created(client)
    ring.clock.ahead = timedelta(minutes=15)
    assert client.get(f"{JOBS}/{job['id']}").json()["data"]["status"] == "expired"
    assert client.get(JOBS, params={"type": "tweets", "status": "created"}).json()["data"] == []
    problem(sent(job, b"1"), 403)


def test_a_result_expires_and_is_deleted(ring, client) -> None:
    job = created(client)
    sent(job, b"1")
    ended(client, job)
    path = compliance.result_path(ring.house, int(job["id"]))
    assert path.exists()
    ring.clock.ahead = timedelta(days=7)
    assert client.get(f"{JOBS}/{job['id']}").json()["data"]["status"] == "expired"
    later = created(client)
    sent(later, b"1")
    ended(client, later)
    while path.exists():
        time.sleep(0.01)


def test_uploads_are_private_and_go_with_the_answer(ring, client) -> None:
    job = created(client)
    sent(job, b"1")
    ended(client, job)
    folder = compliance.folder_of(ring.house)
    assert folder.stat().st_mode & 0o077 == 0
    while [path.name for path in folder.iterdir()] != [f"{job['id']}.ndjson"]:
        time.sleep(0.01)


def test_several_jobs_of_one_recipient_run_and_more_are_refused(client, monkeypatch) -> None:
    monkeypatch.setattr(compliance_jobs, "MOST_UNFINISHED", 3)
    jobs = [created(client) for _ in range(3)]
    answer = client.post(JOBS, json={"type": "users"})
    assert problem(answer, 429).startswith("3 jobs wait")
    assert int(answer.headers["retry-after"]) > 0
    for job in jobs:
        assert sent(job, b"1").status_code == 200
    assert {ended(client, job)["status"] for job in jobs} == {"complete"}
    created(client)


def test_a_lost_file_of_keys_fails_the_job_and_not_those_after_it(ring, client) -> None:
    ring.leave("x:3")
    (keys,) = (ring.world.folder(Table.POSTS) / "_keys").iterdir()
    aside = keys.rename(keys.with_suffix(".aside"))
    job = created(client)
    sent(job, post_of("p:3", "x:3").encode())
    found = ended(client, job)
    assert (found["status"], found["error"]) == ("failed", "the job could not be answered: ask the operator")
    aside.rename(keys)
    assert len(asked(client, "tweets", [post_of("p:3", "x:3")])) == 1


def test_files_that_vanish_while_they_are_read_are_found_again(ring, monkeypatch, tmp_path) -> None:
    """A recall rewrites files between the listing and the reading of a version."""
    ring.leave("x:3")
    listed = compliance_results._Asked._files
    once = iter([True])

    def files(asked: object, *args: object) -> list[str]:
        found = listed(asked, *args)  # type: ignore[arg-type]
        if next(once, False):
            ring.leave("x:5")
        return found

    monkeypatch.setattr(compliance_results._Asked, "_files", files)
    upload, target = tmp_path / "ids", tmp_path / "found"
    upload.write_text("\n".join(sorted(ring.ever_posts)))
    compliance_results.answer(ring.house, "acme", JobType.TWEETS, upload, target, lambda: None)
    assert [json.loads(line)["id"] for line in target.read_text().splitlines()] == [post_of("p:3", "x:3")]
    assert next(once, None) is None


KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
from licet.store import compliance_results
from licet.store.house import open_house
from licet.store.database import lease, reading
from licet.store import compliance
from licet.protocol.compliance import JobType

house = open_house(pathlib.Path(sys.argv[2]), sys.argv[3])
with reading(house.database) as conn:
    (waiting,) = compliance.pending(conn)
instant, die = sys.argv[4], lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if instant == "writing":
    written = compliance_results.result_line
    lines = iter([1])
    compliance_results.result_line = lambda *args: written(*args) if next(lines, 0) else die()
elif instant == "naming":
    pathlib.Path.replace = die
elif instant == "named":
    compliance_results.sync_folder = die
with lease(house.database, "compliance jobs"):
    compliance_results.answer(
        house, "acme", waiting.job.type, compliance.folder_of(house) / waiting.upload,
        compliance.result_path(house, waiting.job.job_id), lambda: die() if instant == "reading" else None,
    )
"""


@pytest.mark.parametrize("instant", ["reading", "writing", "naming", "named"])
def test_a_job_whose_worker_was_killed_is_answered_whole_by_the_next(any_ring, database_url, tmp_path, instant) -> None:
    any_ring.leave("x:3", "x:4", "x:5")
    ids = [post_of(f"p:{n}", f"x:{n}") for n in range(12)]
    with transaction(any_ring.house.database) as conn:
        job = compliance.open_job(conn, "acme", JobType.TWEETS, "", any_ring.clock.now())
    upload = compliance.Upload.open(any_ring.house, job.job_id)
    upload.write("\n".join(ids).encode())
    with transaction(any_ring.house.database) as conn:
        assert compliance.begin(conn, job.job_id, upload.keep(), any_ring.clock.now())
    upload.close()
    here = str(pathlib.Path(__file__).parent)
    arguments = [sys.executable, "-c", KILLED, here, str(tmp_path / "home"), database_url, instant]
    assert subprocess.run(arguments, check=False, timeout=120).returncode == -signal.SIGKILL
    with reading(any_ring.house.database) as conn:
        assert [each.job.job_id for each in compliance.pending(conn)] == [job.job_id]
    with served(any_ring) as address, client_of(any_ring, address) as client:
        found = ended(client, {"id": job.job_id})
        assert found["status"] == "complete"
        assert {line["id"] for line in lines(found)} == set(ids[3:6])
        folder = compliance.folder_of(any_ring.house)
        while [path.name for path in folder.iterdir()] != [f"{job.job_id}.ndjson"]:
            time.sleep(0.01)


def test_a_server_that_stops_leaves_its_job_to_the_next(ring) -> None:
    ring.world.say("x:3")  # nobody recalls, so the job cannot end
    with served(ring) as address, client_of(ring, address) as client:
        job = created(client)
        sent(job, post_of("p:3", "x:3").encode())
    ring.recall()
    with served(ring) as address, client_of(ring, address) as client:
        assert ended(client, job)["status"] == "complete"
        assert len(httpx.get(client.get(f"{JOBS}/{job['id']}").json()["data"]["download_url"]).text.splitlines()) == 1


def test_two_servers_answer_a_job_once(any_ring) -> None:
    any_ring.leave("x:3")
    with (
        served(any_ring) as one,
        served(any_ring) as two,
        client_of(any_ring, one) as first,
        client_of(any_ring, two) as second,
    ):
        jobs = [created(client) for client in (first, second) for _ in range(3)]
        for job in jobs:
            sent(job, post_of("p:3", "x:3").encode())
        for job in jobs:
            ended(first, job)
            assert [line["reason"] for line in lines(job)] == ["opted_out"]
