"""JSON parts: items of any document come with their places in bounded memory, and damage costs what it must."""

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from licet.ingest.json_parts import document, items, lines
from licet.ingest.opened import Limits, Opened, Part, open_input
from licet.ingest.reasons import SKIP_REASONS
from licet.model.errors import InputError
from licet.model.records import Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A part that is made of bytes in memory."""

    content: bytes
    name: str = "export/data/tweets.js"

    @property
    def size(self) -> int:
        return len(self.content)

    def open(self) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(io.BytesIO(self.content)))


def opened(content: bytes, **limits: int) -> tuple[Opened, Part]:
    part = Memory(content=content)
    return Opened(name="export", parts=(part,), limits=Limits(**limits)), part


def read(content: bytes, **options: Any) -> list[tuple[str, object] | Skipped]:  # noqa: ANN401 - passed on
    return list(items(*opened(content), **options))


def values(found: list[tuple[str, object] | Skipped]) -> list[object]:
    return [each[1] for each in found if isinstance(each, tuple)]


def damage(number: int, reason: str = "malformed_row") -> Skipped:
    return Skipped(where=f"tweets.js#{number}", reason=reason)


def test_items_come_with_their_places() -> None:
    assert read(b' [1, {"a": [2]}, "x", null, 1.5]\n') == [
        ("tweets.js#1", 1),
        ("tweets.js#2", {"a": [2]}),
        ("tweets.js#3", "x"),
        ("tweets.js#4", None),
        ("tweets.js#5", 1.5),
    ]


def test_a_place_names_no_folder() -> None:
    """Folders of an export carry the names of people."""
    assert all("export" not in each[0] for each in read(b"[1]") if isinstance(each, tuple))


def test_an_assignment_before_the_document_is_passed_over() -> None:
    assert values(read(b'window.YTD.tweets.part0 = [{"t": "a = b"}]', prefix=b"=")) == [{"t": "a = b"}]
    assert values(read(b"window.x = [1];\n", prefix=b"=")) == [1]
    assert read(b"[1]", prefix=b"=") == [damage(1)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("orderedItems.item", [1, 2]),
        ("deep.er.item", [3]),
        ("deep.er.item.none", []),
        ("all.item.of", [4, 5]),
        ("all.item.some.item", [6, 7]),
        ("id", ["x"]),
        ("item", []),
        ("nowhere.item", []),
    ],
)
def test_a_path_steps_into_objects_and_arrays(path: str, expected: list[object]) -> None:
    text = b"""{"orderedItems": [1, 2], "deep": {"er": [3], "item": [9]}, "id": "x",
               "all": [{"of": 4}, {"of": 5, "some": [6, 7]}, [8]]}"""
    assert values(read(text, path=path)) == expected


def test_the_whole_document_is_one_item() -> None:
    assert read(b'{"a": 1}', path="") == [("tweets.js#1", {"a": 1})]


@pytest.mark.parametrize("content", [b"", b" ", b"[", b"{", b"nonsense", b"[,]", b"]", b'"', b"\x00", b"[1", b"{]"])
def test_what_is_no_document_is_set_aside(content: bytes) -> None:
    found = read(content)
    assert found[-1] == damage(len(found))


def test_an_empty_array_holds_nothing_and_is_whole() -> None:
    assert read(b"[ ]") == read(b"window.x = [ ]", prefix=b"=") == []


@pytest.mark.parametrize("rest", [b"", b",", b", x]", b", 3 4]", b'] "more"', b"][4]", b", {'a': 1}]", b", 3,]"])
def test_what_came_before_damage_is_given(rest: bytes) -> None:
    found = read(b"[1, 2" + rest)
    assert found[:2] == [("tweets.js#1", 1), ("tweets.js#2", 2)]
    assert found[-1] == damage(len(found))


def test_a_number_that_goes_on_in_the_next_piece_is_one_number() -> None:
    """Reading goes on by pieces of a quarter of a mebibyte."""
    for spare in range(1, 12):
        text = b"[" + b" " * (2**18 - 1 - spare) + b"1234567890, 2]"
        assert values(read(text)) == [1234567890, 2]


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(1, 9))
def test_a_character_that_goes_on_in_the_next_piece_is_one_character(text: str, spare: int) -> None:
    packed = json.dumps(text, ensure_ascii=False).encode()
    assert values(read(b"[" + b" " * (2**18 - 1 - spare) + packed + b"]")) == [text]


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert values(read(b'[{"a": 1, "a": 2}]')) == [{"a": 2}]


def test_a_number_that_is_none_reads_as_nothing() -> None:
    text = b"[NaN, Infinity, -Infinity, 1e999, -1e999, 1e-999, 7]"
    assert values(read(text)) == [None, None, None, None, None, 0.0, 7]


def test_an_integer_of_any_size_keeps_its_digits() -> None:
    assert values(read(b"[18446744073709551616, -123456789012345678901234567890]")) == [
        2**64,
        -123456789012345678901234567890,
    ]


def test_an_integer_too_long_to_be_a_number_ends_the_document() -> None:
    assert read(b"[1, " + b"9" * 5000 + b", 2]") == [("tweets.js#1", 1), damage(2)]


@pytest.mark.parametrize("text", [rb'"\ud83d"', rb'"\ude00"', b'"\xff"', b'"\xed\xa0\x80"', rb'{"\ud800": 1}'])
def test_what_is_no_text_costs_its_own_item_only(text: bytes) -> None:
    assert read(b"[1, " + text + b", 2]") == [
        ("tweets.js#1", 1),
        damage(2, "unreadable_text"),
        ("tweets.js#3", 2),
    ]
    assert "unreadable_text" in SKIP_REASONS


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert values(read(rb'["\ud83d\ude00"]')) == ["\N{GRINNING FACE}"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_understood(encoding: str) -> None:
    assert values(read('x = ["\N{GRINNING FACE}é"]'.encode(encoding), prefix=b"=")) == ["\N{GRINNING FACE}é"]
    assert document(*opened('{"a": "é"}'.encode(encoding))) == {"a": "é"}


@pytest.mark.parametrize("content", ['["ab"]'.encode("utf-16")[:-1], b"\xff\xfe\x00\xdc", b"\xff\xfe[\x00\x00\xd8"])
def test_half_a_utf16_character_is_damage(content: bytes) -> None:
    found = read(content)
    assert found[-1] == damage(len(found))
    with pytest.raises(InputError):
        document(*opened(content))


@pytest.mark.parametrize("depth", [1000, 100_000, 2_000_000])
@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_depth_without_end_is_set_aside(depth: int, opener: bytes) -> None:
    assert read(b"[1," + opener * depth)[1:] == [damage(2)]
    found = read(b"[1," + b"[" * depth + b"]" * depth + b",2]")
    assert found[1] == damage(2)


def test_depth_that_a_reader_could_not_follow_costs_its_own_item_only() -> None:
    deep = b"[" * 300 + b"]" * 300
    assert read(b"[1," + deep + b",2]") == [("tweets.js#1", 1), damage(2), ("tweets.js#3", 2)]
    assert values(read(b"[" + b"[" * 150 + b"]" * 150 + b"]")) == [json.loads("[" * 150 + "]" * 150)]


def test_a_value_beyond_the_limit_is_set_aside() -> None:
    big = b'"' + b"x" * 1_000_000 + b'"'
    assert read(b"[1," + big + b",2]")[2] == ("tweets.js#3", 2)
    source, part = opened(b"[1," + big + b",2]", value_bytes=300_000)
    assert list(items(source, part)) == [("tweets.js#1", 1), damage(2)]


def test_a_value_of_very_many_values_is_beyond_the_limit() -> None:
    """Three bytes of text can take up a hundred of memory."""
    source, part = opened(b"[[" + b"[]," * 1_000_000 + b"[]]]", value_bytes=2**24)
    assert list(items(source, part)) == [damage(1)]


def test_what_is_passed_over_may_be_larger_than_a_value() -> None:
    text = b'{"before": [' + b'"xxxxxxxxxx",' * 100_000 + b'0], "here": [1]}'
    source, part = opened(text, value_bytes=300_000)
    assert list(items(source, part, path="here.item")) == [("tweets.js#1", 1)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(json_values, max_size=6), st.sampled_from([None, 2]), st.integers(0, 1))
def test_every_document_reads_as_the_standard_library_reads_it(
    whole: list[object], indent: int | None, escaped: int
) -> None:
    text = json.dumps({"before": whole, "here": whole}, indent=indent, ensure_ascii=bool(escaped))
    assert values(read(text.encode(), path="here.item")) == whole
    assert values(read(json.dumps(whole, ensure_ascii=bool(escaped)).encode())) == whole
    assert document(*opened(text.encode())) == {"before": whole, "here": whole}


@settings(max_examples=150, deadline=None)
@given(st.lists(json_values, max_size=4), st.data())
def test_mutated_documents_end_in_items_and_places_only(whole: list[object], data: st.DataObject) -> None:
    text = mutated(json.dumps({"here": whole}).encode(), data)
    for path in ("here.item", "item", ""):
        found = read(text, path=path)
        assert all(isinstance(each, tuple) or each.reason in SKIP_REASONS for each in found)
        assert [each[0] if isinstance(each, tuple) else each.where for each in found] == [
            f"tweets.js#{number}" for number in range(1, len(found) + 1)
        ]


def mutated(text: bytes, data: st.DataObject) -> bytes:
    """Change, drop and insert some bytes."""
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.binary(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    return text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xff\xfe[\x00")
def test_any_bytes_give_items_lines_or_an_input_error(content: bytes) -> None:
    read(content)
    list(lines(*opened(content)))
    with contextlib.suppress(InputError):
        document(*opened(content))


def test_a_document_is_one_value() -> None:
    assert document(*opened(b' {"a": [1, 2.5]} ')) == {"a": [1, 2.5]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{} {}",
        b"{};",
        b"[" * 100_000,
        b"[" * 300 + b"]" * 300,
        rb'"\ud800"',
        b'"' + b"x" * 2_000_000 + b'"',
    ],
)
def test_a_document_that_is_none_is_an_error_with_a_remedy(content: bytes) -> None:
    with pytest.raises(InputError) as caught:
        document(*opened(content, value_bytes=1_000_000))
    assert caught.value.remedy
    assert "tweets.js" in caught.value.message
    assert "export" not in caught.value.message


def test_lines_come_with_their_places_and_each_bad_one_costs_itself() -> None:
    content = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n[1]\n{"b"\n{"c": "\xff"}\n{"d": 1e999}\nnull\n{"e": 2}'
    found = list(lines(*opened(content)))
    assert [each for each in found if isinstance(each, tuple)] == [("tweets.js:1", {"a": 1}), ("tweets.js:9", {"e": 2})]
    assert [each.where for each in found if isinstance(each, Skipped)] == [
        f"tweets.js:{number}" for number in (4, 5, 6, 7, 8)
    ]
    assert {each.reason for each in found if isinstance(each, Skipped)} == {"malformed_row"}


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_a_line_beyond_the_limit_costs_itself(ending: bytes) -> None:
    fits, long = b'{"a": "' + b"x" * 91 + b'"}', b'{"a": "' + b"x" * 92 + b'"}'
    assert len(fits) == 100
    source, part = opened(fits + b"\n" + long + b"\n" + long * 9000 + b"\n" + fits + ending, value_bytes=100)
    assert [each[0] if isinstance(each, tuple) else each for each in lines(source, part)] == [
        "tweets.js:1",
        Skipped(where="tweets.js:2", reason="malformed_row"),
        Skipped(where="tweets.js:3", reason="malformed_row"),
        "tweets.js:4",
    ]


def test_a_deep_line_costs_itself() -> None:
    deep = b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}"
    flat = b'{"a": [' + b"[]," * 300 + b"[]]}"
    found = list(lines(*opened(deep + b"\n" + flat + b"\n" + b"[" * 100_000 + b'\n{"b": 1}')))
    assert [isinstance(each, tuple) for each in found] == [False, True, False, True]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), max_size=5), st.data())
def test_every_line_that_is_an_object_is_given(objects: list[dict[str, object]], data: st.DataObject) -> None:
    content = b"\n".join(json.dumps(each).encode() for each in objects)
    good = [each for each in content.split(b"\n") if each.strip()]
    found = list(lines(*opened(content)))
    assert values(cast("list[tuple[str, object] | Skipped]", found)) == [orjson.loads(each) for each in good]
    changed = mutated(content, data)
    assert len(list(lines(*opened(changed)))) == sum(bool(each.strip()) for each in changed.split(b"\n"))


PEAK = """
import resource, sys
from pathlib import Path
from licet.ingest.json_parts import items, lines
from licet.ingest.opened import open_input
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_input(Path(sys.argv[1])) as source:
    read = lines(source, source.parts[0]) if sys.argv[2] == "lines" else items(source, source.parts[0])
    count = sum(isinstance(each, tuple) for each in read)
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("form", ["items", "lines"])
def test_a_document_of_a_hundred_megabytes_takes_up_little_memory(form: str, tmp_path: Path) -> None:
    one = json.dumps({"tweet": {"id": "1" * 19, "text": "\N{GRINNING FACE}" * 100, "of": [{"a": 1}] * 20}}).encode()
    path, times = tmp_path / "big.json", 100_000_000 // len(one)
    with path.open("wb") as file:
        file.write(b"[" if form == "items" else b"")
        between = b"," if form == "items" else b"\n"
        for _ in range(times - 1):
            file.write(one + between)
        file.write(one + (b"]" if form == "items" else b""))
    done = subprocess.run([sys.executable, "-c", PEAK, path, form], capture_output=True, text=True, check=True)
    count, kibibytes = map(int, done.stdout.split())
    assert count == times
    assert kibibytes < 32 * 1024


def test_real_documents_read_as_the_standard_library_reads_them(test_data: Path) -> None:
    folder = test_data / "meta_export_synthetic"
    with open_input(folder) as source:
        parts = source.matching("*.json")
        assert len(parts) == len(list(folder.rglob("*.json"))) > 5
        for part in parts:
            assert document(source, part) == json.loads((folder / part.name).read_text(encoding="utf-8"))


def test_real_assignments_are_read(test_data: Path) -> None:
    with open_input(test_data / "x_archive_fixtures") as source:
        parts = source.matching("data/*.js")
        assert parts
        for part in parts:
            with part.open() as stream:
                expected = json.loads(stream.read().partition(b"=")[2].rstrip(b" ;\n"))
            assert values(list(items(source, part, prefix=b"="))) == (expected if isinstance(expected, list) else [])
