"""The change data feed: what came, and the keys of what left; nobody is ever handed what left."""

import concurrent.futures
import io
import json
import threading
from datetime import UTC, datetime

import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete

from licet.model.records import Table
from licet.store import tables
from licet.store.database import transaction

POSTS = "/shares/acme-2025/schemas/licensed/tables/posts"
FORMATS = ("parquet", "delta")
INVALID = (400, "INVALID_PARAMETER_VALUE")


def asked(client: httpx.Client, form: str, **params: object) -> httpx.Response:
    headers = {"delta-sharing-capabilities": f"responseformat={form}"}
    return client.get(POSTS + "/changes", params={k: str(v) for k, v in params.items()}, headers=headers)


def queried(client: httpx.Client, form: str, **body: object) -> httpx.Response:
    headers = {"delta-sharing-capabilities": f"responseformat={form}"}
    return client.post(POSTS + "/query", json=body, headers=headers)


def told(answer: httpx.Response) -> list[tuple[str, int, str]]:
    """Give each file's kind, version and address, whatever the format."""
    assert answer.status_code == 200, answer.text
    found = []
    for line in answer.text.splitlines()[2:]:
        ((kind, said),) = json.loads(line).items()
        address = said.get("url", "")
        if kind == "file":
            ((kind, action),) = said["deltaSingleAction"].items()
            kind, address = kind.replace("cdc", "cdf"), action["path"]
        assert {"id", "version", "timestamp", "expirationTimestamp"} <= set(said)
        found.append((kind, said["version"], address))
    return found


def kinds(answer: httpx.Response) -> list[tuple[str, int]]:
    return [(kind, version) for kind, version, _ in told(answer)]


def words(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.json()["errorCode"]) == INVALID, answer.text
    return str(answer.json()["message"])


def rows(address: str) -> list[dict]:
    answer = httpx.get(address)
    assert answer.status_code == 200, answer.text
    return pq.read_table(io.BytesIO(answer.content)).to_pylist()


