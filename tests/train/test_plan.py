import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import InputError, NotFound, UsageError
from licet.train.examples import Example
from licet.train.plan import (
    Plan,
    content_mark,
    join,
    leave,
    member_mark,
    new_plan,
    plan_bytes,
    plan_digest,
    read_plan,
)

KEY = b"k" * 32
NAMES = st.lists(st.text(max_size=8), max_size=12, unique=True)


def grown(shards: int, generations: list[list[str]], slices: int = 4) -> Plan:
    plan = new_plan(KEY, shards, slices)
    for names in generations:
        plan = join(plan, {mark: int(mark[:2], 16) % slices for name in names for mark in [member_mark(KEY, name)]})
    return plan


@settings(max_examples=40)
@given(shards=st.integers(1, 9), generations=st.lists(NAMES, max_size=4), data=st.data())
def test_the_plan_without_a_member_is_the_plan_that_never_had_the_member(
    shards: int, generations: list[list[str]], data: st.DataObject
) -> None:
    everybody = sorted({name for names in generations for name in names})
    gone = data.draw(st.sets(st.sampled_from(everybody))) if everybody else set()
    removed = leave(grown(shards, generations), [member_mark(KEY, name) for name in gone])
    never = grown(shards, [[name for name in names if name not in gone] for names in generations])
    assert plan_bytes(removed) == plan_bytes(never)


@settings(max_examples=40)
@given(shards=st.integers(1, 9), generations=st.lists(NAMES, min_size=1, max_size=4), joining=NAMES)
def test_joining_moves_nobody_and_comes_last(shards: int, generations: list[list[str]], joining: list[str]) -> None:
    before = grown(shards, generations)
    after = grown(shards, [*generations, joining])
    for mark, place in before.rows.items():
        assert after.slice_of(mark) == place
        assert after.shard_of(mark) == before.shard_of(mark)
    new = after.rows.keys() - before.rows.keys()
    assert new == {member_mark(KEY, name) for name in joining} - before.rows.keys()
    assert all(after.rows[mark] > place for mark in new for place in before.rows.values())


@settings(max_examples=30)
@given(shards=st.integers(1, 9), generations=st.lists(NAMES, max_size=3))
def test_a_plan_that_is_read_is_the_one_that_was_written(shards: int, generations: list[list[str]]) -> None:
    plan = grown(shards, generations)
    assert read_plan(plan_bytes(plan)) == plan
    assert plan_digest(read_plan(plan_bytes(plan))) == plan_digest(plan)


def test_members_spread_evenly_over_shards() -> None:
    plan = grown(8, [[f"member {n}" for n in range(4000)]])
    counts = [sum(plan.shard_of(mark) == shard for mark in plan.rows) for shard in range(8)]
    assert min(counts) > 400
    assert max(counts) < 600


def test_the_file_is_small_and_names_no_member() -> None:
    written = plan_bytes(grown(8, [[f"member {n}" for n in range(1000)]]))
    assert b"member" not in written
    assert len(written) < 40 * 1000


def test_another_key_gives_another_plan() -> None:
    assert member_mark(KEY, "ann") != member_mark(b"l" * 32, "ann")
    assert new_plan(KEY, 2, 2).seed != new_plan(b"l" * 32, 2, 2).seed


def test_every_part_of_an_example_is_in_its_mark() -> None:
    plain = {"member": "a", "record": "b", "text": "c", "label": "d"}
    marks = {content_mark(KEY, Example(**{**plain, name: "other"})) for name in plain}
    assert len(marks | {content_mark(KEY, Example(**plain))}) == 5


def test_a_stranger_is_not_found() -> None:
    with pytest.raises(NotFound, match="join new members first"):
        grown(2, [["ann"]]).slice_of(member_mark(KEY, "bob"))


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b" ", lambda b: b.replace(b"plan.v1", b"plan.v9")])
def test_a_changed_file_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(InputError):
        read_plan(change(plan_bytes(grown(2, [["ann"]]))))


@pytest.mark.parametrize(("shards", "slices"), [(0, 1), (1, 0), (1 << 17, 1)])
def test_numbers_that_divide_nothing_are_refused(shards: int, slices: int) -> None:
    with pytest.raises(UsageError):
        new_plan(KEY, shards, slices)


def test_a_bucket_outside_the_plan_is_refused() -> None:
    with pytest.raises(UsageError, match="outside the plan"):
        join(new_plan(KEY, 2, 2), {member_mark(KEY, "ann"): 2})
