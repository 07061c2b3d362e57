"""Behaviors 41 to 52 of the reference server's own tests: streams, the change data feed, and what is refused.

A version here either replaces every file (a build) or only takes rows away (a recall), and of what it takes away only
the keys are told. So a stream begins at the newest build, and no version changes the metadata.
"""

import io
import json

import httpx
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

POSTS = "/shares/acme-1/schemas/licensed/tables/posts"
LIKES = "/shares/acme-1/schemas/licensed/tables/likes"
REMOVALS = "/shares/acme-1/schemas/licensed/tables/removals"
DELTA = {"delta-sharing-capabilities": "responseformat=delta"}


def actions(answer: httpx.Response) -> list[tuple[str, int, str]]:
    """Give each file's kind, version and address, whatever the format."""
    assert answer.status_code == 200, answer.text
    found = []
    for line in answer.text.splitlines()[2:]:
        ((kind, said),) = json.loads(line).items()
        if "deltaSingleAction" in said:
            ((kind, action),) = said["deltaSingleAction"].items()
            found.append((kind, said["version"], action["path"]))
        elif kind != "endStreamAction":
            found.append((kind, said["version"], said["url"]))
    return found


def kinds(answer: httpx.Response) -> list[tuple[str, int]]:
    """Give each kind and version once."""
    return list(dict.fromkeys((kind, version) for kind, version, _ in actions(answer)))


def rows(address: str) -> list[dict]:
    return pq.read_table(io.BytesIO(httpx.get(address).content)).to_pylist()


@pytest.mark.parametrize("headers", [{}, DELTA])
def test_a_stream_tells_versions_in_order(client, headers) -> None:
    """Behavior 41: files that came with the build, and for each recall a file removed, which holds keys only."""
    answer = client.post(f"{POSTS}/query", json={"startingVersion": 0}, headers=headers)
    assert kinds(answer) == [("add", 0), ("remove", 1), ("remove", 2)]
    for kind, _, url in actions(answer):
        assert all(("text" in row) == (kind == "add") for row in rows(url))
    answer = client.post(f"{POSTS}/query", json={"startingVersion": 1, "endingVersion": 1}, headers=headers)
    assert kinds(answer) == [("remove", 1)]


def test_the_head_of_a_stream_is_that_of_its_first_version(client, read) -> None:
    """Behavior 42: no later version has other metadata, for only a build can change it, and a stream begins there."""
    answer = client.post(f"{POSTS}/query", json={"startingVersion": 1})
    found = read(answer)
    assert (answer.headers["delta-table-version"], found[1]["metaData"]["version"]) == ("1", 1)
    assert sum("metaData" in line for line in found) == 1
    whole = read(client.post(f"{POSTS}/query", json={"version": 2}))
    assert found[1]["metaData"]["schemaString"] == whole[1]["metaData"]["schemaString"]


def test_a_table_that_needs_a_newer_reader_is_not_served(own) -> None:
    """Behavior 43: no commit of ours raises it; a table in which somebody else did is not given to anybody."""
    raised = {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}
    (own.log() / f"{1:020d}.json").write_text(json.dumps(raised) + "\n")
    with own.client as client:
        for body in ({}, {"startingVersion": 0}):
            answer = client.post(f"{POSTS}/query", json=body)
            assert (answer.status_code, answer.json()["message"]) == (500, "")


def test_a_lost_log_is_an_error_without_words_unless_a_checkpoint_has_it(own, reopened) -> None:
    """Behavior 44."""
    own.opts_out("x:3")
    DeltaTable(str(own.log().parent)).create_checkpoint()
    (own.log() / f"{0:020d}.json").unlink()
    with reopened(own) as other, other.client as client:
        assert kinds(client.post(f"{POSTS}/query", json={"version": 1})) == [("file", 1)]
        assert kinds(client.get(f"{POSTS}/changes", params={"startingVersion": 1})) == [("cdf", 1)]
        assert kinds(client.get(f"{POSTS}/changes", params={"startingVersion": 0})) == [("add", 0), ("cdf", 1)]
    for path in own.log().glob("*checkpoint*"):
        path.unlink()
    with reopened(own) as other, other.client as client:
        answer = client.post(f"{POSTS}/query", json={})
        assert (answer.status_code, answer.json()) == (500, {"errorCode": "INTERNAL_ERROR", "message": ""})


