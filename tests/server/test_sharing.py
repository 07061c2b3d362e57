"""The protocol's routes over real HTTP: lists, versions, queries, and every refusal in the protocol's words."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest

from licet.model.records import Table
from licet.store import parties
from licet.store.database import transaction

POSTS = "/shares/acme-2025/schemas/licensed/tables/posts"


def lines(answer: httpx.Response) -> list[dict]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    said = answer.json()
    assert said["errorCode"] == code
    return said["message"]


@pytest.fixture
def signed_in_long(scene, recipient) -> None:
    """The recipient's token outlives any clock, and so does its license."""
    with transaction(scene.house.database) as conn:
        token = parties.issue_token(conn, "acme", datetime(2200, 1, 1, tzinfo=UTC))
    recipient.headers["Authorization"] = f"Bearer {token}"
    scene.license = replace(scene.license, ends=datetime(2200, 1, 1, tzinfo=UTC))
    scene.change("active")


def test_a_list_is_one_line_of_json(recipient) -> None:
    answer = recipient.get("/shares")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert len(answer.text.splitlines()) == 1
    assert [item["name"] for item in answer.json()["items"]] == ["acme-2025"]


def test_pages_give_every_share_once(recipient, more_licenses) -> None:
    seen, token = [], ""
    while True:
        answer = recipient.get("/shares", params={"maxResults": 2, **({"pageToken": token} if token else {})}).json()
        assert len(answer["items"]) <= 2
        seen += [item["name"] for item in answer["items"]]
        token = answer.get("nextPageToken", "")
        if not token:
            break
    assert seen == ["acme-2025", *more_licenses]


def test_a_page_of_nothing_still_leads_on(recipient) -> None:
    answer = recipient.get("/shares", params={"maxResults": 0}).json()
    assert answer["items"] == []
    answer = recipient.get("/shares", params={"pageToken": answer["nextPageToken"]}).json()
    assert len(answer["items"]) == 1


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"maxResults": "501"}, "Acceptable values of 'maxResults' are 0 to 500, inclusive. (Default: 500)"),
        ({"maxResults": "-1"}, "Acceptable values of 'maxResults' are 0 to 500, inclusive. (Default: 500)"),
        ({"maxResults": "x"}, "expected a number but the string didn't have the appropriate format"),
        ({"pageToken": "x"}, "invalid 'nextPageToken'"),
        ({"pageToken": "WyJvdGhlciIsICJhIl0"}, "invalid 'nextPageToken'"),
    ],
)
def test_paging_is_refused_in_the_protocols_words(recipient, params, words) -> None:
    assert refused(recipient.get("/shares", params=params), 400, "INVALID_PARAMETER_VALUE") == words


def test_share_schema_and_tables_are_found_without_regard_to_case(recipient) -> None:
    assert recipient.get("/shares/ACME-2025").json()["share"]["name"] == "acme-2025"
    assert recipient.get("/shares/Acme-2025/schemas").json() == {"items": [{"name": "licensed", "share": "acme-2025"}]}
    tables = recipient.get("/shares/acme-2025/schemas/LICENSED/tables").json()["items"]
    assert [table["name"] for table in tables] == ["likes", "posts", "removals"]
    assert (
        recipient.get(
            POSTS.upper().replace("SHARES", "shares").replace("/SCHEMAS/", "/schemas/").replace("/TABLES/", "/tables/")
            + "/version"
        ).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/shares/none", "share 'none' not found"),
        ("/shares/none/schemas", "share 'none' not found"),
        ("/shares/none/all-tables", "share 'none' not found"),
        ("/shares/acme-2025/schemas/none/tables", "schema 'none' not found"),
        (POSTS.replace("posts", "none") + "/version", "[Share/Schema/Table] 'acme-2025/licensed/none' does not exist"),
        (POSTS.replace("posts", "reposts") + "/metadata", "[Share/Schema/Table] 'acme-2025/licensed/reposts' does not"),
    ],
)
def test_what_is_unknown_is_not_found(recipient, path, words) -> None:
    assert refused(recipient.get(path), 404, "RESOURCE_DOES_NOT_EXIST").startswith(words)


