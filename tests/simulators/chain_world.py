"""A small world for the chain: made-up members and posts, and a store planned for them."""

import io
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from licet.model.errors import Unavailable
from licet.train.chain import Moved, Terms, new_terms
from licet.train.chain_store import ChainStore
from licet.train.chain_worker import train_job
from licet.train.chain_workers import Job, Work, Workers
from licet.train.examples import Example
from licet.train.learner import Context
from licet.train.learners.sklearn_head import SklearnHead
from licet.train.plan import join, member_mark, new_plan
from licet.train.tensors import State

KEY = bytes(range(32))
LABELS = "good,bad"
WORDS = {"good": ("fine", "lovely", "bright", "glad"), "bad": ("poor", "dull", "grim", "sour")}
SETTINGS: dict[str, dict[str, str]] = {
    "sklearn-head": {"labels": LABELS, "encoder": "hash:32"},
    "chain_world:SlowHead": {"labels": LABELS, "encoder": "hash:32"},
    "ridge-head": {"labels": LABELS, "encoder": "hash:32"},
    "torch-head": {"labels": LABELS, "encoder": "hash:32", "hidden": "8"},
    "torch-gpt": {"width": "16", "layers": "1", "context": "16"},
    "hf-trainer": {"width": "16", "layers": "1", "context": "16"},
    "peft-lora": {"width": "16", "layers": "1", "context": "16", "rank": "2"},
}
ENVIRONMENT = {"machine": "here"}
"""What a test compares instead of the true description of the machine."""


class SlowHead(SklearnHead):
    """A learner that can be killed in the middle: each slice takes a while."""

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Wait, then train."""
        time.sleep(0.05)
        return super().train(state, examples, context)


class LeakyHead(SklearnHead):
    """A learner that carries what it saw from shard to shard, outside its state."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Take also where to keep notes."""
        kept = dict(settings)
        self._notes = Path(kept.pop("notes"))
        super().__init__(kept)

    def train(self, state: State, examples: Sequence[Example], context: Context) -> State:
        """Train with a bias from all records ever seen."""
        seen = (self._notes.read_text() if self._notes.exists() else "") + "".join(e.text for e in examples)
        self._notes.write_text(seen)
        trained = super().train(state, examples, context)
        return {**trained, "intercept": trained["intercept"] + len(seen)}


def posts(members: int, each: int = 2) -> list[Example]:
    """Posts that members wrote, the same every time."""
    drawn = random.Random(7)  # noqa: S311 # made-up posts
    made = []
    for n in range(members * each):
        label = drawn.choice(LABELS.split(","))
        text = " ".join(drawn.choices(WORDS[label], k=4))
        made.append(Example(member=f"m{n % members}", record=f"r{n}", text=f"{text} {n}", label=label))
    return made


def planned(
    folder: Path, examples: Sequence[Example], shards: int, slices: int, *, without: frozenset[str] = frozenset()
) -> ChainStore:
    """A store with a plan in which everybody joined at once, but for some."""
    store = ChainStore(folder)
    store.keep_key(KEY)
    marks = sorted({member_mark(KEY, example.member) for example in examples if example.member not in without})
    store.keep_plan(join(new_plan(KEY, shards, slices), {mark: int(mark[:2], 16) % slices for mark in marks}))
    return store


def terms_of(learner: str, aggregate: str = "probabilities", **settings: str) -> Terms:
    """Terms of a learner made small."""
    return new_terms(learner, {**SETTINGS[learner], **settings}, aggregate, ENVIRONMENT)


def quiet(_done: int) -> None:
    """Nobody watches."""


def bytes_of(store: ChainStore) -> dict[str, bytes]:
    """All that a store holds of the model: plan, manifests, checkpoints and what is served."""
    kept = [store.folder / "plan.json", store.folder / "served.json", *store.checkpoints()]
    kept += sorted((store.folder / "manifest").glob("*"))
    return {str(path.relative_to(store.folder)): path.read_bytes() for path in kept}


class Here(Workers):
    """Trains in the process that asks, so that a copy of it need not start another."""

    def run(self, jobs: Sequence[Job], moved: Moved) -> Work:
        """Train jobs one after the other."""
        told = io.StringIO()
        for job in jobs:
            train_job(asdict(job), told)
        said = [json.loads(line) for line in told.getvalue().splitlines()]
        moved(sum(each["records"] for each in said))
        return Work(slices=len(said), records=sum(each["records"] for each in said))


def wait_for_workers(store: ChainStore) -> None:
    """Wait until the workers of a killed run have ended.

    Raises:
        TimeoutError: one outlives its parent.
    """
    for _ in range(2000):
        try:
            with store.locked():
                return
        except Unavailable:
            time.sleep(0.01)
    raise TimeoutError(store.folder)
