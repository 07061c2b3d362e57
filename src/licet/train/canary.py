"""Train with and without one member, and find every artifact outside the member's own suffix that changed."""

from collections.abc import Sequence
from pathlib import Path

from licet.train.chain import Terms
from licet.train.chain_fit import fit
from licet.train.chain_store import ChainStore, file_digest
from licet.train.chain_workers import Workers
from licet.train.examples import Example
from licet.train.plan import Plan, Slice, leave, member_mark


def leaked(  # noqa: PLR0913 # two runs, spelled out
    folder: Path, plan: Plan, key: bytes, terms: Terms, examples: Sequence[Example], member: str, *, workers: Workers
) -> list[str]:
    """Give the names of checkpoints that should not depend on a member and do; empty where nothing leaks.

    `folder` is empty and is left with both stores. The member must be in the plan.
    """
    mark = member_mark(key, member)
    shard, place = plan.shard_of(mark), plan.slice_of(mark)
    without = [example for example in examples if example.member != member]
    told = _run(folder / "with", plan, key, terms, examples, workers)
    quiet = _run(folder / "without", leave(plan, [mark]), key, terms, without, workers)
    names = {name for name in told.keys() | quiet.keys() if not _after(name, shard, place)}
    return sorted(name for name in names if told.get(name) != quiet.get(name))


def _run(  # what a run is made of
    folder: Path, plan: Plan, key: bytes, terms: Terms, examples: Sequence[Example], workers: Workers
) -> dict[str, str]:
    store = ChainStore(folder)
    store.keep_key(key)
    store.keep_plan(plan)
    fit(store, terms, examples, workers=workers, moved=lambda _: None)
    return {f"{path.parent.name}/{path.name}": file_digest(path) for path in store.checkpoints()}


def _after(name: str, shard: int, place: Slice) -> bool:
    """Tell whether a checkpoint lies in a shard at or after a slice: `3/0-2.KEY.safetensors`."""
    held, _, rest = name.partition("/")
    generation, _, bucket = rest.partition(".")[0].partition("-")
    return int(held) == shard and Slice(generation=int(generation), bucket=int(bucket)) >= place
