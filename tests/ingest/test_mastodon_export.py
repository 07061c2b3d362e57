"""A Mastodon export: the member's own public words, and nothing else of what lies in it."""

import io
import json
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.activitypub_stream import sees as sees_stream
from licet.ingest.mastodon_export import read, sees
from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.errors import InputError
from licet.model.members import AccountStatus, Member, MemberId, Protection, SettingChange
from licet.model.records import Ingested, Interaction, Post, Skipped, Visibility

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ANN = MemberId("https://social.example/users/ann")
FOLLOWERS = f"{ANN}/followers"
CAT = "https://other.example/users/cat"

Json = dict[str, Any]


def activity(number: int, to: list[str], cc: list[str], **changes: object) -> Json:
    """Make a post as an outbox has it."""
    own, time = f"{ANN}/statuses/{number}", f"2024-01-{number:02}T00:00:00Z"
    note: Json = {"id": own, "type": "Note", "attributedTo": ANN, "published": time, "to": to, "cc": cc}
    note |= {"content": f"<p>post {number}</p>", "contentMap": {"en": f"<p>post {number}</p>"}} | changes
    whole: Json = {"id": f"{own}/activity", "type": "Create", "actor": ANN, "published": time, "to": to, "cc": cc}
    return whole | {"object": note}


def collection(items: list[Any]) -> Json:
    """Make a collection as Mastodon writes it."""
    return {"id": "x.json", "type": "OrderedCollection", "totalItems": len(items), "orderedItems": items}


ACTOR: Json = {"id": ANN, "type": "Person", "inbox": f"{ANN}/inbox", "manuallyApprovesFollowers": True}
REPOST = activity(6, [PUBLIC], [CAT, FOLLOWERS]) | {"type": "Announce", "object": f"{CAT}/statuses/1"}
OUTBOX = [
    activity(1, [PUBLIC], [FOLLOWERS]),
    activity(2, [FOLLOWERS], [PUBLIC]),
    activity(3, [FOLLOWERS], []),
    activity(4, [CAT], []),
    activity(5, [PUBLIC], [], attributedTo=CAT),
    REPOST,
]
LISTED = [f"{CAT}/statuses/1", "https://misskey.example/notes/1", 7]
PARTS = {
    "actor.json": ACTOR | {"indexable": True},
    "outbox.json": collection(OUTBOX),
    "likes.json": collection(LISTED),
    "bookmarks.json": collection(LISTED[:1]),
}


def encoded(**changes: object) -> dict[str, bytes]:
    """Give an export's parts as bytes, changed."""
    parts = PARTS | {f"{name}.json": part for name, part in changes.items()}
    return {name: part if isinstance(part, bytes) else json.dumps(part).encode() for name, part in parts.items()}


def folder(path: Path, parts: dict[str, bytes]) -> Path:
    """Write an export as a folder."""
    path.mkdir(exist_ok=True)
    for name, content in parts.items():
        (path / name).write_bytes(content)
    return path


def taken(path: Path) -> list[Ingested]:
    """Read an export."""
    with open_input(path) as source:
        return list(read(source))


def test_only_public_words_of_the_member_s_own_become_posts(tmp_path: Path) -> None:
    found = taken(folder(tmp_path / "export", encoded()))
    assert found[0] == Member(
        member_id=ANN, platform="activitypub", protection=Protection.OPEN, status=AccountStatus.ACTIVE
    )
    posts = [one for one in found if isinstance(one, Post)]
    assert [(p.text, p.visibility) for p in posts] == [("post 1", Visibility.PUBLIC), ("post 2", Visibility.UNLISTED)]
    (repost,) = (one for one in found if isinstance(one, Interaction))
    assert (repost.post_id, repost.post_author_id) == (f"{CAT}/statuses/1", CAT)
    assert [(one.where, one.reason) for one in found if isinstance(one, Skipped)] == [
        ("outbox.json#3", "followers_only"),
        ("outbox.json#4", "direct_message"),
        ("outbox.json#5", "someone_elses_words"),
        ("likes.json#1", "unknown_time"),
        ("likes.json#2", "unknown_post_author"),
        ("likes.json#3", "malformed_id"),
        ("bookmarks.json#1", "unknown_time"),
    ]