@pytest.mark.parametrize("form", FORMATS)
def test_who_begins_at_the_build_gets_the_current_files_and_the_keys_since(scene, recipient, form) -> None:
    scene.recall({0: 1})
    scene.recall({1: 0})
    assert kinds(asked(recipient, form, startingVersion=0)) == [("add", 0), ("cdf", 1), ("cdf", 2)]
    assert kinds(asked(recipient, form, startingVersion=0, endingVersion=1)) == [("add", 0), ("cdf", 1)]
    assert kinds(asked(recipient, form, startingVersion=1)) == [("cdf", 1), ("cdf", 2)]
    assert kinds(asked(recipient, form, startingVersion=2, endingVersion=99)) == [("cdf", 2)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_late_reader_is_never_handed_what_left(scene, recipient, form) -> None:
    """Every byte behind every address of an answer from the very beginning holds nothing of the rows that left."""
    scene.recall({0: 1})
    scene.recall({1: 0})
    answer = asked(recipient, form, startingVersion=0)
    texts = [row["text"] for kind, _, url in told(answer) if kind == "add" for row in rows(url)]
    keys = [row for kind, _, url in told(answer) if kind == "cdf" for row in rows(url)]
    assert texts == ["text-0-0"]
    assert {row["post_id"] for row in keys} == {"post_id-0-1", "post_id-0-2", "post_id-1-0", "post_id-1-1"}
    assert {name for row in keys for name in row} == {"post_id", "author_id", "_change_type", "_reason"}
    assert {row["_change_type"] for row in keys} == {"delete"}


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_before_the_newest_build_cannot_be_read(scene, recipient, form) -> None:
    scene.recall({0: 1})
    scene.noted(Table.POSTS, scene.commit({0: 2}))
    scene.recall({0: 1})
    for version in (0, 1):
        said = words(asked(recipient, form, startingVersion=version))
        assert said == "You can only query table changes since version 2."
        said = words(queried(recipient, form, startingVersion=version))
        assert said == "You can only query table data since version 2."
    assert kinds(asked(recipient, form, startingVersion=2)) == [("add", 2), ("cdf", 3)]


@pytest.mark.parametrize("form", FORMATS)
def test_who_goes_on_across_a_build_learns_what_left_with_it(scene, recipient, form) -> None:
    """In delta format as removed: readers of a Delta log pass over what was added beside a file of changes."""
    scene.recall({0: 2})
    rebuild(scene)
    found = told(asked(recipient, form, startingVersion=2))
    assert [(kind, version) for kind, version, _ in found] == [
        ("add", 2),
        ("cdf" if form == "parquet" else "remove", 2),
    ]
    assert [row["post_id"] for row in rows(found[1][2])] == ["post_id-0-1", "post_id-1-0", "post_id-1-1"]


def rebuild(scene) -> None:
    """Build again, so that only the first row is left."""
    recall = scene.recall({0: 1, 1: 0})
    path = scene.house.shared.folder("acme-2025", "posts") / "_delta_log" / f"{recall.version:020d}.json"
    path.write_text(path.read_text().replace(r"\"cause\": \"recall\"", r"\"cause\": \"build\""))
    with transaction(scene.house.database) as conn:
        c = tables.shared_version.c
        conn.execute(tables.shared_version.update().where(c.version == recall.version).values(cause="build"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_stream_of_versions_tells_of_keys_as_removed_files(scene, recipient, form) -> None:
    """A query with a starting version knows files added and removed, and no others."""
    scene.recall({0: 1})
    scene.recall({1: 0})
    answer = queried(recipient, form, startingVersion=0)
    assert kinds(answer) == [("add", 0), ("remove", 1), ("remove", 2)]
    assert answer.headers["delta-table-version"] == "0"
    assert json.loads(answer.text.splitlines()[1])["metaData"]["version"] == 0
    assert kinds(queried(recipient, form, startingVersion="1", endingVersion="1")) == [("remove", 1)]
    url = told(queried(recipient, form, startingVersion=2))[0][2]
    assert [row["post_id"] for row in rows(url)] == ["post_id-1-0", "post_id-1-1"]
    for body, said in (
        (
            {"startingVersion": 2, "endingVersion": 1},
            "startingVersion(2) must be smaller than or equal to endingVersion",
        ),
        ({"startingVersion": 3}, "Provided Start version(3) for reading change data is invalid."),
        (
            {"startingVersion": 1, "endingVersion": 3},
            "Provided end version(3) is invalid. End version cannot be greater",
        ),
    ):
        assert words(queried(recipient, form, **body)).startswith(said)


def instants(scene, upto: int) -> list[str]:
    """Give when each version was committed."""
    folder = scene.house.shared.folder("acme-2025", "posts") / "_delta_log"
    found = []
    for version in range(upto + 1):
        said = [json.loads(line) for line in (folder / f"{version:020d}.json").read_text().splitlines()]
        stamp = next(each["commitInfo"]["timestamp"] for each in said if "commitInfo" in each)
        found.append(datetime.fromtimestamp(stamp / 1000, UTC).isoformat())
    return found


def test_versions_can_be_named_by_their_time(scene, recipient) -> None:
    scene.recall({0: 2})
    scene.recall({0: 1})
    at = instants(scene, 2)
    for ends, found in (
        ({"startingTimestamp": "2000-01-01T00:00:00Z"}, [("add", 0), ("cdf", 1), ("cdf", 2)]),
        ({"startingTimestamp": at[1], "endingTimestamp": at[1]}, [("cdf", 1)]),
        ({"startingTimestamp": at[1], "endingTimestamp": "9999-01-01T00:00:00Z"}, [("cdf", 1), ("cdf", 2)]),
        ({"startingVersion": 0, "endingTimestamp": at[0]}, [("add", 0)]),
    ):
        assert list(dict.fromkeys(kinds(asked(recipient, "parquet", **ends)))) == found


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({}, "No startingVersion or startingTimestamp provided for CDF read."),
        ({"endingVersion": 1}, "No startingVersion or startingTimestamp provided for CDF read."),
        (
            {"startingVersion": 0, "startingTimestamp": "x"},
            "Multiple starting arguments provided for CDF read. Please provide one of either startingTimestamp or sta",
        ),
        (
            {"startingVersion": 0, "endingVersion": 0, "endingTimestamp": "x"},
            "Multiple ending arguments provided for CDF read. Please provide one of either endingTimestamp or ending",
        ),
        ({"startingVersion": "x"}, "startingVersion is not a valid number."),
        ({"startingVersion": 0, "endingVersion": "1.5"}, "endingVersion is not a valid number."),
        ({"startingVersion": -1}, "startingVersion cannot be negative."),
        (
            {"startingVersion": 2, "endingVersion": 1},
            "CDF range from start 2 to end 1 was invalid. End cannot be before",
        ),
        (
            {"startingVersion": 1, "endingVersion": -1},
            "CDF range from start 1 to end -1 was invalid. End cannot be bef",
        ),
        (
            {"startingVersion": 3},
            "Provided Start version(3) for reading change data is invalid. Start version cannot be",
        ),
        ({"startingTimestamp": "2022-04-29"}, "Invalid startingTimestamp: "),
        ({"startingTimestamp": "9999-01-01T00:00:00Z"}, "The provided timestamp (9999-01-01T00:00:00Z)\nis after the"),
        ({"startingVersion": 0, "endingTimestamp": "2000-01-01T00:00:00Z"}, "The provided timestamp (2000-01-01T00:00"),
        (
            {"startingVersion": 0, "maxFiles": "x"},
            "expected a number but the string didn't have the appropriate format",
        ),
        ({"maxFiles": "0"}, "maxFiles must be positive."),
        ({"startingVersion": 0, "maxFiles": -1}, "maxFiles must be positive."),
    ],
)
def test_a_bad_question_for_changes_is_refused_in_the_protocols_words(scene, recipient, ends, said) -> None:
    scene.recall({0: 2})
    scene.recall({0: 1})
    assert words(asked(recipient, "parquet", **ends)).startswith(said)


def test_a_time_before_the_newest_build_is_told_the_first_that_can_be_asked_for(scene, recipient) -> None:
    scene.noted(Table.POSTS, scene.commit({0: 2}))
    said = words(asked(recipient, "parquet", startingTimestamp="2000-01-01T00:00:00Z"))
    assert "is before the earliest available version 1 (" in said
    assert "\nPlease use a timestamp greater than or equal to " in said


@pytest.mark.parametrize("form", FORMATS)
def test_the_head_is_that_of_the_latest_version_or_of_the_first_one(scene, recipient, form) -> None:
    scene.recall({0: 1})
    for historical, version in (("False", 1), ("True", 0)):
        answer = asked(recipient, form, startingVersion=0, includeHistoricalMetadata=historical)
        metadata = json.loads(answer.text.splitlines()[1])["metaData"]
        assert (answer.headers["delta-table-version"], metadata["version"]) == ("0", version)
        configuration = metadata.get("deltaMetadata", metadata)["configuration"]
        assert configuration == {("delta." if form == "delta" else "") + "enableChangeDataFeed": "true"}


def test_nothing_happened_is_an_answer_without_files(recipient, scene) -> None:
    scene.commit({})
    assert kinds(asked(recipient, "parquet", startingVersion=1)) == []


def test_files_of_keys_stay_while_later_versions_come(scene, recipient) -> None:
    """They hold no content, so neither a pending withdrawal nor a build takes them away; they are deliveries."""
    scene.recall({0: 1})
    _, _, url = told(asked(recipient, "parquet", startingVersion=1))[0]
    scene.recall({1: 1})
    scene.noted(Table.POSTS, scene.commit({0: 1}))
    scene.withdraw()
    first = httpx.get(url)
    assert (first.status_code, httpx.head(url).headers["content-length"]) == (200, str(len(first.content)))
    part = httpx.get(url, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PAR1")
    with transaction(scene.house.database) as conn:
        found = conn.execute(tables.delivery.select().order_by(tables.delivery.c.id)).all()
    name = url.split("?")[0].rsplit("/", 1)[1]
    assert [(row.record_table, row.version, row.file) for row in found] == [("posts", 1, name)] * 2
    assert name.startswith("keys-")


def test_a_file_of_keys_opens_under_its_own_version_and_license_only(scene, recipient) -> None:
    scene.recall({0: 1})
    _, _, url = told(asked(recipient, "parquet", startingVersion=1))[0]
    for changed in (url.replace("/posts/1/", "/posts/2/"), url.replace("/posts/", "/likes/"), url.split("&")[0]):
        assert httpx.get(changed).status_code == 403
    scene.change("suspended")
    assert httpx.get(url).status_code == 403


def test_changes_wait_for_the_recall(scene, serving) -> None:
    """A question begun after a withdrawal is never answered from the version before it."""
    scene.withdraw()
    with (
        serving(scene, wait_s=20) as url,
        concurrent.futures.ThreadPoolExecutor() as pool,
        httpx.Client(headers={"Authorization": f"Bearer {scene.token}"}, timeout=30) as client,
    ):
        client.base_url = httpx.URL(f"{url}/delta-sharing")
        waiting = pool.submit(asked, client, "parquet", startingVersion=0)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(timeout=0.2)
        scene.recall({0: 1})
        assert kinds(waiting.result(timeout=20)) == [("add", 0), ("add", 0), ("cdf", 1)]


def test_changes_are_refused_while_a_withdrawal_is_pending(scene, recipient) -> None:
    scene.withdraw()
    for answer in (asked(recipient, "delta", startingVersion=0), queried(recipient, "delta", startingVersion=0)):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_no_answer_begun_after_a_withdrawal_offers_a_file_that_held_it(scene, serving) -> None:
    """Questions for changes race withdrawals and recalls."""
    done = threading.Event()
    gone: set[str] = set()
    scene.commit(dict.fromkeys(range(4), 1))

    def recall() -> None:
        for bucket in range(4):
            before = scene.house.shared.snapshot("acme-2025", "posts")
            scene.withdraw()
            gone.update(file.name for file in before.files if file.bucket == bucket)
            scene.recall({bucket: 0})
        done.set()

    with serving(scene, wait_s=20) as url, httpx.Client(timeout=30, base_url=f"{url}/delta-sharing") as client:
        client.headers["Authorization"] = f"Bearer {scene.token}"
        thread = threading.Thread(target=recall)
        thread.start()
        seen = 0
        while not done.is_set() or not seen:
            before = set(gone)
            answer = asked(client, "parquet", startingVersion=1)
            names = {url.split("?")[0].rsplit("/", 1)[1] for _, _, url in told(answer)}
            assert not names & before
            seen += 1
        thread.join()
        assert kinds(asked(client, "parquet", startingVersion=1)) == [("cdf", version) for version in (2, 3, 4, 5)]


def test_where_the_record_of_a_version_is_lost_the_feed_begins_after_it(scene, recipient) -> None:
    for left in (2, 1, 0):
        scene.recall({0: left})
    with transaction(scene.house.database) as conn:
        conn.execute(delete(tables.shared_version).where(tables.shared_version.c.version == 1))
    assert words(asked(recipient, "parquet", startingVersion=1)) == "You can only query table changes since version 2."
    assert kinds(asked(recipient, "parquet", startingVersion=2)) == [("add", 2), ("cdf", 2), ("cdf", 3)]
