"""The law of forgetting by algebra: after it, every byte is as if the member had never been seen."""

import io
import itertools

import numpy as np
import pytest
from encoded import row
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import IntegrityError
from licet.train.algebra import Algebra
from licet.train.rows import Row
from licet.train.totals import Counts, Totals, load_totals

KINDS = ["bayes", "ridge", "ngram", "hybrid"]
TEXTS = st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=12)), max_size=8)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(said=TEXTS, gone=st.sampled_from("abc"), random=st.randoms())
def test_any_order_of_adding_and_forgetting_gives_the_bytes_of_never_having_seen_the_member(
    learners: dict[str, Algebra], kind: str, said: list[tuple[str, str]], gone: str, random: object
) -> None:
    learner = learners[kind]
    rows = [row(learner, member, f"r{n}", text) for n, (member, text) in enumerate(said)]
    never = [each for each in rows if each.member != gone]
    oracle = learner.start().plus(learner.added(never))
    forgotten = in_random_order(learner, rows, gone, random)
    learner.check(forgotten)
    assert forgotten.dump() == oracle.dump()
    assert forgotten.digest() == oracle.digest()
    after, before = learner.finish(forgotten), learner.finish(oracle)
    assert {name: array.tobytes() for name, array in after.items()} == {n: a.tobytes() for n, a in before.items()}


def in_random_order(learner: Algebra, rows: list[Row], gone: str, random: object) -> Totals:
    """Add rows one by one in any order, each doomed one taken away at some moment after it was added."""
    steps = [("add", each) for each in rows]
    random.shuffle(steps)  # type: ignore[attr-defined] # Hypothesis gives a random.Random
    for each in [each for each in rows if each.member == gone]:
        after = steps.index(("add", each)) + 1
        steps.insert(random.randint(after, len(steps)), ("forget", each))  # type: ignore[attr-defined] # as above
    totals = learner.start()
    for what, each in steps:
        delta = learner.added([each])
        totals = totals.plus(delta) if what == "add" else totals.minus(delta)
    return totals


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_never_added_cannot_be_forgotten(learners: dict[str, Algebra], kind: str) -> None:
    learner = learners[kind]
    kept, stranger = row(learner, "a", "1", "good day"), row(learner, "b", "2", "never said this at all")
    totals = learner.start().plus(learner.added([kept]))
    with pytest.raises(IntegrityError):
        learner.check(totals.minus(learner.added([stranger])))


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_can_be_forgotten_twice(learners: dict[str, Algebra], kind: str) -> None:
    learner = learners[kind]
    rows = [row(learner, member, member, f"{member} says good day") for member in "abc"]
    once = learner.start().plus(learner.added(rows)).minus(learner.added(rows[:1]))
    with pytest.raises(IntegrityError):
        learner.check(once.minus(learner.added(rows[:1])).minus(learner.added(rows[:1])))


@given(st.dictionaries(st.integers(0, 50), st.integers(1, 2**30)), st.lists(st.integers(0, 50)))
def test_tables_are_sorted_without_zeros_and_read_back_as_written(table: dict[int, int], seen: list[int]) -> None:
    keys = np.array(sorted(table), np.int64)
    counts = Counts(keys=keys, counts=np.array([table[key] for key in sorted(table)], np.int32))
    more = counts.plus(Counts.of(np.array(seen, np.int64)))
    expected = {key: table.get(key, 0) + seen.count(key) for key in {*table, *seen}}
    assert dict(zip(more.keys.tolist(), more.counts.tolist(), strict=True)) == expected
    assert all(one < two for one, two in itertools.pairwise(more.keys.tolist()))
    totals = Totals(dense={"whole": np.arange(6).reshape(2, 3)}, sparse={"table": more})
    assert load_totals(totals.dump()).dump() == totals.dump()
    assert more.minus(counts).keys.tolist() == sorted(set(seen))


def test_statistics_are_read_without_pickle() -> None:
    stream = io.BytesIO()
    np.savez(stream, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(Exception, match="statistics"):
        load_totals(stream.getvalue())


def test_a_count_beyond_its_bits_is_refused() -> None:
    most = Counts(keys=np.array([3]), counts=np.array([2**31 - 1], np.int32))
    with pytest.raises(IntegrityError, match="range in which integers are exact"):
        most.plus(Counts.of(np.array([3, 7])))
