"""The official client reads what is shared, in each way that it has."""

import json
import pathlib

import delta_sharing
import pytest

from licet.model.records import Table

FORMATS = [{}, {"use_delta_format": False}, {"use_delta_format": True}]


@pytest.fixture
def profile(scene, address, tmp_path: pathlib.Path) -> str:
    path = tmp_path / "recipient.share"
    said = {"shareCredentialsVersion": 1, "endpoint": f"{address}/delta-sharing/", "bearerToken": scene.token}
    path.write_text(json.dumps(said))
    return str(path)


@pytest.mark.parametrize("options", FORMATS)
def test_pandas_gets_every_row(profile, options) -> None:
    frame = delta_sharing.load_as_pandas(f"{profile}#acme-2025.licensed.posts", **options)
    assert sorted(frame["text"]) == ["text-0-0", "text-0-1", "text-0-2", "text-1-0", "text-1-1"]
    assert str(frame["created_at"].dt.tz) == "UTC"


def test_pandas_gets_no_row_of_an_empty_table_with_its_columns(scene, profile) -> None:
    scene.commit({}, Table.LIKES)
    frame = delta_sharing.load_as_pandas(f"{profile}#acme-2025.licensed.likes")
    assert len(frame) == 0
    assert list(frame.columns) == ["actor_id", "post_id", "post_author_id", "created_at"]


def test_pandas_gets_as_many_rows_as_it_wants(profile) -> None:
    assert len(delta_sharing.load_as_pandas(f"{profile}#acme-2025.licensed.posts", limit=2)) == 2


def test_tables_are_listed(profile) -> None:
    tables = delta_sharing.SharingClient(profile).list_all_tables()
    assert [(t.share, t.schema, t.name) for t in tables] == [
        ("acme-2025", "licensed", "likes"),
        ("acme-2025", "licensed", "posts"),
        ("acme-2025", "licensed", "removals"),
    ]


def test_the_version_counts_up(scene, profile) -> None:
    assert delta_sharing.get_table_version(f"{profile}#acme-2025.licensed.posts") == 0
    scene.commit({0: 1})
    assert delta_sharing.get_table_version(f"{profile}#acme-2025.licensed.posts") == 1


@pytest.mark.parametrize("options", FORMATS)
def test_metadata_is_given(profile, options) -> None:
    metadata = delta_sharing.get_table_metadata(f"{profile}#acme-2025.licensed.posts", **options)
    assert [field["name"] for field in json.loads(metadata.schema_string)["fields"]][:2] == ["post_id", "author_id"]


def test_an_opt_out_changes_what_the_next_read_gives(scene, profile) -> None:
    """A read after the recall holds nothing of the file that was rewritten."""
    scene.withdraw()
    scene.commit({1: 2})
    frame = delta_sharing.load_as_pandas(f"{profile}#acme-2025.licensed.posts")
    assert sorted(frame["text"]) == ["text-1-0", "text-1-1"]
