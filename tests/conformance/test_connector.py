"""The official Python connector, every call that it has, and a recipient who follows the changes with it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import delta_sharing
import pandas as pd
import pytest
import requests

from licet.model.members import Choice
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets

FORMATS = [None, False, True]
FEEDS = [False, True]
POST_COLUMNS = ["post_id", "author_id", "created_at", "text", "lang", "in_reply_to", "quote_of"]
pytestmark = pytest.mark.filterwarnings(
    # The connector joins frames of which some have columns without any value.
    "ignore:The behavior of DataFrame concatenation:FutureWarning",
)


def profile_of(platform, folder: Path) -> str:
    path = folder / "recipient.share"
    said = {"endpoint": f"{platform.address}/delta-sharing/", "bearerToken": platform.token}
    path.write_text(json.dumps({"shareCredentialsVersion": 1, **said}))
    return str(path)


@pytest.fixture
def profile(platform, tmp_path: Path) -> str:
    return profile_of(platform, tmp_path)


@pytest.fixture
def posts(profile) -> str:
    return f"{profile}#acme-1.licensed.posts"


def test_shares_schemas_and_tables_are_listed(profile) -> None:
    client = delta_sharing.SharingClient(profile)
    shares = client.list_shares()
    assert [share.name for share in shares] == ["acme-1", "acme-2", "acme-3"]
    schemas = client.list_schemas(shares[0])
    assert [(schema.share, schema.name) for schema in schemas] == [("acme-1", "licensed")]
    assert [table.name for table in client.list_tables(schemas[0])] == ["likes", "posts", "removals"]
    assert len(client.list_all_tables()) == 9


def test_versions_are_told(platform, posts) -> None:
    assert delta_sharing.get_table_version(posts) == 2
    assert delta_sharing.get_table_version(posts, "2000-01-01T00:00:00Z") == 0
    assert delta_sharing.get_table_version(posts, platform.instant(1)) == 1


@pytest.mark.parametrize("delta", [False, True])
def test_metadata_and_protocol_are_told(posts, delta) -> None:
    metadata = delta_sharing.get_table_metadata(posts, use_delta_format=delta)
    assert [field["name"] for field in json.loads(metadata.schema_string)["fields"]] == POST_COLUMNS
    assert metadata.configuration["enableChangeDataFeed"] == "true"
    assert delta_sharing.get_table_protocol(posts, use_delta_format=delta).min_reader_version == 1


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("delta", FORMATS)
def test_a_table_is_loaded_whole(platform, profile, delta, batches) -> None:
    for table in (Table.POSTS, Table.LIKES):
        url = f"{profile}#acme-1.licensed.{table}"
        frame = delta_sharing.load_as_pandas(url, use_delta_format=delta, convert_in_batches=batches)
        shared = platform.world.shared(table)
        assert sorted(frame["post_id"]) == sorted(row[0 if table is Table.POSTS else 1] for row in shared)
        assert str(frame["created_at"].dt.tz) == "UTC"


@pytest.mark.parametrize("delta", FORMATS)
@pytest.mark.parametrize("limit", [0, 1, 4, 1000])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it forgets a folder where no row comes
def test_a_table_is_loaded_up_to_a_limit(posts, delta, limit) -> None:
    frame = delta_sharing.load_as_pandas(posts, limit=limit, use_delta_format=delta)
    assert (len(frame), list(frame.columns)) == (min(limit, 10), POST_COLUMNS)


@pytest.mark.parametrize("delta", FORMATS)
def test_hints_leave_files_out_and_never_a_wanted_row(posts, delta) -> None:
    whole = delta_sharing.load_as_pandas(posts)
    author, _ = member_secrets(b"k" * 32, "x:5")
    sides = [
        {"op": "column", "name": "author_id", "valueType": "string"},
        {"op": "literal", "value": author, "valueType": "string"},
    ]
    hints = json.dumps({"op": "equal", "children": sides})
    frame = delta_sharing.load_as_pandas(posts, jsonPredicateHints=hints, use_delta_format=delta)
    assert len(frame) < len(whole)
    assert len(frame[frame["author_id"] == author]) == 1


@pytest.mark.parametrize("delta", FORMATS)
def test_the_current_version_is_loaded_by_number_and_time(platform, posts, delta) -> None:
    for options in ({"version": 2}, {"timestamp": platform.instant(2)}):
        assert len(delta_sharing.load_as_pandas(posts, use_delta_format=delta, **options)) == 10


@pytest.mark.parametrize("delta", FORMATS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"version": 1}, "You can only query table data since version 2"),
        ({"version": 3}, "Cannot load table version 3"),
        ({"timestamp": "2000-01-01T00:00:00Z"}, "Please use a timestamp greater"),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "is after the latest available version"),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "Please use a timestamp less"),
        ({"version": 1, "timestamp": "2000-01-01T00:00:00Z"}, "Please only provide one of"),
    ],
)
def test_no_other_version_is_loaded(posts, delta, options, said) -> None:
    with pytest.raises(requests.HTTPError, match=said):
        delta_sharing.load_as_pandas(posts, use_delta_format=delta, **options)


def test_removals_have_no_history(profile) -> None:
    with pytest.raises(requests.HTTPError, match="Reading table by version or timestamp is not supported"):
        delta_sharing.load_as_pandas(f"{profile}#acme-1.licensed.removals", version=1)


@pytest.mark.parametrize("delta", FORMATS)
def test_removals_are_loaded(profile, delta) -> None:
    frame = delta_sharing.load_as_pandas(f"{profile}#acme-1.licensed.removals", use_delta_format=delta)
    assert frame.groupby(["record_table", "version"]).size().to_dict() == {
        ("likes", 1): 4,
        ("likes", 2): 4,
        ("posts", 1): 1,
        ("posts", 2): 1,
    }
    assert set(frame["reason"]) == {"opted_out"}


@pytest.mark.parametrize("delta", FEEDS)
def test_changes_are_loaded(platform, posts, delta) -> None:
    for options in ({"starting_version": 0}, {"starting_timestamp": "2000-01-01T00:00:00Z"}):
        frame = delta_sharing.load_table_changes_as_pandas(posts, use_delta_format=delta, **options)
        assert list(frame.columns) == [*POST_COLUMNS, "_change_type", "_commit_version", "_commit_timestamp"]
        found = frame.groupby(["_commit_version", "_change_type"]).size().to_dict()
        assert found == {(0, "insert"): 10, (1, "delete"): 1, (2, "delete"): 1}
        deleted = frame[frame["_change_type"] == "delete"]
        assert deleted[["post_id", "author_id"]].notna().all(axis=None)
        assert deleted[POST_COLUMNS[2:]].isna().all(axis=None)
    for options in (
        {"starting_version": 1, "ending_version": 1},
        {"starting_timestamp": platform.instant(1), "ending_timestamp": platform.instant(1)},
    ):
        frame = delta_sharing.load_table_changes_as_pandas(posts, use_delta_format=delta, **options)
        assert list(zip(frame["_commit_version"], frame["_change_type"], strict=True)) == [(1, "delete")]


@pytest.mark.parametrize("delta", FEEDS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "No startingVersion or startingTimestamp"),
        ({"starting_version": 2, "ending_version": 1}, "CDF range from start 2 to end 1"),
        ({"starting_version": 3}, "Provided Start version"),
        ({"starting_timestamp": "9999-01-01T00:00:00Z"}, "Please use a timestamp less"),
        ({"starting_version": 0, "ending_timestamp": "2000-01-01T00:00:00Z"}, "Please use a timestamp greater"),
    ],
)
def test_no_other_changes_are_loaded(posts, delta, options, said) -> None:
    with pytest.raises(requests.HTTPError, match=said):
        delta_sharing.load_table_changes_as_pandas(posts, use_delta_format=delta, **options)


def test_removals_have_no_changes(profile) -> None:
    with pytest.raises(requests.HTTPError, match="cdf is not enabled on table"):
        delta_sharing.load_table_changes_as_pandas(f"{profile}#acme-1.licensed.removals", starting_version=0)


@dataclass(kw_only=True)
class Follower:
    """A recipient's own copy of a table, kept up by changes alone."""

    url: str
    delta: bool
    next: int = 0
    rows: dict[str, str] = field(default_factory=dict)

    def follow(self) -> None:
        latest = delta_sharing.get_table_version(self.url)
        if latest < self.next:
            return
        frame = delta_sharing.load_table_changes_as_pandas(
            self.url, starting_version=self.next, use_delta_format=self.delta
        )
        for _, row in frame.sort_values("_commit_version", kind="stable").iterrows():
            if row["_change_type"] == "delete":
                self.rows.pop(row["post_id"], None)
            else:
                self.rows[row["post_id"]] = row["text"]
        self.next = latest + 1

    def current(self) -> dict[str, str]:
        frame = delta_sharing.load_as_pandas(self.url)
        return dict(zip(frame["post_id"], frame["text"], strict=True))


