"""What a build lets out, what it keeps back and why, and what it writes down."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pyarrow import parquet as pq
from tests.dataset.conftest import LICENSE, NOW, Scene, like, member, post

from licet.dataset.build import build
from licet.model.errors import NotFound, Refused
from licet.model.licenses import LicenseId, RecipientId
from licet.model.members import AgeBand, Choice
from licet.model.records import Table
from licet.store import overview, parties
from licet.store.database import reading, transaction
from licet.store.facts import change_license


def test_permitted_rows_go_out_and_every_other_row_is_counted_by_its_reason(any_scene: Scene) -> None:
    """On both databases, rows in are rows out and rows kept back by reason."""
    any_scene.members(member("x:a"), member("x:b"), member("x:kid", age_band=AgeBand.MINOR))
    any_scene.choose("x:b", Choice.DENY)
    any_scene.ingest(
        Table.POSTS, post("x:1", "x:a", text="one"), post("x:2", "x:b"), post("x:3", "x:kid"), post("x:4", "x:nobody")
    )
    built = any_scene.build()[Table.POSTS]
    assert any_scene.texts() == ["one"]
    assert (built.version, built.rows, built.files) == (0, 1, 1)
    assert built.excluded == {"minor": 1, "opted_out": 1, "unknown_member": 1}


def test_a_like_goes_out_only_if_both_its_actor_and_the_author_of_the_post_permit(scene: Scene) -> None:
    """Either subject's opt-out keeps it back, and so does either subject that nobody knows."""
    scene.members(member("x:a"), member("x:b"), member("x:no"))
    scene.choose("x:no", Choice.DENY)
    pairs = [("x:a", "x:b"), ("x:a", "x:no"), ("x:no", "x:a"), ("x:a", "x:who"), ("x:who", "x:a")]
    scene.ingest(Table.LIKES, *(like(actor, f"x:{n}", author) for n, (actor, author) in enumerate(pairs)))
    built = scene.build()[Table.LIKES]
    assert (built.rows, built.excluded) == (1, {"opted_out": 2, "unknown_member": 2})


def test_what_goes_out_is_counted_by_the_region_of_its_author_or_actor(any_scene: Scene) -> None:
    """The version in SQL says what the commit says, and the overview adds up the newest builds."""
    any_scene.members(member("x:a"), member("x:b", region="US-CA"), member("x:no"))
    any_scene.choose("x:no", Choice.DENY)
    any_scene.ingest(Table.POSTS, post("x:1", "x:a"), post("x:2", "x:b"), post("x:3", "x:b"), post("x:4", "x:no"))
    any_scene.ingest(Table.LIKES, like("x:b", "x:1", "x:a"))
    for _ in range(2):
        any_scene.build()
    with reading(any_scene.house.database) as conn:
        *_, (version, _) = parties.versions(conn, "l1", Table.POSTS)
        assert version.regions == {"US": 1, "US-CA": 2}
        assert overview.offers(conn)["l1"].regions == {"US": 1, "US-CA": 3}


def test_an_unknown_attribute_keeps_rows_back(scene: Scene) -> None:
    """A member of unknown age is no adult."""
    scene.members(member("x:a", age_band=AgeBand.UNKNOWN))
    scene.ingest(Table.POSTS, post("x:1", "x:a"))
    assert scene.build()[Table.POSTS].excluded == {"unknown_age_band": 1}


def test_links_stay_only_where_their_target_is_in_the_set(scene: Scene) -> None:
    """A reply to a post that is out carries its pseudonym, a quote of one that is not carries nothing."""
    scene.members(member("x:a"), member("x:b"))
    scene.choose("x:b", Choice.DENY)
    scene.ingest(
        Table.POSTS,
        post("x:1", "x:a", text="first"),
        post("x:2", "x:b"),
        post("x:3", "x:a", text="second", in_reply_to="x:1", quote_of="x:2"),
        post("x:4", "x:a", text="third", in_reply_to="x:404"),
    )
    scene.build()
    rows = {row["text"]: row for row in scene.rows(Table.POSTS)}
    assert (rows["second"]["in_reply_to"], rows["second"]["quote_of"]) == (rows["first"]["post_id"], None)
    assert (rows["third"]["in_reply_to"], rows["first"]["in_reply_to"]) == (None, None)


