"""A sample of every form of input, ways to pack inputs, and what a house holds after reading them."""

import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

import libipld
from sqlalchemy import select

from licet.ingest.formats import NOTHING_TOLD, Recognized, Told, recognize
from licet.ingest.opened import open_input
from licet.ingest.write import IngestReport, ingest
from licet.model.members import MemberId
from licet.model.records import Ingested, Table, Visibility
from licet.store import tables
from licet.store.asof import deletions_as_of, subjects
from licet.store.database import reading
from licet.store.facts import last_seq
from licet.store.house import House

BENCH = Path(__file__).parents[2] / "bench" / "samples"
DID = "did:plc:" + "b" * 24
TOLD = {
    "linkedin-export": Told(member_id=MemberId("linkedin:17000001")),
    "facebook-export": Told(member_id=MemberId("facebook:ann"), visibility=Visibility.PUBLIC),
    "instagram-export": Told(member_id=MemberId("instagram:ann"), visibility=Visibility.PUBLIC),
}
"""What whoever brings an export says of it, for the forms that may be told something."""

_SAMPLES = {
    "x-export": ("x_export", ""),
    "x-api": ("x_api", "pages.jsonl"),
    "x-compliance": ("x_compliance", "events.jsonl"),
    "x-v1": ("x_v1", "tweets.jsonl"),
    "jetstream": ("jetstream", "events.jsonl"),
    "at-repo": ("bluesky_repo", "repo.car"),
    "mastodon-export": ("mastodon", ""),
    "activitypub": ("activitypub", "outbox.jsonl"),
    "linkedin-export": ("linkedin", ""),
    "facebook-export": ("facebook", "facebook.zip"),
    "instagram-export": ("instagram", "instagram.zip"),
}
_BEGIN = datetime(2024, 5, 1, tzinfo=UTC)
_UNCOMPARED = {"sequence", "fact", "secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an account of Bluesky did to one record."""

    operation: str
    rkey: str
    collection: str = "app.bsky.feed.post"
    record: dict[str, Any] = field(default_factory=dict)
    rev: str = "3mptbypuw3t2a"

    @property
    def path(self) -> str:
        """The record's place in its repository."""
        return f"{self.collection}/{self.rkey}"


def sample(form: str, folder: Path, records: int = 120) -> Path:
    """Write a sample of a form into a folder of its own, and give what a person would hand in."""
    path = folder / form
    path.mkdir(parents=True)
    if form == "at-firehose":
        posts = [
            Act(operation="create", rkey=f"3mptbypu{n:05}", record=bluesky_post(f"no. {n}")) for n in range(records)
        ]
        (path / "frames.bin").write_bytes(firehose(posts))
        return path / "frames.bin"
    module, name = _SAMPLES[form]
    _module(module).write(path / name, records)
    if not name.endswith(".zip"):
        return path / name
    with zipfile.ZipFile(path / name) as archive:
        archive.extractall(path / "unpacked")  # noqa: S202 # ours
    return path / "unpacked"


def _module(name: str) -> Any:  # noqa: ANN401 # a script
    spec = importlib.util.spec_from_file_location(f"sample_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # One sample builds on another, which lies beside it.
    with mock.patch.object(sys, "path", [str(BENCH), *sys.path]):
        spec.loader.exec_module(module)
    return module


def zipped(path: Path, target: Path) -> Path:
    """Put a file, or what is in a folder, into a zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files(path):
            archive.write(file, file.relative_to(path if path.is_dir() else path.parent))
    return target


def tarred(path: Path, target: Path) -> Path:
    """Put a file, or a folder as such, into a compressed tar."""
    with tarfile.open(target, "w:gz") as archive:
        for file in _files(path):
            archive.add(file, str(file.relative_to(path.parent)))
    return target


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def form_of(path: Path, name: str = "") -> str:
    """Name the form that an input is recognized as."""
    with open_input(path) as source:
        return recognize(source, name).format.name


def read(path: Path, name: str = "", told: Told = NOTHING_TOLD) -> list[Ingested]:
    """Read an input by whatever form it has."""
    with open_input(path) as source:
        return list(recognize(source, name).read(source, told))


def bring(house: House, path: Path, told: Told = NOTHING_TOLD, batch: int = 50_000) -> IngestReport:
    """Ingest an input as the command does."""
    with open_input(path) as source:
        found: Recognized = recognize(source)
        name = f"{found.format.name}:{source.name}"
        return ingest(house.database, house.lake, name, found.read(source, told), batch=batch)


def lines(path: Path, *objects: object) -> Path:
    """Write JSON Lines."""
    path.write_text("".join(f"{json.dumps(each)}\n" for each in objects), encoding="utf-8")
    return path


def x_export(folder: Path, **parts: list[dict[str, Any]]) -> Path:
    """Write an X account export; a name such as `deleted_tweets` is that of the part."""
    (folder / "data").mkdir(parents=True)
    for name, entries in parts.items():
        head = f"window.YTD.{name}.part0 = "
        (folder / "data" / f"{name.replace('_', '-')}.js").write_text(head + json.dumps(entries), encoding="utf-8")
    return folder


def bluesky_post(text: str) -> dict[str, Any]:
    """Make the record of a post."""
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2024-05-01T00:00:00.000Z", "langs": ["en"]}


def jetstream(acts: Sequence[Act], did: str = DID) -> str:
    """Write what an account did as Jetstream events."""
    events = []
    for number, act in enumerate(acts):
        commit = {"rev": act.rev, "operation": act.operation, "collection": act.collection, "rkey": act.rkey}
        commit |= {"record": act.record, "cid": "x"} if act.record else {}
        events.append({"did": did, "time_us": 1_714_521_600_000_000 + number, "kind": "commit", "commit": commit})
    return "".join(f"{json.dumps(event)}\n" for event in events)


def firehose(acts: Sequence[Act], did: str = DID) -> bytes:
    """Write what an account did as frames of the firehose."""
    return b"".join(_frame(number, act, did) for number, act in enumerate(acts))


def repository(acts: Sequence[Act], did: str = DID) -> bytes:
    """Write the records as the account's repository, whose tree has one level."""
    blocks: dict[bytes, bytes] = {}
    keys = sorted((act.path.encode(), _stored(blocks, act.record)) for act in acts)
    tree = _stored(blocks, {"l": None, "e": [{"p": 0, "k": key, "v": cid, "t": None} for key, cid in keys]})
    return _car(blocks, {"did": did, "version": 3, "rev": acts[0].rev, "prev": None, "sig": bytes(64), "data": tree})


def _frame(number: int, act: Act, did: str) -> bytes:
    blocks: dict[bytes, bytes] = {}
    cid = _stored(blocks, act.record) if act.record else None
    signed = {"did": did, "version": 3, "rev": act.rev, "prev": None, "sig": bytes(64), "data": _stored(blocks, {})}
    body = {"repo": did, "rev": act.rev, "seq": number, "time": "2024-05-01T00:00:00.000Z", "tooBig": False}
    body |= {"ops": [{"action": act.operation, "path": act.path, "cid": cid}], "blocks": _car(blocks, signed)}
    frame = libipld.encode_dag_cbor({"op": 1, "t": "#commit"}) + libipld.encode_dag_cbor(body)
    return len(frame).to_bytes(4, "little") + frame


def _stored(blocks: dict[bytes, bytes], value: object) -> bytes:
    data = libipld.encode_dag_cbor(value)
    cid = b"\x01\x71\x12\x20" + sha256(data).digest()
    blocks[cid] = data
    return cid


def _car(blocks: dict[bytes, bytes], commit: dict[str, Any]) -> bytes:
    top = _stored(blocks, commit)
    header = libipld.encode_dag_cbor({"version": 1, "roots": [top]})
    return _section(header) + b"".join(_section(cid + data) for cid, data in blocks.items())


def _section(data: bytes) -> bytes:
    size, length = len(data), io.BytesIO()
    while size > 127:
        length.write(bytes([size & 127 | 128]))
        size >>= 7
    return length.getvalue() + bytes([size]) + data


def rows(house: House, table: Table) -> list[dict[str, Any]]:
    """Give the lake's rows of a table."""
    delta = house.lake.open(table)
    return [] if delta is None else list(delta.to_pyarrow_table().to_pylist())


def versions(house: House) -> dict[Table, int]:
    """Give the version of each table of the lake."""
    return {table: house.lake.version(table) for table in Table}


def facts(house: House) -> dict[str, list[tuple[object, ...]]]:
    """Give every row of the database, by table."""
    with reading(house.database) as conn:
        return {
            name: sorted(map(tuple, conn.execute(select(table))), key=repr)
            for name, table in tables.metadata.tables.items()
        }


def standing(house: House) -> dict[Table, list[dict[str, Any]]]:
    """Give the rows that a build would look at: neither deleted nor hidden nor of words that were edited since."""
    with reading(house.database) as conn:
        gone = deletions_as_of(conn, last_seq(conn)).to_pylist()
    before: dict[tuple[str, str], int] = {}
    for row in gone:
        name = (row["record_table"], row["record_id"])
        before[name] = max(before.get(name, 0), row["before_seq"])
    found: dict[Table, list[dict[str, Any]]] = {}
    for table in Table:
        kept = [row for row in rows(house, table) if _stands(table, row, before)]
        found[table] = sorted(({k: v for k, v in row.items() if k != "seq"} for row in kept), key=repr)
    return found


def _stands(table: Table, row: dict[str, Any], before: dict[tuple[str, str], int]) -> bool:
    if table is Table.POSTS:
        return bool(row["seq"] >= before.get((table, row["post_id"]), 0))
    names = (f"{row['actor_id']} {row['post_id']}", row["interaction_id"])
    its_post = before.get((Table.POSTS, row["post_id"]), 0)
    return all(row["seq"] >= before.get((table, name), 0) for name in names) and its_post < tables.OPEN


def members(house: House) -> list[dict[str, Any]]:
    """Give what decisions see of every member."""
    with reading(house.database) as conn:
        found = subjects(conn, last_seq(conn), "third_party_training", "acme", "")
    return sorted(found.to_pylist(), key=repr)


def state(house: House) -> dict[str, Any]:
    """Give all that a build goes by, whatever the order in which it came."""
    return {"records": standing(house), "members": members(house)}
