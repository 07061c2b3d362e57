"""Files are measured once, whoever asks first, and before a sweep deletes them."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq
from sqlalchemy import select

from licet.model.errors import IntegrityError
from licet.model.licenses import Delivery, LicenseId, RecipientId
from licet.model.records import Table
from licet.store import ledger_tables as lt
from licet.store.database import reading, transaction
from licet.store.house import House
from licet.store.meter import (
    count_tokens,
    give_up,
    lines_of,
    measure,
    measure_delivered,
    measure_leaving,
)
from licet.store.parties import record_delivery

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def file(house: House, name: str, owners: list[str]) -> Path:
    """Write a shared file of posts."""
    path = house.shared.folder("l1", Table.POSTS) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"author_id": owners, "text": ["so it is"] * len(owners)}), path)
    return path


def deliver(house: House, name: str, sent: int = 1) -> None:
    """Record that a file was fetched."""
    who = {"recipient_id": RecipientId("acme"), "license_id": LicenseId("l1"), "table": Table.POSTS, "version": 0}
    with transaction(house.database) as conn:
        record_delivery(conn, Delivery(**who, file=name, bytes=sent, at=NOW))


def known(house: House) -> dict[str, tuple[int, int]]:
    """Give the rows and tokens of every measured file."""
    c = lt.metered_file.c
    with reading(house.database) as conn:
        return {row.file: (row.rows, row.tokens) for row in conn.execute(select(c.file, c.rows, c.tokens))}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("  \n", 0),
        ("so it is", 3),
        ("it's 3.14!", 7),
        ("@ann: #fun", 5),
        ("naïve Ελλάδα привет", 3),
        ("नमस्ते दुनिया", 2),
        ("한국어 말", 2),
        ("東京", 2),
        ("🙂🙂", 2),
        (None, 0),
    ],
)
def test_a_token_is_a_word_where_words_are_spaced_and_else_a_character(text: str | None, tokens: int) -> None:
    assert count_tokens(pa.chunked_array([pa.array([text], pa.string())])).to_pylist() == [tokens]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_anybody_can_count_ascii_tokens_again(text: str) -> None:
    found = count_tokens(pa.chunked_array([pa.array([text])]))
    assert found.to_pylist() == [len(re.findall(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]", text))]


def test_the_lines_of_a_file_name_each_member_once(house: House) -> None:
    lines = lines_of(file(house, "bucket-00000-a.parquet", ["p2", "p1", "p2"]), Table.POSTS, 7)
    assert lines.to_pylist() == [
        {"number": 7, "pseudonym": "p1", "rows": 1, "tokens": 3},
        {"number": 7, "pseudonym": "p2", "rows": 2, "tokens": 6},
    ]


def test_only_what_was_fetched_is_measured_and_only_once(any_house: House) -> None:
    names = [f"bucket-00000-{letter}.parquet" for letter in "abc"]
    for name in names:
        file(any_house, name, ["p1"])
    deliver(any_house, names[0])
    deliver(any_house, names[1], sent=0)
    assert measure_delivered(any_house, "l1", Table.POSTS, names, NOW) == 1
    assert measure_delivered(any_house, "l1", Table.POSTS, names, NOW) == 0
    assert measure(any_house, "l1", Table.POSTS, names[:2], NOW) == 1
    assert known(any_house) == {names[0]: (1, 3), names[1]: (1, 3)}


def test_a_file_that_is_about_to_go_is_measured_first_and_one_that_cannot_be_keeps_nobody_waiting(house: House) -> None:
    good, torn = (file(house, f"bucket-00000-{letter}.parquet", ["p1", "p2"]) for letter in "ab")
    torn.write_bytes(b"torn")
    deliver(house, good.name)
    measure_leaving(house, "l1", Table.POSTS, NOW)
    assert known(house) == {good.name: (2, 6)}
    deliver(house, torn.name)
    measure_leaving(house, "l1", Table.POSTS, NOW)
    assert house.shared.sweep("l1", Table.POSTS, 0, datetime.now(UTC)) == 2


def test_what_is_lost_is_written_down_as_lost_and_never_measured_again(house: House) -> None:
    assert measure(house, "l1", Table.POSTS, ["bucket-00000-x.parquet"], NOW) == 0
    with pytest.raises(IntegrityError, match="mount the shared folder"):
        give_up(house, "l1", Table.POSTS, ["bucket-00000-x.parquet"], NOW)
    house.shared.folder("l1", Table.POSTS).mkdir(parents=True)
    assert give_up(house, "l1", Table.POSTS, ["bucket-00000-x.parquet"], NOW) == 1
    assert give_up(house, "l1", Table.POSTS, ["bucket-00000-x.parquet"], NOW) == 0
    assert known(house) == {"bucket-00000-x.parquet": (0, 0)}
    assert [path.name for path in (house.shared.root / "l1" / "ledger").glob("*")] == []
