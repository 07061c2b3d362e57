"""The served model of a chain: which shards stand in it, and how their answers become one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import Refused, Unavailable
from licet.train.attacks import loss_scores
from licet.train.chain import Terms, kept_terms, lineage, load
from licet.train.chain_store import ChainStore
from licet.train.examples import Example
from licet.train.learner import Learner, Probabilities, find_learner
from licet.train.plan import Slice
from licet.train.tensors import State, mean_state, state_digest

if TYPE_CHECKING:
    from licet.protocol.attestation import Value

ATTEMPTS = 5
"""How often a reader looks again when a forgetting took away the checkpoints that it was about to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Shards that answer together: by the mean of their probabilities, or as one state that is the mean of theirs."""

    learner: Learner
    states: tuple[State, ...]

    def predict(self, examples: Sequence[Example]) -> list[Probabilities]:
        """Give each example's probabilities: float64 sums in the order of the shards."""
        totals = [np.array(each) for each in self.learner.predict(self.states[0], examples)]
        for state in self.states[1:]:
            answers = self.learner.predict(state, examples)
            totals = [total + more for total, more in zip(totals, answers, strict=True)]
        return [total / len(self.states) for total in totals]

    def digest(self) -> str:
        """Give the digest of the states, in order."""
        return "+".join(state_digest(state) for state in self.states)

    def losses(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        """Give each example's mean surprise, in nats."""
        return -loss_scores(self.predict(examples), self.learner.targets(examples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The checkpoint that stands for a shard."""

    place: Slice
    key: str


def tips(store: ChainStore, terms: Terms, shards: Iterable[int]) -> dict[int, Served]:
    """Give the last checkpoint of each shard that has records."""
    plan = store.plan()
    found = {shard: lineage(plan, terms, shard, store.manifest(shard)) for shard in sorted(shards)}
    return {shard: Served(place=steps[-1].place, key=steps[-1].key) for shard, steps in found.items() if steps}


def serve(store: ChainStore, terms: Terms, served: Mapping[int, Served]) -> None:
    """Switch what is served at once, by replacing one small file."""
    shards: dict[str, Value] = {
        str(shard): {"generation": each.place.generation, "bucket": each.place.bucket, "key": each.key}
        for shard, each in sorted(served.items())
    }
    store.keep_note("served", {"aggregate": terms.aggregate, "shards": shards})


def served(store: ChainStore) -> dict[int, Served]:
    """Give which checkpoint is served for each shard, in the order of the shards."""
    told = store.note("served").get("shards", {})
    return {
        shard: Served(
            place=Slice(generation=each["generation"], bucket=each["bucket"]),
            key=each["key"],
        )
        for shard, each in sorted((int(shard), each) for shard, each in told.items())
    }


def open_model(store: ChainStore) -> Model:
    """Read the served model.

    Raises:
        Refused: nothing is served.
        Unavailable: it changed again and again while it was read.
    """
    for _ in range(ATTEMPTS):
        found = served(store)
        if not found:
            raise Refused("nothing is served: every shard is being replayed, or nothing was fitted", "wait, or fit")
        try:
            states = [load(store, shard, each.place, each.key) for shard, each in found.items()]
        except FileNotFoundError:
            continue
        return model_of(kept_terms(store), states)
    raise Unavailable("the served model changes again and again", "try again in a moment")


def model_of(terms: Terms, states: Sequence[State]) -> Model:
    """Make one model of shards' states, given in the order of the shards."""
    learner = find_learner(terms.learner, terms.settings)
    if terms.aggregate == "weights":
        return Model(learner=learner, states=(mean_state(states),))
    return Model(learner=learner, states=tuple(states))
