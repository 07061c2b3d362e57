"""A stream of activities: each line gives something, and an account is introduced before its first record."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.activitypub_stream import read, sees
from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.members import AccountChange, AccountStatus, Member, MemberId, Protection, SettingChange
from licet.model.records import Deletion, Ingested, Interaction, Post, Skipped

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ANN = MemberId("https://social.example/users/ann")
TIME = "2024-05-06T07:08:09Z"


def act(kind: str, thing: object, number: int = 1, **changes: object) -> dict[str, Any]:
    """Make an activity of Ann's."""
    whole: dict[str, Any] = {"id": f"{ANN}/statuses/{number}/activity", "type": kind, "actor": ANN, "to": [PUBLIC]}
    return whole | {"cc": [f"{ANN}/followers"], "published": TIME, "object": thing} | changes


def note(number: int = 1) -> dict[str, Any]:
    """Make a public note of Ann's."""
    whole: dict[str, Any] = {"id": f"{ANN}/statuses/{number}", "type": "Note", "attributedTo": ANN, "published": TIME}
    return whole | {"to": [PUBLIC], "cc": [], "content": f"<p>hello {number}</p>"}


PERSON = {"id": ANN, "type": "Person", "inbox": f"{ANN}/inbox", "indexable": False}
LINES = [
    act("Create", note()),
    act("Announce", "https://other.example/users/cat/statuses/9", 2),
    act("Update", note() | {"updated": "2024-06-01T00:00:00Z", "content": "<p>better</p>"}, 3),
    act("Follow", "https://other.example/users/cat", 4),
    act("Update", PERSON, 5),
    act("Delete", {"id": f"{ANN}/statuses/1", "type": "Tombstone"}, 6),
    act("Undo", f"{ANN}/statuses/2/activity", 7),
    act("Delete", ANN, 8),
]
SAMPLE = "".join(json.dumps(line) + "\n" for line in LINES).encode()


def taken(path: Path, content: bytes) -> list[Ingested]:
    """Write and read a stream."""
    path.write_bytes(content)
    with open_input(path) as source:
        return list(read(source))


def seen(path: Path, content: bytes) -> str:
    """Write and look at a stream."""
    path.write_bytes(content)
    with open_input(path) as source:
        return sees(source)


def test_a_stream_is_read_in_its_order(tmp_path: Path) -> None:
    found = taken(tmp_path / "outbox.jsonl", SAMPLE)
    kinds = [type(one).__name__ for one in found]
    described = ["Member", "SettingChange", "SettingChange"]
    written = ["Member", "Post", "Interaction", "Deletion", "Post", "Skipped"]
    assert kinds == [*written, *described, "Deletion", "Deletion", "Deletion", "AccountChange"]
    assert found[5] == Skipped(where="outbox.jsonl:4", reason="not_a_record")


def test_an_account_is_introduced_once_and_before_its_first_record(tmp_path: Path) -> None:
    first, *rest = taken(
        tmp_path / "a.jsonl", b"".join(json.dumps(act("Create", note(n))).encode() + b"\n" for n in (1, 2))
    )
    assert first == Member(
        member_id=ANN, platform="activitypub", protection=Protection.OPEN, status=AccountStatus.ACTIVE
    )
    assert all(isinstance(one, Post) for one in rest)


def test_who_wrote_nothing_public_is_not_introduced(tmp_path: Path) -> None:
    private = note() | {"to": [f"{ANN}/followers"]}
    lines = [act("Create", private), act("Delete", ANN)]
    skipped, change = taken(tmp_path / "a.jsonl", b"\n".join(json.dumps(line).encode() for line in lines))
    assert skipped == Skipped(where="a.jsonl:1", reason="followers_only")
    assert isinstance(change, AccountChange)


def test_the_given_purposes_are_denied(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(PERSON))
    with open_input(path) as source:
        assert [one.purpose for one in read(source, purposes=("only",)) if isinstance(one, SettingChange)] == ["only"]


def test_a_broken_line_costs_one_record(tmp_path: Path) -> None:
    whole = json.dumps(act("Create", note())).encode()
    found = taken(tmp_path / "a.jsonl", b"{broken\n[]\n" + whole + b"\n\n7\n")
    skipped = [one.where for one in found if isinstance(one, Skipped)]
    assert skipped == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:5"]
    assert sum(isinstance(one, Post) for one in found) == 1


def test_only_activities_are_recognized(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    assert seen(path, SAMPLE) == "ActivityPub activities, one a line"
    assert seen(path, b"\nbroken\n" + SAMPLE) != ""
    assert seen(path, json.dumps(PERSON).encode()) != ""
    for other in (
        b"",
        b"\xff\xfe",
        b'{"did": "did:plc:x", "kind": "commit"}\n',
        b"a,b\n1,2\n",
        b"[1]\n",
        b'{"type": 1}',
    ):
        assert seen(path, other) == ""
    assert seen(path, json.dumps({"type": "OrderedCollection", "orderedItems": LINES}).encode()) == ""


def test_a_folder_of_streams_is_read_part_by_part(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_bytes(SAMPLE)
    (tmp_path / "2.jsonl").write_bytes(SAMPLE)
    (tmp_path / "note.txt").write_text("not a stream")
    with open_input(tmp_path) as source:
        assert sees(source)
        posts = [one for one in read(source) if isinstance(one, Post)]
    assert len(posts) == 4


@settings(max_examples=150, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255), st.integers(0, 2)), max_size=6))
def test_mutated_streams_never_raise_and_every_line_gives_something(
    edits: list[tuple[int, int, int]],
    tmp_path_factory: Any,  # noqa: ANN401 - made by pytest
) -> None:
    mutated = bytearray(SAMPLE)
    for at, byte, how in edits:
        spot = min(at, len(mutated) - 1)
        mutated[spot : spot + (how != 1)] = b"" if how == 2 else bytes([byte])
    path = tmp_path_factory.getbasetemp() / "mutated.jsonl"
    seen(path, bytes(mutated))
    found = taken(path, bytes(mutated))
    own = [one for one in found if not isinstance(one, Member | SettingChange)]
    assert len(own) >= sum(bool(line.strip()) for line in mutated.split(b"\n")) - 1
    for one in found:
        assert not isinstance(one, Skipped) or one.reason in SKIP_REASONS
        assert not isinstance(one, Interaction | Deletion) or "\n" not in str(one)
