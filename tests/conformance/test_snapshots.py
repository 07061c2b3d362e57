"""Behaviors 28 to 40 of the reference server's own tests: queries of a snapshot, pages and refresh tokens."""

import io
import json
import time
from datetime import timedelta

import httpx
import pyarrow.parquet as pq
import pytest

from licet.protocol.pseudonyms import member_secrets

POSTS = "/shares/acme-1/schemas/licensed/tables/posts"
LIKES = "/shares/acme-1/schemas/licensed/tables/likes"
KEY = b"k" * 32


def files(answer: httpx.Response) -> list[dict]:
    assert answer.status_code == 200, answer.text
    found = [json.loads(line) for line in answer.text.splitlines()[2:]]
    return [line["file"] for line in found if "file" in line]


def rows(file: dict) -> int:
    return int(json.loads(file["stats"])["numRecords"])


def test_files_carry_what_readers_need(platform, client) -> None:
    """Behavior 28; addresses end in less than an hour from now."""
    found = files(client.post(f"{POSTS}/query", json={}))
    assert sum(map(rows, found)) == 10
    for file in found:
        assert set(file) == {"url", "id", "partitionValues", "size", "stats", "expirationTimestamp"}
        left = file["expirationTimestamp"] / 1000 - platform.now.timestamp()
        assert 50 * 60 < left <= 60 * 60


def test_a_signed_address_is_read_whole_and_opens_nothing_else(client) -> None:
    """Behavior 29."""
    for file in files(client.post(f"{POSTS}/query", json={})):
        assert len(httpx.get(file["url"]).content) == file["size"]
        before, _, after = file["url"].partition("bucket-")
        for changed in (f"{before}bucket-9{after}", file["url"].replace("/posts/", "/likes/"), file["url"] + "0"):
            assert httpx.get(changed).status_code == 403


def test_hints_are_tolerated_and_a_limit_leaves_files_out(client) -> None:
    """Behavior 30: files are listed until they hold as many rows as are wanted."""
    whole = files(client.post(f"{POSTS}/query", json={}))
    assert len(whole) >= 3
    for limit in (1, rows(whole[0]), "1"):
        assert files(client.post(f"{POSTS}/query", json={"limitHint": limit}))[0]["id"] == whole[0]["id"]
        assert len(files(client.post(f"{POSTS}/query", json={"limitHint": limit}))) == 1
    assert len(files(client.post(f"{POSTS}/query", json={"limitHint": rows(whole[0]) + 1}))) == 2
    hints = {"predicateHints": ["created_at >= '2021-01-01'", "nonsense"], "limitHint": 1}
    assert len(files(client.post(f"{POSTS}/query", json=hints))) == len(whole)


def equal(column: str, value: str, kind: str = "string") -> str:
    """Give a predicate as a client sends it."""
    sides = [{"op": "column", "name": column, "valueType": kind}, {"op": "literal", "value": value, "valueType": kind}]
    return json.dumps({"op": "equal", "children": sides})


def test_json_predicates_leave_files_out(client) -> None:
    """Behavior 31: by whose rows a file holds, for that is all that is known of it."""
    for number in range(12):
        author, _ = member_secrets(KEY, f"x:{number}")
        found = files(client.post(f"{POSTS}/query", json={"jsonPredicateHints": equal("author_id", author)}))
        assert len(found) <= 1
        contents = [pq.read_table(io.BytesIO(httpx.get(file["url"]).content)) for file in found]
        assert any(author in each["author_id"].to_pylist() for each in contents) == (number not in {3, 7})
        found = files(client.post(f"{LIKES}/query", json={"jsonPredicateHints": equal("actor_id", author)}))
        assert len(found) <= 1


@pytest.mark.parametrize(
    "hints", ["", "{", "[]", "{}", "null", '{"op":"equal"}', equal("created_at", "2021-01-01", "date"), equal("x", "y")]
)
def test_json_predicates_that_cannot_be_judged_are_ignored(client, hints) -> None:
    """Behavior 31."""
    whole = files(client.post(f"{POSTS}/query", json={}))
    assert len(files(client.post(f"{POSTS}/query", json={"jsonPredicateHints": hints}))) == len(whole)


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_an_end_is_told_to_whoever_asked(client, read, form) -> None:
    """Behavior 32."""
    for asked in ("true", "false"):
        headers = {"delta-sharing-capabilities": f"responseformat={form};includeEndStreamAction={asked}"}
        answer = client.post(f"{POSTS}/query", json={}, headers=headers)
        told = answer.headers["delta-sharing-capabilities"]
        assert told == f"responseformat={form}" + (";includeendstreamaction=true" if asked == "true" else "")
        last = read(answer)[-1]
        assert ("endStreamAction" in last) == (asked == "true")
        assert asked == "false" or set(last["endStreamAction"]) == {"minUrlExpirationTimestamp"}