def test_a_table_without_a_feed_is_named(client, refusal) -> None:
    """Behavior 45: before it is looked whether a start or an end is missing, but after the size of a page."""
    said = "cdf is not enabled on table acme-1.licensed.removals"
    for params in ({}, {"startingVersion": 0}, {"startingVersion": 0, "startingTimestamp": "x"}):
        assert refusal(client.get(f"{REMOVALS}/changes", params=params)) == said
    assert refusal(client.get(f"{REMOVALS}/changes", params={"maxFiles": 0})) == "maxFiles must be positive."


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "No startingVersion or startingTimestamp provided for CDF read."),
        (
            {"startingVersion": 0, "startingTimestamp": "2022-01-01T00:00:00Z"},
            "Multiple starting arguments provided for CDF read. Please provide one of either startingTimestamp or sta",
        ),
        (
            {"startingVersion": 0, "endingVersion": 0, "endingTimestamp": "2022-01-01T00:00:00Z"},
            "Multiple ending arguments provided for CDF read. Please provide one of either endingTimestamp or ending",
        ),
        ({"startingVersion": "x"}, "startingVersion is not a valid number."),
        ({"startingVersion": 0, "endingVersion": "x"}, "endingVersion is not a valid number."),
    ],
)
def test_the_ends_of_a_feed_must_be_clear(client, refusal, params, said) -> None:
    """Behavior 46."""
    assert refusal(client.get(f"{POSTS}/changes", params=params)).startswith(said)


def test_a_feed_tells_versions_in_order(platform, client, read) -> None:
    """Behavior 47."""
    for historical, version in (("false", 2), ("true", 0)):
        params = {"startingVersion": 0, "includeHistoricalMetadata": historical}
        answer = client.get(f"{POSTS}/changes", params=params)
        assert kinds(answer) == [("add", 0), ("cdf", 1), ("cdf", 2)]
        _, metadata, *files = read(answer)
        assert (answer.headers["delta-table-version"], metadata["metaData"]["version"]) == ("0", version)
        assert metadata["metaData"]["configuration"] == {"enableChangeDataFeed": "true"}
        at = [next(iter(line.values()))["timestamp"] for line in files]
        assert at == sorted(at)
        left = {next(iter(line.values()))["expirationTimestamp"] / 1000 - platform.now.timestamp() for line in files}
        assert all(50 * 60 < each <= 60 * 60 for each in left)
    whole = client.get(f"{POSTS}/changes", params={"startingVersion": 0})
    inserted = [row for kind, _, url in actions(whole) if kind == "add" for row in rows(url)]
    deleted = [row for kind, _, url in actions(whole) if kind == "cdf" for row in rows(url)]
    assert (len(inserted), len(deleted)) == (10, 2)
    assert not {row["post_id"] for row in inserted} & {row["post_id"] for row in deleted}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"startingVersion": 2, "endingVersion": 1},
            "CDF range from start 2 to end 1 was invalid. End cannot be before",
        ),
        (
            {"startingVersion": 6},
            "Provided Start version(6) for reading change data is invalid. Start version cannot b",
        ),
        ({"startingTimestamp": "9999-01-01T00:00:00Z"}, "The provided timestamp ("),
        ({"startingVersion": 0, "endingTimestamp": "2000-01-01T00:00:00Z"}, "The provided timestamp ("),
        ({"startingTimestamp": "2022-04-29"}, "Invalid startingTimestamp"),
    ],
)
def test_a_range_that_cannot_be_read_is_refused(client, refusal, params, said) -> None:
    """Behavior 48."""
    assert refusal(client.get(f"{POSTS}/changes", params=params)).startswith(said)


