"""The firehose: frames give what the Jetstream of the same moment gives, and nothing that a frame holds raises."""

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import libipld
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.bluesky_firehose import LARGEST_FRAME, frames, read, read_frame, read_frames, sees
from licet.ingest.bluesky_records import MODERATORS, PLATFORM
from licet.ingest.jetstream import read_lines
from licet.ingest.jetstream import sees as sees_jetstream
from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.members import AccountChange, AccountStatus, Member, MemberId
from licet.model.records import Deletion, Hiding, Ingested, Interaction, Post, Skipped, Table

DID = "did:plc:44ybard66vv44zksje25o7dz"
SCENARIOS = (
    "account_lifecycle",
    "deactivation",
    "legacy",
    "post_lifecycle",
    "post_lifecycle_legacy",
    "rev_ordering",
    "seq_ordering",
)


@pytest.fixture(scope="module")
def recording(test_data: Path) -> bytes:
    """The 150 real frames of one moment, each after its length."""
    packed = (test_data / "bluesky" / "jetstream-corpus" / "frames.bin.zst").read_bytes()
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


@pytest.fixture(scope="module")
def real(recording: bytes) -> list[bytes]:
    """The frames themselves."""
    return list(frames(io.BytesIO(recording)))


@pytest.fixture(scope="module")
def lines(test_data: Path) -> list[str]:
    """The Jetstream events of the same moment."""
    return (test_data / "bluesky" / "jetstream-corpus" / "expected_v1.jsonl").read_text(encoding="utf-8").splitlines()


def as_ipld(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Turn JSON of the data model into what DAG-CBOR holds."""
    if isinstance(value, list):
        return [as_ipld(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$bytes"}:
        return base64.b64decode(value["$bytes"] + "==")
    if value.keys() == {"$link"}:
        return libipld.decode_multibase(value["$link"])[1]
    return {key: as_ipld(item) for key, item in value.items()}


def framed(kind: str, **body: object) -> bytes:
    """Make a frame."""
    return libipld.encode_dag_cbor({"op": 1, "t": kind}) + libipld.encode_dag_cbor(as_ipld(body))


def scenario(test_data: Path, name: str) -> list[bytes]:
    """The frames of one of the relay's scenarios."""
    folder = test_data / "bluesky" / "indigo" / "cmd" / "relay" / "testing" / "testdata"
    messages = json.loads((folder / f"{name}.json").read_text())["messages"]
    return [framed(m["frame"]["header"]["t"], **m["frame"]["body"]) for m in messages]


def brief(records: list[Ingested]) -> list[str]:
    """Name what was read, one word each."""
    return [
        str(r.table) if isinstance(r, Interaction)
        else f"-{r.table}" if isinstance(r, Deletion)
        else str(r.status) if isinstance(r, AccountChange)
        else r.reason if isinstance(r, Skipped)
        else type(r).__name__.lower()
        for r in records
        if not isinstance(r, Member)
    ]  # fmt: skip


def only(frame: bytes) -> Ingested:
    """Read a frame that gives one thing."""
    ((found,),) = read_frame(frame, "here")
    return found


def commit_of(frame: bytes) -> dict[str, Any]:
    """Take the body of a real commit."""
    _, body = libipld.decode_dag_cbor_multi(frame)
    return dict(body)


def test_firehose_and_jetstream_of_the_same_moment_give_the_same(real: list[bytes], lines: list[str]) -> None:
    assert len(real) == 150
    ours, theirs = (
        Counter(r if not isinstance(r, Skipped) else r.reason for r in records)
        for records in (read_frames(real), read_lines(lines))
    )
    assert ours == theirs
    assert sum(count for found, count in ours.items() if isinstance(found, Post | Interaction)) == 137
    assert ours["not_a_record"] == 13


def test_a_recording_is_recognized_and_read_like_its_frames(
    recording: bytes, real: list[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "frames.bin"
    path.write_bytes(recording)
    with open_input(path) as source:
        assert sees(source) == "recorded AT Protocol stream frames in 1 file"
        assert sees_jetstream(source) == ""
        found = list(read(source))
    assert [r for r in found if not isinstance(r, Skipped)] == [
        r for r in read_frames(real) if not isinstance(r, Skipped)
    ]
    assert [r.where for r in found if isinstance(r, Skipped)][-1].startswith("frames.bin frame ")


@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"\x10\0\0\0{}", b"did,text\n", b'{"did":"did:plc:a"}\n'])
def test_another_file_is_not_taken_for_a_recording(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(content)
    with open_input(path) as source:
        assert sees(source) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("account_lifecycle", ["not_a_record", "active", "not_carried", "deleted"]),
        ("legacy", ["not_a_record", "active", "likes"]),
        ("post_lifecycle_legacy", ["likes", "post", "likes", "-likes", "not_a_record", "-posts"]),
        ("rev_ordering", ["likes", "-likes", "-likes", "-likes"]),
        ("seq_ordering", ["not_a_record", "active", "likes", "likes"]),
    ],
)
def test_the_scenarios_of_the_relay_are_told_in_their_order(test_data: Path, name: str, expected: list[str]) -> None:
    assert brief(list(read_frames(scenario(test_data, name))))[: len(expected)] == expected