@pytest.mark.parametrize(("form", "digits"), [("parquet", 32), ("delta", 64)])
def test_ids_of_files_are_stable_and_follow_the_scheme(client, refusal, form, digits) -> None:
    """Behavior 33."""
    told = {"delta-sharing-capabilities": f"responseformat={form}"}
    first, again = (files(client.post(f"{POSTS}/query", json={}, headers=told)) for _ in range(2))
    assert [file["id"] for file in first] == [file["id"] for file in again]
    assert {len(file["id"]) for file in first} == {digits}
    for scheme, length in (("parquet", 32), ("Delta", 64)):
        headers = told | {"fileidhash": scheme}
        for answer in (
            client.post(f"{POSTS}/query", json={}, headers=headers),
            client.get(f"{POSTS}/changes", params={"startingVersion": 1}, headers=headers),
        ):
            assert answer.headers["fileidhash"] == scheme.lower()
            found = [next(iter(json.loads(line).values())) for line in answer.text.splitlines()[2:]]
            assert {len(file["id"]) for file in found} == {length}
    for scheme in ("sha1", ""):
        said = refusal(client.post(f"{POSTS}/query", json={}, headers=told | {"fileidhash": scheme}))
        assert said == f"Unsupported fileidhash: '{scheme}'. Supported: parquet, delta"


def test_files_of_a_version_say_so(platform, client) -> None:
    """Behavior 34: only the current version can be had; with it, an ending version means nothing."""
    for body in ({"version": 2}, {"timestamp": platform.instant(2)}, {"timestamp": "2039-01-01T00:00:00Z"}):
        answer = client.post(f"{POSTS}/query", json=body | {"endingVersion": 1})
        assert answer.headers["delta-table-version"] == "2"
        assert {(file["version"], file.get("timestamp")) for file in files(answer)} == {(2, None)}


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"version": 1, "timestamp": "x"}, "", "Please only provide one of: version,timestamp,startingVersion"),
        ({"version": 1, "startingVersion": 1}, "", "Please only provide one of: version,timestamp,startingVersion"),
        ({"version": -1}, "", "table version cannot be negative."),
        ({"startingVersion": -1}, "", "startingVersion cannot be negative."),
        ({"version": "x3"}, "MALFORMED_REQUEST", "Not a numeric value: x3"),
        (
            {"startingVersion": "2", "endingVersion": "1"},
            "",
            "startingVersion(2) must be smaller than or equal",
        ),
        (
            {"startingVersion": 1, "endingVersion": 6},
            "",
            "Provided end version(6) is invalid.",
        ),
        (
            {"startingVersion": 6},
            "",
            "Provided Start version(6) for reading change data is invalid.",
        ),
    ],
)
def test_contradictions_are_refused(client, refusal, body, code, said) -> None:
    """Behavior 35."""
    answer = client.post(f"{POSTS}/query", json=body)
    assert refusal(answer, code or "INVALID_PARAMETER_VALUE").startswith(said)


def test_numbers_may_come_as_text(client) -> None:
    """Behavior 35."""
    assert client.post(f"{POSTS}/query", json={"version": "2"}).status_code == 200
    assert client.post(f"{POSTS}/query", json={"startingVersion": "1", "endingVersion": "2"}).status_code == 200


