"""An account's repository: every record is read under its key, only what the hashes vouch for, and nothing raises."""

import importlib.util
import io
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import libipld
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.ingest import bluesky_repo
from licet.ingest.bluesky_firehose import sees as sees_frames
from licet.ingest.bluesky_repo import read, sees
from licet.ingest.car import LARGEST_BLOCK, blocks, root
from licet.ingest.jetstream import sees as sees_jetstream
from licet.ingest.opened import open_input
from licet.ingest.reasons import SKIP_REASONS, SetAside
from licet.model.errors import InputError
from licet.model.members import AccountChange, AccountStatus, Choice, Member, Protection, SettingChange
from licet.model.records import Ingested, Interaction, Post, Skipped

DID = "did:plc:4smmjsqf6l5jkzczvw6vsrqc"
TARGET = "at://did:plc:r2zybk6op3ymzpz6jhqpkoy5/app.bsky.feed.post/3mpsjbtci2c2o"
TIME = "2026-07-04T14:38:06.240Z"
POST = {"$type": "app.bsky.feed.post", "text": "hello", "createdAt": TIME}
LIKE = {"$type": "app.bsky.feed.like", "subject": {"uri": TARGET, "cid": "x"}, "createdAt": TIME}
HIDDEN = {"$type": "app.bsky.actor.profile", "labels": {"values": [{"val": "!no-unauthenticated"}]}}
INTENTS = {"$type": "org.user-intents.declaration", "syntheticContentGeneration": {"allow": False}}

Blocks = dict[bytes, bytes]


@pytest.fixture(scope="module")
def corpus(test_data: Path) -> Path:
    """The folder with a real repository, and what another implementation found in it."""
    return test_data / "bluesky" / "jetstream-corpus"


def read_file(path: Path) -> list[Ingested]:
    """Read a repository."""
    with open_input(path) as source:
        return list(read(source))


def stored(found: Blocks, value: object) -> bytes:
    """Store a block and give its name."""
    data = libipld.encode_dag_cbor(value)
    cid = b"\x01\x71\x12\x20" + sha256(data).digest()
    found[cid] = data
    return cid


def node(found: Blocks, keys: Mapping[str, bytes], left: bytes | None = None) -> bytes:
    """Store a tree of one level."""
    entries = [{"p": 0, "k": key.encode(), "v": cid, "t": None} for key, cid in sorted(keys.items())]
    return stored(found, {"l": left, "e": entries})


def signed(found: Blocks, tree: bytes, **changed: object) -> bytes:
    """Store a commit."""
    commit = {"did": DID, "version": 3, "rev": "3mptbypuw3t2q", "prev": None, "sig": b"\1" * 64, "data": tree}
    return stored(found, commit | changed)


def section(data: bytes) -> bytes:
    """Put a length before bytes, as CAR does."""
    size, length = len(data), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return length + bytes([size]) + data


def car(top: bytes, found: Blocks) -> bytes:
    """Write blocks as a CAR."""
    header = libipld.encode_dag_cbor({"version": 1, "roots": [top]})
    return section(header) + b"".join(section(cid + data) for cid, data in found.items())


def repository(records: Mapping[str, object], **changed: object) -> bytes:
    """Make a whole repository."""
    found: Blocks = {}
    keys = {key: stored(found, record) for key, record in records.items()}
    return car(signed(found, node(found, keys), **changed), found)


@pytest.fixture
def reading(tmp_path: Path) -> Callable[[bytes], list[Ingested]]:
    """Read the bytes of a repository."""

    def read_bytes(data: bytes) -> list[Ingested]:
        path = tmp_path / "repo.car"
        path.write_bytes(data)
        return read_file(path)

    return read_bytes


def reasons(records: list[Ingested]) -> Counter[str]:
    """Count why something was set aside."""
    return Counter(r.reason for r in records if isinstance(r, Skipped))


