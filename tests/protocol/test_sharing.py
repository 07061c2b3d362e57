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
    text = sharing.ndjson([sharing.protocol_line(), sharing.file_line("u\n", "i", 1, 2, 3)])
    assert [list(json.loads(line)) for line in text.splitlines()] == [["protocol"], ["file"]]


def test_only_a_client_that_names_other_formats_alone_refuses_parquet() -> None:
    said = {None: True, "": True, "ResponseFormat=Delta,Parquet": True, "responseformat=delta": False}
    assert {header: sharing.read_capabilities(header).parquet for header in said} == said