@pytest.mark.parametrize("delta", FEEDS)
def test_a_copy_that_follows_the_changes_is_the_table_at_every_step(own, tmp_path, delta) -> None:
    """Across recalls and builds, with rows that leave, come back, and leave with a build."""
    follower = Follower(url=f"{profile_of(own, tmp_path)}#acme-1.licensed.posts", delta=delta)

    def return_of(*members: str) -> None:
        own.world.say(*members, choice=Choice.ALLOW)
        own.build()

    def gone_with_a_build() -> None:
        own.world.say("x:8", "x:9")
        own.build()

    for step in (
        lambda: None,
        lambda: own.opts_out("x:1"),
        lambda: own.opts_out("x:2", "x:3"),
        lambda: return_of("x:2"),
        lambda: own.opts_out("x:5"),
        gone_with_a_build,
        lambda: own.opts_out("x:2"),
    ):
        step()
        follower.follow()
        assert follower.rows == follower.current()
    assert follower.next == 7
    late = Follower(url=follower.url, delta=delta, next=5)
    late.follow()
    assert late.rows == follower.rows


def test_an_empty_feed_has_its_columns(own, tmp_path) -> None:
    """Whoever opted out, all of them: a table without rows."""
    own.opts_out(*(f"x:{n}" for n in range(12)))
    own.build()
    url = f"{profile_of(own, tmp_path)}#acme-1.licensed.posts"
    frame = delta_sharing.load_table_changes_as_pandas(url, starting_version=2)
    assert (len(frame), list(frame.columns)[:7]) == (0, POST_COLUMNS)
    assert isinstance(frame, pd.DataFrame)