def test_a_real_repository_gives_what_another_implementation_lists(corpus: Path) -> None:
    listed = [line.split("\t")[0] for line in (corpus / "car_expected_records.tsv").read_text().splitlines()]
    did = (corpus / "car_expected_commit.txt").read_text().splitlines()[1].removeprefix("DID: ")
    member, *records = read_file(corpus / "repo.car")
    assert isinstance(member, Member)
    assert (member.member_id, member.status, member.protection) == (did, AccountStatus.ACTIVE, Protection.OPEN)
    assert (member.region, member.age_band) == ("unknown", "unknown")
    found = {str(r.post_id) for r in records if isinstance(r, Post)}
    found |= {r.interaction_id for r in records if isinstance(r, Interaction)}
    wanted = {f"at://{did}/{path}" for path in listed if path.startswith("app.bsky.feed.")}
    assert found == wanted
    assert len(found) == 19
    # The profile and three follows.
    assert reasons(records) == {"not_a_record": len(listed) - 19}


@pytest.mark.parametrize(
    ("name", "posts", "interactions"),
    [("fakermaker.repo.car", 26, 37), ("paul_staging.repo.car", 101, 75), ("greenground.repo.car", 0, 0)],
)
def test_older_repositories_are_read_too(test_data: Path, name: str, posts: int, interactions: int) -> None:
    records = read_file(test_data / "bluesky" / "indigo" / "testing" / "testdata" / name)
    assert sum(isinstance(r, Post) for r in records) == posts
    assert sum(isinstance(r, Interaction) for r in records) == interactions
    assert set(reasons(records)) == {"not_a_record"}


def test_a_slice_of_a_repository_says_that_the_rest_is_missing(test_data: Path) -> None:
    member, *records = read_file(test_data / "bluesky" / "indigo" / "testing" / "testdata" / "repo_slice.car")
    assert isinstance(member, Member)
    # The profile may be in the part that is missing, so nobody knows who may see the account.
    assert member.protection is Protection.UNKNOWN
    assert sum(isinstance(r, Post) for r in records) == 1
    assert set(reasons(records)) == {"not_carried"}


