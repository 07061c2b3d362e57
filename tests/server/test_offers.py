"""The removals: every key that left, readable by whoever has to delete it; and files that surely hold no wanted row."""

import io
import json
from datetime import UTC, datetime, timedelta

import delta_sharing
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from licet.model.records import Table
from licet.model.schemas import REMOVALS
from licet.protocol.predicates import bucket_range
from licet.store import parties, tables
from licet.store.database import reading, transaction
from licet.store.recalls import recalls_of

TABLE = "/shares/acme-2025/schemas/licensed/tables/removals"
POSTS = TABLE.replace("removals", "posts")

NO_HISTORY = (
    "Reading table by version or timestamp is not supported because history sharing is not enabled on table: "
    "acme-2025.licensed.removals"
)


def listed(client: httpx.Client, path: str = TABLE, **body: object) -> list[dict]:
    answer = client.post(f"{path}/query", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line)["file"] for line in answer.text.splitlines()[2:]]


def rows(client: httpx.Client) -> list[dict]:
    tables_ = [pq.read_table(io.BytesIO(httpx.get(file["url"]).content)) for file in listed(client)]
    return [row for table in tables_ for row in table.to_pylist()]


def version(client: httpx.Client) -> str:
    return client.get(f"{TABLE}/version").headers["delta-table-version"]


def test_before_anything_left_there_are_no_removals(recipient) -> None:
    assert (version(recipient), listed(recipient)) == ("0", [])
    metadata = json.loads(recipient.get(f"{TABLE}/metadata").text.splitlines()[1])["metaData"]
    assert metadata["configuration"] == {}
    names = [field["name"] for field in json.loads(metadata["schemaString"])["fields"]]
    assert names == REMOVALS.names


def test_every_key_that_left_is_listed_with_when_and_why(scene, recipient) -> None:
    scene.commit({0: 2}, Table.LIKES)
    scene.recall({0: 1})
    scene.recall({0: 0}, Table.LIKES)
    assert version(recipient) == "2"
    found = rows(recipient)
    with reading(scene.house.database) as conn:
        departures = {each.table: each for recall in recalls_of(conn) for each in recall.departures}
        at = {str(table): parties.versions(conn, "acme-2025", table)[-1][0].at for table in departures}
    assert {row["record_table"]: row["removed_at"] for row in found} == at
    assert [(row["record_table"], row["version"], row["reason"]) for row in found] == [
        ("posts", 1, "opted_out"),
        ("posts", 1, "opted_out"),
        ("likes", 1, "opted_out"),
        ("likes", 1, "opted_out"),
    ]
    keys = ("post_id", "author_id", "actor_id", "post_author_id")
    assert [tuple(row[key] for key in keys) for row in found] == [
        ("post_id-0-1", "author_id-0-1", None, None),
        ("post_id-0-2", "author_id-0-2", None, None),
        ("post_id-0-0", None, "actor_id-0-0", "post_author_id-0-0"),
        ("post_id-0-1", None, "actor_id-0-1", "post_author_id-0-1"),
    ]


@pytest.mark.parametrize("options", [{}, {"use_delta_format": False}, {"use_delta_format": True}])
def test_the_official_client_reads_removals(scene, address, tmp_path, options) -> None:
    scene.recall({0: 1})
    scene.recall({1: 1})
    path = tmp_path / "recipient.share"
    said = {"shareCredentialsVersion": 1, "endpoint": f"{address}/delta-sharing/", "bearerToken": scene.token}
    path.write_text(json.dumps(said))
    frame = delta_sharing.load_as_pandas(f"{path}#acme-2025.licensed.removals", **options)
    assert sorted(frame["post_id"]) == ["post_id-0-1", "post_id-0-2", "post_id-1-1"]
    assert list(frame.columns) == REMOVALS.names
    assert str(frame["removed_at"].dt.tz) == "UTC"
    assert sorted(frame["version"]) == [1, 1, 2]


def test_removals_are_read_whole_and_have_no_versions_but_the_current_one(scene, recipient) -> None:
    scene.recall({0: 1})
    asked = (
        recipient.post(f"{TABLE}/query", json={"version": 1}),
        recipient.post(f"{TABLE}/query", json={"startingVersion": 0}),
        recipient.get(f"{TABLE}/metadata", params={"version": 1}),
        recipient.get(f"{TABLE}/version", params={"startingTimestamp": "no time"}),
    )
    for answer in asked:
        assert (answer.status_code, answer.json()["message"]) == (400, NO_HISTORY)
    answer = recipient.get(f"{TABLE}/changes")
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "cdf is not enabled on table acme-2025.licensed.removals",
    )


