"""`licet sync` against the real server: it follows, it is hard to stop, and it leaves nothing that was withdrawn."""

import ast
import base64
import contextlib
import hashlib
import json
import pathlib
import stat
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import licet.cli
from licet.cli.main import main
from licet.cli.sync_client import Client
from licet.cli.sync_folder import only_one
from licet.dataset.build import build
from licet.model.errors import Unavailable
from licet.model.members import Choice
from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.attestation import public_bytes
from licet.protocol.profiles import bearer_profile, oauth_profile
from licet.protocol.pseudonyms import member_secrets
from licet.protocol.reading import Bearer
from licet.recall.catch_up import catch_up
from licet.recall.chaser import Chasing
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import attestations, credentials, facts, parties, recalls
from licet.store.credentials import Kind
from licet.store.database import reading, transaction

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "recall"))

from recall_world import KEY, LICENSE, World, make_world, usual

COUNT = 12
Scope = dict[str, Any]
Fault = Callable[[Scope], "tuple[int, dict[str, str], bytes] | None"]


@dataclass
class Wire:
    """What lies between the recipient and the server: it notes requests, and may answer in the server's place."""

    app: Any
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    cut_after: int = 0
    """Bytes of a file after which the connection breaks; 0 for never."""
    digest: Callable[[bytes], str] | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401 # ASGI
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["method"], scope["path"], headers))
        for fault in list(self.faults):
            answer = fault(scope)
            if answer is not None:
                status, told, body = answer
                raw = [(name.encode(), value.encode()) for name, value in told.items()]
                await send({"type": "http.response.start", "status": status, "headers": raw})
                await send({"type": "http.response.body", "body": body})
                return
        await self.app(scope, receive, self._altered(scope, send))

    def _altered(self, scope: Scope, send: Any) -> Callable[[Scope], Awaitable[None]]:  # noqa: ANN401 # ASGI
        sent = 0

        async def altered(message: Scope) -> None:
            nonlocal sent
            if message["type"] == "http.response.start" and self.digest and "/files/" in scope["path"]:
                name = scope["path"].rsplit("/", 1)[1]
                message["headers"] = [*message["headers"], (b"repr-digest", self.digest(self.files[name]).encode())]
            if message["type"] == "http.response.body" and self.cut_after and "/files/" in scope["path"]:
                body = bytes(message["body"])
                if sent + len(body) > self.cut_after:
                    await send({**message, "body": body[: self.cut_after - sent], "more_body": True})
                    raise ConnectionResetError
                sent += len(body)
            await send(message)

        return altered

    files: dict[str, bytes] = field(default_factory=dict)

    def of(self, part: str) -> list[tuple[str, str, dict[str, str]]]:
        return [each for each in self.asked if part in each[1]]