def test_another_recipients_share_does_not_exist(recipient, another_license) -> None:
    """Refusals do not tell a foreign share from none at all."""
    assert [item["name"] for item in recipient.get("/shares").json()["items"]] == ["acme-2025"]
    foreign, none = POSTS.replace("acme-2025", another_license.license_id), POSTS.replace("acme-2025", "none")
    words = [
        refused(recipient.post(f"{path}/query", json={}), 404, "RESOURCE_DOES_NOT_EXIST") for path in (foreign, none)
    ]
    assert words[0].replace(another_license.license_id, "none") == words[1]


@pytest.mark.parametrize("token", [None, "Bearer", "Bearer wrong", "Basic YTpi"])
def test_nobody_gets_in_without_a_token(address, token) -> None:
    headers = {"Authorization": token} if token else {}
    answer = httpx.get(f"{address}/delta-sharing/shares", headers=headers)
    refused(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_ends(scene, recipient) -> None:
    scene.now += timedelta(days=2)
    refused(recipient.get("/shares"), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(("method", "path"), [("GET", "/version"), ("HEAD", "/version"), ("HEAD", "")])
def test_the_version_is_in_a_header(scene, recipient, method, path) -> None:
    scene.commit({0: 1})
    answer = recipient.request(method, POSTS + path)
    assert (answer.status_code, answer.headers["delta-table-version"], answer.content) == (200, "1", b"")


def test_a_starting_time_after_the_last_version_is_refused(recipient) -> None:
    answer = recipient.get(POSTS + "/version", params={"startingTimestamp": "2300-01-01T00:00:00Z"})
    assert "is after the latest available version" in refused(answer, 400, "INVALID_PARAMETER_VALUE")
    answer = recipient.get(POSTS + "/version", params={"startingTimestamp": "2020-01-01"})
    assert refused(answer, 400, "INVALID_PARAMETER_VALUE").startswith("Invalid startingTimestamp: ")


def test_a_query_lists_files_with_row_counts_only(recipient) -> None:
    protocol, metadata, *files = lines(recipient.post(POSTS + "/query", json={}))
    assert protocol == {"protocol": {"minReaderVersion": 1}}
    assert metadata["metaData"]["numFiles"] == 2
    assert metadata["metaData"]["size"] == sum(line["file"]["size"] for line in files)
    assert sorted(json.loads(line["file"]["stats"])["numRecords"] for line in files) == [2, 3]
    assert all(set(json.loads(line["file"]["stats"])) == {"numRecords"} for line in files)
    again = lines(recipient.post(POSTS + "/query", json={}))[2:]
    assert [line["file"]["id"] for line in again] == [line["file"]["id"] for line in files]


def test_addresses_end_when_they_say(scene, recipient) -> None:
    *_, line = lines(recipient.post(POSTS + "/query", json={}))
    assert line["file"]["expirationTimestamp"] == (scene.now.timestamp() + 3600) * 1000


def test_a_limit_lists_enough_files_unless_there_are_predicates(recipient) -> None:
    assert len(lines(recipient.post(POSTS + "/query", json={"limitHint": 1}))) == 3
    assert len(lines(recipient.post(POSTS + "/query", json={"limitHint": "4"}))) == 4
    hints = {"predicateHints": ["text = 'a'", "not even SQL"], "limitHint": 1}
    assert len(lines(recipient.post(POSTS + "/query", json=hints))) == 4


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (None, "responseformat=parquet"),
        ("responseFormat=PARQUET", "responseformat=parquet"),
        ("responseformat=delta,parquet;readerfeatures=deletionvectors", "responseformat=parquet"),
        ("responseformat=parquet;includeEndStreamAction=true", "responseformat=parquet;includeendstreamaction=true"),
    ],
)
def test_capabilities_are_answered(recipient, asked, answered) -> None:
    headers = {"delta-sharing-capabilities": asked} if asked else {}
    answer = recipient.post(POSTS + "/query", json={}, headers=headers)
    assert answer.headers["delta-sharing-capabilities"] == answered
    assert ("endStreamAction" in lines(answer)[-1]) == ("includeend" in answered)
    assert recipient.get(POSTS + "/metadata", headers=headers).headers["delta-sharing-capabilities"] == answered


