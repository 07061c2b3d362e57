"""What a recipient is told of its recalls over HTTP, and what it may say; a suspended license silences nobody."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from debts import Debts
from recipient import Recipient, receiving
from sqlalchemy import event

from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.attestation import MOST, Refusal, key_id_of
from licet.store import attestations, facts, parties
from licet.store.database import reading, transaction

LICENSE = "acme-2025"


@dataclass
class Hand:
    """The hand that moves the clock by which the server goes."""

    scene: Any

    @property
    def now(self) -> datetime:
        return self.scene.now

    def __call__(self) -> datetime:
        return self.scene.now

    def go(self, **by: float) -> datetime:
        self.scene.now += timedelta(**by)
        return self.scene.now


@pytest.fixture
def debts(scene) -> Debts:
    """Debts of the served license, whose posts were delivered."""
    made = Debts(scene.house, Hand(scene), versions={(LICENSE, Table.POSTS): 0, (LICENSE, Table.LIKES): 0})  # type: ignore[arg-type]
    made.deliver(LICENSE)
    return made


@pytest.fixture
def signer(debts) -> Iterator[Recipient]:
    """A recipient with a registered key."""
    with receiving(debts.clock) as one:
        debts.register(one)
        yield one


@pytest.fixture
def client(scene, address) -> Iterator[httpx.Client]:
    """The recipient's plain HTTP client."""
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "acme", scene.now + timedelta(days=60))
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30) as one:
        yield one


@pytest.fixture
def stranger(scene, address) -> Iterator[httpx.Client]:
    """Another recipient's client."""
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "other", scene.now + timedelta(days=60))
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30) as one:
        yield one


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["errorCode"] == code
    return str(answer.json()["message"])


def attestation(client: httpx.Client, signer: Recipient, debts: Debts, name: str) -> dict[str, Any]:
    """Sign what the feed says of a recall."""
    return signer.attest(client.get(f"/recalls/{name}").json()["data"], debts.clock())


