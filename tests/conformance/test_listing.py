"""Behaviors 1 to 14 of the reference server's own tests: who gets in, and what is listed."""

import ast
import re
import uuid
from pathlib import Path

import httpx
import pytest

LISTS = ("/shares", "/shares/acme-1/schemas", "/shares/acme-1/schemas/licensed/tables", "/shares/acme-1/all-tables")


def walk(client: httpx.Client, path: str, size: int) -> list[dict]:
    seen: list[dict] = []
    params: dict[str, object] = {"maxResults": size}
    while True:
        answer = client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert len(answer.text.splitlines()) == 1
        said = answer.json()
        assert len(said.get("items", [])) <= size
        seen += said.get("items", [])
        if not said.get("nextPageToken"):
            return seen
        params["pageToken"] = said["nextPageToken"]


def test_every_behavior_of_the_checklist_has_a_test() -> None:
    """Each says its number first."""
    found = [
        int(number)
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        for number in re.findall(r"Behavior (\d+)", ast.get_docstring(node) or "")
    ]
    assert sorted(set(found)) == list(range(1, 53))


@pytest.mark.parametrize("path", LISTS)
def test_a_wrong_token_does_not_get_in(platform, path) -> None:
    """Behavior 1."""
    answer = httpx.get(f"{platform.address}/delta-sharing{path}", headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("path", LISTS)
def test_nobody_gets_in_without_a_token(platform, path) -> None:
    """Behavior 2."""
    assert httpx.get(f"{platform.address}/delta-sharing{path}").status_code == 401


def test_shares_are_listed_in_order(client) -> None:
    """Behavior 3."""
    items = client.get("/shares").json()["items"]
    assert [item["name"] for item in items] == ["acme-1", "acme-2", "acme-3"]
    assert len({uuid.UUID(item["id"]) for item in items}) == 3


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_a_walk_through_pages_gives_every_share_once(client, size) -> None:
    """Behavior 4."""
    assert walk(client, "/shares", size) == client.get("/shares").json()["items"]


def test_one_share_is_given(client) -> None:
    """Behavior 5; what its license allows stands beside it."""
    share = client.get("/shares/acme-1").json()["share"]
    assert share in client.get("/shares").json()["items"]
    assert share["properties"]["purpose"] == "third_party_training"
    assert all(isinstance(value, str) and len(value) <= 1000 for value in share["properties"].values())


def test_schemas_are_listed(client) -> None:
    """Behavior 6."""
    assert client.get("/shares/acme-1/schemas").json() == {"items": [{"name": "licensed", "share": "acme-1"}]}


def test_tables_are_listed_with_ids(client) -> None:
    """Behavior 7."""
    items = client.get("/shares/acme-1/schemas/licensed/tables").json()["items"]
    assert [item["name"] for item in items] == ["likes", "posts", "removals"]
    assert {(item["share"], item["schema"]) for item in items} == {("acme-1", "licensed")}
    assert len({uuid.UUID(item["id"]) for item in items}) == 3
    share = client.get("/shares/acme-1").json()["share"]["id"]
    assert {item["shareId"] for item in items} == {share}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_walk_through_pages_gives_every_table_once(client, size) -> None:
    """Behavior 8."""
    path = "/shares/acme-1/schemas/licensed/tables"
    assert walk(client, path, size) == client.get(path).json()["items"]


def test_all_tables_are_listed(client) -> None:
    """Behavior 9."""
    tables = client.get("/shares/acme-1/schemas/licensed/tables").json()
    assert client.get("/shares/acme-1/all-tables").json() == tables


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_walk_through_pages_gives_all_tables_once(client, size) -> None:
    """Behavior 10."""
    path = "/shares/acme-1/all-tables"
    assert walk(client, path, size) == client.get(path).json()["items"]


@pytest.mark.parametrize("path", LISTS)
def test_a_size_that_is_no_number_is_refused(client, refusal, path) -> None:
    """Behavior 11."""
    said = refusal(client.get(path, params={"maxResults": "string"}))
    assert said == "expected a number but the string didn't have the appropriate format"
    for size in (-1, 501):
        said = refusal(client.get(path, params={"maxResults": size}))
        assert said == "Acceptable values of 'maxResults' are 0 to 500, inclusive. (Default: 500)"


@pytest.mark.parametrize("path", LISTS)
def test_a_page_token_of_another_resource_is_refused(client, refusal, path) -> None:
    """Behavior 12."""
    tokens = [client.get(each, params={"maxResults": 0}).json()["nextPageToken"] for each in LISTS if each != path]
    other = client.get("/shares/acme-2/schemas/licensed/tables", params={"maxResults": 1}).json()["nextPageToken"]
    for token in (*tokens, other, "nonsense"):
        assert refusal(client.get(path, params={"pageToken": token})) == "invalid 'nextPageToken'"


def test_names_count_without_regard_to_case(client) -> None:
    """Behavior 13."""
    for path in LISTS[1:]:
        loud = path.replace("acme-1", "ACME-1").replace("licensed", "Licensed")
        assert client.get(loud).json() == client.get(path).json()
    for table in ("Posts", "REMOVALS"):
        path = f"/shares/Acme-1/schemas/LICENSED/tables/{table}"
        assert client.get(f"{path}/version").headers["delta-table-version"]
        assert client.post(f"{path}/query", json={}).text.count("\n") > 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/shares/none", "share 'none' not found"),
        ("/shares/none/schemas", "share 'none' not found"),
        ("/shares/none/schemas/licensed/tables", "share 'none' not found"),
        ("/shares/none/all-tables", "share 'none' not found"),
        ("/shares/acme-1/schemas/none/tables", "schema 'none' not found"),
    ],
)
def test_what_is_not_there_is_not_found(client, refusal, path, said) -> None:
    """Behavior 14."""
    assert refusal(client.get(path), "RESOURCE_DOES_NOT_EXIST", 404) == said


@pytest.mark.parametrize("place", [("none", "licensed", "posts"), ("acme-1", "none", "removals"), ("acme-1", "x", "y")])
def test_no_request_for_a_table_finds_what_is_not_there(client, refusal, place) -> None:
    """Behavior 14."""
    share, schema, table = place
    path = f"/shares/{share}/schemas/{schema}/tables/{table}"
    said = (
        f"[Share/Schema/Table] '{share}/{schema}/{table}' does not exist, "
        "please contact your share provider for further information."
    )
    for answer in (
        client.get(f"{path}/version"),
        client.get(f"{path}/metadata"),
        client.post(f"{path}/query", json={}),
        client.get(f"{path}/changes", params={"startingVersion": 0}),
        client.post(f"{path}/temporary-table-credentials", json={}),
    ):
        assert refusal(answer, "RESOURCE_DOES_NOT_EXIST", 404) == said