def test_a_folder_a_zip_and_a_tar_give_the_same(tmp_path: Path) -> None:
    parts = encoded()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed, tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tarred:
        for name, content in parts.items():
            packed.writestr(f"archive/{name}", content)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tarred.addfile(entry, io.BytesIO(content))
    plain = folder(tmp_path / "export", parts)
    assert taken(plain) == taken(tmp_path / "a.zip") == taken(tmp_path / "a.tar.gz")
    for path in (plain, tmp_path / "a.zip", tmp_path / "a.tar.gz"):
        with open_input(path) as source:
            phrase = "a Mastodon account export (actor.json, outbox.json, likes.json, bookmarks.json)"
            assert (sees(source), sees_stream(source)) == (phrase, "")


def test_an_opt_out_from_indexing_comes_before_the_first_post(tmp_path: Path) -> None:
    found = taken(folder(tmp_path / "export", encoded(actor=ACTOR | {"indexable": False})))
    kinds = [type(one) for one in found[:4]]
    assert kinds == [Member, SettingChange, SettingChange, Post]


@pytest.mark.parametrize("actor", [b"{", b"[]", {"id": "ann", "type": "Person"}, {}])
def test_without_a_readable_owner_nothing_has_an_author(tmp_path: Path, actor: object) -> None:
    found = taken(folder(tmp_path / "export", encoded(actor=actor)))
    assert all(isinstance(one, Skipped) for one in found)
    reasons = Counter(one.reason for one in found if isinstance(one, Skipped))
    assert (reasons["malformed_member"], reasons["unknown_author"]) == (1, len(OUTBOX))


def test_another_account_s_outbox_is_not_the_owner_s(tmp_path: Path) -> None:
    found = taken(folder(tmp_path / "export", encoded(actor=ACTOR | {"id": CAT})))
    assert not any(isinstance(one, Post | Interaction) for one in found)


def test_a_damaged_outbox_keeps_what_came_before_and_the_other_parts(tmp_path: Path) -> None:
    broken = json.dumps(collection(OUTBOX)).encode()[:-900]
    found = taken(folder(tmp_path / "export", encoded(outbox=broken)))
    reasons = [one.reason for one in found if isinstance(one, Skipped)]
    assert any(isinstance(one, Post) for one in found)
    assert "malformed_row" in reasons
    assert reasons[-1] == "unknown_time"


def test_what_is_no_activity_costs_one_record(tmp_path: Path) -> None:
    found = taken(folder(tmp_path / "export", encoded(outbox=collection([7, OUTBOX[0], "x", None]))))
    skipped = [one.where for one in found if isinstance(one, Skipped) and one.where.startswith("outbox")]
    assert skipped == ["outbox.json#1", "outbox.json#3", "outbox.json#4"]
    assert sum(isinstance(one, Post) for one in found) == 1


def test_other_inputs_are_not_claimed(tmp_path: Path) -> None:
    for name, parts in {
        "no outbox": {"actor.json": b'{"inbox": ""}'},
        "no actor": {"outbox.json": b'{"type": "OrderedCollection"}'},
        "something else": {"actor.json": b"{}", "outbox.json": b"[]"},
        "text": {"a.txt": b"actor.json outbox.json"},
    }.items():
        with open_input(folder(tmp_path / name, parts)) as source:
            assert sees(source) == ""


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_exports_never_raise_and_private_words_stay_out(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = encoded()
    name = data.draw(st.sampled_from(sorted(parts)))
    mutated = bytearray(parts[name])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(mutated) - 1), st.integers(0, 255)), max_size=5)):
        mutated[at] = byte
    cut = data.draw(st.integers(0, len(mutated)) | st.just(len(mutated)))
    path = folder(tmp_path_factory.getbasetemp() / "mutated", parts | {name: bytes(mutated[:cut])})
    try:
        found = taken(path)
    except InputError:
        return
    assert found
    assert all(one.reason in SKIP_REASONS for one in found if isinstance(one, Skipped))
    if name != "outbox.json":
        assert not any(one.text in {"post 3", "post 4"} for one in found if isinstance(one, Post))
        assert sum(not isinstance(one, Member | SettingChange) for one in found) >= len(OUTBOX)
