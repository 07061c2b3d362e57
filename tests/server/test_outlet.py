"""Recipients fetch from an object store: by addresses that die with what they name, each of them on record."""

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import delta_sharing
import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select
from tests.server.conftest import Scene

from licet.model.errors import UsageError
from licet.model.licenses import LicenseId
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.recall.worker import Worker
from licet.server import app
from licet.server import outlet as module
from licet.server.desk import ServerOptions
from licet.server.outlet import OutletWorker
from licet.server.serve import serve
from licet.store import credentials, parties, tables
from licet.store.bucket import Bucket
from licet.store.database import reading, transaction
from licet.store.outlet import Outlet

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "store"))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "recall"))

from guarded_s3 import GuardedS3, guarded_s3
from recall_world import KEY, LICENSE, NOW, PURPOSE, make_world, usual

POSTS = "/shares/acme-2025/schemas/licensed/tables/posts"
Serving = Callable[..., contextlib.AbstractContextManager[str]]


@pytest.fixture(scope="module")
def store() -> Iterator[GuardedS3]:
    with guarded_s3() as running:
        yield running


@pytest.fixture
def url(store: GuardedS3, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, which the environment says how to reach."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    yield f"s3://{store.make(f'served-{abs(hash(request.node.nodeid))}')}/files"
    store.refuse()


@pytest.fixture
def scene(scene: Scene, url: str) -> Scene:
    """A house with an outlet, to which nothing was copied yet."""
    scene.house = replace(scene.house, outlet=Outlet(Bucket.open(url), scene.house.database, scene.house.shared))
    return scene


@pytest.fixture
def living(tmp_path: pathlib.Path, url: str) -> Iterator[Scene]:
    """A house built from records, with an outlet."""
    house = make_world(tmp_path / "living", "", *usual(), file_rows=2).house
    with transaction(house.database) as conn:
        token = parties.issue_token(conn, LICENSE.recipient_id, NOW + timedelta(days=1))
    outlet = Outlet(Bucket.open(url), house.database, house.shared)
    yield Scene(house=replace(house, outlet=outlet), license=LICENSE, token=token, now=NOW)
    house.database.dispose()


def files(answer: httpx.Response) -> list[dict]:
    """Give the lines of an answer that have addresses."""
    lines = [json.loads(line) for line in answer.raise_for_status().text.splitlines()]
    return [line[kind] for line in lines for kind in ("file", "add", "cdf", "remove") if kind in line]


def deliveries(scene: Scene) -> list[tuple[str, str, int, int]]:
    c = tables.delivery.c
    with reading(scene.house.database) as conn:
        query = select(c.recipient_id, c.record_table, c.version, c.bytes).order_by(c.bytes)
        return [tuple(row) for row in conn.execute(query)]


def profile_of(scene: Scene, address: str, folder: pathlib.Path) -> str:
    said = {"shareCredentialsVersion": 1, "endpoint": f"{address}/delta-sharing/", "bearerToken": scene.token}
    path = folder / "recipient.share"
    path.write_text(json.dumps(said))
    return str(path)


@pytest.mark.parametrize("options", [{}, {"use_delta_format": False}, {"use_delta_format": True}])
def test_the_official_client_reads_a_table_from_the_store(scene, address, store, tmp_path, options) -> None:
    before = len(store.requests())
    frame = delta_sharing.load_as_pandas(f"{profile_of(scene, address, tmp_path)}#acme-2025.licensed.posts", **options)
    assert sorted(frame["text"]) == ["text-0-0", "text-0-1", "text-0-2", "text-1-0", "text-1-1"]
    fetched = [each for each in store.requests()[before:] if each.startswith("GET") and "/bucket-" in each]
    assert len({each.rpartition("/")[2] for each in fetched}) == 2


@pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")
@pytest.mark.parametrize("delta", [False, True])
def test_the_official_client_reads_changes_from_the_store(scene, address, tmp_path, delta) -> None:
    scene.recall({0: 1})
    frame = delta_sharing.load_table_changes_as_pandas(
        f"{profile_of(scene, address, tmp_path)}#acme-2025.licensed.posts", starting_version=0, use_delta_format=delta
    )
    deleted = frame[frame["_change_type"] == "delete"]
    assert sorted(deleted["post_id"]) == ["post_id-0-1", "post_id-0-2"]
    assert deleted["text"].isna().all()


def test_giving_out_an_address_counts_as_a_delivery_of_the_whole_file(scene, recipient, store) -> None:
    found = files(recipient.post(f"{POSTS}/query", json={}))
    assert all(each["url"].startswith(f"{store.url}/") for each in found)
    assert deliveries(scene) == sorted(("acme", "posts", 0, each["size"]) for each in found)
    assert {httpx.get(each["url"]).status_code for each in found} == {200}
    assert len(deliveries(scene)) == 2


def test_only_the_addresses_of_the_page_count(scene, recipient) -> None:
    assert len(files(recipient.post(f"{POSTS}/query", json={"maxFiles": 1}))) == 1
    assert len(deliveries(scene)) == 1


def test_removals_come_from_the_store_and_deliver_nothing(scene, recipient, store) -> None:
    scene.recall({0: 1})
    (found,) = files(recipient.post(POSTS.replace("posts", "removals") + "/query", json={}))
    assert found["url"].startswith(f"{store.url}/")
    listed = pq.read_table(io.BytesIO(httpx.get(found["url"]).content))
    assert sorted(listed["post_id"].to_pylist()) == ["post_id-0-1", "post_id-0-2"]
    assert deliveries(scene) == []


def test_an_address_expires_after_the_horizon(scene, serving: Serving) -> None:
    with serving(scene, horizon_s=1) as address:
        headers = {"Authorization": f"Bearer {scene.token}"}
        found = files(httpx.post(f"{address}/delta-sharing{POSTS}/query", json={}, headers=headers))
        while (answer := httpx.get(found[0]["url"])).status_code == 200:
            assert answer.content
    assert answer.status_code == 403
    assert found[0]["size"]


def test_a_horizon_that_no_store_signs_for_is_refused(scene, serving: Serving) -> None:
    with pytest.raises(UsageError, match="604801"), serving(scene, horizon_s=604_801):
        pass


def test_a_server_does_not_start_on_a_bucket_that_keeps_versions(scene, store, url) -> None:
    store.make(url.split("/")[2], "Suspended")
    with pytest.raises(UsageError, match="versions"):
        serve(scene.house, "127.0.0.1", 0, ServerOptions(secret=b"s" * 32, clock=scene.clock))


def test_the_command_does_not_start_on_a_bucket_that_keeps_versions(tmp_path: pathlib.Path, store, url) -> None:
    store.make(url.split("/")[2], "Enabled")
    command = [
        sys.executable,
        "-m",
        "licet.cli",
        "--home",
        str(tmp_path / "h"),
        "serve",
        "--port",
        "0",
        "--outlet",
        url,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "use a bucket that never had versioning" in " ".join(ended.stderr.split())


def test_what_left_cannot_be_fetched_once_the_next_query_is_answered(scene, recipient) -> None:
    """Also where whoever recalled knew of no outlet."""
    old = files(recipient.post(f"{POSTS}/query", json={}))
    scene.withdraw()
    assert recipient.post(f"{POSTS}/query", json={}).status_code == 503
    scene.recall({0: 1})
    new = files(recipient.post(f"{POSTS}/query", json={}))
    left = [each for each in old if each["id"] not in {kept["id"] for kept in new}]
    assert [httpx.get(each["url"]).status_code for each in left] == [404]
    assert {httpx.get(each["url"]).status_code for each in new} == {200}


@pytest.mark.parametrize("methods", [["POST", "DELETE"], ["PUT"]])
def test_while_the_store_does_not_delete_or_take_anything_the_answer_is_503(scene, recipient, store, methods) -> None:
    """Never the older version."""
    assert len(files(recipient.post(f"{POSTS}/query", json={}))) == 2
    scene.recall({0: 1})
    store.refuse(*methods)
    for route in (recipient.post(f"{POSTS}/query", json={}), recipient.get(f"{POSTS}/changes?startingVersion=0")):
        assert (route.status_code, route.headers["retry-after"]) == (503, "1")
        assert "bucket-" not in route.text
    store.refuse()
    assert len(files(recipient.post(f"{POSTS}/query", json={}))) == 2


@pytest.mark.usefixtures("scene")
def test_a_store_that_hangs_is_noticed_though_nothing_changed(recipient, store, monkeypatch) -> None:
    monkeypatch.setattr("licet.store.outlet.FRESH_S", 0.05)
    assert len(files(recipient.post(f"{POSTS}/query", json={}))) == 2
    with store.hung():
        while (answer := recipient.post(f"{POSTS}/query", json={})).status_code == 200:
            assert len(files(answer)) == 2  # as it was seen to be less than a moment ago
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_store_that_is_down_makes_a_query_wait_no_longer_than_it_may(living, serving: Serving, store) -> None:
    headers = {"Authorization": f"Bearer {living.token}"}
    path = f"/delta-sharing/shares/{LICENSE.license_id}/schemas/licensed/tables/posts/query"
    with serving(living) as address:
        with store.hung():
            answer = httpx.post(f"{address}{path}", json={}, headers=headers, timeout=30)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert _again(lambda: httpx.post(f"{address}{path}", json={}, headers=headers, timeout=30)).is_success


def test_whoever_waits_for_the_store_keeps_nobody_from_opting_out(living, serving: Serving, store, monkeypatch) -> None:
    monkeypatch.setattr(app, "THREADS", 4)
    headers = {"Authorization": f"Bearer {living.token}"}
    path = f"/delta-sharing/shares/{LICENSE.license_id}/schemas/licensed/tables/posts/query"
    answered: list[int] = []

    def ask(address: str) -> None:
        answered.append(httpx.post(f"{address}{path}", json={}, headers=headers, timeout=90).status_code)

    with serving(living, wait_s=60) as address:
        with store.hung():
            waiting = [threading.Thread(target=ask, args=(address,)) for _ in range(8)]
            for thread in waiting:
                thread.start()
            for _ in range(20):
                httpx.post(f"{address}/sign-in", json={"member_id": "x:1"}, timeout=90).raise_for_status()
                threading.Event().wait(0.01)
            assert answered == []
        for thread in waiting:
            thread.join()
    assert set(answered) <= {200, 503}


def _again(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask until the answer is another than 503."""
    while (answer := ask()).status_code == 503:
        assert answer.headers["retry-after"]
    return answer


def test_an_opt_out_reaches_addresses_given_out_before(living, serving: Serving) -> None:
    """The member opts out; the next query that is answered is without them, and no earlier address has them."""
    headers = {"Authorization": f"Bearer {living.token}"}
    path = f"/delta-sharing/shares/{LICENSE.license_id}/schemas/licensed/tables"
    gone = member_secrets(KEY, "x:3")[0]
    with serving(living, wait_s=30) as address, httpx.Client(base_url=address, timeout=60) as client:
        old = [
            each
            for name in ("posts", "likes")
            for each in files(client.post(f"{path}/{name}/query", json={}, headers=headers))
        ]
        assert any(gone in members(httpx.get(each["url"])) for each in old)
        client.post("/sign-in", json={"member_id": "x:3"}).raise_for_status()
        with Worker(living.house, clock=living.clock):
            client.put(f"/settings/{PURPOSE}", json={"choice": "deny"}).raise_for_status()
            new = files(client.post(f"{path}/posts/query", json={}, headers=headers))
            answers = [httpx.get(each["url"]) for each in old]
        assert 404 in {answer.status_code for answer in answers}
        assert not any(gone in members(answer) for answer in answers if answer.is_success)
        assert not any(gone in members(httpx.get(each["url"])) for each in new)


def members(answer: httpx.Response) -> set[str]:
    """Give everybody whom a file names."""
    rows = pq.read_table(io.BytesIO(answer.raise_for_status().content)).to_pylist()
    return {str(row.get(name)) for row in rows for name in ("author_id", "actor_id", "post_author_id")}


def test_law_no_answer_begun_after_an_acknowledged_opt_out_leads_to_the_member(living, serving: Serving) -> None:
    """While members leave and a recall runs, whatever an answer's addresses give was not out when it was asked for."""
    out: set[str] = set()
    found: list[set[str]] = []
    path = f"/delta-sharing/shares/{LICENSE.license_id}/schemas/licensed/tables"

    def leave(address: str) -> None:
        with httpx.Client(base_url=address, timeout=60) as client:
            for n in range(10):
                _until(lambda read=n + 1: len(found) >= read)
                client.post("/sign-in", json={"member_id": f"x:{n}"}).raise_for_status()
                client.put(f"/settings/{PURPOSE}", json={"choice": "deny"}).raise_for_status()
                out.add(member_secrets(KEY, f"x:{n}")[0])

    def read(client: httpx.Client) -> None:
        for name in ("posts", "likes"):
            told = set(out)
            answer = client.post(f"{path}/{name}/query", json={})
            for each in files(answer) if answer.status_code != 503 else []:
                content = httpx.get(each["url"])
                if content.status_code != 404:
                    found.append(members(content) & told)

    headers = {"Authorization": f"Bearer {living.token}"}
    with serving(living, wait_s=30) as address, Worker(living.house, clock=living.clock):
        leaving = threading.Thread(target=leave, args=(address,))
        leaving.start()
        with httpx.Client(base_url=address, headers=headers, timeout=90) as client:
            while leaving.is_alive():
                read(client)
            read(client)
    assert len(out) == 10
    assert [each for each in found if each] == []


def test_the_worker_copies_unasked_and_ends_addresses_when_access_is_revoked(living, monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    outlet = living.house.outlet
    worker = OutletWorker(living.house, outlet, living.clock)
    worker.start()
    try:
        _until(lambda: outlet.is_full(LICENSE.license_id))
        generations = _generations(living)
        with transaction(living.house.database) as conn:
            credentials.revoke(conn, LICENSE.recipient_id, NOW)
        _until(lambda: _generations(living).isdisjoint(generations) and outlet.is_full(LICENSE.license_id))
        assert len(_generations(living)) == 1
    finally:
        worker.stop()


def test_the_worker_deletes_what_somebody_took_out_who_knew_of_no_outlet(scene, recipient, monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    old = files(recipient.post(f"{POSTS}/query", json={}))
    worker = OutletWorker(scene.house, scene.house.outlet, scene.clock)
    worker.start()
    try:
        scene.recall({0: 1})
        _until(lambda: sorted(httpx.get(each["url"]).status_code for each in old) == [200, 404])
    finally:
        worker.stop()


def _generations(scene: Scene) -> set[str]:
    return {key.split("/")[1] for key in scene.house.outlet._bucket.listing(LICENSE.license_id)}


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        threading.Event().wait(0.01)


def test_the_worker_outlives_a_store_in_trouble(living, store, monkeypatch, caplog) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(module, "SWEEP_S", 0.01)
    outlet = living.house.outlet
    store.refuse("GET", "HEAD", "PUT")
    worker = OutletWorker(living.house, outlet, living.clock)
    worker.start()
    try:
        _until(lambda: len(caplog.records) > 2)
        store.refuse()
        _until(lambda: outlet.is_full(LICENSE.license_id))
    finally:
        worker.stop()
    assert "bucket-" not in caplog.text
    assert "SlowDown" in caplog.text


def test_one_license_in_the_outlet_says_nothing_of_another(scene, recipient, another_license) -> None:
    (mine, other) = (scene.license.license_id, LicenseId(another_license.license_id))
    files(recipient.post(f"{POSTS}/query", json={}))
    outlet = scene.house.outlet
    assert (outlet.is_full(mine), outlet.is_full(other)) == (True, False)
    assert {key.split("/")[0] for key in outlet._bucket.listing("")} == {mine}
    assert Table.POSTS in another_license.tables
