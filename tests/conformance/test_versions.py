"""Behaviors 15 to 27 of the reference server's own tests: versions and metadata.

Two of its features no table here has, and never may: column mapping and deletion vectors. `removals` is the table
without history.
"""

import json

import pytest

POSTS = "/shares/acme-1/schemas/licensed/tables/posts"
REMOVALS = "/shares/acme-1/schemas/licensed/tables/removals"
HISTORY = "Reading table by version or timestamp is not supported because history sharing is not enabled on table: "


@pytest.mark.parametrize(("method", "path"), [("HEAD", ""), ("HEAD", "/version"), ("GET", "/version")])
def test_the_version_is_in_a_header(client, method, path) -> None:
    """Behavior 15."""
    answer = client.request(method, POSTS + path)
    assert (answer.status_code, answer.headers["delta-table-version"], answer.content) == (200, "2", b"")


def test_a_starting_time_gives_the_first_version_since(platform, client) -> None:
    """Behavior 16."""
    for said, version in (
        ("2000-01-01T00:00:00Z", "0"),
        ("2000-01-01T00:00:00-08:00", "0"),
        ("2000-01-01 00:00:00", "0"),
        (platform.instant(1), "1"),
        (platform.instant(2), "2"),
    ):
        answer = client.get(f"{POSTS}/version", params={"startingTimestamp": said})
        assert answer.headers["delta-table-version"] == version
        answer = client.head(POSTS, params={"startingTimestamp": said})
        assert answer.headers["delta-table-version"] == version


def test_a_table_without_history_has_no_version_by_time(client, refusal) -> None:
    """Behavior 17: said before the time is read."""
    answer = client.get(f"{REMOVALS}/version", params={"startingTimestamp": "no time"})
    assert refusal(answer) == f"{HISTORY}acme-1.licensed.removals"


@pytest.mark.parametrize("said", ["2022-04-29", "no time", "", "2022-13-01T00:00:00Z"])
def test_a_bad_time_is_refused(client, refusal, said) -> None:
    """Behavior 18."""
    answer = client.get(f"{POSTS}/version", params={"startingTimestamp": said})
    assert refusal(answer).startswith("Invalid startingTimestamp: ")


def test_a_time_after_the_latest_version_is_refused(client, refusal) -> None:
    """Behavior 19."""
    said = refusal(client.get(f"{POSTS}/version", params={"startingTimestamp": "9999-01-01T00:00:00Z"}))
    assert said.startswith("The provided timestamp (9999-01-01T00:00:00Z)\nis after the latest available version 2 (")
    assert "\nPlease use a timestamp less than or equal to " in said


@pytest.mark.parametrize("said", ["9999-01-01T00:00:00Z", "no time"])
def test_an_error_of_a_head_has_no_body(client, said) -> None:
    """Behavior 20."""
    answer = client.head(POSTS, params={"startingTimestamp": said})
    assert (answer.status_code, answer.content) == (400, b"")


def test_a_table_whose_log_is_not_ours_is_an_error_without_words(own) -> None:
    """Behavior 21: a table without metadata cannot be, one that somebody else wrote to can."""
    (own.log() / f"{1:020d}.json").write_text('{"commitInfo":{"timestamp":1}}\n')
    with own.client as client:
        for answer in (client.get(f"{POSTS}/metadata"), client.post(f"{POSTS}/query", json={})):
            assert (answer.status_code, answer.json()) == (500, {"errorCode": "INTERNAL_ERROR", "message": ""})


