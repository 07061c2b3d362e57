"""Forgetting by shards and slices: what it costs against training the members' part again, and what it loses.

`python bench/chain.py [member posts]` trains a byte GPT on half of the posts that LICET_TEST_DATA names as a stand-in
for public text, then a chain of 64 shards of 8 slices over posts of 10,000 made-up members (Zipf), and forgets members
drawn at random: 1 (64 times), 10 (twelve times), 100 (twice). Every figure of work is CPU time of single-threaded
processes, the parent's own included. In the end the store is compared, byte for byte, with one that never saw them;
what a record's training costs, which all figures are divided by, is the mean of this training and the first.
"""

import hashlib
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from samples.labelled_posts import labelled_posts, zipf_members

from licet.train.chain import Terms, new_terms
from licet.train.chain_fit import fit
from licet.train.chain_forget import forget
from licet.train.chain_model import open_model
from licet.train.chain_requests import ask
from licet.train.chain_store import ChainStore
from licet.train.chain_workers import Workers
from licet.train.determinism import pin_torch
from licet.train.environment import environment
from licet.train.examples import Example
from licet.train.hazard import Signals, evenly, slice_of
from licet.train.learner import Context
from licet.train.learners.torch_gpt import TorchGpt
from licet.train.plan import join, member_mark, new_plan
from licet.train.simulate import closed_form

KEY = hashlib.sha256(b"bench").digest()
SHAPE = {"width": "64", "layers": "2", "heads": "2", "context": "96", "batch": "8", "rate": "0.001"}
SHARDS, SLICES = 64, 8
HELD_OUT = 600
BATCHES = ((1, 64, 0.01), (10, 12, 0.09), (100, 2, 0.55))
"""How many leave at once, how often, and the share of all work that it may cost."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print the figures as they come."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    texts = [text for text, _ in labelled_posts()]
    held = [Example(member="", record=f"h{n}", text=text) for n, text in enumerate(texts[:HELD_OUT])]
    public = [Example(member="", record=f"p{n}", text=text) for n, text in enumerate(texts[HELD_OUT + count :][:count])]
    members = zipf_members(count)
    posts = [
        Example(member=member, record=str(n), text=text)
        for n, (member, text) in enumerate(zip(members, texts[HELD_OUT : HELD_OUT + count], strict=True))
    ]
    folder = Path(tempfile.mkdtemp(prefix="licet-bench-chain-"))
    try:
        measure(folder, public, posts, held)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, public: list[Example], posts: list[Example], held: list[Example]) -> None:
    """Train the base and the chains, then forget."""
    settings = base(folder / "base.safetensors", public)
    learner = TorchGpt(settings)
    print(f"base alone: {bits(learner.predict(learner.init(0), held), learner, held):.4f} bits per byte")
    terms = new_terms("torch-gpt", settings, "weights", environment())
    with Workers(1) as workers:
        for shards, slices in ((1, 1), (1, 8), (SHARDS, SLICES)):
            store = ChainStore(folder / f"{shards}x{slices}")
            seconds = fitted(store, terms, posts, (shards, slices), workers)
            found = bits(open_model(store).predict(held), learner, held)
            print(
                f"{shards} shards x {slices} slices: {seconds:.1f} CPU s, {found:.4f} bits per byte (soup)", flush=True
            )
        size = sum(path.stat().st_size for path in store.checkpoints())
        state = max(path.stat().st_size for path in store.checkpoints())
        print(
            f"checkpoints {size / 1e6:.0f} MB = {size / (SHARDS * state):.2f} x shards x state of {state / 1e6:.2f} MB"
        )
        first = seconds / len(posts)
        runs = forgetting(store, terms, posts, workers)
        oracle = ChainStore(folder / "oracle")
        again = fitted(oracle, terms, posts, (SHARDS, SLICES), workers)
        print(f"trained without those who left: {again:.1f} CPU s for {len(posts):,} posts", flush=True)
        for size, _, target in BATCHES:
            report(size, target, runs[size], (first + again / len(posts)) / 2)
        ours, theirs = contents(store), contents(oracle)
        print(f"compared with a store that never saw them: {len(theirs)} checkpoints, equal: {ours == theirs}")
        found = bits(open_model(store).predict(held), learner, held)
        print(f"after all forgetting: {found:.4f} bits per byte (soup)")


def base(path: Path, public: list[Example]) -> dict[str, str]:
    """Train a base on public text; give the settings that start from it."""
    pin_torch(1)
    learner = TorchGpt({**SHAPE, "epochs": "2"})
    state = learner.train(learner.init(1), public, Context(shard=0, generation=0, bucket=0, seed=1))
    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in state.items()}))
    return {**SHAPE, "base": str(path), "base_digest": hashlib.sha256(path.read_bytes()).hexdigest()}


def fitted(store: ChainStore, terms: Terms, posts: list[Example], size: tuple[int, int], workers: Workers) -> float:
    """Plan and fit; give the CPU seconds."""
    began = cpu()
    store.keep_key(KEY)
    marks = {member_mark(KEY, example.member) for example in posts}
    likelihood = evenly(Signals())
    buckets = {mark: slice_of(likelihood, bytes.fromhex(mark), size[1]) for mark in marks}
    store.keep_plan(join(new_plan(KEY, *size), buckets))
    work = fit(store, terms, posts, workers=workers, moved=lambda _: None).work
    return cpu() - began + work.cpu_seconds


def forgetting(store: ChainStore, terms: Terms, posts: list[Example], workers: Workers) -> dict[int, list["Run"]]:
    """Forget batches one after the other; the posts of who left are taken out of `posts`."""
    draws = np.random.default_rng(11)
    leaving = [str(name) for name in draws.permutation(sorted({example.member for example in posts}))]
    runs: dict[int, list[Run]] = {size: [] for size, _, _ in BATCHES}
    for size, times, _ in BATCHES:
        for _ in range(times):
            batch, leaving = leaving[:size], leaving[size:]
            posts[:] = [example for example in posts if example.member not in set(batch)]
            runs[size].append(forgotten(store, terms, batch, posts, workers))
    return runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One forgetting: records trained again, of how many, and CPU seconds."""

    records: int
    of: int
    seconds: float
    measuring: float
    wall: float


