"""Lines carry what readers of each format look for, and nothing of a row but how many there are."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from licet.protocol.lines import Head, Kind, Link, end_line, file_line, metadata_line, protocol_line

HEAD = Head(table_id="t", schema_string="{}", feed=True, version=3, files=2, size=9)
LINK = Link(url="u", identity="i", size=7, rows=2, expires=100, at=datetime.fromtimestamp(5, UTC), version=3)


def test_the_head_is_written_in_both_formats() -> None:
    assert protocol_line("parquet") == {"protocol": {"minReaderVersion": 1}}
    assert protocol_line("delta") == {"protocol": {"deltaProtocol": {"minReaderVersion": 1, "minWriterVersion": 4}}}
    plain = metadata_line("parquet", HEAD)["metaData"]
    assert plain == {
        "id": "t",
        "format": {"provider": "parquet"},
        "schemaString": "{}",
        "partitionColumns": [],
        "configuration": {"enableChangeDataFeed": "true"},
        "version": 3,
        "size": 9,
        "numFiles": 2,
    }
    wrapped = metadata_line("delta", replace(HEAD, feed=False, size=None))["metaData"]
    assert wrapped == {
        "version": 3,
        "deltaMetadata": {
            "id": "t",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": "{}",
            "partitionColumns": [],
            "configuration": {},
        },
    }


@pytest.mark.parametrize("kind", Kind)
def test_a_plain_line_is_named_by_its_kind(kind) -> None:
    ((name, said),) = file_line("parquet", kind, LINK).items()
    assert name == kind
    always = {"url", "id", "partitionValues", "size", "version", "expirationTimestamp"}
    more = {Kind.FILE: {"stats"}, Kind.ADD: {"stats", "timestamp"}}.get(kind, {"timestamp"})
    assert set(said) == always | more
    assert said["expirationTimestamp"] == 100_000
    assert said.get("timestamp", 5000) == 5000
    assert json.loads(said.get("stats", '{"numRecords":2}')) == {"numRecords": 2}
    assert "version" not in file_line("parquet", kind, replace(LINK, version=None))[kind]


@pytest.mark.parametrize(
    ("kind", "action", "changes"),
    [(Kind.FILE, "add", True), (Kind.ADD, "add", True), (Kind.CDF, "cdc", False), (Kind.REMOVE, "remove", True)],
)
def test_a_delta_line_wraps_an_action(kind, action, changes) -> None:
    said = file_line("delta", kind, LINK)["file"]
    assert (said["id"], said["version"], said["timestamp"], said["expirationTimestamp"]) == ("i", 3, 5000, 100_000)
    ((name, inner),) = said["deltaSingleAction"].items()
    assert (name, inner["path"], inner["size"], inner["dataChange"]) == (action, "u", 7, changes)
    assert inner["partitionValues"] == {}
    assert ("modificationTime" in inner) == ("stats" in inner) == (action == "add")
    assert "version" not in file_line("delta", kind, replace(LINK, version=None))["file"]


def test_the_last_line_has_the_tokens_that_there_are() -> None:
    assert end_line(2) == {"endStreamAction": {"minUrlExpirationTimestamp": 2000}}
    assert end_line(2, "n", "r")["endStreamAction"] == {
        "nextPageToken": "n",
        "refreshToken": "r",
        "minUrlExpirationTimestamp": 2000,
    }