def test_what_is_before_the_newest_build_is_refused(own, refusal) -> None:
    """Behavior 48: a version in between whose changes were not recorded cannot be, for a feed begins at the build."""
    own.opts_out("x:3")
    own.build()
    own.opts_out("x:7")
    with own.client as client:
        for version in (0, 1):
            said = refusal(client.get(f"{POSTS}/changes", params={"startingVersion": version}))
            assert said == "You can only query table changes since version 2."
            said = refusal(client.post(f"{POSTS}/query", json={"startingVersion": version}))
            assert said == "You can only query table data since version 2."
        assert kinds(client.get(f"{POSTS}/changes", params={"startingVersion": 2})) == [("add", 2), ("cdf", 3)]


@pytest.mark.parametrize("headers", [{}, DELTA])
def test_a_feed_comes_in_pages(client, read, refusal, headers) -> None:
    """Behavior 49."""
    params: dict[str, object] = {"startingVersion": 0, "maxFiles": 1}
    whole = actions(client.get(f"{POSTS}/changes", params={"startingVersion": 0}, headers=headers))
    seen = []
    while True:
        answer = client.get(f"{POSTS}/changes", params=params, headers=headers)
        assert len(read(answer)) == 4
        seen += actions(answer)
        told = read(answer)[-1]["endStreamAction"]
        if "nextPageToken" not in told:
            break
        params["pageToken"] = told["nextPageToken"]
        other = params | {"startingVersion": 1}
        said = refusal(client.get(f"{POSTS}/changes", params=other, headers=headers))
        assert said.startswith("Query parameter mismatch detected for the next page query.")
    assert [each[:2] for each in seen] == [each[:2] for each in whole]
    assert len({url.split("?")[0] for _, _, url in seen}) == len(whole)


def test_delta_format_tells_the_same(client) -> None:
    """Behavior 50."""
    for path in (POSTS, LIKES):
        plain = actions(client.get(f"{path}/changes", params={"startingVersion": 0}))
        wrapped = actions(client.get(f"{path}/changes", params={"startingVersion": 0}, headers=DELTA))
        assert [(kind.replace("cdf", "cdc"), *rest) for kind, *rest in plain] == [tuple(each) for each in wrapped]


def test_an_asynchronous_query_is_answered_at_once(client, refusal, read) -> None:
    """Behavior 51: which a server may; so no query is ever left to be asked after."""
    headers = {"delta-sharing-capabilities": "asyncquery=true"}
    answer = client.post(f"{POSTS}/query", json={}, headers=headers)
    assert refusal(answer) == "idempotency_key is required for async query."
    for name in ("idempotencyKey", "idempotency_key"):
        found = read(client.post(f"{POSTS}/query", json={name: "once"}, headers=headers))
        assert {next(iter(line)) for line in found} == {"protocol", "metaData", "file"}
    refusal(client.post(f"{POSTS}/queries/once", json={}), "RESOURCE_DOES_NOT_EXIST", 404)


@pytest.mark.parametrize("body", [{}, {"location": "s3://somewhere/else"}])
def test_nobody_gets_credentials_for_a_folder(client, refusal, body) -> None:
    """Behavior 52: no withdrawal could reach whoever holds them; no table offers them either."""
    for path, name in ((POSTS, "posts"), (REMOVALS, "removals")):
        assert refusal(client.post(f"{path}/temporary-table-credentials", json=body)) == (
            "Temporary table credentials are not supported because history sharing is not enabled on table: "
            f"acme-1.licensed.{name}"
        )
    items = client.get("/shares/acme-1/all-tables").json()["items"]
    assert not any({"location", "auxiliaryLocations", "accessModes"} & set(item) for item in items)