def test_two_licenses_pseudonyms_do_not_join(scene: Scene) -> None:
    """The same members and posts have no id in common in two recipients' tables."""
    other = scene.license(replace(LICENSE, license_id=LicenseId("l2"), recipient_id=RecipientId("other")))
    scene.members(member("x:a"), member("x:b"))
    scene.ingest(Table.POSTS, post("x:1", "x:a"), post("x:2", "x:b"))
    scene.ingest(Table.LIKES, like("x:a", "x:2", "x:b"))
    scene.build()
    scene.build(other)
    ids = [
        {row[name] for table in LICENSE.tables for row in scene.rows(table, license_) for name in row if "_id" in name}
        for license_ in (LICENSE, other)
    ]
    assert len(ids[0]) == len(ids[1]) == 4
    assert not ids[0] & ids[1]


def test_a_like_and_the_post_it_likes_join_within_a_license(scene: Scene) -> None:
    """Post and member pseudonyms are the same in every table of one license."""
    scene.members(member("x:a"), member("x:b"))
    scene.ingest(Table.POSTS, post("x:2", "x:b"))
    scene.ingest(Table.LIKES, like("x:a", "x:2", "x:b"))
    scene.build()
    [row], [liked] = scene.rows(Table.POSTS), scene.rows(Table.LIKES)
    assert (liked["post_id"], liked["post_author_id"]) == (row["post_id"], row["author_id"])


def test_only_the_licensed_columns_languages_and_dates_go_out(scene: Scene) -> None:
    """The first instant is inside, the last is outside, and keys are always there."""
    narrow = replace(LICENSE, license_id=LicenseId("l2"), columns=("text",), langs=("en", "de"), tables=(Table.POSTS,))
    scene.license(narrow)
    scene.members(member("x:a"))
    tick = timedelta(microseconds=1)
    scene.ingest(
        Table.POSTS,
        post("x:1", "x:a", text="first", created_at=narrow.created_from),
        post("x:2", "x:a", created_at=narrow.created_from - tick),
        post("x:3", "x:a", text="last", created_at=narrow.created_until - tick, lang="de"),
        post("x:4", "x:a", created_at=narrow.created_until),
        post("x:5", "x:a", lang="fr"),
    )
    built = scene.build(narrow)
    assert (scene.texts(narrow), built[Table.POSTS].excluded) == (["first", "last"], {"outside_license": 3})
    assert list(scene.rows(Table.POSTS, narrow)[0]) == ["post_id", "author_id", "text"]
    assert list(built) == [Table.POSTS]


def test_a_deleted_post_falls_and_takes_its_likes_with_it_also_if_the_deletion_came_first(scene: Scene) -> None:
    """The order in which deletion and record arrive changes nothing."""
    scene.members(member("x:a"))
    scene.delete(Table.POSTS, "x:early")
    scene.ingest(Table.POSTS, post("x:early", "x:a"), post("x:late", "x:a"), post("x:kept", "x:a", text="kept"))
    scene.ingest(Table.LIKES, like("x:a", "x:early", "x:a"), like("x:a", "x:late", "x:a"), like("x:a", "x:kept", "x:a"))
    scene.delete(Table.POSTS, "x:late")
    built = scene.build()
    assert scene.texts() == ["kept"]
    assert (built[Table.POSTS].excluded, built[Table.LIKES].excluded) == ({"deleted": 2}, {"deleted": 2})


def test_a_deleted_like_falls_by_its_two_ends_or_by_its_own_id(scene: Scene) -> None:
    """Platforms name a like in one of two ways."""
    scene.members(member("x:a"))
    scene.ingest(Table.LIKES, *(like("x:a", f"x:{n}", "x:a", interaction_id=f"at://like/{n}") for n in range(3)))
    scene.delete(Table.LIKES, "x:a x:0")
    scene.delete(Table.LIKES, "at://like/1")
    scene.delete(Table.POSTS, "x:a x:2")
    assert scene.build()[Table.LIKES].excluded == {"deleted": 2}


def test_an_edited_post_goes_out_as_it_reads_now_and_keeps_its_likes(scene: Scene) -> None:
    """The text ingested before the edit falls, the one that came with it stands."""
    scene.members(member("x:a"))
    scene.ingest(Table.POSTS, post("x:1", "x:a", text="before"))
    scene.ingest(Table.LIKES, like("x:a", "x:1", "x:a"))
    at = scene.delete(Table.POSTS, "x:1", superseded=True)
    scene.ingest(Table.POSTS, post("x:1", "x:a", text="after"), edited={"x:1": at})
    built = scene.build()
    assert (scene.texts(), built[Table.POSTS].excluded, built[Table.LIKES].rows) == (["after"], {"deleted": 1}, 1)