def test_the_sample_for_measurements_is_read_in_full(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "bench" / "samples" / "bluesky_repo.py"
    spec = importlib.util.spec_from_file_location("bluesky_repo_sample", path)
    assert spec
    assert spec.loader
    sample = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = sample
    spec.loader.exec_module(sample)
    sample.write(tmp_path / "repo.car", 300)
    member, *records = read_file(tmp_path / "repo.car")
    assert isinstance(member, Member)
    assert len(records) == 300
    assert all(isinstance(r, Post | Interaction) for r in records)
    assert libipld.decode_car((tmp_path / "repo.car").read_bytes())[0]["version"] == 1


def test_a_repository_is_recognized_and_no_other_adapter_takes_it(corpus: Path) -> None:
    with open_input(corpus / "repo.car") as source:
        assert sees(source) == "AT Protocol repositories of 1 account"
        assert (sees_frames(source), sees_jetstream(source)) == ("", "")
    with open_input(corpus / "expected_v1.jsonl") as source:
        assert sees(source) == ""


def test_equal_records_under_two_keys_are_two_records(reading: Callable[[bytes], list[Ingested]]) -> None:
    keys = {"app.bsky.feed.post/3mpt73z3ejc2p", "app.bsky.feed.post/3mpt73z3ejc2q"}
    _, *records = reading(repository(dict.fromkeys(keys, POST)))
    assert {r.post_id for r in records if isinstance(r, Post)} == {f"at://{DID}/{key}" for key in keys}


@pytest.mark.parametrize(
    ("profile", "protection"),
    [
        (HIDDEN, Protection.PROTECTED),
        ({"$type": "app.bsky.actor.profile"}, Protection.OPEN),
        ({"labels": "?"}, Protection.PROTECTED),
        ([], Protection.PROTECTED),
    ],
)
def test_the_profile_says_who_sees_the_account_before_any_post_is_told(
    reading: Callable[[bytes], list[Ingested]], profile: object, protection: Protection
) -> None:
    member, *records = reading(
        repository({"app.bsky.feed.post/3mpt73z3ejc2p": POST, "app.bsky.actor.profile/self": profile})
    )
    assert isinstance(member, Member)
    assert member.protection is protection
    assert any(isinstance(r, Post) for r in records)
    assert not any(isinstance(r, AccountChange) and r.protection is Protection.OPEN for r in records)


def test_a_repository_without_its_profile_leaves_unknown_who_sees_it(
    reading: Callable[[bytes], list[Ingested]],
) -> None:
    found: Blocks = {}
    keys = {"app.bsky.actor.profile/self": stored(found, HIDDEN), "app.bsky.feed.like/3mpt73z3ejc2p": b""}
    keys["app.bsky.feed.like/3mpt73z3ejc2p"] = stored(found, LIKE)
    top = signed(found, node(found, keys))
    del found[keys["app.bsky.actor.profile/self"]]
    member, like, missing = reading(car(top, found))
    assert isinstance(member, Member)
    assert member.protection is Protection.UNKNOWN
    assert isinstance(like, Interaction)
    assert missing == Skipped(where="repo.car tree", reason="not_carried")


def test_intents_in_a_repository_deny(reading: Callable[[bytes], list[Ingested]]) -> None:
    _, *records = reading(repository({"org.user-intents.declaration/self": INTENTS}))
    assert {r.choice for r in records if isinstance(r, SettingChange)} == {Choice.DENY}
    assert len(records) == 2


def test_a_block_that_no_key_names_is_no_record(reading: Callable[[bytes], list[Ingested]]) -> None:
    found: Blocks = {}
    kept = stored(found, POST)
    stored(found, POST | {"text": "deleted long ago"})
    top = signed(found, node(found, {"app.bsky.feed.post/3mpt73z3ejc2p": kept}))
    _, *records = reading(car(top, found))
    assert [r.text for r in records if isinstance(r, Post)] == ["hello"]
    assert reasons(records) == {"not_a_record": 1}


def test_a_block_that_is_not_what_its_name_says_costs_itself_only(
    reading: Callable[[bytes], list[Ingested]],
) -> None:
    data = repository({"app.bsky.feed.post/3mpt73z3ejc2p": POST, "app.bsky.feed.like/3mpt73z3ejc2p": LIKE})
    _, *records = reading(data.replace(b"hello", b"hallo"))
    assert not any(isinstance(r, Post) for r in records)
    assert any(isinstance(r, Interaction) for r in records)
    assert reasons(records) == {"malformed_block": 1, "not_carried": 1}


@pytest.mark.parametrize(
    "changed", [{"did": "ann.test"}, {"did": None}, {"version": 9}, {"sig": None}, {"data": None}, {"data": "x"}]
)
def test_a_repository_of_nobody_gives_nothing(
    reading: Callable[[bytes], list[Ingested]], changed: dict[str, Any]
) -> None:
    records = reading(repository({"app.bsky.feed.post/3mpt73z3ejc2p": POST}, **changed))
    assert reasons(records) == {"unknown_author": len(records)}
    assert records


@pytest.mark.parametrize(
    "entries",
    [
        [{"p": 1, "k": b"app.bsky.feed.post/3mpt73z3ejc2p", "t": None}],
        [{"p": -1, "k": b"app.bsky.feed.post/3mpt73z3ejc2p", "t": None}],
        [{"p": 0, "k": "app.bsky.feed.post/3mpt73z3ejc2p", "t": None}],
        [{"p": 0, "k": b"a" * 2000, "t": None}],
        ["?"],
        "?",
    ],
)
def test_a_tree_that_is_none_names_no_record(reading: Callable[[bytes], list[Ingested]], entries: object) -> None:
    found: Blocks = {}
    post = stored(found, POST)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            entry["v"] = post
    member, *records = reading(car(signed(found, stored(found, {"l": None, "e": entries})), found))
    assert isinstance(member, Member)
    assert member.protection is Protection.UNKNOWN
    assert not any(isinstance(r, Post) for r in records)
    assert reasons(records)["not_carried"] == 1


def test_keys_out_of_order_are_a_damaged_tree(reading: Callable[[bytes], list[Ingested]]) -> None:
    found: Blocks = {}
    post, other = stored(found, POST), stored(found, POST | {"text": "other"})
    left = node(found, {"app.bsky.feed.post/3mpt73z3ejc2z": post})
    top = node(found, {"app.bsky.feed.post/3mpt73z3ejc2a": other}, left)
    _, *records = reading(car(signed(found, top), found))
    assert [r.text for r in records if isinstance(r, Post)] == ["hello"]
    assert reasons(records)["not_carried"] == 1


def test_a_tree_that_leads_to_one_node_over_and_over_ends(reading: Callable[[bytes], list[Ingested]]) -> None:
    found: Blocks = {}
    below = node(found, {"app.bsky.feed.post/3mpt73z3ejc2p": stored(found, POST)})
    for level in range(60):
        # Each level leads twice to the one below: walked naively, that is 2^60 nodes.
        entry = {"p": 0, "k": b"app.bsky.feed.post/%d" % level, "v": below, "t": below}
        below = stored(found, {"l": below, "e": [entry]})
    _, *records = reading(car(signed(found, below), found))
    assert sum(isinstance(r, Post) for r in records) == 1
    assert reasons(records)["not_carried"] >= 60


def test_a_tree_larger_than_memory_is_refused(
    reading: Callable[[bytes], list[Ingested]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bluesky_repo, "LARGEST_TREE", 50)
    with pytest.raises(InputError, match="tree"):
        reading(repository({"app.bsky.feed.post/3mpt73z3ejc2p": POST}))


def test_a_block_too_large_is_passed_over_in_bounded_memory() -> None:
    found: Blocks = {}
    top = stored(found, POST)
    data = car(top, {b"\x01\x71\x12\x20" + bytes(32): bytes(LARGEST_BLOCK + 1)} | found)
    stream = io.BytesIO(data)
    assert root(stream) == top
    large, good = blocks(stream)
    assert large is None
    assert good
    assert good.cid == top


@pytest.mark.parametrize("tail", [b"\xff" * 12, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80", b"\0\0", b"\x30abc"])
def test_a_length_that_leads_nowhere_ends_the_reading(tail: bytes) -> None:
    found: Blocks = {}
    top = stored(found, POST)
    stream = io.BytesIO(car(top, found) + tail)
    root(stream)
    assert [block and block.cid for block in blocks(stream)] == [top, None]


@pytest.mark.parametrize(
    "header",
    [{"version": 2, "roots": [b"x"]}, {"version": 1, "roots": []}, {"version": 1, "roots": ["x"]}, {"version": 1}, []],
)
def test_another_kind_of_archive_is_set_aside(reading: Callable[[bytes], list[Ingested]], header: object) -> None:
    data = section(libipld.encode_dag_cbor(header))
    with pytest.raises(SetAside):
        root(io.BytesIO(data))
    assert reading(data) == [Skipped(where="repo.car", reason="malformed_block")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_repositories_never_raise(data: st.DataObject, corpus: Path, tmp_path: Path) -> None:
    mutated = bytearray((corpus / "repo.car").read_bytes())
    whole = len(mutated)
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, whole - 1), st.integers(0, 255)), max_size=5)):
        mutated[at] = byte
    start, size = data.draw(st.integers(0, whole)), data.draw(st.integers(0, 200))
    mutated[start : start + size] = data.draw(st.binary(max_size=20))
    path = tmp_path / "repo.car"
    path.write_bytes(mutated)
    records = read_file(path)
    assert records
    assert reasons(records).keys() <= SKIP_REASONS.keys()
    for record in records:
        # Whatever was changed, what is read as a record is what the real hashes vouch for.
        if isinstance(record, Post):
            assert record.author_id == "did:plc:53iucmf5ldftgqyf2ac7hmhd"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("elpkvt"), inner, max_size=4),
    ),
    spot=st.sampled_from(["record", "node", "commit"]),
)
def test_repositories_with_any_block_replaced_never_raise(value: object, spot: str, tmp_path: Path) -> None:
    found: Blocks = {}
    post = stored(found, value if spot == "record" else POST)
    tree = stored(found, value) if spot == "node" else node(found, {"app.bsky.feed.post/3mpt73z3ejc2p": post})
    top = stored(found, value) if spot == "commit" else signed(found, tree)
    path = tmp_path / "repo.car"
    path.write_bytes(car(top, found))
    records = read_file(path)
    assert records
    assert reasons(records).keys() <= SKIP_REASONS.keys()