def test_an_older_version_is_refused(client, refusal) -> None:
    """Behavior 36: it may hold what was withdrawn since."""
    for version in (0, 1):
        said = refusal(client.post(f"{POSTS}/query", json={"version": version}))
        assert said == "You can only query table data since version 2."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"predicateHints":{}}', "Expected an array for repeated field predicateHints of QueryTableRequest"),
        (b"", "No content to map due to end-of-input"),
    ],
)
def test_a_malformed_question_is_refused(client, refusal, body, said) -> None:
    """Behavior 37."""
    assert refusal(client.post(f"{POSTS}/query", content=body), "MALFORMED_REQUEST") == said


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_files_come_in_pages(client, read, form) -> None:
    """Behavior 38."""
    headers = {"delta-sharing-capabilities": f"responseformat={form}"}
    whole = [file["id"] for file in files(client.post(f"{POSTS}/query", json={}, headers=headers))]
    seen, body = [], {"maxFiles": 1}
    for left in range(len(whole) - 1, -1, -1):
        protocol, metadata, file, end = read(client.post(f"{POSTS}/query", json=body, headers=headers))
        assert (list(protocol), list(metadata)) == (["protocol"], ["metaData"])
        seen.append(file["file"]["id"])
        told = end["endStreamAction"]
        assert told["minUrlExpirationTimestamp"] == file["file"]["expirationTimestamp"]
        assert ("nextPageToken" in told) == (left > 0)
        body = {"maxFiles": 1, "pageToken": told.get("nextPageToken")}
    assert seen == whole


def first_page(client: httpx.Client, path: str = POSTS, **body: object) -> dict:
    answer = client.post(f"{path}/query", json={"maxFiles": 1, **body})
    return dict(json.loads(answer.text.splitlines()[-1])["endStreamAction"])


def test_bad_pages_are_refused(client, refusal) -> None:
    """Behavior 39."""

    def ask(**body: object) -> str:
        return refusal(client.post(f"{POSTS}/query", json=body))

    assert ask(maxFiles=1, pageToken="nonsense").startswith("Error decoding the page token: nonsense.")
    other = first_page(client, LIKES)["nextPageToken"]
    assert ask(pageToken=other) == "The table specified in the page token does not match the table being queried."
    token = first_page(client)["nextPageToken"]
    assert ask(maxFiles=1, pageToken=token, limitHint=9).startswith("Query parameter mismatch detected for the next")
    for size in (0, -1):
        assert ask(maxFiles=size) == "maxFiles must be positive."
    answer = client.post(f"{POSTS}/query", json={"maxFiles": 3_000_000_000})
    assert refusal(answer, "MALFORMED_REQUEST") == "Not an int32 value"


def test_a_page_token_is_over_in_time_and_with_its_version(own, refusal) -> None:
    """Behavior 39: what belongs to an older version may hold what was withdrawn since."""
    over = "The page token has expired. Please restart the query."
    with own.client as client:
        token = first_page(client)["nextPageToken"]
        own.now += timedelta(hours=1)
        assert refusal(client.post(f"{POSTS}/query", json={"maxFiles": 1, "pageToken": token})) == over
        token = first_page(client)["nextPageToken"]
        assert client.post(f"{POSTS}/query", json={"maxFiles": 1, "pageToken": token}).status_code == 200
        own.opts_out("x:3")
        assert refusal(client.post(f"{POSTS}/query", json={"maxFiles": 1, "pageToken": token})) == over


def test_a_refresh_token_gives_the_same_files(own, refusal) -> None:
    """Behavior 40: while they are those of the current version."""

    def ask(**body: object) -> str:
        return refusal(client.post(f"{POSTS}/query", json=body))

    with own.client as client:
        answer = client.post(f"{POSTS}/query", json={"includeRefreshToken": True})
        token = json.loads(answer.text.splitlines()[-1])["endStreamAction"]["refreshToken"]
        again = files(client.post(f"{POSTS}/query", json={"refreshToken": token}))
        assert [file["id"] for file in again] == [file["id"] for file in files(answer)]
        assert ask(refreshToken="nonsense") == "Error decoding refresh token: nonsense."
        other = first_page(client, LIKES, includeRefreshToken=True)["refreshToken"]
        assert ask(refreshToken=other).startswith("The table specified in the refresh token does not match")
        assert ask(refreshToken=token, version=0).startswith("refreshToken cannot be used when querying a specific")
        assert ask(includeRefreshToken=True, startingVersion=0).startswith("includeRefreshToken cannot be used when")
        assert ask(refreshToken=token, pageToken="x") == "refreshToken must be used in the first page request."
        assert (
            ask(includeRefreshToken=True, pageToken="x")
            == "includeRefreshToken must be used in the first page request."
        )
        own.opts_out("x:3")
        assert ask(refreshToken=token) == "The refresh token has expired. Please restart the query."


def test_time_is_told_in_milliseconds(client) -> None:
    """Behavior 28."""
    (first, *_) = files(client.post(f"{POSTS}/query", json={}))
    assert first["expirationTimestamp"] > time.time() * 1000