def test_an_opt_out_takes_rows_out_of_the_next_build(scene: Scene) -> None:
    """The new version replaces every file of the one before."""
    scene.members(member("x:a"), member("x:b"))
    scene.ingest(Table.POSTS, post("x:1", "x:a", text="one"), post("x:2", "x:b", text="two"))
    assert scene.build()[Table.POSTS].version == 0
    old = scene.files(Table.POSTS)
    scene.choose("x:b", Choice.DENY)
    assert scene.build()[Table.POSTS].version == 1
    assert scene.texts() == ["one"]
    assert not set(old) & set(scene.files(Table.POSTS))


def test_the_version_and_the_number_it_was_checked_at_are_written_down(any_scene: Scene) -> None:
    """The Delta commit and the SQL row say the same, and every table has a version, also an empty one."""
    any_scene.members(member("x:a"))
    any_scene.ingest(Table.POSTS, post("x:1", "x:a"), post("x:2", "x:who"))
    any_scene.build()
    snapshot = any_scene.house.shared.snapshot("l1", Table.POSTS)
    assert snapshot is not None
    with reading(any_scene.house.database) as conn:
        [(version, excluded)] = parties.versions(conn, "l1", Table.POSTS)
        assert (version.rows, version.as_of_seq, excluded) == (1, any_scene.seq(), {"unknown_member": 1})
        assert (snapshot.facts.as_of_seq, snapshot.facts.excluded) == (version.as_of_seq, excluded)
        assert parties.checked_seq(conn, "l1") == any_scene.seq()
        assert [each.rows for each, _ in parties.versions(conn, "l1", Table.LIKES)] == [0]


def test_without_a_notice_nothing_goes_out(scene: Scene) -> None:
    """Before a notice takes effect every row stays, and the reason says so."""
    late = replace(LICENSE, license_id=LicenseId("l2"), starts=NOW - timedelta(days=400))
    scene.license(late)
    scene.members(member("x:a"))
    scene.ingest(Table.POSTS, post("x:1", "x:a"))
    early = {one.table: one for one in build(scene.house, "l2", NOW - timedelta(days=300))}
    assert early[Table.POSTS].excluded == {"notice_not_effective": 1}
    assert scene.build()[Table.POSTS].rows == 1


@pytest.mark.parametrize("state", ["suspended", "ended"])
def test_nothing_is_built_for_a_license_that_is_not_active(scene: Scene, state: str) -> None:
    """A suspended or ended license is refused."""
    with transaction(scene.house.database) as conn:
        change_license(conn, LICENSE, state, NOW)
    with pytest.raises(Refused, match=state):
        scene.build()


def test_nothing_is_built_outside_the_term_of_a_license(scene: Scene) -> None:
    """Its end is exclusive."""
    with pytest.raises(Refused, match="outside its term"):
        build(scene.house, "l1", LICENSE.ends)
    with pytest.raises(Refused, match="outside its term"):
        build(scene.house, "l1", LICENSE.starts - timedelta(microseconds=1))
    with pytest.raises(NotFound):
        build(scene.house, "l9", NOW)


def test_progress_names_each_step(scene: Scene) -> None:
    """A person who waits sees what is going on."""
    steps: list[str] = []
    build(scene.house, "l1", NOW, steps.append)
    assert steps[0] == "facts"
    assert "posts: eligible" in steps
    assert steps[-1] == "likes: commit"


def test_rows_that_a_rebuild_drops_leave_by_their_keys_and_the_rules_are_named(scene: Scene) -> None:
    """What an earlier version handed out and the new one does not is owed, whatever the reason."""
    scene.members(member("x:a"), member("x:b"))
    scene.ingest(Table.POSTS, post("x:1", "x:a", text="one"), post("x:2", "x:b", text="two"))
    scene.build()
    (gone,) = [row for row in scene.rows(Table.POSTS) if row["text"] == "two"]
    scene.choose("x:b", Choice.DENY)
    scene.build()
    snapshot = scene.house.shared.snapshot("l1", Table.POSTS)
    assert snapshot is not None
    (file,) = snapshot.facts.keys
    (row,) = pq.ParquetFile(scene.house.shared.folder("l1", Table.POSTS) / "_keys" / file.name).read().to_pylist()
    assert (row["post_id"], row["author_id"]) == (gone["post_id"], gone["author_id"])
    assert (row["_change_type"], row["_reason"]) == ("delete", "no_longer_permitted")
    scene.build()
    again = scene.house.shared.snapshot("l1", Table.POSTS)
    assert again is not None
    assert again.facts.keys == ()
