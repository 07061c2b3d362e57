"""Audit forgetting: plant canaries, train, attack, forget, attack again; beside the oracle and gradient ascent.

Everything happens in an empty folder on copies of the examples, with models small enough to learn their posts by
heart. After forgetting, every figure must be the oracle's own: the bytes are equal, so it is, and the table shows it.
"""

import hashlib
import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import UsageError
from licet.train.approximate import ascend, four_bits
from licet.train.attacks import (
    Separation,
    exposure,
    lira_scores,
    loss_scores,
    min_k_scores,
    rmia_scores,
    separate,
    zlib_scores,
)
from licet.train.chain import Terms, load, new_terms
from licet.train.chain_fit import fit
from licet.train.chain_forget import forget
from licet.train.chain_model import Model, served
from licet.train.chain_requests import ask
from licet.train.chain_store import ChainStore
from licet.train.chain_workers import Workers
from licet.train.examples import Example
from licet.train.hazard import Signals, evenly, slice_of
from licet.train.learner import Context
from licet.train.learners.torch_gpt import ByteGpt, TorchGpt
from licet.train.plan import join, leave, member_mark, new_plan
from licet.train.tensors import State

SETTINGS: Final = {"width": "48", "layers": "2", "heads": "2", "context": "64", "rate": "0.003", "epochs": "30"}
CANDIDATES: Final = 200
DIGITS: Final = 8
STEPS: Final = 40
"""Passes of gradient ascent at most."""
RATE: Final = 0.05
EACH: Final = 5
"""How often a member says the own canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Who leaves, whose texts were never trained on, and the plan's size."""

    shards: int = 4
    slices: int = 2
    leavers: int = 10
    held: int = 60
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model under attack: separations by attack, mean canary exposure in bits, loss on held-out texts in nats."""

    name: str
    attacks: Mapping[str, Separation]
    exposure: float
    held_loss: float
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The examples of an audit, and the canaries' rivals."""

    kept: tuple[Example, ...]
    leaving: tuple[Example, ...]
    canaries: tuple[Example, ...]
    held: tuple[Example, ...]
    relearn: tuple[Example, ...]
    rivals: tuple[Example, ...]

    @property
    def trained(self) -> list[Example]:
        """Give all that the model is trained on."""
        return [*self.kept, *self.leaving, *self.canaries]


def audit(folder: Path, examples: Sequence[Example], setup: Setup, environment: Mapping[str, str], workers: Workers,
          told: Callable[[str], object]) -> list[Row]:  # fmt: skip
    """Give a row for each model: before, in quarantine, after, the oracle, gradient ascent; then each attacked further.

    Raises:
        UsageError: there are too few examples.
    """
    trial = make_trial(examples, setup)
    terms = new_terms("torch-gpt", SETTINGS, "probabilities", environment)
    store, key = ChainStore(folder / "ours"), bytes(32)
    rows = []
    told("training with everybody")
    _fit(store, key, terms, trial.trained, setup, workers, frozenset())
    before = _states(store)
    references = _references(store, trial)
    rows.append(_row("before", before, trial, references))
    told("gradient ascent")
    approximate = _ascended(store, before, trial)
    ask(store, {each.member for each in trial.leaving}, [], datetime(2026, 1, 1, tzinfo=UTC))
    left = _states(store)
    if left:
        rows.append(_row("in quarantine", left, trial, references))
    told("forgetting")
    forget(store, terms, trial.trained, workers=workers, sample=0, moved=lambda _: None)
    told("training from scratch without those who left")
    oracle = ChainStore(folder / "oracle")
    gone = frozenset(each.member for each in trial.leaving)
    _fit(oracle, key, terms, list(trial.kept), setup, workers, gone)
    models = {"after (ours)": _states(store), "oracle": _states(oracle), "gradient ascent": approximate}
    for name, states in models.items():
        told(name)
        rows += [_row(label, changed, trial, references) for label, changed in _hardened(name, states, trial)]
    return rows