@dataclass
class Scene:
    """A served world, and a recipient with a profile and a folder."""

    world: World
    wire: Wire
    address: str
    home: pathlib.Path
    now: list[datetime] = field(default_factory=list)
    """The instant that the server's clock shows, where it does not show the real one."""

    @property
    def profile(self) -> pathlib.Path:
        return self.home / "acme.share"

    @property
    def copy(self) -> pathlib.Path:
        return self.home / "copy"

    def run(self, *arguments: str, target: str = "") -> tuple[int, str]:
        done = CliRunner().invoke(main, ["sync", f"{self.profile}{target}", str(self.copy), *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output

    def json(self, *arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(main, ["sync", str(self.profile), str(self.copy), "--json", *arguments])
        assert done.stdout.startswith("{"), done.output
        return json.loads(done.stdout)

    def table(self, table: Table) -> pathlib.Path:
        return self.copy / LICENSE.license_id / "licensed" / str(table)

    def rows(self, table: Table) -> list[tuple[object, ...]]:
        """Give what pandas users get from the folder, in the form of `World.shared`."""
        names = LICENSE.columns_of(table)
        read = pq.read_table(self.table(table)).select(names) if any(self.table(table).glob("*.parquet")) else None
        found = [] if read is None else [tuple(row[name] for name in names) for row in read.to_pylist()]
        return sorted(found, key=repr)

    def is_equal(self) -> bool:
        return all(self.rows(table) == self.world.shared(table) for table in LICENSE.tables)

    def recall(self, *names: str) -> set[str]:
        """Let members leave; give their pseudonyms."""
        self.world.say(*names)
        catch_up(self.world.house, datetime.now(UTC))
        return {member_secrets(KEY, name)[0] for name in names}

    def bytes_of(self, needle: str) -> list[pathlib.Path]:
        """Give the files of the copy that hold rows of a member, whatever their names; keys are no rows."""
        return [
            path
            for path in sorted(self.copy.rglob("*"))
            if path.is_file() and "removals" not in path.parts and holds(path, needle)
        ]


def holds(path: pathlib.Path, needle: str) -> bool:
    """Tell whether a file holds a text, in its bytes or, if it is Parquet, in its rows."""
    try:
        rows = pq.ParquetFile(path).read()
    except pa.ArrowInvalid:
        return needle.encode() in path.read_bytes()
    return "_change_type" not in rows.column_names and needle in str(rows.to_pylist())


@contextlib.contextmanager
def served(world: World, home: pathlib.Path, **options: Any) -> Iterator[Scene]:  # noqa: ANN401 # fields of ServerOptions
    now: list[datetime] = []
    clock = lambda: now[-1] if now else datetime.now(UTC)  # noqa: E731 # one line
    config = configure(world.house, "127.0.0.1", 0, ServerOptions(secret=b"s" * 32, wait_s=0.3, clock=clock, **options))
    wire = Wire(app=config.app)
    config.app = wire
    config.log_level = "critical"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    scene = Scene(world=world, wire=wire, address=address, home=home, now=now)
    ends = datetime.now(UTC) + timedelta(days=1)
    with transaction(world.house.database) as conn:
        token = parties.issue_token(conn, LICENSE.recipient_id, ends)
    scene.profile.write_text(json.dumps(bearer_profile(f"{address}/delta-sharing", token, ends)))
    try:
        yield scene
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Iterator[Scene]:
    """Twelve members in a ring, in files of four rows."""
    world = make_world(tmp_path / "home", "", *usual(COUNT), file_rows=4)
    with served(world, tmp_path) as found:
        yield found
    world.house.database.dispose()


def test_a_first_run_fetches_every_row_into_private_folders_that_readers_can_read(scene: Scene) -> None:
    code, output = scene.run()
    assert code == 0, output
    assert scene.is_equal()
    assert len(scene.rows(Table.POSTS)) == COUNT
    assert sorted(pd.read_parquet(scene.table(Table.LIKES)).columns) == sorted(LICENSE.columns_of(Table.LIKES))
    assert stat.S_IMODE(scene.copy.stat().st_mode) == stat.S_IRWXU
    noted = json.loads((scene.table(Table.POSTS) / "_licet.json").read_text())
    for file in noted["files"]:
        content = (scene.table(Table.POSTS) / f"licet-{file['file_id']}.parquet").read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["size"], file["sha256"])


def test_a_run_with_nothing_new_fetches_nothing(scene: Scene) -> None:
    scene.run()
    scene.wire.asked.clear()
    code, output = scene.run()
    assert code == 0
    assert output.count("up to date") == 3
    assert scene.wire.of("/files/") == []


def test_a_part_of_the_share_comes_with_what_tells_which_rows_have_to_go(scene: Scene) -> None:
    code, output = scene.run(target="#ACME-1.licensed.Posts")
    assert code == 0, output
    assert scene.rows(Table.POSTS) == scene.world.shared(Table.POSTS)
    assert not scene.table(Table.LIKES).exists()
    assert (scene.copy / "acme-1" / "licensed" / "removals").is_dir()
    code, output = scene.run(target="#acme-1.licensed.reposts")
    assert code == 1
    assert "acme-1.licensed.likes" in output


def test_what_was_withdrawn_goes_and_only_files_that_held_it_are_fetched_again(scene: Scene) -> None:
    scene.run()
    before = {path.name for path in scene.table(Table.POSTS).glob("*.parquet")}
    (gone,) = scene.recall("x:3")
    assert scene.bytes_of(gone)
    said = scene.json()
    assert scene.is_equal()
    assert scene.bytes_of(gone) == []
    posts = next(each for each in said["tables"] if each["table"] == "posts")
    assert posts["removed_at_once"]["rows"] == 1
    assert posts["fetched"] == len({path.name for path in scene.table(Table.POSTS).glob("*.parquet")} - before)
    assert 0 < posts["dropped"] <= len(before)


def test_what_left_is_gone_at_once_even_if_nothing_new_can_be_fetched(scene: Scene) -> None:
    """The keys come first; files of rows are refused for as long as the recipient is patient."""
    scene.run()
    derived = scene.home / "derived.parquet"
    pq.write_table(pq.read_table(scene.table(Table.POSTS)), derived)
    scene.run("--also", str(derived))
    gone = scene.recall("x:3", "x:7")

    def no_rows(scope: Scope) -> tuple[int, dict[str, str], bytes] | None:
        return (503, {"Retry-After": "60"}, b"") if "/files/" in scope["path"] and "bucket-" in scope["path"] else None

    scene.wire.faults.append(no_rows)
    code, output = scene.run("--patience", "1s")
    assert code == 1
    assert "run it again later" in output
    for member in gone:
        assert scene.bytes_of(member) == []
        assert not holds(derived, member)
    assert len(scene.rows(Table.POSTS)) == COUNT - 2
    scene.wire.faults.clear()
    assert scene.run()[0] == 0
    assert scene.is_equal()


def test_a_file_that_broke_off_is_resumed_where_it_broke_off(scene: Scene) -> None:
    scene.wire.cut_after = 700
    code, output = scene.run("--jobs", "1")
    assert code == 0, output
    assert scene.is_equal()
    starts = [headers["range"] for _, _, headers in scene.wire.of("/files/") if "range" in headers]
    assert {"bytes=700-", "bytes=1400-"} <= set(starts)
    assert all(
        headers["accept-encoding"] == "identity" for method, _, headers in scene.wire.of("/files/") if method == "GET"
    )


def test_files_that_came_before_a_failure_are_not_fetched_again(scene: Scene) -> None:
    names: list[str] = []

    def only_two(scope: Scope) -> tuple[int, dict[str, str], bytes] | None:
        if "/files/" in scope["path"] and len(names) >= 2:
            return 503, {"Retry-After": "99"}, b""
        names.extend([scope["path"].rsplit("/", 1)[1]] if "/files/" in scope["path"] else [])
        return None

    scene.wire.faults.append(only_two)
    assert scene.run("--patience", "1s", "--jobs", "1")[0] == 1
    scene.wire.faults.clear()
    scene.wire.asked.clear()
    assert scene.run()[0] == 0
    assert scene.is_equal()
    assert not {path.rsplit("/", 1)[1] for _, path, _ in scene.wire.of("/files/")} & set(names)


def test_an_address_that_ended_is_asked_for_again(scene: Scene) -> None:
    """The server's clock jumps beyond the life of the addresses after the first question."""
    jumps = iter([timedelta(hours=2)])

    def jump(scope: Scope) -> None:
        if "/files/" in scope["path"]:
            for far in jumps:
                scene.now.append(datetime.now(UTC) + far)

    scene.wire.faults.append(jump)
    code, output = scene.run()
    assert code == 0, output
    assert scene.is_equal()


def test_rows_withdrawn_while_they_are_fetched_do_not_arrive(scene: Scene) -> None:
    """Between the list and the file a member leaves: the file is gone, the table is asked again."""
    leaving = iter(["x:5"])
    gone: set[str] = set()

    def leave(scope: Scope) -> None:
        if "/files/" in scope["path"]:
            for name in leaving:
                gone.update(scene.recall(name))

    scene.wire.faults.append(leave)
    code, output = scene.run()
    assert code == 0, output
    assert scene.is_equal()
    assert gone
    assert [path for member in gone for path in scene.bytes_of(member)] == []


def test_a_recall_that_tables_wait_for_leaves_the_copy_whole(scene: Scene) -> None:
    """The removals do not wait for it, so they are asked once more after the tables that did."""
    assert scene.run()[0] == 0
    leaving = iter(["x:5"])

    def leave(scope: Scope) -> None:
        if "/tables/" in scope["path"] and "/tables/removals" not in scope["path"]:
            for name in leaving:
                scene.recall(name)

    scene.wire.faults.append(leave)
    assert scene.run()[0] == 0
    code, output = scene.run("--check")
    assert code == 0, output


def test_a_server_that_says_wait_is_waited_for(scene: Scene) -> None:
    """Seconds and dates are honored; without either the pauses grow; at last patience ends."""
    said = json.loads(scene.profile.read_text())
    slept: list[float] = []
    answers = iter([(429, {"Retry-After": "7"}, b""), (503, {}, b""), (502, {}, b"")])
    scene.wire.faults.append(lambda scope: next(answers, None) if scope["path"].endswith("/shares") else None)
    profile = Bearer(endpoint=said["endpoint"], token=said["bearerToken"], expires=None)
    client = Client(profile=profile, patience_s=60, sleep=slept.append)
    assert [name.table for name in client.tables()] == ["likes", "posts", "removals"]
    assert slept == [7.0, 1.0, 2.0]
    scene.wire.faults[:] = [lambda _: (503, {"Retry-After": "3600"}, b"")]
    with pytest.raises(Unavailable) as caught:
        client.tables()
    assert caught.value.retry_after == 3600
    client.close()


def test_a_suspended_recipient_can_still_take_out_what_left(scene: Scene) -> None:
    """Rows are refused, the table of removals is not; nothing of the copy but what left is touched."""
    scene.run()
    derived = scene.home / "derived.parquet"
    pq.write_table(pq.read_table(scene.table(Table.LIKES)), derived)
    scene.run("--also", f"likes={derived}")
    (gone,) = scene.recall("x:3")
    _state(scene, "suspended")
    code, output = scene.run()
    assert code == 1
    assert "is suspended" in output
    assert scene.bytes_of(gone) == []
    assert not holds(derived, gone)
    assert len(scene.rows(Table.POSTS)) == COUNT - 1
    code, output = scene.run("--check")
    assert code == 1
    assert "FAIL acme-1.licensed.likes: the server refuses: license `acme-1` is suspended" in output
    _state(scene, "active")
    assert scene.run()[0] == 0
    assert scene.is_equal()
    assert scene.run("--check")[0] == 0


def _state(scene: Scene, state: str) -> None:
    with transaction(scene.world.house.database) as conn:
        facts.change_license(conn, LICENSE, state, datetime.now(UTC))
    catch_up(scene.world.house, datetime.now(UTC))


def test_versions_that_a_build_folded_away_are_followed_all_the_same(scene: Scene) -> None:
    scene.run()
    derived = scene.home / "derived.parquet"
    pq.write_table(pq.read_table(scene.table(Table.POSTS)), derived)
    scene.run("--also", f"posts={derived}")
    gone = scene.recall("x:1")
    build(scene.world.house, LICENSE.license_id, datetime.now(UTC))
    gone |= scene.recall("x:2")
    code, output = scene.run()
    assert code == 0, output
    assert scene.is_equal()
    for member in gone:
        assert scene.bytes_of(member) == []
        assert not holds(derived, member)
    assert scene.run("--check")[0] == 0


def test_derived_files_lose_rows_and_links_and_nothing_else(scene: Scene) -> None:
    """Through a link, with columns of their own, in categories and in another order; the rest stays as it was."""
    scene.run()
    frame = pd.read_parquet(scene.table(Table.POSTS)).assign(score=range(COUNT))
    frame["author_id"] = frame["author_id"].astype("category")
    real, link = scene.home / "deep" / "real.parquet", scene.home / "features" / "posts.parquet"
    for path in (real, link):
        path.parent.mkdir()
    frame.sort_values("text").to_parquet(real, compression="gzip")
    link.symlink_to(real)
    real.chmod(0o640)
    assert scene.run("--also", str(scene.home / "features" / "*.parquet"))[0] == 0
    assert len(pd.read_parquet(real)) == COUNT
    (gone,) = scene.recall("x:3")
    scene.run()
    after = pd.read_parquet(real)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert pq.ParquetFile(real).metadata.row_group(0).column(0).compression == "GZIP"
    assert list(after["text"]) == [text for text in sorted(frame["text"]) if "p:3 " not in text]
    assert list(after.columns) == list(frame.columns)
    shared = {row[0]: (row[5], row[6]) for row in scene.world.shared(Table.POSTS)}
    assert {row.post_id: (row.in_reply_to, row.quote_of) for row in after.itertuples()} == shared
    assert not holds(real, gone)


def test_a_derived_file_changed_since_is_searched_for_all_that_ever_left(scene: Scene) -> None:
    """Somebody restores an old file: the next run finds what left long ago; whoever came back stays."""
    scene.run()
    derived, old = scene.home / "derived.parquet", pq.read_table(scene.table(Table.LIKES))
    pq.write_table(old, derived)
    scene.run("--also", str(derived))
    gone, back = scene.recall("x:3"), scene.recall("x:6")
    scene.run()
    scene.world.say("x:6", choice=Choice.ALLOW)
    build(scene.world.house, LICENSE.license_id, datetime.now(UTC))
    scene.run()
    pq.write_table(old, derived)
    assert scene.run("--check")[0] == 1
    code, output = scene.run()
    assert code == 0, output
    assert sorted(map(repr, pq.read_table(derived).to_pylist())) == sorted(
        map(repr, pq.read_table(scene.table(Table.LIKES)).to_pylist())
    )
    assert not holds(derived, *gone)
    assert holds(derived, *back)
    assert scene.run("--check")[0] == 0


def test_registered_files_are_remembered_until_they_are_forgotten(scene: Scene) -> None:
    scene.run()
    derived = scene.home / "derived.parquet"
    pq.write_table(pq.read_table(scene.table(Table.POSTS)), derived)
    assert "no file matches" in scene.run("--also", f"likes={scene.home / 'nothing-*.parquet'}")[1]
    assert scene.run("--also", f"likes={derived}")[0] == 1, "posts are no likes"
    assert scene.run("--forget", f"likes={derived}")[0] == 0
    assert scene.run("--forget", f"likes={derived}")[0] == 1
    assert scene.run("--also", f"postings={derived}")[0] == 1
    (gone,) = scene.recall("x:3")
    scene.run()
    assert holds(derived, gone), "nobody asked for it"
    assert scene.run("--also", f"posts={derived}")[0] == 0
    assert not holds(derived, gone)


def test_a_stated_digest_is_held_against_every_file(scene: Scene) -> None:
    scene.wire.files = {
        path.name: path.read_bytes() for table in LICENSE.tables for path in scene.world.folder(table).glob("*.parquet")
    }
    scene.wire.digest = lambda content: _repr_digest(content[:-1])
    code, output = scene.run("--patience", "2s")
    assert code == 1
    assert "not those that the server states" in output
    assert not any(scene.table(Table.POSTS).glob("*.parquet"))
    scene.wire.digest = _repr_digest
    assert scene.run()[0] == 0
    assert scene.is_equal()
    code, output = scene.run("--check")
    assert code == 0, output
    assert f"digests: {len(scene.world.files(Table.POSTS))} stated by the server" in output


def _repr_digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def test_a_check_names_every_way_in_which_a_copy_is_not_the_share(scene: Scene) -> None:
    scene.run()
    assert scene.run("--check")[0] == 0
    first, *others = sorted(scene.table(Table.POSTS).glob("*.parquet"))
    whole = first.read_bytes()

    def found() -> str:
        code, output = scene.run("--check")
        assert code == 1
        return output

    first.write_bytes(whole[:20] + bytes([whole[20] ^ 1]) + whole[21:])
    assert "changed here: 1 file;" in found()
    first.unlink()
    assert "missing: 1 file" in found()
    first.write_bytes(whole)
    (first.parent / "mine.parquet").write_bytes(whole)
    assert "mine.parquet" in found()
    (first.parent / "mine.parquet").unlink()
    (scene.copy / "acme-1" / "licensed" / "old").mkdir()
    (scene.copy / "acme-1" / "licensed" / "old" / "_licet.json").write_text("{}")
    assert "no longer shared" in found()
    (scene.copy / "acme-1" / "licensed" / "old" / "_licet.json").unlink()
    assert scene.run("--check")[0] == 0
    scene.recall("x:3")
    said = found()
    assert "1 version apart" in said
    assert "still there though they left: 1 row" in said
    assert others


def test_a_check_changes_nothing(scene: Scene) -> None:
    scene.run()
    scene.recall("x:3")
    before = {path: path.read_bytes() for path in scene.copy.rglob("*") if path.is_file()}
    scene.run("--check")
    assert {path: path.read_bytes() for path in scene.copy.rglob("*") if path.is_file()} == before
    assert scene.run("--check", "--watch", "1s")[0] == 1


@pytest.mark.parametrize("damage", ["manifest", "file"])
def test_a_damaged_copy_is_mended(scene: Scene, damage: str) -> None:
    scene.run()
    file = min(scene.table(Table.POSTS).glob("*.parquet"))
    if damage == "manifest":
        (scene.table(Table.POSTS) / "_licet.json").write_text("{ half")
    else:
        file.write_bytes(file.read_bytes()[:-3])
    assert scene.run()[0] == 0
    assert scene.is_equal()
    assert scene.run("--check")[0] == 0


def test_two_runs_do_not_meet(scene: Scene) -> None:
    with only_one(scene.copy):
        code, output = scene.run()
    assert code == 1
    assert "another `licet sync` is at work" in output
    assert scene.run()[0] == 0


def test_a_client_of_the_second_kind_signs_in_by_itself(scene: Scene) -> None:
    """The access token is fetched once, and again once the server takes it no more."""
    ends = datetime.now(UTC) + timedelta(days=1)
    with transaction(scene.world.house.database) as conn:
        issued = credentials.issue(conn, LICENSE.recipient_id, Kind.OAUTH, ends)
    endpoint = json.loads(scene.profile.read_text())["endpoint"]
    scene.profile.write_text(json.dumps(oauth_profile(endpoint, issued.credential_id, issued.secret)))
    refusals = iter([(401, {}, b"")])
    scene.wire.faults.append(lambda scope: next(refusals, None) if scope["path"].endswith("/query") else None)
    code, output = scene.run()
    assert code == 0, output
    assert scene.is_equal()
    assert len(scene.wire.of("/oauth2/token")) == 3, "shares, shares after a refusal, recalls"
    with transaction(scene.world.house.database) as conn:
        credentials.revoke(conn, LICENSE.recipient_id, datetime.now(UTC))
    code, output = scene.run()
    assert code == 1
    assert "fresh profile" in output
    assert issued.secret not in output


def test_nothing_that_is_told_or_kept_holds_a_token(scene: Scene) -> None:
    token = json.loads(scene.profile.read_text())["bearerToken"]
    told = scene.run()[1] + json.dumps(scene.json())
    scene.wire.faults.append(lambda scope: (500, {}, scope["path"].encode()) if "/files/" in scope["path"] else None)
    scene.recall("x:3")
    told += scene.run("--patience", "1s")[1]
    kept = b"".join(path.read_bytes() for path in scene.copy.rglob("*") if path.is_file())
    assert token not in told
    assert "X-Amz-Signature" not in told
    assert token.encode() not in kept
    assert b"X-Amz-Signature" not in kept
    assert all("authorization" not in headers for _, _, headers in scene.wire.of("/files/"))


def test_a_recall_that_was_carried_out_is_acknowledged_and_attested(scene: Scene) -> None:
    """Without a key it is shown what would be stated; with one the recall is settled, and not stated again."""
    key, path = Ed25519PrivateKey.generate(), scene.home / "acme.key"
    path.write_text(base64.b64encode(key.private_bytes_raw()).decode())
    scene.run()
    scene.recall("x:3")
    _chase(scene)
    said = scene.json()["recalls"]
    assert [(each["sent"], each["lacking"], each["statement"]["versions"]) for each in said] == [
        (False, [], {"likes": 1, "posts": 1})
    ]
    assert _states(scene) == [State.ACKNOWLEDGED]
    code, output = scene.run("--key", str(path))
    assert code == 1
    assert "unknown_key" in output
    with transaction(scene.world.house.database) as conn:
        attestations.register_key(conn, LICENSE.recipient_id, public_bytes(key), datetime.now(UTC))
    assert scene.run("--key", str(path), target="#acme-1.licensed.posts")[1].count("not attested: likes") == 1
    said = scene.json("--key", str(path), "--models", "small,large", "--done", "deleted", "--done", "retrained")[
        "recalls"
    ]
    assert [(each["sent"], each["statement"]["models"]) for each in said] == [(True, ["small", "large"])]
    assert scene.run("--key", str(path))[0] == 0, "stated again before it is judged"
    assert _states(scene) == [State.CLOSED]
    assert scene.json("--key", str(path))["recalls"] == []


def _chase(scene: Scene) -> None:
    Chasing(house=scene.world.house, base=scene.address).once()


def _states(scene: Scene) -> list[State]:
    _chase(scene)
    with reading(scene.world.house.database) as conn:
        return [each.state for each in recalls.recalls_of(conn)]


def test_whoever_follows_knows_nothing_of_the_operators_house() -> None:
    """It runs at another company: no database, no lake, no rules are within its reach."""
    folder = pathlib.Path(licet.cli.__file__).parent
    modules = [*folder.glob("sync_*.py"), folder / "syncing.py"]
    named = {
        name
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
        if name.startswith("licet.")
    }
    assert len(modules) >= 8
    rooms = {".".join(name.split(".")[:2]) for name in named}
    assert rooms == {"licet.cli", "licet.model", "licet.protocol"}
