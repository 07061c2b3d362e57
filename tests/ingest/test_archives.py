"""Archives made to harm: links, lies in headers, bombs, damage; each is an InputError and takes up no memory."""

import contextlib
import gzip
import io
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.ingest.opened import Limits, open_input
from licet.model.errors import InputError, Unavailable

MEBIBYTE = 2**20


def read_all(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    found = {}
    with open_input(path, limits) as source:
        for part in source.parts:
            with part.open() as stream:
                found[part.name] = stream.read()
    return found


def refused(path: Path, content: bytes, limits: Limits | None = None) -> str:
    """Read an archive that must not be readable to its end; give what is said about it."""
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_all(path, limits)
    assert caught.value.remedy
    return caught.value.message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the archive lies."""
    return tmp_path / "export"


@contextlib.contextmanager
def little_memory(limit: int = 24 * MEBIBYTE) -> Iterator[None]:
    """Fail where more is taken up at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit


def zip_bytes(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return packed.getvalue()


def tar_bytes(*members: tarfile.TarInfo, data: bytes = b"", form: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", pax: dict[str, str] | None = None
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.pax_headers = kind, link, pax or {}
    return made


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


OUTSIDE = ["../a", "x/../../a", "/etc/passwd", "C:/a", "c:a", "..\\a", "x\\a", "//a/b", "a/..", "a\0b"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_is_refused_in_a_zip(name: str, path: Path) -> None:
    marks = zip_bytes(("?" * len(name), b"1")).replace(b"?" * len(name), name.encode())
    assert "outside itself" in refused(path, marks)


@pytest.mark.parametrize("name", [*OUTSIDE[:-1], ".."])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_a_name_that_leads_outside_is_refused_in_a_tar(name: str, kind: bytes, path: Path) -> None:
    assert "outside itself" in refused(path, tar_bytes(member(name, kind)))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V", b"Z"]
)
def test_what_is_no_plain_file_is_refused_in_a_tar(kind: bytes, path: Path) -> None:
    content = tar_bytes(member("ok.json"), member("link.json", kind, "ok.json"))
    assert "link.json" in refused(path, content)
    assert "link.json" in refused(path, gzip.compress(content))


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_no_plain_file_is_refused_in_a_zip(mode: int, path: Path) -> None:
    assert "link.json" in refused(path, zip_bytes((entry("link.json", mode), b"/etc/passwd")))


def test_a_folder_with_content_is_refused_in_a_zip(path: Path) -> None:
    assert "data" in refused(path, zip_bytes(("data?", b"1")).replace(b"data?", b"data/"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["a.json", "./a.json", ".//a.json"])
def test_a_name_that_stands_twice_is_refused_because_nobody_knows_which_counts(again: str, path: Path) -> None:
    assert "same name" in refused(path, zip_bytes(("a.json", b"1"), (again, b"2")))
    assert "same name" in refused(path, tar_bytes(member("a.json"), member(again)))


def test_only_the_encrypted_part_of_a_zip_is_unreadable(path: Path) -> None:
    content = bytearray(zip_bytes(("a.json", b"1"), ("b.json", b"2")))
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    assert "b.json is encrypted" in refused(path, bytes(content))
    with open_input(path) as source:
        assert source.head(source.matching("a.json")[0]) == b"1"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 9, 99])
def test_only_the_part_of_a_zip_that_is_compressed_otherwise_is_unreadable(method: int, path: Path) -> None:
    content = bytearray(zip_bytes(("a.json", b"1"), ("b.json", b"2")))
    at = content.rindex(b"PK\x01\x02")
    content[at + 10 : at + 12] = struct.pack("<H", method)
    assert "b.json is compressed" in refused(path, bytes(content))
    with open_input(path) as source:
        assert source.head(source.matching("a.json")[0]) == b"1"


def test_only_the_damaged_part_of_a_zip_is_unreadable(path: Path) -> None:
    content = zip_bytes(("a.json", b"one"), ("b.json", b"two"), method=zipfile.ZIP_STORED).replace(b"two", b"tow")
    assert refused(path, content) == "b.json is damaged or cannot be read"
    with open_input(path) as source:
        assert source.head(source.matching("a.json")[0]) == b"one"


def overlapping(copies: int, kernel: bytes) -> bytes:
    """Make a zip of which every entry shares the same bytes."""
    whole = zip_bytes(("0000", kernel))
    start, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    directory = b"".join(whole[start:end].replace(b"0000", f"{number:04}".encode()) for number in range(copies))
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, copies, copies, len(directory), start, 0)
    return whole[:start] + directory + tail


def test_entries_that_share_bytes_are_refused(path: Path) -> None:
    assert "overlaps" in refused(path, overlapping(500, b"0" * 100_000))
    assert "overlaps" in refused(path, overlapping(2, b""))


def test_an_entry_that_states_more_bytes_than_the_archive_has_is_refused(path: Path) -> None:
    content = bytearray(zip_bytes(("a.json", b"0" * 5 * MEBIBYTE)))
    at = content.rindex(b"PK\x01\x02")
    content[at + 20 : at + 24] = struct.pack("<L", 2**30)
    assert "overlaps" in refused(path, bytes(content))


def test_a_zip_of_very_many_entries_is_refused_before_they_are_listed(path: Path) -> None:
    entries = [(f"{number}.json", b"") for number in range(30_000)]
    content = zip_bytes(*entries, method=zipfile.ZIP_STORED)
    with little_memory(12 * MEBIBYTE):
        assert "1000 parts" in refused(path, content, Limits(parts=1000))


def test_a_zip_of_a_giant_list_is_refused_before_it_is_read(path: Path) -> None:
    whole = zip_bytes(("a", b""))
    end = whole.index(b"PK\x05\x06")
    forged = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, end - 1 + 2**26, 0, 0)
    path.write_bytes(whole[:end])
    with path.open("r+b") as file:
        file.truncate(2**26 + end)
        file.seek(0, io.SEEK_END)
        file.write(forged)
    with little_memory(), pytest.raises(InputError):
        read_all(path, Limits(parts=1000))