def make_trial(examples: Sequence[Example], setup: Setup) -> Trial:
    """Choose who leaves, give them canaries, and keep some texts out of training.

    Raises:
        UsageError: there are too few examples or members.
    """
    drawn = random.Random(setup.seed)  # noqa: S311 # which texts are tried is no secret
    shuffled = sorted(examples, key=lambda each: each.record)
    drawn.shuffle(shuffled)
    held, relearn, rest = (
        shuffled[: setup.held],
        shuffled[setup.held : setup.held * 3 // 2],
        shuffled[setup.held * 3 // 2 :],
    )
    members = sorted({each.member for each in rest})
    if len(members) < 3 * setup.leavers:
        raise UsageError(f"{len(examples)} examples of {len(members)} members are too few to audit", "give more data")
    leavers = set(drawn.sample(members, setup.leavers))
    canaries = [
        Example(member=member, record=f"canary {member} {n}", text=_canary(drawn_for(setup.seed, member)))
        for member in sorted(leavers)
        for n in range(EACH)
    ]
    rivals = [Example(member="", record=f"rival {n}", text=_canary(drawn)) for n in range(CANDIDATES)]
    return Trial(
        kept=tuple(each for each in rest if each.member not in leavers),
        leaving=tuple(each for each in rest if each.member in leavers),
        canaries=tuple(canaries),
        held=tuple(held),
        relearn=tuple(relearn),
        rivals=tuple(rivals),
    )


def drawn_for(seed: int, member: str) -> random.Random:
    """Give the generator of one member's canary."""
    return random.Random(f"{seed} {member}")  # noqa: S311 # a canary is random, not secret


def _canary(drawn: random.Random) -> str:
    return "my number is " + "".join(drawn.choices(string.digits, k=DIGITS))


def _fit(  # noqa: PLR0913, PLR0917 # a run, spelled out
    store: ChainStore,
    key: bytes,
    terms: Terms,
    examples: Sequence[Example],
    setup: Setup,
    workers: Workers,
    gone: frozenset[str],
) -> None:
    store.keep_key(key)
    marks = [member_mark(key, member) for member in sorted({each.member for each in examples} | gone)]
    likelihood = evenly(Signals())
    plan = join(
        new_plan(key, setup.shards, setup.slices),
        {mark: slice_of(likelihood, bytes.fromhex(mark), setup.slices) for mark in marks},
    )
    store.keep_plan(leave(plan, [member_mark(key, member) for member in gone]))
    fit(store, terms, examples, workers=workers, moved=lambda _: None)


def _states(store: ChainStore) -> dict[int, State]:
    return {shard: load(store, shard, each.place, each.key) for shard, each in served(store).items()}


def _model(states: Mapping[int, State]) -> Model:
    return Model(learner=TorchGpt(SETTINGS), states=tuple(states[shard] for shard in sorted(states)))


def _references(store: ChainStore, trial: Trial) -> Callable[[Sequence[Example]], NDArray[np.float64]]:
    """Score texts by every shard that never saw the member: other shards are reference models for nothing.

    A text outside gives up one dirty shard too, so that texts inside and outside are scored alike.

    Raises:
        UsageError: there is no other shard.
    """
    states = _states(store)
    if len(states) < 2:  # noqa: PLR2004 # the own one, and another
        raise UsageError("no other shard could be a reference model", "audit with --shards 4, and more examples")
    plan, key = store.plan(), store.key()
    dirty = sorted({plan.shard_of(member_mark(key, each.member)) for each in trial.leaving})

    def scored(examples: Sequence[Example]) -> NDArray[np.float64]:
        by_shard = np.array([_losses({shard: state}, examples) for shard, state in states.items()])
        own = [_own(plan.shard_of(member_mark(key, each.member)), dirty) for each in examples]
        seen = np.array([[shard == mine for mine in own] for shard in states])
        return np.where(seen, np.nan, by_shard)

    return scored


def _own(shard: int, dirty: Sequence[int]) -> int:
    return shard if shard in dirty else dirty[shard % len(dirty)]


def _losses(states: Mapping[int, State], examples: Sequence[Example]) -> NDArray[np.float64]:
    model = _model(states)
    return loss_scores(model.predict(examples), model.learner.targets(examples))


def _row(
    name: str, states: Mapping[int, State], trial: Trial, references: Callable[[Sequence[Example]], NDArray[np.float64]]
) -> Row:
    model = _model(states)
    wanted = model.learner.targets
    inside, outside = model.predict(trial.leaving), model.predict(trial.held)
    loss = (loss_scores(inside, wanted(trial.leaving)), loss_scores(outside, wanted(trial.held)))
    known = (references(trial.leaving), references(trial.held))
    lira = lira_scores(np.concatenate(loss), np.concatenate(known, axis=1))
    scores = {
        "LOSS": loss,
        "zlib": (zlib_scores(inside, wanted(trial.leaving)), zlib_scores(outside, wanted(trial.held))),
        "Min-K%++": (min_k_scores(inside, wanted(trial.leaving)), min_k_scores(outside, wanted(trial.held))),
        "LiRA": (lira[: len(loss[0])], lira[len(loss[0]) :]),
        "RMIA": (rmia_scores(loss[0], known[0], *_halves(loss[1], known[1])[0]),
                 rmia_scores(*_halves(loss[1], known[1])[1], *_halves(loss[1], known[1])[0])),
    }  # fmt: skip
    planted = [each for each in trial.canaries if each.record.endswith(" 0")]
    rivals = _losses(states, trial.rivals)
    return Row(
        name=name,
        attacks={attack: separate(*pair) for attack, pair in scores.items()},
        exposure=float(np.mean([exposure(float(one), rivals) for one in _losses(states, planted)])),
        held_loss=-float(loss[1].mean()),
        digest=hashlib.sha256(model.digest().encode()).hexdigest(),
    )


Scored = tuple[NDArray[np.float64], NDArray[np.float64]]


def _halves(scores: NDArray[np.float64], references: NDArray[np.float64]) -> tuple[Scored, Scored]:
    """Split texts outside: one half to compare with, the other to be judged."""
    return (scores[::2], references[:, ::2]), (scores[1::2], references[:, 1::2])


def _module() -> ByteGpt:
    width, layers, heads, context = (int(SETTINGS[name]) for name in ("width", "layers", "heads", "context"))
    return ByteGpt(width, layers, heads, context)


def _ascended(store: ChainStore, states: Mapping[int, State], trial: Trial) -> dict[int, State]:
    """Raise the loss of each dirty shard on its own leavers' texts until they surprise it as texts outside do."""
    plan, key = store.plan(), store.key()
    changed = dict(states)
    for shard in states:
        texts = [
            each for each in (*trial.leaving, *trial.canaries) if plan.shard_of(member_mark(key, each.member)) == shard
        ]
        goal = _losses({shard: states[shard]}, trial.held).mean()
        for _ in range(STEPS if texts else 0):
            if _losses({shard: changed[shard]}, texts).mean() <= goal:
                break
            changed[shard] = ascend(changed[shard], _module(), texts, rate=RATE, epochs=1)
    return changed


def _hardened(name: str, states: Mapping[int, State], trial: Trial) -> Iterator[tuple[str, dict[int, State]]]:
    """Give a model as it is, trained on some unrelated texts, and rounded to four bits."""
    yield name, dict(states)
    learner = _model(states).learner
    context = Context(shard=0, generation=0, bucket=0, seed=1)
    yield f"{name}, relearned", {n: learner.train(state, trial.relearn, context) for n, state in states.items()}
    yield f"{name}, four bits", {n: four_bits(state) for n, state in states.items()}
