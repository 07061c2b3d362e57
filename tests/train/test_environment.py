"""The environment is described alike by every process, and a replay elsewhere is refused."""

import json
import subprocess
import sys

import pytest
import torch

from licet.model.errors import Refused
from licet.train.environment import check_environment, differences, environment, environment_digest, one_thread

DESCRIBE = "import json; from licet.train.environment import environment; print(json.dumps(environment()))"


def test_two_processes_describe_one_machine_alike() -> None:
    """Whatever else they have loaded."""
    here = environment()
    done = subprocess.run([sys.executable, "-c", f"import scipy.linalg; {DESCRIBE}"], check=True, capture_output=True)
    assert json.loads(done.stdout) == here
    assert {"torch", "numpy", "processor", "blas", "torch_capability", "accelerator"} <= set(here)
    assert here["blas"]
    assert environment_digest(json.loads(done.stdout)) == environment_digest(here)


def test_a_replay_elsewhere_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment()
    check_environment(here, environment())
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert differences(here, environment()) == ["$ATEN_CPU_CAPABILITY: unset then, default here"]
    with pytest.raises(Refused, match="numpy: 1 then"):
        check_environment({**here, "numpy": "1"}, here)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
