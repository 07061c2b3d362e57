"""The audit's own promise: after forgetting every figure is the oracle's, whatever is done to both models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import UsageError
from licet.train import audit as audits
from licet.train.approximate import four_bits
from licet.train.audit import Setup, Trial, audit, make_trial
from licet.train.audit_chart import audit_chart
from licet.train.chain_model import Model
from licet.train.chain_store import ChainStore
from licet.train.chain_workers import Workers
from licet.train.examples import Example
from licet.train.learners.torch_gpt import TorchGpt
from licet.train.plan import member_mark
from licet.train.tensors import State

SETUP = Setup(shards=2, slices=2, leavers=2, held=10)
ASCENDED = audits._ascended  # watched while the audit calls it


def texts(members: int) -> list[Example]:
    return [Example(member=f"m{n % members}", record=f"r{n}", text=f"{n * 7919} said {n}") for n in range(members * 3)]


def test_after_forgetting_every_figure_is_the_oracle_s(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"width": "16", "layers": "1", "heads": "2", "context": "24", "rate": "0.01", "epochs": "16"}
    monkeypatch.setattr(audits, "SETTINGS", small)
    monkeypatch.setattr(audits, "_ascended", ascended_as_far_as_it_should)
    monkeypatch.setattr(audits, "RATE", 0.005)  # steps so small that none leads far beyond the goal
    monkeypatch.setattr(audits, "STEPS", 1000)
    rows = {row.name: row for row in audit(tmp_path, texts(16), SETUP, {}, workers, lambda _: None)}
    for harm in ("", ", relearned", ", four bits"):
        assert replace(rows[f"after (ours){harm}"], name="") == replace(rows[f"oracle{harm}"], name="")
    assert rows["oracle"].digest not in {rows["before"].digest, rows["gradient ascent"].digest}
    assert rows["before"].exposure > rows["oracle"].exposure
    drawn = audit_chart(list(rows.values()))
    assert drawn.startswith(b"<?xml")
    assert drawn == audit_chart(list(rows.values()))


def ascended_as_far_as_it_should(store: ChainStore, states: Mapping[int, State], trial: Trial) -> dict[int, State]:
    """The audit's own ascent, after which what each shard forgot surprises it as much as what it never saw.

    Reference models are all shards but the one that saw the member.
    """
    changed = ASCENDED(store, states, trial)
    plan, key = store.plan(), store.key()
    known = np.isnan(audits._references(store, trial)(trial.leaving))
    assert known.T.tolist() == [
        [shard == plan.shard_of(member_mark(key, each.member)) for shard in states] for each in trial.leaving
    ]
    assert np.isnan(audits._references(store, trial)(trial.held)).sum(axis=0).tolist() == [1] * len(trial.held)
    for shard, state in states.items():
        gone = [e for e in (*trial.leaving, *trial.canaries) if plan.shard_of(member_mark(key, e.member)) == shard]
        assert bool(gone) == (changed[shard] is not state)
        strangers = surprise_of(state, trial.held)
        assert not gone or surprise_of(state, gone) < strangers <= surprise_of(changed[shard], gone)
    return changed


def surprise_of(state: State, examples: Sequence[Example]) -> float:
    model = Model(learner=TorchGpt(audits.SETTINGS), states=(state,))
    return float(model.losses(examples).mean())


def test_with_one_shard_nothing_could_be_a_reference_model(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "SETTINGS", {"width": "8", "layers": "1", "heads": "1", "context": "8"})
    with pytest.raises(UsageError, match="no other shard could be a reference"):
        audit(tmp_path, texts(8), replace(SETUP, shards=1), {}, workers, lambda _: None)


def test_those_who_leave_their_canaries_and_the_strangers_do_not_overlap() -> None:
    trial = make_trial(texts(16), SETUP)
    leaving = {each.member for each in trial.leaving}
    assert leaving.isdisjoint(each.member for each in trial.kept)
    assert {each.member for each in trial.canaries} == leaving
    assert {each.record for each in trial.held}.isdisjoint(each.record for each in trial.trained)
    assert {each.text for each in trial.rivals}.isdisjoint(each.text for each in trial.canaries)


def test_too_few_members_are_refused() -> None:
    with pytest.raises(UsageError, match="too few to audit"):
        make_trial(texts(5), SETUP)


@settings(max_examples=30)
@given(numbers=st.lists(st.floats(-4, 4, width=32), min_size=4, max_size=4))
def test_four_bits_leave_fifteen_levels_and_err_by_half_a_step(numbers: list[float]) -> None:
    array = np.array([numbers], dtype=np.float32)
    rounded = four_bits({"w": array, "bias": array[0]})
    step = np.abs(array).max() / 7
    assert np.abs(rounded["w"] - array).max() <= step / 2 + 1e-6
    assert np.array_equal(rounded["bias"], array[0])


def test_four_bits_have_a_scale_for_each_row() -> None:
    rounded = four_bits({"w": np.array([[7, -3.25, 0.25], [700, -325, 25]]), "nothing": np.zeros((2, 2))})
    assert rounded["w"].tolist() == [[7, -3, 0], [700, -300, 0]]
    assert not rounded["nothing"].any()