def test_delta_format_is_given_to_whoever_asks_for_it_alone(recipient) -> None:
    headers = {"delta-sharing-capabilities": "responseformat=delta;includeendstreamaction=true"}
    answer = recipient.post(POSTS + "/query", json={}, headers=headers)
    assert answer.headers["delta-sharing-capabilities"] == "responseformat=delta;includeendstreamaction=true"
    protocol, metadata, *files, end = lines(answer)
    assert protocol["protocol"]["deltaProtocol"]["minReaderVersion"] == 1
    assert metadata["metaData"]["deltaMetadata"]["configuration"] == {"delta.enableChangeDataFeed": "true"}
    assert [file["file"]["deltaSingleAction"]["add"]["dataChange"] for file in files] == [True, True]
    assert {len(file["file"]["id"]) for file in files} == {64}
    assert set(end["endStreamAction"]) == {"minUrlExpirationTimestamp"}


def test_a_format_that_there_is_not_is_refused(recipient) -> None:
    answer = recipient.get(POSTS + "/metadata", headers={"delta-sharing-capabilities": "responseformat=iceberg"})
    assert "responseformat=parquet" in refused(answer, 400, "UNSUPPORTED_OPERATION")


def test_keys_are_never_null_and_all_else_may_be(recipient) -> None:
    _, metadata = lines(recipient.get(POSTS + "/metadata"))
    fields = json.loads(metadata["metaData"]["schemaString"])["fields"]
    assert [field["name"] for field in fields if not field["nullable"]] == ["post_id", "author_id"]


def test_a_share_says_what_its_license_allows(scene, recipient) -> None:
    (share,) = recipient.get("/shares").json()["items"]
    assert share == recipient.get("/shares/acme-2025").json()["share"]
    assert share["properties"] == {
        "purpose": "third_party_training",
        "starts": scene.license.starts.isoformat(),
        "ends": "2025-03-31T12:00:00+00:00",
        "recall_within_hours": "24",
        "state": "active",
    }
    assert "31 March 2025" in share["displayName"]
    assert "removals" in share["comment"]


def test_file_ids_follow_the_scheme_asked_for(recipient) -> None:
    for scheme, digits in (("parquet", 32), ("Delta", 64)):
        answer = recipient.post(POSTS + "/query", json={}, headers={"fileidhash": scheme})
        assert answer.headers["fileidhash"] == scheme.lower()
        assert len(lines(answer)[2]["file"]["id"]) == digits
    answer = recipient.post(POSTS + "/query", json={}, headers={"fileidhash": "sha1"})
    assert (
        refused(answer, 400, "INVALID_PARAMETER_VALUE") == "Unsupported fileidhash: 'sha1'. Supported: parquet, delta"
    )


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "MALFORMED_REQUEST", "No content to map due to end-of-input"),
        (b"[]", "MALFORMED_REQUEST", "the body is not a JSON object"),
        (b"{", "MALFORMED_REQUEST", "the body is not JSON"),
        (b"[" * 100_000, "MALFORMED_REQUEST", "the body is not JSON"),
        (b'{"version": "9", "limitHint": [1]}', "MALFORMED_REQUEST", "Not a numeric value: [1]"),
        (b'{"version": 1e3}', "MALFORMED_REQUEST", "Not a numeric value: 1000.0"),
        (b'{"version": 99999999999999999999}', "MALFORMED_REQUEST", "Not a numeric value: 99999999999999999999"),
        (b'{"timestamp": 5}', "MALFORMED_REQUEST", "Expected a string for field timestamp of QueryTableRequest"),
        (b'{"version": -1}', "INVALID_PARAMETER_VALUE", "table version cannot be negative."),
        (b'{"startingVersion": -1}', "INVALID_PARAMETER_VALUE", "startingVersion cannot be negative."),
        (b'{"version": "x3"}', "MALFORMED_REQUEST", "Not a numeric value: x3"),
        (b'{"maxFiles": 0}', "INVALID_PARAMETER_VALUE", "maxFiles must be positive."),
        (b'{"pageToken": "abc"}', "INVALID_PARAMETER_VALUE", "Error decoding the page token: abc."),
        (b'{"refreshToken": "abc"}', "INVALID_PARAMETER_VALUE", "Error decoding refresh token: abc."),
        (
            b'{"version": 1, "timestamp": "x"}',
            "INVALID_PARAMETER_VALUE",
            "Please only provide one of: version,timestamp,startingVersion",
        ),
        (
            b'{"predicateHints": "a = 1"}',
            "MALFORMED_REQUEST",
            "Expected an array for repeated field predicateHints of QueryTableRequest",
        ),
    ],
)
def test_a_bad_question_is_refused_in_the_protocols_words(recipient, body, code, words) -> None:
    assert refused(recipient.post(POSTS + "/query", content=body), 400, code) == words


