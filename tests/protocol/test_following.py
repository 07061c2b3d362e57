"""A follower who stops anywhere, misses versions, or is killed half-way, ends with what a newcomer would fetch."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.model.errors import IntegrityError
from licet.protocol.following import Copy, Held, compare, plan
from licet.protocol.reading import Listing, Offered

ROWS = frozenset(range(24))


@dataclass
class Server:
    """A table as a server keeps it: files with rows, and with each version the keys that left."""

    files: dict[str, frozenset[int]] = field(default_factory=dict)
    left: list[frozenset[int]] = field(default_factory=list)
    fold: int = 0
    numbers: itertools.count = field(default_factory=itertools.count)

    def rows(self) -> frozenset[int]:
        return frozenset().union(*self.files.values())

    def build(self, rows: frozenset[int], per_file: int) -> None:
        """Write every file anew, with other rows than before."""
        self.left.append(self.rows() - rows)
        self.fold = len(self.left) - 1
        ordered = sorted(rows)
        parts = [frozenset(ordered[n : n + per_file]) for n in range(0, len(ordered), per_file)]
        self.files = {f"f{next(self.numbers)}": part for part in parts}

    def recall(self, rows: frozenset[int]) -> None:
        """Rewrite the files that hold rows which go, and no other."""
        gone = rows & self.rows()
        if not gone:
            return
        hit = {name: part for name, part in self.files.items() if part & gone}
        for name, part in hit.items():
            del self.files[name]
            if part - gone:
                self.files[f"f{next(self.numbers)}"] = part - gone
        self.left.append(gone)

    def listing(self) -> Listing:
        files = [
            Offered(file_id=name, url=f"https://s/{name}", size=100 + len(part), rows=len(part))
            for name, part in self.files.items()
        ]
        return Listing(table_id="t", version=len(self.left) - 1, files=tuple(files))

    def departed(self, first: int) -> frozenset[int]:
        return frozenset().union(*self.left[first:])


@dataclass
class Follower:
    """A copy on a disk that may lose power between any two steps."""

    disk: dict[str, frozenset[int]] = field(default_factory=dict)
    copy: Copy | None = None

    def rows(self) -> list[int]:
        return sorted(row for part in self.disk.values() for row in part)

    def follow(self, server: Server, steps: int) -> bool:
        """Take so many steps; tell whether that was all of them."""
        todo = plan(self.copy, {name: 100 + len(part) for name, part in self.disk.items()}, server.listing())
        gone = frozenset() if todo.keys_from is None else server.departed(todo.keys_from)
        fetched = [Held(file_id=o.file_id, size=o.size, rows=o.rows, sha256="") for o in todo.fetch]
        acts = [lambda n=name: self.disk.update({n: self.disk[n] - gone}) for name in todo.drop]
        acts += [lambda n=name: self.disk.pop(n) for name in todo.drop]
        acts += [lambda n=o.file_id: self.disk.update({n: server.files[n]}) for o in todo.fetch]
        whole = Copy(table_id="t", version=server.listing().version, files=(*todo.keep, *fetched))
        known = {} if self.copy is None else {held.file_id: held for held in self.copy.files}
        version = -1 if self.copy is None else self.copy.version
        self.copy = Copy(
            table_id="t", version=version, files=tuple({**known, **{h.file_id: h for h in fetched}}.values())
        )
        for act in acts[:steps]:
            act()
        if steps > len(acts):
            self.copy = whole
        return steps > len(acts)


rows_of = st.frozensets(st.sampled_from(sorted(ROWS)))
moves = st.lists(
    st.one_of(
        st.tuples(st.just("build"), rows_of, st.integers(1, 9)),
        st.tuples(st.just("recall"), rows_of, st.just(0)),
        st.tuples(st.just("follow"), st.just(frozenset()), st.integers(0, 40)),
    ),
    max_size=25,
)


@given(rows_of, moves)
def test_whatever_was_missed_the_copy_ends_as_a_fresh_snapshot(first: frozenset[int], story: list) -> None:
    """Builds, recalls and interrupted runs in any order: the next whole run gives exactly the listed files and rows."""
    server, follower = Server(), Follower()
    server.build(first, 4)
    for move, rows, number in story:
        if move == "build":
            server.build(rows, number)
        elif move == "recall":
            server.recall(rows)
        else:
            follower.follow(server, number)
    assert follower.follow(server, 10_000)
    assert follower.disk == server.files
    assert follower.rows() == sorted(server.rows())
    settled = plan(follower.copy, {name: 100 + len(part) for name, part in follower.disk.items()}, server.listing())
    assert not settled.changes_files
    assert settled.keys_from is None


@given(rows_of, moves, st.integers(0, 30))
def test_only_files_that_go_can_hold_what_left(first: frozenset[int], story: list, steps: int) -> None:
    """Whoever takes what left out of the files that go has nothing of it, before anything is fetched."""
    server, follower = Server(), Follower()
    server.build(first, 3)
    follower.follow(server, 10_000)
    seen = server.listing().version
    for move, rows, number in story:
        if move == "build":
            server.build(rows, number)
        elif move == "recall":
            server.recall(rows)
    todo = plan(follower.copy, {name: 100 + len(part) for name, part in follower.disk.items()}, server.listing())
    assert todo.keys_from == (seen + 1 if server.listing().version > seen else None)
    if todo.keys_from is None:
        return
    back = server.rows()
    kept = [follower.disk[held.file_id] for held in todo.keep]
    assert not any(part - back for part in kept)
    follower.follow(server, len(todo.drop) + steps)
    assert not (set(follower.rows()) & server.departed(todo.keys_from)) - back


def held(name: str, size: int = 10) -> Held:
    return Held(file_id=name, size=size, rows=1, sha256="aa")


def offer(name: str, size: int = 10) -> Offered:
    return Offered(file_id=name, url="https://s/x", size=size, rows=1)


def listing(version: int, *files: Offered, table_id: str = "t") -> Listing:
    return Listing(table_id=table_id, version=version, files=files)


def test_a_file_that_the_copy_does_not_note_or_that_was_cut_short_is_fetched_again() -> None:
    copy = Copy(table_id="t", version=1, files=(held("a"), held("b"), held("c")))
    todo = plan(copy, {"a": 10, "b": 9, "stray": 10}, listing(1, offer("a"), offer("b"), offer("c"), offer("stray")))
    assert [file.file_id for file in todo.fetch] == ["b", "c", "stray"]
    assert todo.drop == ()


def test_a_share_that_goes_back_is_refused() -> None:
    """An older version may hold what was withdrawn since."""
    with pytest.raises(IntegrityError, match="went back from version 3 to 2"):
        plan(Copy(table_id="t", version=3, files=()), {}, listing(2))


def test_a_table_made_anew_is_fetched_anew() -> None:
    copy = Copy(table_id="t", version=3, files=(held("a"),))
    todo = plan(copy, {"a": 10}, listing(0, offer("b"), table_id="other"))
    assert (todo.keys_from, [file.file_id for file in todo.fetch], todo.drop) == (None, ["b"], ("a",))


@pytest.mark.parametrize(
    ("copy", "found", "stated", "said"),
    [
        (Copy(table_id="t", version=2, files=(held("a"),)), {"a": held("a")}, {}, ""),
        (Copy(table_id="t", version=2, files=(held("a"),)), {"a": held("a")}, {"a": "aa"}, ""),
        (Copy(table_id="t", version=2, files=(held("a"),)), {"a": held("a")}, {"a": "bb"}, "differing"),
        (Copy(table_id="t", version=2, files=(held("a"),)), {"a": held("a", 11)}, {}, "differing"),
        (Copy(table_id="t", version=2, files=()), {"a": held("a")}, {}, "differing"),
        (Copy(table_id="t", version=1, files=(held("a"),)), {"a": held("a")}, {}, "behind"),
        (Copy(table_id="u", version=2, files=(held("a"),)), {"a": held("a")}, {}, "behind"),
        (Copy(table_id="t", version=2, files=(held("a"),)), {}, {}, "missing"),
        (Copy(table_id="t", version=2, files=(held("a"),)), {"a": held("a"), "b": held("b")}, {}, "surplus"),
        (None, {}, {}, "behind"),
    ],
)
def test_a_comparison_says_what_differs(copy, found, stated, said) -> None:
    compared = compare(copy, found, stated, listing(2, offer("a")))
    assert compared.is_equal is (said == "")
    assert not said or getattr(compared, said)
