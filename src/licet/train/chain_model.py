"""The served model of a chain: which shards stand in it, and how their answers become one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import Refused, Unavailable
from licet.train.chain import Step, Terms, kept_terms, lineage, load
from licet.train.chain_store import ChainStore
from licet.train.examples import Example
from licet.train.learner import Learner, Probabilities, find_learner
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
        pairs = zip(self.predict(examples), self.learner.targets(examples), strict=True)
        return np.array([-np.log(chances[np.arange(len(wanted)), wanted]).mean() for chances, wanted in pairs])


def tips(store: ChainStore, terms: Terms, shards: Iterable[int]) -> dict[int, Step]:
    """Give the last step of each shard that has records, in the order of the shards."""
    plan = store.plan()
    found = {shard: lineage(plan, terms, shard, store.manifest(shard)) for shard in sorted(shards)}
    return {shard: steps[-1] for shard, steps in found.items() if steps}


def serve(store: ChainStore, terms: Terms, served: Mapping[int, Step]) -> None:
    """Switch what is served at once, by replacing one small file.

    Raises:
        Refused: the learner's globals changed since.
    """
    shards: dict[str, Value] = {
        str(shard): {"generation": step.place.generation, "bucket": step.place.bucket, "key": step.key}
        for shard, step in served.items()
    }
    store.keep_note("served", {"aggregate": terms.aggregate, "shards": shards})


def served_shards(store: ChainStore) -> dict[int, str]:
    """Give the key of the checkpoint that is served for each shard."""
    return {int(shard): told["key"] for shard, told in store.note("served").get("shards", {}).items()}


def open_model(store: ChainStore) -> Model:
    """Read the served model.

    Raises:
        Refused: nothing is served.
        Unavailable: it changed again and again while it was read.
    """
    for _ in range(ATTEMPTS):
        said = store.note("served")
        if not said.get("shards"):
            raise Refused("nothing is served: every shard is being replayed, or nothing was fitted", "wait, or fit")
        try:
            return _read(store, said)
        except FileNotFoundError:
            continue
    raise Unavailable("the served model changes again and again", "try again in a moment")


def model_of(terms: Terms, states: Sequence[State]) -> Model:
    """Make one model of shards' states, given in the order of the shards."""
    learner = find_learner(terms.learner, terms.settings)
    if terms.aggregate == "weights":
        return Model(learner=learner, states=(mean_state(states),))
    return Model(learner=learner, states=tuple(states))


def _read(store: ChainStore, said: dict[str, Any]) -> Model:
    terms = kept_terms(store)
    plan = store.plan()
    wanted = {int(shard): told["key"] for shard, told in said["shards"].items()}
    states = []
    for shard in sorted(wanted):
        steps = [s for s in lineage(plan, terms, shard, store.manifest(shard)) if s.key == wanted[shard]]
        if not steps:
            raise FileNotFoundError(wanted[shard])
        states.append(load(store, shard, steps[0]))
    return model_of(terms, states)
