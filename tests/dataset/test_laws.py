"""A build lets out exactly what the point decision permits, on generated members, choices, records and deletions."""

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.dataset.conftest import LICENSE, NOTICE, NOW, Scene, like, listed, member, post

from licet.dataset.members import with_pseudonyms
from licet.model.licenses import License, LicenseId
from licet.model.members import AccountStatus, AgeBand, Choice, Member, Protection
from licet.model.records import INTERACTIONS, Table, Visibility
from licet.model.schemas import SUBJECTS
from licet.policy.decide import Decision, RecordFacts, Subject, Terms, decide
from licet.policy.notice import parse_notice
from licet.protocol.pseudonyms import bucket_of, bucket_shift, member_secrets, post_pseudonym
from licet.store import asof
from licet.store.database import reading
from licet.store.house import open_house

IDS = tuple(f"x:m{n}" for n in range(6))
NOBODY = "x:nobody"


@dataclass(frozen=True, slots=True)
class World:
    """A generated house: members, their choices, records, and the ids of deleted posts."""

    members: list[Member]
    choices: dict[str, Choice]
    posts: list[dict[str, Any]]
    likes: list[dict[str, Any]]
    deleted: set[str]


def _mostly(usual: Any, every: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 # any enumeration
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(every))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Make a world in which about half of what is there may go out."""
    members = [
        member(
            member_id,
            region=draw(st.sampled_from(("US", "US-CA", "DE", "unknown", "UK"))),
            age_band=draw(_mostly(AgeBand.ADULT, list(AgeBand))),
            protection=draw(_mostly(Protection.OPEN, list(Protection))),
            status=draw(_mostly(AccountStatus.ACTIVE, list(AccountStatus))),
        )
        for member_id in IDS
        if draw(st.integers(0, 9))
    ]
    who = st.sampled_from((*IDS, *IDS, NOBODY))
    instants = st.sampled_from((NOW, LICENSE.created_from, LICENSE.created_until))
    ids = [f"x:{n}" for n in range(draw(st.integers(0, 12)))]
    link = st.sampled_from(("", "x:404", *ids))
    posts = [
        post(
            post_id,
            draw(who),
            visibility=str(draw(_mostly(Visibility.PUBLIC, list(Visibility)))),
            created_at=draw(instants),
            in_reply_to=draw(link),
            quote_of=draw(link),
        )
        for post_id in ids
    ]
    pairs = draw(st.sets(st.tuples(who, st.sampled_from(("x:404", *ids)), who), max_size=12))
    unique = {(actor, target): author for actor, target, author in sorted(pairs)}
    likes = [like(actor, target, author, created_at=draw(instants)) for (actor, target), author in unique.items()]
    choices = draw(st.dictionaries(st.sampled_from(IDS), st.sampled_from(Choice)))
    return World(members, choices, posts, likes, draw(st.sets(st.sampled_from(("x:404", *ids)), max_size=3)))


def _subject(world: World, member_id: str) -> Subject | None:
    known = {each.member_id: each for each in world.members}.get(member_id)  # type: ignore[call-overload]
    if known is None:
        return None
    choice = world.choices.get(member_id)
    return Subject(
        region=known.region,
        age_band=known.age_band,
        protection=known.protection,
        status=known.status,
        setting=str(choice or "none"),
        setting_source="member" if choice else "",
    )


def _decision(world: World, table: Table, row: dict[str, Any], license_: License) -> Decision:
    """Say of one record what the policy's point decision says, within the license."""
    if not license_.created_from <= row["created_at"] < license_.created_until:
        return Decision(permit=False, reason="outside_license")
    terms = Terms(purpose=license_.purpose, channel="third_party", recipient_id=license_.recipient_id, at=NOW)
    names = (row["author_id"],) if table is Table.POSTS else (row["actor_id"], row["post_author_id"])
    facts = RecordFacts(
        table=table,
        visibility=row.get("visibility", "public"),
        created_at=row["created_at"],
        deleted=row["post_id"] in world.deleted,
    )
    return decide([_subject(world, name) for name in names], facts, terms, parse_notice(NOTICE, "notice"))


