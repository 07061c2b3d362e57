"""Lists are cut into pages without loss, and capabilities are read without regard to case."""

import json

from hypothesis import given
from hypothesis import strategies as st

from licet.protocol import sharing


@given(st.sets(st.text("abcdef0123456789-", min_size=1), max_size=30), st.integers(1, 7))
def test_pages_give_every_item_once_in_order(names, size) -> None:
    items, seen, token = [sharing.share_item(name) for name in names], [], None
    while True:
        answer = sharing.page(items, "shares", size, token)
        assert len(answer["items"]) <= size
        seen += [item["name"] for item in answer["items"]]
        token = answer.get("nextPageToken")
        if token is None:
            break
    assert seen == sorted(names)


def test_lines_are_one_object_each() -> None:
    text = sharing.ndjson([{"protocol": {}}, {"file": {"url": "u\n"}}])
    assert [list(json.loads(line)) for line in text.splitlines()] == [["protocol"], ["file"]]


def test_parquet_is_answered_wherever_it_is_taken() -> None:
    said = {
        None: "parquet",
        "": "parquet",
        "ResponseFormat=Delta,Parquet": "parquet",
        "responseformat=parquet,delta;readerfeatures=deletionvectors": "parquet",
        "responseformat=DELTA": "delta",
        "responseformat=iceberg": None,
    }
    assert {header: sharing.read_capabilities(header).format for header in said} == said


def test_the_answer_names_one_format_and_an_end_where_it_was_asked_for() -> None:
    said = sharing.read_capabilities("includeEndStreamAction=TRUE;asyncquery=true")
    assert (said.answer("delta"), said.asynchronous) == ("responseformat=delta;includeendstreamaction=true", True)
    said = sharing.read_capabilities("includeendstreamaction=false")
    assert (said.answer("parquet"), said.asynchronous) == ("responseformat=parquet", False)


@given(st.text(), st.text())
def test_a_table_is_listed_under_the_id_that_its_metadata_may_have(share, table) -> None:
    assert sharing.table_item(share, table)["id"] == sharing.table_id(share, table)
