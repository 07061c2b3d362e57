"""After a request to forget, the folder holds what it would hold had the member never been there."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from encoded import KEY, posts, small_learner

from licet.model.errors import IntegrityError, Unavailable, UsageError
from licet.protocol.attestation import public_bytes
from licet.protocol.certificate import Certificate, read_certificate, removal_digest
from licet.train.algebra import Algebra
from licet.train.algebra_fit import fit
from licet.train.algebra_forget import finish_pending, forget
from licet.train.algebra_store import AlgebraStore
from licet.train.durable import held
from licet.train.examples import Example

KINDS = ["bayes", "ridge", "ngram", "hybrid"]


def fitted(root: Path, learner: Algebra, examples: list[Example]) -> AlgebraStore:
    store = AlgebraStore(root=root)
    fit(store, learner, examples)
    return store


def kept_bytes(store: AlgebraStore) -> dict[str, bytes]:
    """Everything that the model consists of."""
    found = {path.name: path.read_bytes() for path in store.objects.iterdir()}
    said = json.loads((store.root / "current.json").read_bytes())
    return found | {"current": json.dumps({**said, "forgot": ""}).encode()}


def forget_member(store: AlgebraStore, learner: Algebra, member: str) -> Certificate | None:
    return forget(store, learner, KEY, lambda who, _: who == member)


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_is_as_if_the_member_had_never_been_there(
    tmp_path: Path, learners: dict[str, Algebra], kind: str
) -> None:
    learner = learners[kind]
    store = fitted(tmp_path / "all", learner, posts())
    before = store.current()
    assert forget_member(store, learner, "m3") is not None
    oracle = fitted(tmp_path / "never", learner, [each for each in posts() if each.member != "m3"])
    assert kept_bytes(store) == kept_bytes(oracle)
    assert not store.pending.exists()
    assert not any((store.objects / name).exists() for name in {before.statistics_file, before.model_file})


def test_nothing_that_names_the_member_is_left_on_the_disk(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path, learners["bayes"], posts())
    forget_member(store, learners["bayes"], "m3")
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        body = path.read_bytes()
        names = pq.read_table(io.BytesIO(body))["member"].to_pylist() if path.suffix == ".parquet" else []
        assert "m3" not in names
        assert b'"m3"' not in body
        assert b"r3." not in body


def test_the_certificate_says_what_happened(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    learner = learners["ngram"]
    store = fitted(tmp_path, learner, posts())
    before = store.current()
    made = forget(store, learner, KEY, lambda who, record: who == "m1" or record == "r2.0", recall="r_9")
    (path,) = store.certificates.glob("*.json")
    read = read_certificate(path.read_bytes(), public_bytes(KEY))
    assert read == made
    keys = [("m1", f"r1.{n}") for n in range(3)] + [("m2", "r2.0")]
    assert read.removed.digest == removal_digest(read.removed.salt, keys)
    assert (read.removed.members, read.removed.records, read.recall) == (2, 4, "r_9")
    assert (read.statistics.before, read.statistics.after) == (before.statistics, store.current().statistics)
    assert {before.statistics_file.partition(".")[0], before.model_file.partition(".")[0]} <= set(read.destroyed)
    assert all(hash_ not in {path.stem for path in store.objects.iterdir()} for hash_ in read.destroyed)


def test_certificates_are_chained(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path, learners["ridge"], posts())
    first = forget_member(store, learners["ridge"], "m1")
    second = forget_member(store, learners["ridge"], "m2")
    assert first is not None
    assert second is not None
    assert first.previous == ""
    assert second.previous == first.digest
    assert forget_member(store, learners["ridge"], "m2") is None
    assert len(list(store.certificates.glob("*.json"))) == 2


def test_a_member_who_comes_back_is_learned_as_if_never_away(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    learner = learners["ngram"]
    store = fitted(tmp_path / "back", learner, posts())
    whole = kept_bytes(store)
    assert forget(store, learner, KEY, lambda who, record: who == "m3" or record == "nobody's") is not None
    assert forget_member(store, learner, "m3") is None
    fit(store, learner, posts())
    assert kept_bytes(store) == whole
    assert forget_member(store, learner, "m3") is not None
    oracle = fitted(tmp_path / "never", learner, [each for each in posts() if each.member != "m3"])
    assert kept_bytes(store) == kept_bytes(oracle)


def test_everybody_can_go(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path / "all", learners["ridge"], posts())
    forget(store, learners["ridge"], KEY, lambda *_: True)
    assert kept_bytes(store) == kept_bytes(fitted(tmp_path / "none", learners["ridge"], []))


KILLED = """
import os, signal, sys
from pathlib import Path
from encoded import KEY, small_learner
from licet.train.algebra_forget import forget
from licet.train.algebra_store import AlgebraStore

def die_after(left):
    def die(event, arguments):
        nonlocal left
        if event in {"os.rename", "os.remove"} or (event == "open" and str(arguments[0]).endswith(".new")):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    return die

for folder in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        sys.addaudithook(die_after(int(Path(folder).name)))
        forget(AlgebraStore(root=Path(folder)), small_learner(), KEY, lambda member, record: member == "m3")
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_request_killed_at_any_instant_is_finished_by_the_next_run(tmp_path: Path) -> None:
    learner = small_learner()
    oracle = fitted(tmp_path / "never", learner, [each for each in posts() if each.member != "m3"])
    stores = [fitted(tmp_path / str(step), learner, posts()) for step in range(0, 42, 3)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *(str(store.root) for store in stores)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    codes = [int(line) for line in done.stdout.split()]
    assert codes.count(-signal.SIGKILL) > 8
    assert codes[-1] == 0
    for store in stores:
        assert store.model(store.current())  # what counts is whole at any moment
        assert forget_member(store, learner, "m3") or not store.pending.exists()
        assert kept_bytes(store) == kept_bytes(oracle)
        assert len(list(store.certificates.glob("*.json"))) == 1
        assert not any(b"r3." in path.read_bytes() for path in store.root.rglob("*") if path.is_file())


def test_nothing_is_added_while_a_request_waits(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path, learners["bayes"], posts())
    store.pending.write_bytes(b"{}")
    with pytest.raises(UsageError, match="forget"):
        fit(store, learners["bayes"], [])


def test_two_runs_do_not_meet(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path, learners["bayes"], posts())
    with held(store.root), pytest.raises(Unavailable):
        finish_pending(store, learners["bayes"], KEY)


def test_statistics_changed_on_disk_are_refused(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path, learners["bayes"], posts())
    path = store.objects / store.current().statistics_file
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="changed"):
        forget_member(store, learners["bayes"], "m3")


def test_another_key_signs_in_its_own_name(tmp_path: Path, learners: dict[str, Algebra]) -> None:
    store = fitted(tmp_path, learners["bayes"], posts())
    key = Ed25519PrivateKey.generate()
    made = forget(store, learners["bayes"], key, lambda who, _: who == "m1")
    (path,) = store.certificates.glob("*.json")
    assert read_certificate(path.read_bytes(), public_bytes(key)) == made
