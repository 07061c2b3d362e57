"""Inputs: what is in a file or folder is found by its content, read within limits, and never beyond."""

import bz2
import contextlib
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.ingest.opened import Limits, open_input
from licet.model.errors import InputError

CONTENT = {"data/tweets.js": b"tweets" * 9, "data/account.js": b"", "a b/\N{GRINNING FACE}.json": os.urandom(70_000)}


def as_folder(path: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def as_zip(path: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def as_stored_zip(path: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("data")
        for name, data in content.items():
            archive.writestr(name, data)


def tar_bytes(content: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in content.items():
            member = tarfile.TarInfo(name if name.startswith(("/", ".", "x/..")) else f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def as_tar(path: Path, content: dict[str, bytes]) -> None:
    path.write_bytes(tar_bytes(content))


def as_gnu_tar(path: Path, content: dict[str, bytes]) -> None:
    path.write_bytes(tar_bytes(content, tarfile.GNU_FORMAT))


def as_tar_gz(path: Path, content: dict[str, bytes]) -> None:
    path.write_bytes(gzip.compress(tar_bytes(content)))


def as_tar_bz2(path: Path, content: dict[str, bytes]) -> None:
    path.write_bytes(bz2.compress(tar_bytes(content)))


FORMS = [as_folder, as_zip, as_stored_zip, as_tar, as_gnu_tar, as_tar_gz, as_tar_bz2]
Write = Callable[[Path, dict[str, bytes]], None]


def read_all(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    """Read every part to its end."""
    found = {}
    with open_input(path, limits) as source:
        for part in source.parts:
            with part.open() as stream:
                found[part.name] = stream.read()
    return found


def refused(path: Path, limits: Limits | None = None) -> InputError:
    """Read an input that must not be readable to its end."""
    with pytest.raises(InputError) as caught:
        read_all(path, limits)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("write", FORMS)
def test_every_form_gives_the_same_parts_whatever_it_is_called(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "export.dat"
    write(path, CONTENT)
    assert read_all(path) == CONTENT
    with open_input(path) as source:
        assert source.name == "export.dat"
        assert [part.name for part in source.parts] == sorted(CONTENT)
        assert [part.size for part in source.parts] == [len(CONTENT[name]) for name in sorted(CONTENT)]


@pytest.mark.parametrize("write", FORMS)
def test_parts_are_read_again_and_side_by_side(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "export"
    write(path, CONTENT)
    with open_input(path) as source:
        part, other = source.parts[0], source.matching("data/tweets.js")[0]
        with part.open() as one, part.open() as two, other.open() as three:
            first = one.read(1000)
            assert two.read(10) == first[:10]
            assert three.read() == CONTENT[other.name]
            assert first + one.read() == CONTENT[part.name]
        assert source.head(part, 10) == first[:10]
        assert source.head(other) == CONTENT[other.name]


@pytest.mark.parametrize("write", FORMS)
def test_a_part_serves_as_text_and_as_lines(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "export"
    write(path, {"a.txt": "é\nü\n".encode() * 50_000})
    with open_input(path) as source:
        with io.TextIOWrapper(source.parts[0].open(), encoding="utf-8") as text:
            assert sum(len(line) for line in text) == 200_000
        with source.parts[0].open() as stream:
            assert sum(1 for _ in stream) == 100_000


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(lambda data: data, ""), (gzip.compress, ".gz"), (bz2.compress, ".bz2"), (gzip.compress, ".GZ")],
)
def test_a_single_file_is_its_own_part(pack: Callable[[bytes], bytes], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"posts.jsonl{suffix}"
    path.write_bytes(pack(b'{"a": 1}\n'))
    assert read_all(path) == {"posts.jsonl": b'{"a": 1}\n'}
    with open_input(path) as source:
        assert source.name == path.name


def test_a_compressed_file_of_any_name_is_found_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "posts").write_bytes(gzip.compress(b"a") + gzip.compress(b"b"))
    assert read_all(tmp_path / "posts") == {"posts": b"ab"}


@pytest.mark.parametrize("content", [b"", b"\0" * 20_000, b"P", b"PK", b"\x1f", b"ustar"])
def test_what_is_no_archive_is_a_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    assert read_all(tmp_path / "x.zip") == {"x.zip": content}


@pytest.mark.parametrize("magic", [b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x01\0"])
def test_packing_that_is_not_read_is_named(magic: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(magic + b"?" * 600)
    assert refused(tmp_path / "x").remedy == "unpack it first"


def test_archives_inside_are_parts_like_any_other(tmp_path: Path) -> None:
    as_tar_gz(tmp_path / "inner.tgz", CONTENT)
    inner = (tmp_path / "inner.tgz").read_bytes()
    for write in FORMS:
        write(tmp_path / write.__name__, {"inner.tgz": inner})
        assert read_all(tmp_path / write.__name__) == {"inner.tgz": inner}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("data/tweets*.js", ["x/data/tweets-part1.js", "x/data/tweets.js"]),
        ("tweets.js", ["x/data/tweets.js", "x/my/tweets.js"]),
        ("weets.js", []),
        ("x/*/tweets.js", ["x/data/tweets.js", "x/my/tweets.js"]),
        ("x/*.js", []),
        ("data/tweets?js", ["x/data/tweets.js"]),
        ("data/tweets[.]js", []),
        ("x/data/tweets.js", ["x/data/tweets.js"]),
    ],
)
def test_parts_match_from_the_end_in_whatever_folder_they_lie(pattern: str, found: list[str], tmp_path: Path) -> None:
    names = ("data/tweets.js", "data/tweets-part1.js", "my/tweets.js", "data/tweets.js.bak", "datax/tweets.js2")
    as_folder(tmp_path, {f"x/{name}": b"" for name in names})
    with open_input(tmp_path) as source:
        assert [part.name for part in source.matching(pattern)] == found


@pytest.mark.parametrize("target", ["outside.json", "in/inside.json", "nowhere", "in", "."])
def test_a_link_in_a_folder_is_refused_and_never_followed(target: str, tmp_path: Path) -> None:
    as_folder(tmp_path, {"outside.json": b"secret", "in/inside.json": b"1"})
    (tmp_path / "in" / "link.json").symlink_to(tmp_path / target)
    assert "link.json" in refused(tmp_path / "in").message


def test_a_link_that_the_caller_names_is_the_caller_s_wish(tmp_path: Path) -> None:
    as_folder(tmp_path / "export", CONTENT)
    (tmp_path / "latest").symlink_to(tmp_path / "export")
    assert read_all(tmp_path / "latest") == CONTENT


def test_a_file_that_becomes_a_link_while_it_is_read_is_refused(tmp_path: Path) -> None:
    as_folder(tmp_path, {"outside": b"secret", "in/a.json": b"1"})
    with open_input(tmp_path / "in") as source:
        (tmp_path / "in" / "a.json").unlink()
        (tmp_path / "in" / "a.json").symlink_to(tmp_path / "outside")
        with pytest.raises(InputError):
            source.parts[0].open()


def test_a_folder_that_becomes_a_link_while_it_is_read_is_refused(tmp_path: Path) -> None:
    as_folder(tmp_path, {"outside/a.json": b"secret", "in/of/a.json": b"1"})
    with open_input(tmp_path / "in") as source:
        (tmp_path / "in" / "of").rename(tmp_path / "gone")
        (tmp_path / "in" / "of").symlink_to(tmp_path / "outside")
        with pytest.raises(InputError, match="replaced"):
            source.parts[0].open()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in refused(tmp_path / "pipe").message
    assert "pipe" in refused(tmp_path).message


def test_what_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    assert "none.zip" in refused(tmp_path / "none.zip").message
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop")


def test_an_empty_folder_has_no_parts(tmp_path: Path) -> None:
    assert read_all(tmp_path) == {}


def test_a_file_name_that_is_no_text_is_made_one(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.json")).write_bytes(b"1")
    assert read_all(tmp_path) == {"caf\N{REPLACEMENT CHARACTER}.json": b"1"}
    assert read_all(tmp_path / os.fsdecode(b"caf\xe9.json")) == {"caf\N{REPLACEMENT CHARACTER}.json": b"1"}


@pytest.mark.parametrize("write", FORMS)
def test_more_parts_than_the_limit_are_refused(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "x", {f"{number}.json": b"" for number in range(10)})
    assert len(read_all(tmp_path / "x", Limits(parts=12))) == 10
    assert "9 parts" in refused(tmp_path / "x", Limits(parts=9)).message


def test_more_folders_than_the_limit_of_parts_are_refused(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    assert "9 parts" in refused(tmp_path, Limits(parts=9)).message


@pytest.mark.parametrize("write", FORMS)
def test_folders_deeper_than_the_limit_are_refused(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "x", {"1/2/3/four.json": b"4"})
    assert read_all(tmp_path / "x", Limits(depth=3)) == {"1/2/3/four.json": b"4"}
    assert "2 folders deep" in refused(tmp_path / "x", Limits(depth=2)).message


@pytest.mark.parametrize("write", FORMS)
def test_bytes_in_all_are_counted_as_they_come_out(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "x", {"a": os.urandom(60_000), "b": os.urandom(60_000)})
    assert "70000 bytes" in refused(tmp_path / "x", Limits(total_bytes=70_000)).message
    generous = Limits(total_bytes=140_000)
    with open_input(tmp_path / "x", generous) as source:
        for _ in range(5):
            for part in source.parts:
                with part.open() as stream:
                    assert len(stream.read()) == 60_000


@pytest.mark.parametrize("write", [as_zip, as_tar_gz, as_tar_bz2])
def test_a_part_that_unpacks_to_far_more_than_it_takes_up_is_refused(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "x", {"bomb.json": b"0" * 30_000_000})
    assert "200 times" in refused(tmp_path / "x").message
    assert len(read_all(tmp_path / "x", Limits(ratio=10**6))["bomb.json"]) == 30_000_000


def test_a_compressed_file_that_unpacks_to_far_more_is_refused_early(tmp_path: Path) -> None:
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(b"0" * 100_000_000))
    with open_input(tmp_path / "bomb.json.gz") as source, source.parts[0].open() as stream:
        with pytest.raises(InputError, match="200 times"):
            stream.read()
        assert stream.closed is False


def test_a_small_part_may_be_as_regular_as_it_likes(tmp_path: Path) -> None:
    as_zip(tmp_path / "x", {"a.json": b" " * 1_000_000})
    assert len(read_all(tmp_path / "x")["a.json"]) == 1_000_000


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_cut_compressed_file_is_an_input_error(pack: Callable[[bytes], bytes], kept: float, tmp_path: Path) -> None:
    whole = pack(os.urandom(300_000))
    (tmp_path / "cut.json.x").write_bytes(whole[: int(len(whole) * kept)])
    assert "cut.json.x" in refused(tmp_path / "cut.json.x").message


steps = ["a", "b", "..", ".", "", "C:", "c:x", "x\\y", "é", "tmp", "data", " ", "\n"]
names = st.lists(st.sampled_from(steps), min_size=1, max_size=4).map("/".join)
plain_names = names.filter(lambda name: name.rpartition("/")[2] not in {"", ".", ".."})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.dictionaries(plain_names, st.binary(max_size=30), max_size=4),
    root=st.sampled_from(["", "", "/", "../", "x/../../"]),
    write=st.sampled_from([as_zip, as_gnu_tar, as_tar_gz]),
)
def test_archives_of_any_names_come_out_whole_or_not_at_all_and_nothing_is_written(
    content: dict[str, bytes], root: str, write: Write, tmp_path: Path
) -> None:
    path = tmp_path / "1" / "2" / "x"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, {root + name: data for name, data in content.items()})
    before = sorted(tmp_path.rglob("*"))
    found = None
    with contextlib.chdir(path.parent), contextlib.suppress(InputError):
        found = read_all(path)
    assert sorted(tmp_path.rglob("*")) == before
    if found is not None:
        assert sorted(found.values()) == sorted(content.values())
        assert not [name for name in found if name.startswith("/") or {"..", ".", ""} & set(name.split("/"))]
        assert not [name for name in found if "\\" in name or "\0" in name or name[1:2] == ":"]
        assert root == "" or not content


def test_real_exports_come_out_as_they_are(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "x_archive_fixtures"
    real = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert len(real) > 3
    for write in FORMS:
        write(tmp_path / write.__name__, real)
        assert read_all(tmp_path / write.__name__) == real
    packed = test_data / "reddit_sample" / "posts.jsonl.gz"
    assert read_all(packed) == {"posts.jsonl": gzip.decompress(packed.read_bytes())}