def test_a_tar_of_very_many_members_is_refused_before_they_are_listed(path: Path) -> None:
    content = tar_bytes(*(member(f"{number}.json") for number in range(5000)))
    assert "1000 parts" in refused(path, gzip.compress(content), Limits(parts=1000))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("stated", [2 * MEBIBYTE, 2**31, 2**40])
def test_a_tar_header_of_any_stated_size_takes_up_little_memory(kind: bytes, stated: int, path: Path) -> None:
    header = member("x", kind)
    header.size = stated
    content = header.tobuf(tarfile.GNU_FORMAT) + bytes(64 * MEBIBYTE)
    packed = gzip.compress(content, 1)
    with little_memory():
        refused(path, packed, Limits(ratio=10**6))


def test_a_chain_of_tar_headers_without_end_is_refused(path: Path) -> None:
    header = member("x", tarfile.XHDTYPE)
    header.size = 0
    with little_memory():
        refused(path, header.tobuf(tarfile.USTAR_FORMAT) * 20_000)


def test_headers_of_earlier_members_do_not_add_up(path: Path) -> None:
    members = [member(f"{number}.json", pax={"comment": "x" * 500_000}) for number in range(100)]
    path.write_bytes(gzip.compress(tar_bytes(*members)))
    with little_memory():
        assert len(read_all(path, Limits(ratio=10**6))) == 100


