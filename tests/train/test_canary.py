"""Trained with and without a member, nothing differs outside the member's suffix; and a leak is found."""

from pathlib import Path

import pytest
from chain_world import KEY, SETTINGS, planned, posts, terms_of

from licet.train.canary import leaked
from licet.train.chain_workers import Workers


@pytest.mark.parametrize("learner", ["sklearn-head", "torch-gpt"])
def test_no_artifact_outside_a_member_s_suffix_knows_the_member(tmp_path: Path, workers: Workers, learner: str) -> None:
    examples = posts(10)
    plan = planned(tmp_path / "plan", examples, 3, 2).plan()
    for member in ("m0", "m5"):
        folder = tmp_path / member
        assert leaked(folder, plan, KEY, terms_of(learner), examples, member, workers=workers) == []


def test_a_learner_that_keeps_what_it_saw_in_a_file_is_found(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = posts(10)
    plan = planned(tmp_path / "plan", examples, 3, 2).plan()
    leaky = {**SETTINGS["sklearn-head"], "notes": str(tmp_path / "notes")}
    monkeypatch.setitem(SETTINGS, "chain_world:LeakyHead", leaky)
    terms = terms_of("chain_world:LeakyHead")
    assert leaked(tmp_path / "runs", plan, KEY, terms, examples, "m0", workers=workers)
