"""Every request at the recipients' door is on record, with nothing in it that opens a door or names a member."""

import concurrent.futures
import json
import threading
import time
import warnings
from collections.abc import Callable

import httpx
import pytest

from licet.server.app import create_app
from licet.server.audit import Trail
from licet.server.desk import ServerOptions
from licet.store import audit, credentials
from licet.store.audit import AuditEntry
from licet.store.credentials import Kind
from licet.store.database import reading, transaction

TABLE = "/shares/{share}/schemas/{schema}/tables/{table}"
POSTS = TABLE.format(share="acme-2025", schema="licensed", table="posts")


def recorded(scene) -> list[AuditEntry]:
    with reading(scene.house.database) as conn:
        return audit.requests(conn, scene.now)


def client(scene, url: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {scene.token}"}
    return httpx.Client(base_url=f"{url}/delta-sharing", headers=headers, timeout=30)


def until(answers: Callable[[], object], *, expected: object) -> None:
    """Wait until something is so; it fails a test that it is not so in half a minute."""
    deadline = time.monotonic() + 30
    while answers() != expected:
        assert time.monotonic() < deadline, answers()
        time.sleep(0.01)


def test_a_record_says_who_asked_what_and_what_came_of_it(scene, serving) -> None:
    with serving(scene) as url, client(scene, url) as acme:
        query = acme.post(f"{POSTS}/query", json={})
        file = json.loads(query.text.splitlines()[2])["file"]
        answers = [
            acme.get("/shares"),
            acme.get("/shares/nobody-1"),
            acme.head(POSTS),
            acme.head(f"{POSTS}s"),
            acme.get("/nowhere/at/all"),
            httpx.get(f"{url}/delta-sharing/shares"),
            httpx.get(file["url"], headers={"Range": "bytes=0-9"}),
            httpx.head(file["url"]),
        ]
    (credential,) = _credentials(scene)
    found = recorded(scene)
    assert [entry.status for entry in found] == [query.status_code, *(answer.status_code for answer in answers)]
    assert [entry.bytes for entry in found] == [len(each.content) for each in (query, *answers)]
    assert [(e.method, e.route.removeprefix("/delta-sharing"), e.license_id, e.record_table) for e in found] == [
        ("POST", f"{TABLE}/query", "acme-2025", "posts"),
        ("GET", "/shares", "", ""),
        ("GET", "/shares/{share}", "", ""),
        ("HEAD", TABLE, "acme-2025", "posts"),
        ("HEAD", TABLE, "acme-2025", ""),
        ("GET", "", "", ""),
        ("GET", "/shares", "", ""),
        ("GET", "/files/{license_id}/{table}/{version}/{file}", "acme-2025", "posts"),
        ("HEAD", "/files/{license_id}/{table}/{version}/{file}", "acme-2025", "posts"),
    ]
    acme, stranger, by_address = ("acme", credential), ("", ""), ("acme", "")
    expected = [acme, acme, acme, acme, acme, stranger, stranger, by_address, by_address]
    assert [(entry.recipient_id, entry.credential_id) for entry in found] == expected
    assert {(entry.network, entry.at) for entry in found} == {("127.0.0.0/24", scene.now)}
    assert all(entry.duration_us > 0 for entry in found)


def _credentials(scene) -> list[str]:
    with reading(scene.house.database) as conn:
        return [each.credential_id for each in credentials.credentials(conn, scene.now)]


def test_refusals_are_recorded_with_who_was_refused(scene, serving) -> None:
    with serving(scene, rate=0.01, burst=1) as url, client(scene, url) as acme:
        assert [acme.get("/shares").status_code for _ in range(2)] == [200, 429]
    assert [(entry.recipient_id, entry.status) for entry in recorded(scene)] == [("acme", 200), ("acme", 429)]


def test_an_attempt_on_a_foreign_share_is_on_record(scene, serving, another_license) -> None:
    with serving(scene) as url, client(scene, url) as acme:
        assert acme.get(f"/shares/{another_license.license_id}").status_code == 404
    assert [(entry.recipient_id, entry.license_id) for entry in recorded(scene)] == [("acme", "other-2025")]


def test_no_secret_signature_or_member_is_on_record(scene, serving) -> None:
    """They are sent wherever a client could put them: header, query, path, form and body."""
    with transaction(scene.house.database) as conn:
        oauth = credentials.issue(conn, "acme", Kind.OAUTH, scene.now.replace(year=2030))
    with serving(scene) as url, client(scene, url) as acme:
        acme.post(f"{POSTS}/query", json={"predicateHints": ["author_id = 'x:1'"]})
        query = acme.post(f"{POSTS}/query", json={})
        file = json.loads(query.text.splitlines()[2])["file"]["url"]
        form = {"grant_type": "client_credentials"}
        given = httpx.post(f"{url}/delta-sharing/oauth2/token", data=form, auth=(oauth.credential_id, oauth.secret))
        access = given.json()["access_token"]
        sent = [scene.token, oauth.secret, access, "x:1", file.split("Signature=")[1], file.split("?")[0][-20:]]
        for each in sent:
            acme.get(f"/shares/{each}", params={"pageToken": each}, headers={"X-Forwarded-For": each})
            acme.get(f"/shares/{each}/schemas/{each}/tables/{each}/version", params={"startingTimestamp": each})
            acme.get(f"/{each}", headers={"Authorization": f"Bearer {each}", "User-Agent": each})
        assert httpx.get(file).status_code == 200
    with reading(scene.house.database) as conn:
        rows = [str(row) for row in conn.exec_driver_sql("SELECT * FROM audit_request")]
    assert len(rows) == 4 + 3 * len(sent)
    assert [row for row in rows for each in sent if each in row] == []


def test_every_route_of_recipients_is_recorded_by_its_template(scene, serving) -> None:
    """All under the sharing prefix, and elsewhere each that asks who is there, but not members' own."""
    app = create_app(scene.house, ServerOptions(secret=b"s" * 32))
    with warnings.catch_warnings(action="ignore"):  # how its description names a route is no matter here
        paths = app.openapi()["paths"]
    theirs = []
    with serving(scene, failure_burst=1000) as url:
        for path, methods in paths.items():
            for method, said in methods.items():
                status = httpx.request(method, url + path, timeout=30).status_code
                if path.startswith("/delta-sharing/") or (status == 401 and said.get("tags") != ["settings"]):
                    theirs.append((method.upper(), path, status))
    assert [(entry.method, entry.route, entry.status) for entry in recorded(scene)] == theirs
    assert len(theirs) > 12


def test_what_members_do_is_not_recorded(scene, serving) -> None:
    with serving(scene) as url, httpx.Client(base_url=url) as member:
        member.post("/sign-in", json={"member_id": "x:1"}).raise_for_status()
        member.put("/settings/third_party_training", json={"choice": "deny"}).raise_for_status()
        assert member.get("/delta-sharingly").status_code == 404
    assert recorded(scene) == []


def test_an_error_that_nobody_foresaw_is_recorded(scene, serving) -> None:
    with transaction(scene.house.database) as conn:
        conn.exec_driver_sql("ALTER TABLE watermark RENAME TO lost")
    with serving(scene) as url, client(scene, url) as acme:
        assert acme.post(f"{POSTS}/query", json={}).status_code == 500
    assert [(entry.status, entry.bytes) for entry in recorded(scene)] == [(500, 0)]


def test_a_request_that_cannot_be_recorded_is_refused_but_no_opt_out_is(scene, serving, caplog) -> None:
    """While somebody holds the database, three requests find a place in the queue and the next ones none."""
    with serving(scene, audit_queue=3) as url, client(scene, url) as acme, httpx.Client(base_url=url) as member:
        with transaction(scene.house.database):
            assert [acme.get("/shares").status_code for _ in range(3)] == [200] * 3
            for _ in range(2):
                answer = acme.get("/shares")
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert answer.json()["errorCode"] == "TEMPORARILY_UNAVAILABLE"
            member.post("/sign-in", json={"member_id": "x:1"}).raise_for_status()
        assert member.put("/settings/third_party_training", json={"choice": "deny"}).status_code == 200
        until(lambda: acme.get("/shares/nobody-1").status_code, expected=404)
    statuses = [entry.status for entry in recorded(scene)]
    assert statuses == [200, 200, 200, 404]
    assert sum("queue is full" in record.message for record in caplog.records) >= 1


def test_records_outlive_a_database_that_fails_for_a_while(scene, serving, caplog) -> None:
    with serving(scene) as url, client(scene, url) as acme:
        with transaction(scene.house.database) as conn:
            conn.exec_driver_sql("ALTER TABLE audit_request RENAME TO lost")
        assert acme.get("/shares").status_code == 200
        until(lambda: any("wait for the database" in each.message for each in caplog.records), expected=True)
        with transaction(scene.house.database) as conn:
            conn.exec_driver_sql("ALTER TABLE lost RENAME TO audit_request")
        assert acme.get("/shares").status_code == 200
        until(lambda: len(recorded(scene)), expected=2)


@pytest.mark.parametrize("queue", [5, 10_000])
def test_every_answer_has_its_record_and_every_record_its_answer(scene, serving, queue) -> None:
    """Many ask at once, and the server stops right after: what was promised is written first."""
    with (
        serving(scene, audit_queue=queue, burst=1000) as url,
        client(scene, url) as acme,
        concurrent.futures.ThreadPoolExecutor(16) as pool,
    ):
        statuses = list(pool.map(lambda _: acme.get("/shares").status_code, range(300)))
    assert set(statuses) == ({200, 503} if queue == 5 else {200})
    assert [entry.status for entry in recorded(scene)] == [200] * statuses.count(200)


def test_a_stop_waits_for_what_is_still_being_answered(scene) -> None:
    trail = Trail(scene.house.database, 10)
    trail.start()
    assert trail.promise()
    stopping = threading.Thread(target=trail.stop)
    stopping.start()
    trail._thread.join(0.5)
    assert trail._thread.is_alive()
    entry = AuditEntry(
        at=scene.now,
        recipient_id="acme",
        credential_id="",
        method="GET",
        route="",
        license_id="",
        record_table="",
        status=200,
        bytes=0,
        duration_us=1,
        network="",
    )
    trail.hand_in(entry)
    stopping.join()
    assert recorded(scene) == [entry]
