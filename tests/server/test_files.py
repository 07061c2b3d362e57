"""Files by signed address: whole, in ranges, once withdrawn no more, and every delivery on record."""

import io
import json
from datetime import timedelta

import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from licet.ledger.close import close
from licet.model.money import LedgerTerms
from licet.server import files
from licet.store import books, tables
from licet.store.database import reading, transaction

QUERY = "/shares/acme-2025/schemas/licensed/tables/posts/query"


@pytest.fixture
def file(recipient) -> dict:
    """The line of the file with three rows."""
    found = [json.loads(line) for line in recipient.post(QUERY, json={}).text.splitlines()]
    return next(
        line["file"] for line in found if "file" in line and json.loads(line["file"]["stats"])["numRecords"] == 3
    )


def deliveries(scene) -> list[tuple[str, str, str, int, int]]:
    c = tables.delivery.c
    query = select(c.recipient_id, c.license_id, c.record_table, c.version, c.bytes).order_by(c.id)
    with reading(scene.house.database) as conn:
        return [tuple(row) for row in conn.execute(query)]


def test_the_whole_file_is_given_and_put_on_record(scene, file) -> None:
    answer = httpx.get(file["url"])
    assert answer.status_code == 200
    assert (len(answer.content), answer.headers["accept-ranges"]) == (file["size"], "bytes")
    assert pq.read_table(io.BytesIO(answer.content)).num_rows == 3
    assert deliveries(scene) == [("acme", "acme-2025", "posts", 0, file["size"])]


def test_a_head_tells_the_size_and_delivers_nothing(scene, file) -> None:
    answer = httpx.head(file["url"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(file["size"])
    assert answer.headers["etag"] == httpx.get(file["url"]).headers["etag"]
    assert len(deliveries(scene)) == 1


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("bytes=0-3", 0, 4), ("bytes=-8", -8, None), ("bytes=5-", 5, None), ("bytes=2-99999999", 2, None)],
)
def test_a_range_is_given(scene, file, asked, first, end) -> None:
    whole = httpx.get(file["url"]).content
    answer = httpx.get(file["url"], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, whole[first:end])
    start = first % len(whole)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(answer.content) - 1}/{len(whole)}"
    assert deliveries(scene)[-1][-1] == len(answer.content)


def test_a_range_beyond_the_end_cannot_be_satisfied(scene, file) -> None:
    answer = httpx.get(file["url"], headers={"Range": f"bytes={file['size']}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{file['size']}")
    assert deliveries(scene) == []


@pytest.mark.parametrize("asked", ["bytes=3-1", "bytes=0-1,3-4", "lines=0-1", "bytes=-"])
def test_a_range_that_cannot_be_read_gives_the_whole_file(file, asked) -> None:
    answer = httpx.get(file["url"], headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, file["size"])


def test_a_range_of_another_file_gives_the_whole_file(file) -> None:
    answer = httpx.get(file["url"], headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (answer.status_code, len(answer.content)) == (200, file["size"])


@pytest.mark.usefixtures("another_license")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "tamper",
    [
        lambda url: url.replace("acme-2025", "other-2025"),
        lambda url: url.replace("/posts/", "/likes/"),
        lambda url: url.replace("/posts/0/", "/posts/1/"),
        lambda url: url.replace("bucket-", "bucket-0"),
        lambda url: url.replace("expires=1", "expires=2"),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.split("&")[0],
        lambda url: url.split("?")[0],
    ],
)
def test_an_address_that_was_tampered_with_opens_nothing(scene, file, method, tamper) -> None:
    changed = tamper(file["url"])
    assert changed != file["url"]
    assert httpx.request(method, changed).status_code == 403
    assert deliveries(scene) == []


def test_an_address_expires(scene, file) -> None:
    scene.now += timedelta(seconds=3599)
    assert httpx.get(file["url"]).status_code == 200
    scene.now += timedelta(seconds=1)
    assert httpx.get(file["url"]).status_code == 403


def test_an_address_ends_with_its_license(scene, file) -> None:
    scene.change("suspended")
    assert httpx.get(file["url"]).status_code == 403


def test_a_file_that_lost_a_member_is_gone(scene, file) -> None:
    scene.withdraw()
    scene.commit({0: 2, 1: 2})
    assert httpx.get(file["url"]).status_code == 410
    assert httpx.head(file["url"]).status_code == 410
    assert deliveries(scene) == []


def test_a_file_is_held_back_while_a_withdrawal_is_pending(scene, file) -> None:
    scene.withdraw()
    answer = httpx.get(file["url"])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert deliveries(scene) == []


def test_a_file_of_many_chunks_arrives_whole(scene, file, monkeypatch) -> None:
    monkeypatch.setattr(files, "CHUNK", 100)
    answer = httpx.get(file["url"])
    path = scene.house.shared.folder("acme-2025", "posts") / file["url"].split("?")[0].rsplit("/", 1)[1]
    assert answer.content == path.read_bytes()
    assert deliveries(scene)[-1][-1] == file["size"]


def test_what_was_fetched_is_charged_once_when_its_month_is_closed(scene, file) -> None:
    for _ in range(2):
        assert httpx.get(file["url"]).status_code == 200
    assert httpx.get(file["url"], headers={"Range": "bytes=0-3"}).status_code == 206
    plan = 'name = "p"\ncurrency = "USD"\n[[charge]]\nper_thousand = "1000"\n'
    terms = LedgerTerms(currency="USD", member_ppm=500_000, payment_days=30, seller="", basis="rows")
    with transaction(scene.house.database) as conn:
        books.set_terms(conn, terms, scene.now)
        books.set_plan(conn, "acme-2025", plan, scene.now)
    (closed,) = close(scene.house, scene.now + timedelta(days=40))
    assert [(line.text, line.quantity, line.micros) for line in closed.invoices[0].lines] == [
        ("posts, likes, bookmarks, reposts", 3, 3_000_000)
    ]
