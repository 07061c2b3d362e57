"""Workers give the same bytes whichever process they are, and whatever the caller's environment asks of theirs."""

from pathlib import Path

import pytest
from chain_world import bytes_of, planned, posts, quiet, terms_of

from licet.train.chain_fit import fit
from licet.train.chain_workers import Workers

NETWORKS = ("torch-head", "torch-gpt", "hf-trainer", "peft-lora")


def test_another_process_goes_on_to_the_same_bytes_whatever_its_caller_s_environment_asks(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = posts(8)
    stores = {learner: planned(tmp_path / learner, examples, 1, 3) for learner in NETWORKS}
    for learner, store in stores.items():
        fit(store, terms_of(learner), examples, workers=workers, moved=quiet)
    whole = {learner: bytes_of(store) for learner, store in stores.items()}
    for name, said in {"ACCELERATE_MIXED_PRECISION": "bf16", "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}.items():
        monkeypatch.setenv(name, said)
    with Workers(1) as others:
        for learner, store in stores.items():
            for path in store.checkpoints()[1:]:
                path.unlink()
            assert fit(store, terms_of(learner), examples, workers=others, moved=quiet).work.slices > 0
            assert bytes_of(store) == whole[learner], learner