def test_a_post_lives_and_dies_as_the_relay_tells_it(test_data: Path) -> None:
    records = list(read_frames(scenario(test_data, "post_lifecycle")))
    assert brief(records)[:4] == ["likes", "-likes", "post", "-posts"]
    post = next(r for r in records if isinstance(r, Post))
    assert Deletion(table=Table.POSTS, record_id=post.post_id, member_id=post.author_id) in records
    # An edit of the profile, then one commit with a post and two other records.
    assert brief(records)[4:] == ["unknown", "post", "not_a_record", "not_a_record"]


def test_an_account_that_was_deactivated_comes_back(test_data: Path) -> None:
    states = [r.status for r in read_frames(scenario(test_data, "deactivation")) if isinstance(r, AccountChange)]
    assert states == [AccountStatus.DEACTIVATED, AccountStatus.ACTIVE]


def test_every_scenario_tells_at_least_one_thing_for_each_frame(test_data: Path) -> None:
    for name in SCENARIOS:
        for frame in scenario(test_data, name):
            assert all(records for records in read_frame(frame, "here"))
            assert read_frame(frame, "here")


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("#sync", {"did": DID, "rev": "3lmxrbvasth2t", "blocks": b""}, "not_carried"),
        ("#identity", {"did": DID}, "not_a_record"),
        ("#info", {"name": "OutdatedCursor"}, "not_a_record"),
        ("#new", {"did": DID}, "malformed_event"),
        ("#account", {"did": DID, "active": "yes"}, "malformed_event"),
        ("#account", {"did": "ann.test", "active": True}, "malformed_event"),
        ("#commit", {"repo": DID, "ops": "none"}, "malformed_event"),
        ("#commit", {"repo": DID, "ops": [], "tooBig": True}, "not_carried"),
        ("#commit", {"repo": DID, "ops": [], "tooBig": False}, "not_a_record"),
        ("#labels", {"labels": []}, "not_a_record"),
        ("#labels", {"labels": "x"}, "malformed_event"),
    ],
)
def test_what_tells_of_no_record_is_set_aside_by_name(kind: str, body: dict[str, object], reason: str) -> None:
    assert only(framed(kind, **body)) == Skipped(where="here", reason=reason)


def test_an_error_frame_is_no_record() -> None:
    frame = libipld.encode_dag_cbor({"op": -1}) + libipld.encode_dag_cbor({"error": "FutureCursor"})
    assert only(frame) == Skipped(where="here", reason="not_a_record")


def test_the_tombstone_of_older_streams_deletes_the_account() -> None:
    assert only(framed("#tombstone", did=DID)) == AccountChange(
        member_id=MemberId(DID), platform=PLATFORM, status=AccountStatus.DELETED
    )


def test_labels_of_the_moderation_hide_a_post() -> None:
    (source,) = MODERATORS
    uri = f"at://{DID}/app.bsky.feed.post/3lmxjzlexp22k"
    label = {"ver": 1, "src": source, "uri": uri, "val": "!takedown", "cts": "2025-04-16T21:30:38.972Z"}
    (hidden,), (other,) = read_frame(framed("#labels", seq=1, labels=[label, label | {"val": "spam"}]), "here")
    assert isinstance(hidden, Hiding)
    assert (hidden.record_id, hidden.hidden) == (uri, True)
    assert other == Skipped(where="here", reason="not_a_record")


def a_post(real: list[bytes]) -> dict[str, Any]:
    """Take a real commit that creates one post."""
    return next(c for c in map(commit_of, real) if "feed.post" in str(c.get("ops")) and c["ops"][0]["cid"])