def test_metadata_is_two_lines(client, read) -> None:
    """Behavior 22."""
    answer = client.get(f"{POSTS}/metadata")
    protocol, metadata = read(answer)
    assert protocol == {"protocol": {"minReaderVersion": 1}}
    assert {"id", "format", "schemaString", "partitionColumns", "configuration", "version"} <= set(metadata["metaData"])
    assert answer.headers["delta-table-version"] == "2"
    assert answer.headers["delta-sharing-capabilities"] == "responseformat=parquet"
    answer = client.get(f"{POSTS}/metadata", headers={"delta-sharing-capabilities": "includeEndStreamAction=true"})
    told = answer.headers["delta-sharing-capabilities"]
    assert told == "responseformat=parquet;includeendstreamaction=true"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (None, "parquet"),
        ("parquet", "parquet"),
        ("delta", "delta"),
        ("Delta", "delta"),
        ("delta,parquet", "parquet"),
        ("parquet,delta", "parquet"),
    ],
)
def test_the_format_is_negotiated(client, read, asked, answered) -> None:
    """Behavior 23."""
    headers = {"Delta-Sharing-Capabilities": f"responseFormat={asked}"} if asked else {}
    for answer in (
        client.get(f"{POSTS}/metadata", headers=headers),
        client.post(f"{POSTS}/query", json={}, headers=headers),
        client.get(f"{POSTS}/changes", params={"startingVersion": 0}, headers=headers),
        client.post(f"{REMOVALS}/query", json={}, headers=headers),
    ):
        assert answer.headers["delta-sharing-capabilities"] == f"responseformat={answered}"
        assert ("deltaProtocol" in read(answer)[0]["protocol"]) == (answered == "delta")


@pytest.mark.parametrize("features", ["deletionvectors,columnmapping", "columnmapping", "deletionvectors", ""])
def test_no_table_needs_an_advanced_reader(client, read, features) -> None:
    """Behavior 24: column mapping and deletion vectors are in no table, so no client is refused for lack of them."""
    headers = {"delta-sharing-capabilities": f"responseformat=delta;readerfeatures={features}"}
    for path in (POSTS, REMOVALS):
        protocol, metadata = read(client.get(f"{path}/metadata", headers=headers))
        assert protocol["protocol"]["deltaProtocol"]["minReaderVersion"] == 1
        assert not {"readerFeatures", "writerFeatures"} & set(protocol["protocol"]["deltaProtocol"])
        said = metadata["metaData"]["deltaMetadata"]
        assert not any("columnMapping" in name or "DeletionVector" in name for name in said["configuration"])
        assert all(field["metadata"] == {} for field in json.loads(said["schemaString"])["fields"])


def test_metadata_of_an_earlier_version_is_given(platform, client, read) -> None:
    """Behavior 25."""
    for params in ({"version": 1}, {"timestamp": platform.instant(1)}):
        answer = client.get(f"{POSTS}/metadata", params=params)
        assert answer.headers["delta-table-version"] == "1"
        metadata = read(answer)[1]["metaData"]
        assert metadata["version"] == 1
        assert metadata["schemaString"] == read(client.get(f"{POSTS}/metadata"))[1]["metaData"]["schemaString"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"version": 4}, "Cannot load table version 4"),
        ({"version": -1}, "version cannot be negative"),
        ({"version": 1, "timestamp": "2022-01-01T00:00:00Z"}, "Please only provide one of: version,timestamp"),
        ({"timestamp": "2000-01-01T00:00:00Z"}, "is before the earliest available version"),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "is after the latest available version"),
    ],
)
def test_metadata_of_no_version_is_refused(client, refusal, params, said) -> None:
    """Behavior 26."""
    assert said in refusal(client.get(f"{POSTS}/metadata", params=params))


@pytest.mark.parametrize("params", [{"version": 0}, {"timestamp": "2022-01-01T00:00:00Z"}, {"timestamp": "no time"}])
def test_a_table_without_history_has_no_earlier_metadata(client, refusal, params) -> None:
    """Behavior 27."""
    assert refusal(client.get(f"{REMOVALS}/metadata", params=params)) == f"{HISTORY}acme-1.licensed.removals"
    assert refusal(client.post(f"{REMOVALS}/query", json=params)) == f"{HISTORY}acme-1.licensed.removals"
