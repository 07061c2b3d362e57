"""The audit's own promise: after forgetting every figure is the oracle's, whatever is done to both models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.model.errors import UsageError
from licet.train import audit as audits
from licet.train.approximate import four_bits
from licet.train.audit import Setup, audit, make_trial
from licet.train.audit_chart import audit_chart
from licet.train.chain_workers import Workers
from licet.train.examples import Example

SETUP = Setup(shards=2, slices=2, leavers=2, held=10)


def texts(members: int) -> list[Example]:
    return [Example(member=f"m{n % members}", record=f"r{n}", text=f"{n * 7919} said {n}") for n in range(members * 3)]


def test_after_forgetting_every_figure_is_the_oracle_s(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"width": "16", "layers": "1", "heads": "2", "context": "24", "rate": "0.01", "epochs": "16"}
    monkeypatch.setattr(audits, "SETTINGS", small)
    rows = {row.name: row for row in audit(tmp_path, texts(16), SETUP, {}, workers, lambda _: None)}
    for harm in ("", ", relearned", ", four bits"):
        assert replace(rows[f"after (ours){harm}"], name="") == replace(rows[f"oracle{harm}"], name="")
    assert rows["oracle"].digest not in {rows["before"].digest, rows["gradient ascent"].digest}
    assert rows["before"].exposure > rows["oracle"].exposure
    drawn = audit_chart(list(rows.values()))
    assert drawn.startswith(b"<?xml")
    assert drawn == audit_chart(list(rows.values()))


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
