"""The probe: this machine repeats itself, and a machine that did not would be told."""

import pytest

from licet.train import probe as probed
from licet.train.probe import Exactness, probe


def test_a_machine_that_tests_run_on_repeats_itself() -> None:
    found = probe()
    assert found.exactness is Exactness.EVERYTHING
    assert len(found.environment) == 64


@pytest.mark.parametrize(
    ("unequal", "exactness"),
    [
        ("network", Exactness.INTEGERS),
        ("network resumed", Exactness.INTEGERS),
        ("model", Exactness.INTEGERS),
        ("integers", Exactness.NOTHING),
        ("environment", Exactness.EVERYTHING),
    ],
)
def test_what_differs_lowers_what_is_promised(
    monkeypatch: pytest.MonkeyPatch, unequal: str, exactness: Exactness
) -> None:
    names = ("environment", "integers", "model", "network half")
    same = dict.fromkeys(names, "x") | {"network": "y", "network resumed": "y"}
    answers = iter([same, {**same, unequal: "z"}])
    monkeypatch.setattr(probed, "_apart", lambda: next(answers))
    assert probe().exactness is exactness