@pytest.mark.parametrize("size", [-1, -512, -1024, -(2**40)])
def test_a_negative_size_does_not_lead_in_circles(size: int, path: Path) -> None:
    header = bytearray(member("b.json").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (256**12 + size if size < 0 else size).to_bytes(12, "big")
    header[124] = 0xFF
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    refused(path, member("a.json").tobuf() + bytes(header) + bytes(2048))


@pytest.mark.parametrize(
    "pax",
    [
        {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9999999999999", "GNU.sparse.numblocks": "1"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9999999999"},
    ],
)
def test_a_sparse_member_that_holds_nothing_of_its_size_is_refused(pax: dict[str, str], path: Path) -> None:
    refused(path, tar_bytes(member("a.json", pax=pax), data=b"1\n0\n0\n".ljust(1024, b"\0")))


def test_a_damaged_header_is_not_taken_for_the_end(path: Path) -> None:
    content = bytearray(tar_bytes(member("a.json"), member("b.json"), data=b"1" * 600))
    content[3 * 512 + 2] ^= 0xFF
    assert "damaged" in refused(path, bytes(content))
    assert "damaged" in refused(path, gzip.compress(bytes(content)))


@pytest.mark.parametrize("kept", [512, 700, 1100, 1536, 2048, 2600])
def test_a_cut_tar_is_refused_wherever_it_was_cut(kept: int, path: Path) -> None:
    """A cut at the end of a member looks whole but for the mark of the end."""
    content = tar_bytes(member("a.json"), member("b.json"), data=b"1" * 600)
    refused(path, content[:kept])
    refused(path, gzip.compress(content[:kept]))
    refused(path, gzip.compress(content)[:-20])


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_a_cut_zip_is_refused(kept: float, path: Path) -> None:
    content = zip_bytes(("a.json", os.urandom(5000)), ("b.json", os.urandom(5000)))
    assert refused(path, content[: int(len(content) * kept)]) == "export is damaged or cannot be read"


def test_names_that_are_no_text_are_made_one(path: Path) -> None:
    raw = member(os.fsdecode(b"caf\xe9.json")).tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    path.write_bytes(raw + bytes(1024))
    assert read_all(path) == {"caf\N{REPLACEMENT CHARACTER}.json": b""}
    path.write_bytes(zip_bytes(("caf?.json", b"1")).replace(b"caf?", b"caf\x82"))
    assert read_all(path) == {"café.json": b"1"}
    unicode = zip_bytes(("caf\N{GREEK SMALL LETTER ALPHA}.json", b"1"))
    refused(path, unicode.replace("\N{GREEK SMALL LETTER ALPHA}".encode(), b"\xff\xff"))


def test_messages_name_no_folder(path: Path) -> None:
    """Folders of an export carry the names of people."""
    message = refused(
        path, zip_bytes(("messages/ann/\n\x1b[31m.json", b"1"), ("messages/ann/\n\x1b[31m.json/..", b"1"))
    )
    assert "ann" not in message
    assert message.isprintable()


def test_the_unpacked_copy_has_no_name_and_is_gone_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = path.parent / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    path.write_bytes(gzip.compress(tar_bytes(member("a.json"), data=b"1" * 5000)))
    with open_input(path) as source:
        assert list(folder.iterdir()) == []
        assert source.head(source.parts[0]) == b"1" * 5000
    refused(path, path.read_bytes()[:-9])
    assert list(folder.iterdir()) == []


def test_no_room_to_unpack_is_no_fault_of_the_input(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path.write_bytes(gzip.compress(tar_bytes(member("a.json"))))
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(Unavailable, match="TMPDIR"):
        read_all(path)


def samples() -> list[bytes]:
    """Make small archives of every form."""
    text = b'[{"a": 1}]' * 9
    tar = tar_bytes(
        member("a.json"), member("data/b.json", pax={"comment": "c"}), member("d", tarfile.DIRTYPE), data=text
    )
    gnu = tar_bytes(member("a" * 120), data=text, form=tarfile.GNU_FORMAT)
    entries = (("a.json", text), ("data/b.json", text))
    return [
        zip_bytes(*entries),
        zip_bytes(*entries, method=zipfile.ZIP_STORED),
        tar,
        gnu,
        gzip.compress(tar, mtime=0),
        gzip.compress(text, mtime=0),
    ]


SAMPLES = samples()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_archives_raise_nothing_but_input_errors(data: st.DataObject, path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        read_all(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_tar_headers_of_any_fields_raise_nothing_but_input_errors(data: st.DataObject, path: Path) -> None:
    """The sum of a header is mended, so that what it states is looked at."""
    content = bytearray(SAMPLES[data.draw(st.integers(2, 3))])
    start = 512 * data.draw(st.integers(0, len(content) // 512 - 1))
    for _ in range(data.draw(st.integers(1, 3))):
        at = start + data.draw(st.integers(0, 511))
        content[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
    content[start + 148 : start + 156] = b" " * 8
    content[start + 148 : start + 156] = b"%06o\0 " % sum(content[start : start + 512])
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        read_all(path)
