"""What files point to: never a file too few, hardly one too many, and nothing kept of files that are gone."""

import hashlib
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.store.pointers import Pointers, prints

FOLDER = Path("posts")


def name(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()[:32]


def column(*values: int | None) -> pa.ChunkedArray:
    half = len(values) // 2
    names = [None if value is None else name(value) for value in values]
    return pa.chunked_array([pa.array(names[:half], pa.string()), pa.array(names[half:], pa.string())])


numbers = st.integers(0, 40)
columns = st.lists(st.one_of(st.none(), numbers), max_size=20)


@settings(deadline=None)
@given(files=st.lists(st.tuples(columns, columns), min_size=1, max_size=5), wanted=st.sets(numbers, max_size=30))
def test_exactly_the_files_that_point_to_somebody_are_found(
    files: list[tuple[list[int | None], list[int | None]]], wanted: set[int]
) -> None:
    """Of so few names no two share 32 bits; files of which nothing is known are found too."""
    pointers = Pointers()
    pointers.learn(FOLDER, {str(n): prints([column(*a), column(*b)]) for n, (a, b) in enumerate(files)})
    names = [*map(str, range(len(files))), "unknown"]
    found = pointers.may_point(FOLDER, names, [name(n) for n in wanted])
    assert found == [*(str(n) for n, (a, b) in enumerate(files) if wanted & {*a, *b}), "unknown"]


def test_what_does_not_fit_stays_unknown_and_is_always_looked_at() -> None:
    pointers = Pointers(most_bytes=8)
    pointers.learn(FOLDER, {"a": prints([column(1, 2)]), "b": prints([column(3, 4)])})
    assert pointers.may_point(FOLDER, ["a", "b"], [name(9)]) == ["b"]
    assert pointers.unknown(FOLDER, ["a", "b"]) == []
    pointers.forget_others(FOLDER, {"b"})
    assert pointers.unknown(FOLDER, ["a", "b"]) == ["a", "b"]
    pointers.learn(FOLDER, {"b": prints([column(3, 4)])})
    assert pointers.may_point(FOLDER, ["b"], [name(9)]) == []


def test_two_tables_are_kept_apart() -> None:
    pointers = Pointers()
    pointers.learn(FOLDER, {"a": prints([column(1)])})
    assert pointers.unknown(Path("likes"), ["a"]) == ["a"]