def test_credentials_for_a_folder_are_refused(recipient) -> None:
    answer = recipient.post(POSTS + "/temporary-table-credentials", json={})
    words = refused(answer, 400, "INVALID_PARAMETER_VALUE")
    assert words.startswith("Temporary table credentials are not supported because history sharing is not enabled on")


def shown(scene, version: int) -> str:
    """Give when a version was committed, as an address says it."""
    folder = scene.house.shared.folder("acme-2025", "posts") / "_delta_log"
    said = [json.loads(line) for line in (folder / f"{version:020d}.json").read_text().splitlines()]
    stamp = next(each["commitInfo"]["timestamp"] for each in said if "commitInfo" in each)
    return datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_the_current_version_can_be_asked_for_by_number_and_by_time(scene, recipient) -> None:
    scene.recall({0: 1})
    at = shown(scene, 1)
    local = datetime.fromisoformat(at).astimezone(timezone(timedelta(hours=-8))).isoformat()
    for body in ({"version": 1}, {"version": "1", "endingVersion": 0}, {"timestamp": at}, {"timestamp": local}):
        answer = recipient.post(POSTS + "/query", json=body)
        assert {line["file"]["version"] for line in lines(answer)[2:]} == {1}
        assert answer.headers["delta-table-version"] == "1"
    assert "version" not in lines(recipient.post(POSTS + "/query", json={}))[2]["file"]


@pytest.mark.usefixtures("signed_in_long")
def test_an_instant_since_the_last_commit_means_the_current_version(scene, recipient) -> None:
    at = datetime.fromisoformat(shown(scene, 0))
    scene.now = at + timedelta(hours=2)
    body = {"timestamp": (at + timedelta(hours=1)).isoformat()}
    assert recipient.post(POSTS + "/query", json=body).headers["delta-table-version"] == "0"
    body = {"timestamp": (at + timedelta(hours=3)).isoformat()}
    words = refused(recipient.post(POSTS + "/query", json=body), 400, "INVALID_PARAMETER_VALUE")
    assert "\nis after the latest available version 0 (" in words
    assert "\nPlease use a timestamp less than or equal to " in words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"version": 1}, "You can only query table data since version 2."),
        ({"version": 3}, "Cannot load table version 3"),
        ({"timestamp": "2020-01-01"}, "Invalid startingTimestamp: an offset is missing."),
        ({"timestamp": "no time"}, "Invalid startingTimestamp: "),
        (
            {"timestamp": "2020-01-01T00:00:00Z"},
            "The provided timestamp (2020-01-01T00:00:00Z)\nis before",
        ),
        ({"timestamp": "2020-01-01 00:00:00"}, "The provided timestamp (2020-01-01 00:00:00)\nis before"),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "The provided timestamp (9999-01-01T00:00:00Z)\nis after the latest"),
    ],
)
def test_no_other_version_is_given(scene, recipient, body, words) -> None:
    """Neither an older one, which may hold what was withdrawn since, nor one that there is not."""
    scene.recall({0: 2})
    scene.recall({1: 0})
    assert refused(recipient.post(POSTS + "/query", json=body), 400, "INVALID_PARAMETER_VALUE").startswith(words)