def forgotten(store: ChainStore, terms: Terms, batch: list[str], posts: list[Example], workers: Workers) -> Run:
    """Forget a batch and measure."""
    began, started = cpu(), time.monotonic()
    ask(store, batch, [], NOW)
    done = forget(store, terms, posts, workers=workers, sample=0, moved=lambda _: None)
    return Run(
        records=done.work.records,
        of=done.of,
        seconds=cpu() - began + done.work.cpu_seconds - done.measuring,
        measuring=done.measuring,
        wall=time.monotonic() - started,
    )


def report(size: int, target: float, runs: list[Run], each: float) -> None:
    """Print the cost of batches of one size against training all records that there were, at `each` CPU s a record."""
    total = [run.seconds / (run.of * each) for run in runs]
    trained = [run.records / run.of for run in runs]
    error = np.std(total, ddof=1) / len(runs) ** 0.5
    print(
        f"forget {size}, {len(runs)} times: {np.mean(total):.2%} of the CPU time, standard error {error:.2%} "
        f"({min(total):.2%} to {max(total):.2%}), {np.mean(trained):.2%} of the records, "
        f"closed form {closed_form(SHARDS, SLICES, size):.2%}, target {target:.0%}; "
        f"measuring surprise {np.mean([run.measuring / (run.of * each) for run in runs]):.2%} more; "
        f"{np.mean([run.wall for run in runs]):.1f} s by clock",
        flush=True,
    )


def contents(store: ChainStore) -> dict[str, bytes]:
    """Give every checkpoint by shard and name."""
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in store.checkpoints()}


def bits(found: list[np.ndarray], learner: TorchGpt, held: list[Example]) -> float:
    """Give bits per byte of held-out posts."""
    surprise, length = 0.0, 0
    for chances, wanted in zip(found, learner.targets(held), strict=True):
        surprise -= float(np.log2(chances[np.arange(len(wanted)), wanted]).sum())
        length += len(wanted)
    return surprise / length


def cpu() -> float:
    """Give the CPU seconds of this process so far; workers tell their own."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
