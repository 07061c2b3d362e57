"""Find out how exactly this machine repeats itself: train twice, in two processes, and compare the bytes."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from licet.model.errors import Unavailable
from licet.train.environment import environment, environment_digest
from licet.train.ridge import Ridge
from licet.train.rows import Row
from licet.train.totals import arrays_digest
from licet.train.transformer import load_transformer, new_transformer, teach

_TEXTS: Final = 6
_POSTS: Final = 24
_PATIENCE: Final = 300


class Exactness(StrEnum):
    """What this machine can promise, from most to least."""

    EVERYTHING = "bytes of integers, of models and of trained networks repeat: certificates hold in full"
    INTEGERS = "integers repeat, fractions do not: models by algebra are exact, networks only replayed"
    NOTHING = "not even integers repeat: do not certify anything from this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What two processes computed from the same posts."""

    integers: bool
    solved: bool
    network: bool
    resumed: bool
    environment: str

    @property
    def exactness(self) -> Exactness:
        """Judge."""
        if not self.integers:
            return Exactness.NOTHING
        return Exactness.EVERYTHING if self.solved and self.network and self.resumed else Exactness.INTEGERS


def compute() -> dict[str, str]:
    """Encode posts, sum, solve and train, and give the hash of each step."""
    learner = Ridge(labels=("a", "b"))
    rows = [
        Row(member="m", record=str(number), label=number % 2, payload=learner.encode(f"post number {number}"))
        for number in range(_TEXTS)
    ]
    totals = learner.added(rows)
    return {
        "environment": environment_digest(environment()),
        "integers": totals.digest(),
        "model": arrays_digest(learner.finish(totals)),
        **_networks(),
    }


def _networks() -> dict[str, str]:
    """Train a network in one go, and again from a copy of itself made half way."""
    drawn = np.random.default_rng(6)
    posts = [drawn.integers(0, 500, 20).astype(np.uint16) for _ in range(_POSTS)]
    half = teach(new_transformer(0), posts, 1, 1e-3)
    body = half.dump()
    whole = teach(half, posts, 1, 1e-3).dump()
    return {"network half": _sha(body), "network": _sha(whole), "network resumed": _resumed(body, posts)}


def _resumed(body: bytes, posts: Sequence[NDArray[np.uint16]]) -> str:
    return _sha(teach(load_transformer(body), posts, 1, 1e-3).dump())


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def probe() -> Findings:
    """Compute in two fresh processes and compare.

    Raises:
        Unavailable: a process did not end as it should.
    """
    one, two = _apart(), _apart()
    same = {name for name in one if one[name] == two.get(name)}
    return Findings(
        integers="integers" in same,
        solved="model" in same,
        network={"network half", "network"} <= same,
        resumed=one["network resumed"] == one["network"] and "network resumed" in same,
        environment=one["environment"],
    )


def _apart() -> dict[str, str]:
    script = "import json; from licet.train.probe import compute; print(json.dumps(compute()))"
    try:
        done = subprocess.run(  # noqa: S603 # this very interpreter, and a script of ours
            [sys.executable, "-c", script], capture_output=True, check=True, timeout=_PATIENCE
        )
        return dict(json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError) as error:
        raise Unavailable("a probing process did not end as it should", "try again on a quiet machine") from error