@pytest.mark.parametrize("state", ["suspended", "ended"])
def test_whoever_must_delete_can_read_what_whatever_the_license(scene, recipient, state) -> None:
    scene.recall({0: 1})
    scene.change(state)
    assert recipient.post(f"{POSTS}/query", json={}).status_code == 403
    assert len(rows(recipient)) == 2


def test_removals_are_read_while_a_withdrawal_is_pending(scene, recipient) -> None:
    scene.recall({0: 1})
    scene.withdraw()
    assert recipient.post(f"{POSTS}/query", json={}).status_code == 503
    assert len(rows(recipient)) == 2


def test_removals_are_no_delivery_of_licensed_rows(scene, recipient) -> None:
    scene.recall({0: 1})
    rows(recipient)
    with transaction(scene.house.database) as conn:
        assert conn.execute(tables.delivery.select()).all() == []


def test_removals_come_in_ranges_and_only_under_a_signed_address(scene, recipient) -> None:
    scene.recall({0: 1})
    (file,) = listed(recipient)
    whole = httpx.get(file["url"]).content
    assert len(whole) == file["size"] == int(httpx.head(file["url"]).headers["content-length"])
    assert httpx.get(file["url"], headers={"Range": "bytes=-4"}).content == b"PAR1"
    assert httpx.get(file["url"].replace("removals-", "removals-0")).status_code == 403
    scene.now += timedelta(hours=1)
    assert httpx.get(file["url"]).status_code == 403


@pytest.mark.usefixtures("another_license")
def test_another_recipients_removals_do_not_exist(recipient) -> None:
    answers = [
        recipient.post(TABLE.replace("acme-2025", share) + "/query", json={}) for share in ("other-2025", "none")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace("other-2025", "none") == answers[1].text


def test_many_removals_lie_in_few_files(scene, recipient) -> None:
    scene.commit({0: 40})
    seen = []
    for left in range(39, 0, -1):
        scene.recall({0: left})
        seen.append(len(listed(recipient)))
    assert max(seen) == 16
    assert seen[-1] == 2 + 7
    assert sorted(row["post_id"] for row in rows(recipient)) == sorted(f"post_id-0-{n}" for n in range(1, 40))
    assert version(recipient) == "39"


def pseudonyms(scene) -> None:
    """Commit a file a bucket, whose rows' authors lie in that bucket."""
    folder = scene.house.shared.folder("acme-2025", "posts")
    for file in scene.commit(dict.fromkeys(range(4), 1)).files:
        rows_ = pq.read_table(folder / file.name)
        author = pa.array([bucket_range(file.bucket, 4).low], pa.string())
        pq.write_table(rows_.set_column(1, rows_.schema.field(1), author), folder / file.name)


def tree(op: str, value: str, column: str = "author_id") -> str:
    """Give a predicate on a column as a client sends it."""
    sides = [
        {"op": "column", "name": column, "valueType": "string"},
        {"op": "literal", "value": value, "valueType": "string"},
    ]
    return json.dumps({"op": op, "children": sides})


@pytest.mark.parametrize(
    ("hints", "buckets"),
    [
        ({}, [0, 1, 2, 3]),
        ({"jsonPredicateHints": tree("equal", "4" + "0" * 31)}, [1]),
        ({"jsonPredicateHints": tree("lessThan", "8" + "0" * 31)}, [0, 1]),
        ({"jsonPredicateHints": tree("greaterThanOrEqual", "8" + "0" * 31, "AUTHOR_ID")}, [2, 3]),
        ({"predicateHints": ["author_id = 'c" + "0" * 31 + "'"]}, [3]),
        ({"predicateHints": ["author_id >= '8'", "not SQL", "text = 'a'"]}, [2, 3]),
        ({"predicateHints": ["author_id IS NULL"]}, []),
        ({"jsonPredicateHints": tree("equal", "a", "created_at")}, [0, 1, 2, 3]),
        ({"jsonPredicateHints": "{"}, [0, 1, 2, 3]),
        ({"jsonPredicateHints": ""}, [0, 1, 2, 3]),
    ],
)
def test_files_without_a_wanted_owner_are_left_out(scene, recipient, hints, buckets) -> None:
    pseudonyms(scene)
    found = [int(file["url"].split("bucket-")[1].split("-")[0]) for file in listed(recipient, POSTS, **hints)]
    assert found == buckets


def test_a_moment_of_posting_leaves_nothing_out(recipient) -> None:
    """Files carry no statistics of it."""
    now = datetime.now(UTC).isoformat()
    assert len(listed(recipient, POSTS, predicateHints=[f"created_at > '{now}'"])) == 2