@pytest.mark.parametrize(
    "damage",
    [
        {"blocks": b""},
        {"blocks": None},
        {"rev": "3lmxjza3nva27"},
        {"repo": DID},
    ],
)
def test_words_that_the_account_did_not_sign_with_the_commit_are_not_read(
    real: list[bytes], damage: dict[str, object]
) -> None:
    body = a_post(real)
    assert isinstance(only(framed("#commit", **body)), Post)
    assert only(framed("#commit", **body | damage)) == Skipped(where="here", reason="not_carried")


def test_a_block_that_is_not_what_its_name_says_is_not_read(real: list[bytes]) -> None:
    body = a_post(real)
    text = b"createdAt"
    changed = body["blocks"].replace(text, b"CreatedAt")
    assert changed != body["blocks"]
    assert only(framed("#commit", **body | {"blocks": changed})) == Skipped(where="here", reason="not_carried")


def test_an_edit_whose_words_are_missing_still_withdraws_the_old_ones(real: list[bytes]) -> None:
    body = a_post(real)
    operation = body["ops"][0] | {"action": "update"}
    frame = framed("#commit", **body | {"ops": [operation], "blocks": b"", "tooBig": True})
    (edit, missing), rest = read_frame(frame, "here")
    assert isinstance(edit, Deletion)
    assert (edit.superseded, edit.revision) == (True, body["rev"])
    assert [missing, *rest] == [Skipped(where="here", reason="not_carried")] * 2


def test_a_deletion_counts_also_in_a_commit_that_carries_nothing() -> None:
    operation = {"action": "delete", "path": "app.bsky.feed.post/3lmxjzlexp22k", "cid": None}
    gone = only(framed("#commit", repo=DID, rev="x", ops=[operation], tooBig=False))
    assert gone == Deletion(
        table=Table.POSTS, record_id=f"at://{DID}/app.bsky.feed.post/3lmxjzlexp22k", member_id=MemberId(DID)
    )


def test_a_frame_too_large_or_cut_off_costs_itself_only(real: list[bytes]) -> None:
    def after_length(frame: bytes) -> bytes:
        return len(frame).to_bytes(4, "little") + frame

    huge = after_length(bytes(LARGEST_FRAME + 1))
    found = list(frames(io.BytesIO(after_length(real[0]) + huge + after_length(real[1]) + after_length(real[2])[:-1])))
    assert found == [real[0], b"", real[1], b""]
    assert list(frames(io.BytesIO(b"\xff\xff\xff\xff"))) == [b""]
    assert list(frames(io.BytesIO(b"\1\0"))) == [b""]
    assert only(b"") == Skipped(where="here", reason="malformed_event")


def check(frame: bytes) -> None:
    """Read a frame: something comes of it, with a known reason or with all that a record needs."""
    told = read_frame(frame, "here")
    assert told
    for records in told:
        assert records
        for record in records:
            assert not isinstance(record, Skipped) or record.reason in SKIP_REASONS
            assert not isinstance(record, Post) or record.post_id.startswith(f"at://{record.author_id}/")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_frames_never_raise(data: st.DataObject, real: list[bytes]) -> None:
    mutated = bytearray(data.draw(st.sampled_from(real)))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(mutated) - 1), st.integers(0, 255)), max_size=6)):
        mutated[at] = byte
    cut = data.draw(st.integers(0, len(mutated)))
    check(bytes(mutated))
    check(bytes(mutated[:cut]))
    check(bytes(mutated[:cut] + mutated[cut + 1 :]))


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    value=st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9) | st.binary(max_size=40) | st.just([{}]),
)
def test_frames_with_any_part_replaced_never_raise(data: st.DataObject, value: object, real: list[bytes]) -> None:
    header, body = libipld.decode_dag_cbor_multi(data.draw(st.sampled_from(real)))
    part = body["ops"][0] if body.get("ops") and data.draw(st.booleans()) else body
    part[data.draw(st.sampled_from(sorted(part)))] = value
    check(libipld.encode_dag_cbor(header) + libipld.encode_dag_cbor(body))


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x81" * 200_000,
        b"\xa1aa" * 200_000,
        b"\x9b\x7f" + b"\xff" * 7,
        b"\xbb\x7f" + b"\xff" * 7,
        b"\x5b\xff" + b"\xff" * 7,
        b"\x9a\x00\x01\x00\x00" * 900,
        b"\0" * 100_000,
    ],
)
def test_depth_and_claimed_lengths_cost_nothing(bomb: bytes) -> None:
    assert only(bomb) == Skipped(where="here", reason="malformed_event")
    assert only(libipld.encode_dag_cbor({"op": 1, "t": "#commit"}) + bomb).__class__ is Skipped