def test_the_feed_is_paged_in_one_order_and_a_cursor_acknowledges_what_it_passed(debts, client) -> None:
    names = [debts.withdraw(LICENSE) for _ in range(5)]
    debts.chase()
    seen, cursor = [], ""
    while True:
        answer = client.get("/recalls", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [each["data"]["recall_id"] for each in answer["recalls"]]
        cursor = answer["cursor"]
        if not answer["more"]:
            break
    debts.chase()
    assert seen == names
    assert [debts.state(name) for name in names] == [State.ACKNOWLEDGED] * 4 + [State.NOTIFIED]
    empty = client.get("/recalls", params={"cursor": cursor}).json()
    assert empty == {"recalls": [], "cursor": cursor, "more": False}
    debts.chase()
    assert debts.state(names[-1]) is State.ACKNOWLEDGED


def test_what_has_no_notice_yet_is_not_in_the_feed(debts, client) -> None:
    name = debts.withdraw(LICENSE)
    assert client.get("/recalls").json()["recalls"] == []
    refused(client.get(f"/recalls/{name}"), 404, "RESOURCE_DOES_NOT_EXIST")


def test_a_cursor_that_was_never_given_out_acknowledges_nothing_unread(debts, client) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    client.get("/recalls", params={"cursor": "999999"}).raise_for_status()
    debts.chase()
    assert debts.state(name) is State.OPEN


@pytest.mark.parametrize(
    "query", ["cursor=-1", "cursor=x", "cursor=1%00", "cursor=" + "9" * 19, "limit=0", "limit=1001", "limit=x"]
)
def test_a_query_that_means_nothing_is_refused(client, query) -> None:
    assert client.get(f"/recalls?{query}").status_code == 400


def test_asking_again_and_again_writes_nothing(debts, client, scene) -> None:
    debts.withdraw(LICENSE)
    debts.chase()
    cursor = client.get("/recalls").json()["cursor"]
    client.get("/recalls", params={"cursor": cursor}).raise_for_status()
    written: list[str] = []

    def note(_conn, _cursor, statement, *_rest: object) -> None:
        if statement.split()[0] in {"INSERT", "UPDATE", "DELETE"} and "recall" in statement:
            written.append(statement)

    event.listen(scene.house.database, "before_cursor_execute", note)
    for _ in range(3):
        client.get("/recalls", params={"cursor": cursor}).raise_for_status()
        client.get("/recalls").raise_for_status()
    event.remove(scene.house.database, "before_cursor_execute", note)
    assert written == []


def test_an_item_says_what_the_notice_said_and_how_it_stands(debts, client) -> None:
    name = debts.withdraw(LICENSE, Table.POSTS, causes={"opted_out": 3, "deleted": 1})
    debts.chase()
    (item,) = client.get("/recalls").json()["recalls"]
    assert item["type"] == "recall.opened"
    assert item["data"]["tables"][0]["reasons"] == {"deleted": 1, "opted_out": 3}
    assert (item["state"], item["acknowledged_at"]) == ("open", None)
    assert item["data"]["follow"]["changes"][0].startswith("https://data.example/delta-sharing/shares/acme-2025/")
    client.post(f"/recalls/{name}/acknowledgement").raise_for_status()
    debts.chase()
    again = client.get(f"/recalls/{name}").json()
    assert (again["state"], again["data"]) == ("acknowledged", item["data"])
    assert [step["state"] for step in again["steps"]] == ["open", "notified", "acknowledged"]


def test_an_acknowledgement_said_twice_counts_the_first_time(debts, client) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    first = client.post(f"/recalls/{name}/acknowledgement").json()["acknowledged_at"]
    debts.clock.go(hours=1)
    assert client.post(f"/recalls/{name}/acknowledgement").json()["acknowledged_at"] == first
    debts.chase()
    assert debts.steps(name)[-1] == ("acknowledged", "endpoint")


def test_an_attestation_settles_the_debt_and_a_replay_is_named(debts, client, signer) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    said = attestation(client, signer, debts, name)
    answer = client.post(f"/recalls/{name}/attestation", json=said)
    assert (answer.status_code, answer.json()["verdict"]) == (202, "received")
    refused(client.post(f"/recalls/{name}/attestation", json=said), 409, "REPLAYED")
    debts.chase()
    shown = client.get(f"/recalls/{name}").json()
    assert shown["state"] == "closed"
    assert [each["verdict"] for each in shown["attestations"]] == ["accepted"]
    refused(client.post(f"/recalls/{name}/attestation", json=said), 409, "REPLAYED")
    debts.clock.go(seconds=1)
    other = attestation(client, signer, debts, name)
    refused(client.post(f"/recalls/{name}/attestation", json=other), 409, "NOTHING_OWED")


def test_an_attestation_that_the_facts_speak_against_is_refused_by_name_and_not_kept(debts, client, signer) -> None:
    names = [debts.withdraw(LICENSE), debts.withdraw(LICENSE)]
    debts.chase()
    good = attestation(client, signer, debts, names[0])
    words = refused(client.post(f"/recalls/{names[1]}/attestation", json=good), 403, "WRONG_RECALL")
    assert Refusal.WRONG_RECALL in words
    forged = {**good, "signature": attestation(client, signer, debts, names[1])["signature"]}
    refused(client.post(f"/recalls/{names[0]}/attestation", json=forged), 403, "BAD_SIGNATURE")
    signer.key, key = Ed25519PrivateKey.generate(), signer.key
    unknown = attestation(client, signer, debts, names[0])
    refused(client.post(f"/recalls/{names[0]}/attestation", json=unknown), 403, "UNKNOWN_KEY")
    signer.key = key
    with transaction(debts.house.database) as conn:
        attestations.revoke_key(conn, "acme", key_id_of(signer.public_key), debts.clock())
    refused(client.post(f"/recalls/{names[0]}/attestation", json=good), 403, "REVOKED_KEY")
    with reading(debts.house.database) as conn:
        assert attestations.attestations_of(conn, names[0]) == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"x" * (MOST + 1), "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"", "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_is_no_attestation_is_refused(debts, client, content, kind, status) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    answer = client.post(f"/recalls/{name}/attestation", content=content, headers={"content-type": kind})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["", "/acknowledgement", "/attestation", "/keys/x"])