def _expected(world: World, key: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Build by hand: the rows that must be in the two tables, with their pseudonyms."""
    posts = [row for row in world.posts if _decision(world, Table.POSTS, row, LICENSE).permit]
    likes = [row for row in world.likes if _decision(world, Table.LIKES, row, LICENSE).permit]

    def who(member_id: str) -> str:
        return member_secrets(key, member_id)[0]

    def which(post_id: str, author_id: str) -> str:
        return post_pseudonym(member_secrets(key, author_id)[1], post_id)

    out = {row["post_id"]: which(row["post_id"], row["author_id"]) for row in posts}
    kept = [
        {
            "post_id": out[row["post_id"]],
            "author_id": who(row["author_id"]),
            "created_at": row["created_at"],
            "text": row["text"],
            "lang": row["lang"],
            "in_reply_to": out.get(row["in_reply_to"]),
            "quote_of": out.get(row["quote_of"]),
        }
        for row in posts
    ]
    return kept, [
        {
            "actor_id": who(row["actor_id"]),
            "post_id": which(row["post_id"], row["post_author_id"]),
            "post_author_id": who(row["post_author_id"]),
            "created_at": row["created_at"],
        }
        for row in likes
    ]


def settle(scene: Scene, world: World) -> None:
    """Put a world into a house."""
    scene.members(*world.members)
    for member_id, choice in world.choices.items():
        scene.choose(member_id, choice)
    for post_id in world.deleted:
        scene.delete(Table.POSTS, post_id)
    scene.ingest(Table.POSTS, *world.posts)
    scene.ingest(Table.LIKES, *world.likes)


@settings(max_examples=25, deadline=None)
@given(world=worlds())
def test_the_build_is_exactly_what_the_point_decision_permits(world: World) -> None:
    """Row by row and value by value, with every row in accounted for by the reason that `decide` gives."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(open_house(Path(folder)))
        scene.notice()
        scene.license()
        settle(scene, world)
        built = scene.build()
        with reading(scene.house.database) as conn:
            posts, likes = _expected(world, asof.license_key(conn, "l1"))
        assert listed(scene.rows(Table.POSTS)) == listed(posts)
        assert listed(scene.rows(Table.LIKES)) == listed(likes)
        for table, rows in ((Table.POSTS, world.posts), (Table.LIKES, world.likes)):
            decisions = [_decision(world, table, row, LICENSE) for row in rows]
            assert built[table].excluded == Counter(each.reason for each in decisions if not each.permit)
            assert built[table].rows + sum(built[table].excluded.values()) == len(rows)
        scene.house.database.dispose()


@settings(max_examples=15, deadline=None)
@given(world=worlds(), who=st.sampled_from(IDS))
def test_one_more_opt_out_never_lets_more_out(world: World, who: str) -> None:
    """What is out after somebody opted out was out before."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(open_house(Path(folder)))
        scene.notice()
        scene.license()
        settle(scene, world)
        scene.build()
        before = {row["post_id"] for row in scene.rows(Table.POSTS)}
        scene.choose(who, Choice.DENY)
        scene.build()
        after = {row["post_id"] for row in scene.rows(Table.POSTS)}
        assert after <= before
        with reading(scene.house.database) as conn:
            gone = member_secrets(asof.license_key(conn, "l1"), who)[0]
        assert gone not in {row["author_id"] for row in scene.rows(Table.POSTS)}
        scene.house.database.dispose()


def test_every_kind_of_interaction_is_built_alike(scene: Scene) -> None:
    """Likes, bookmarks and reposts of the same two members go out alike."""
    license_ = scene.license(replace(LICENSE, license_id=LicenseId("l2"), tables=INTERACTIONS))
    scene.members(member("x:a"), member("x:b"))
    for table in INTERACTIONS:
        scene.ingest(table, like("x:a", "x:1", "x:b"), like("x:a", "x:2", NOBODY))
    scene.build(license_)
    likes, bookmarks, reposts = (listed(scene.rows(table, license_)) for table in INTERACTIONS)
    assert likes == bookmarks == reposts
    assert len(likes) == 1


@given(
    names=st.sets(st.text(st.characters(codec="utf-8"), min_size=1), max_size=20),
    key=st.binary(min_size=32, max_size=32),
)
def test_a_joined_member_has_the_pseudonym_secret_and_bucket_of_the_protocol(names: set[str], key: bytes) -> None:
    """The columns that SQL joins are the protocol's own values, in every number of buckets."""
    ids = [{"member_id": name} for name in sorted(names)]
    (batch,) = pa.Table.from_pylist(ids, schema=SUBJECTS).to_batches() or [pa.RecordBatch.from_pylist([], SUBJECTS)]
    for row in with_pseudonyms(batch, key).to_pylist():
        assert (row["pseudonym"], row["secret"]) == member_secrets(key, row["member_id"])
        for buckets in (1, 8, 4096):
            assert row["spread"] >> bucket_shift(buckets) == bucket_of(row["pseudonym"], buckets)
            assert 0 <= bucket_of(row["pseudonym"], buckets) < buckets