def test_metadata_is_given_for_each_version_since_the_build(scene, recipient) -> None:
    scene.recall({0: 2})
    for params, version in (({"version": 0}, 0), ({"version": 1}, 1), ({"timestamp": shown(scene, 0)}, 0)):
        answer = recipient.get(POSTS + "/metadata", params=params)
        told = lines(answer)[1]["metaData"]["version"]
        assert (answer.headers["delta-table-version"], told) == (str(version), version)
    assert "size" not in lines(recipient.get(POSTS + "/metadata", params={"version": 0}))[1]["metaData"]
    scene.commit({0: 1})
    for params, words in (
        ({"version": 1}, "You can only query table data since version 2."),
        ({"version": 4}, "Cannot load table version 4"),
        ({"version": -1}, "version cannot be negative."),
        ({"version": "x"}, "expected a number but the string didn't have the appropriate format"),
        ({"version": 1, "timestamp": "x"}, "Please only provide one of: version,timestamp"),
        ({"timestamp": shown(scene, 0)}, "The provided timestamp ("),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "The provided timestamp (9999-01-01T00:00:00Z)\nis after the latest"),
    ):
        answer = recipient.get(POSTS + "/metadata", params=params)
        assert refused(answer, 400, "INVALID_PARAMETER_VALUE").startswith(words)


def test_a_starting_time_leads_to_the_first_version_since(scene, recipient) -> None:
    scene.recall({0: 2})
    scene.recall({0: 1})

    def version(at: str) -> httpx.Response:
        return recipient.get(POSTS + "/version", params={"startingTimestamp": at})

    found = [version(at).headers["delta-table-version"] for at in ("2000-01-01T00:00:00Z", shown(scene, 1))]
    assert found == ["0", "1"]
    scene.noted(Table.POSTS, scene.commit({0: 1}))
    assert version(shown(scene, 3)).headers["delta-table-version"] == "3"
    words = refused(version(shown(scene, 1)), 400, "INVALID_PARAMETER_VALUE")
    assert words == (
        f"You can only query table data since version 3.The provided timestamp({shown(scene, 1)}) corresponds to 1."
    )


def test_an_asynchronous_query_is_answered_at_once(recipient) -> None:
    headers = {"delta-sharing-capabilities": "asyncquery=true"}
    answer = recipient.post(POSTS + "/query", json={}, headers=headers)
    assert refused(answer, 400, "INVALID_PARAMETER_VALUE") == "idempotency_key is required for async query."
    for name in ("idempotencyKey", "idempotency_key"):
        assert len(lines(recipient.post(POSTS + "/query", json={name: "a"}, headers=headers))) == 4
    assert recipient.post(POSTS + "/queries/a", json={}).status_code == 404


def test_an_unknown_address_is_answered_in_the_protocols_shape(recipient) -> None:
    refused(recipient.get("/nothing/here"), 404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("state", ["suspended", "ended"])
def test_an_inactive_license_gives_nothing(scene, recipient, state) -> None:
    scene.change(state)
    for answer in (recipient.post(POSTS + "/query", json={}), recipient.get(POSTS + "/metadata")):
        refused(answer, 403, "PERMISSION_DENIED")


def test_a_license_outside_its_term_gives_nothing(scene, recipient) -> None:
    with_token = scene.license.ends
    scene.now = with_token
    refused(recipient.get("/shares"), 401, "UNAUTHENTICATED")
    scene.now = scene.license.starts - timedelta(seconds=1)
    refused(recipient.post(POSTS + "/query", json={}), 403, "PERMISSION_DENIED")


def test_a_table_that_was_never_built_has_no_files(recipient) -> None:
    answer = recipient.post(POSTS.replace("posts", "likes") + "/query", json={})
    assert refused(answer, 404, "RESOURCE_DOES_NOT_EXIST").startswith("table files missing")