def test_nobody_without_a_token_learns_anything(debts, address, path) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    method = "POST" if "a" in path else "GET"
    assert httpx.request(method, f"{address}/recalls/{name}{path}").status_code == 401
    assert httpx.get(f"{address}/recalls").status_code == 401


def test_anothers_recall_is_not_there(debts, client, stranger, signer) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    said = attestation(client, signer, debts, name)
    file = debts.recall(name).departures[0].keys[0].name
    assert stranger.get("/recalls").json()["recalls"] == []
    for answer in (
        stranger.get(f"/recalls/{name}"),
        stranger.post(f"/recalls/{name}/acknowledgement"),
        stranger.post(f"/recalls/{name}/attestation", json=said),
        stranger.get(f"/recalls/{name}/keys/{file}"),
        client.get("/recalls/nothing"),
        client.get("/recalls/%00"),
        client.get(f"/recalls/{name}/keys/..%2f..%2flicet.db"),
        client.get(f"/recalls/{name}/keys/nothing.parquet"),
    ):
        assert answer.status_code == 404
    debts.chase()
    assert debts.state(name) is State.NOTIFIED, "the stranger acknowledged nothing"


def test_files_of_keys_say_what_has_to_go_and_fetching_all_of_them_acknowledges(debts, client) -> None:
    name = debts.withdraw(LICENSE, Table.POSTS, Table.LIKES, causes={"opted_out": 2})
    debts.chase()
    follow = client.get("/recalls").json()["recalls"][0]["data"]["follow"]
    assert len(follow["keys"]) == 2
    for url in follow["keys"]:
        answer = client.get(url.removeprefix("https://data.example"))
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        table = pq.read_table(io.BytesIO(answer.content))
        assert set(table["_reason"].to_pylist()) == {"opted_out"}
        assert not {"text", "created_at"} & set(table.column_names)
    debts.chase()
    assert debts.steps(name)[-1] == ("acknowledged", "key files")


def test_a_file_of_keys_that_is_gone_is_said_to_be(debts, client, scene) -> None:
    name = debts.withdraw(LICENSE)
    debts.chase()
    (keys,) = debts.recall(name).departures[0].keys
    (scene.house.shared.folder(LICENSE, Table.POSTS) / "_keys" / keys.name).unlink()
    assert client.get(f"/recalls/{name}/keys/{keys.name}").status_code == 410
    debts.chase()
    assert debts.state(name) is not State.ACKNOWLEDGED


def test_an_overdue_license_is_refused_what_it_shares_and_heard_on_what_it_owes(debts, client, signer, scene) -> None:
    share = "/delta-sharing/shares/acme-2025/schemas/licensed/tables/posts/query"

    def asked() -> httpx.Response:
        with reading(scene.house.database) as conn:
            newest = facts.newest_withdrawal(conn)
        scene.checked(newest)
        return client.post(share, json={})

    name = debts.withdraw(LICENSE)
    debts.chase()
    assert asked().status_code == 200
    debts.clock.go(days=1, seconds=1)
    debts.chase()
    assert "suspended" in refused(asked(), 403, "PERMISSION_DENIED")
    follow = client.get("/recalls").json()["recalls"][0]["data"]["follow"]
    assert client.get(follow["keys"][0].removeprefix("https://data.example")).status_code == 200
    said = attestation(client, signer, debts, name)
    assert client.post(f"/recalls/{name}/attestation", json=said).status_code == 202
    debts.chase()
    assert asked().status_code == 200


def test_answers_are_not_to_be_kept_by_anybody_between(debts, client) -> None:
    debts.withdraw(LICENSE)
    debts.chase()
    answer = client.get("/recalls")
    assert answer.headers["cache-control"] == "no-store"
    assert "whsec_" not in json.dumps(answer.json())
