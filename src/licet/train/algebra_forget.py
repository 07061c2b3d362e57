"""Forget by subtraction: take away what the rows had added, switch at one moment, destroy what saw them, sign.

The request is on disk before anything else, so a run that was killed at any instant is finished by the next one.
"""

import hashlib
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.model.errors import IntegrityError
from licet.protocol.attestation import canonical, key_id_of, public_bytes
from licet.protocol.certificate import (
    Certificate,
    Change,
    Level,
    Metric,
    Removed,
    read_certificate,
    removal_digest,
    rows_digest,
    sign_certificate,
)
from licet.train.algebra import Algebra, Tensors
from licet.train.algebra_fit import sum_rows
from licet.train.algebra_store import AlgebraStore, Current, bucket_of, tensor_hashes
from licet.train.durable import held, remove_durably, write_durably
from licet.train.environment import environment
from licet.train.publish import replace_copies
from licet.train.quality import sample
from licet.train.rows import Row

COUNTERFACTUAL: Final = (
    "The integer statistics, and the model computed from them, are those of the same learner over the same rows "
    "without the removed ones, added in any order, in any number of steps, as if these had never been seen."
)
CLOSURE: Final = "None: exactly the records named in the request. Quotes, replies and near copies were not looked for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be forgotten, and what was the case before; kept until the certificate is signed."""

    salt: str
    keys: tuple[tuple[str, str], ...]
    requested_at: str
    recall: str
    before: Current
    quality: str = ""
    """How well the model before did on records that are left; empty until it was measured, or where none is left."""

    @property
    def name(self) -> str:
        """Name the request by what it is made of."""
        return hashlib.sha256(f"{self.salt}{removal_digest(self.salt, self.keys)}".encode()).hexdigest()


def forget(
    store: AlgebraStore,
    learner: Algebra,
    key: Ed25519PrivateKey,
    wanted: Callable[[str, str], bool],
    recall: str = "",
    now: datetime | None = None,
) -> Certificate | None:
    """Forget the records that `wanted` picks by member and record; None where the model knows none of them.

    A request that was interrupted is carried out first.

    Raises:
        IntegrityError: the store contradicts itself.
    """
    with held(store.root):
        certificate = _resume(store, learner, key)
        current = store.current()
        store.sweep(current.files)
        keys = tuple(each for each in store.keys(current) if wanted(*each))
        if not keys:
            return certificate
        at = f"{now or datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f%z}"
        request = Request(salt=secrets.token_hex(16), keys=keys, requested_at=at, recall=recall, before=current)
        _write(store, request)
        return _carry_out(store, learner, key, request)


def finish_pending(store: AlgebraStore, learner: Algebra, key: Ed25519PrivateKey) -> Certificate | None:
    """Carry out a request that was interrupted; None where there is none."""
    with held(store.root):
        return _resume(store, learner, key)


def _resume(store: AlgebraStore, learner: Algebra, key: Ed25519PrivateKey) -> Certificate | None:
    if not store.pending.exists():
        return None
    said = json.loads(store.pending.read_bytes())
    keys = tuple((member, record) for member, record in said["keys"])
    request = Request(**{**said, "keys": keys, "before": Current(**said["before"])})
    signed = last_certificate(store)
    if signed and signed.removed.salt == request.salt:
        remove_durably(store.pending)
        return signed
    return _carry_out(store, learner, key, request)


def _carry_out(store: AlgebraStore, learner: Algebra, key: Ed25519PrivateKey, request: Request) -> Certificate:
    started = time.process_time()
    if store.current().forgot != request.name:
        request = _measured(store, learner, request)
        store.switch(_without(store, learner, request))
    current = store.current()
    destroyed = sorted(name.partition(".")[0] for name in request.before.files - current.files)
    store.sweep(current.files)
    replace_copies(store)
    left = store.rows(current)
    oracle = sum_rows(learner, left)
    scratch = learner.finish(oracle)
    _compare(learner, oracle.digest(), tensor_hashes(scratch), current)
    certificate = replace(
        _certificate(store, learner, key, request, destroyed),
        metrics=_metrics(learner, request, scratch, left),
        cost={"cpu_seconds": f"{time.process_time() - started:.3f}"},
    )
    _keep(store, certificate, key)
    remove_durably(store.pending)
    return certificate


def _measured(store: AlgebraStore, learner: Algebra, request: Request) -> Request:
    """Measure the model before, and keep what was found: after the switch there is no such model any more."""
    gone = frozenset(request.keys)
    left = [row for row in store.rows(request.before) if row.key not in gone]
    tensors = learner.finish(store.totals(request.before))
    measured = replace(request, quality=_quality(learner, tensors, left))
    _write(store, measured)
    return measured


def _quality(learner: Algebra, tensors: Tensors, left: Sequence[Row]) -> str:
    return f"{learner.quality(tensors, sample(left)):.4f}" if left else ""


def _metrics(learner: Algebra, request: Request, scratch: Tensors, left: Sequence[Row]) -> tuple[Metric, ...]:
    # The model that is served has the bytes of the one from scratch, so one figure stands for both.
    after = _quality(learner, scratch, left)
    return (Metric(name=learner.measure, before=request.quality, after=after, oracle=after),) if after else ()


def _write(store: AlgebraStore, request: Request) -> None:
    write_durably(store.pending, canonical(json.loads(json.dumps(asdict(request)))))


def _without(store: AlgebraStore, learner: Algebra, request: Request) -> Current:
    before, gone = request.before, frozenset(request.keys)
    buckets = {bucket_of(member) for member, _ in gone}
    touched = store.rows(before, buckets)
    totals = store.totals(before).minus(learner.added([row for row in touched if row.key in gone]))
    learner.check(totals)
    tensors = learner.finish(totals)
    left = [each for each in store.keys(before) if each not in gone]
    return replace(
        before,
        statistics=totals.digest(),
        statistics_file=store.keep_totals(totals),
        model_file=store.keep_model(tensors),
        tensors=tensor_hashes(tensors),
        row_files=_rewritten(store, before, buckets, [row for row in touched if row.key not in gone]),
        rows=rows_digest(left),
        members=len({member for member, _ in left}),
        records=len(left),
        environment=environment(),
        forgot=request.name,
    )


def _rewritten(store: AlgebraStore, before: Current, buckets: Iterable[str], left: Sequence[Row]) -> dict[str, str]:
    by_bucket: dict[str, list[Row]] = defaultdict(list)
    for row in left:
        by_bucket[bucket_of(row.member)].append(row)
    files = {bucket: name for bucket, name in before.row_files.items() if bucket not in set(buckets)}
    return files | {bucket: store.keep_rows(rows) for bucket, rows in by_bucket.items()}


def _compare(learner: Algebra, statistics: str, tensors: Mapping[str, str], current: Current) -> None:
    if statistics != current.statistics or dict(tensors) != dict(current.tensors):
        raise IntegrityError(
            f"the {learner.kind} model is not the one that its rows give from scratch", "fit it again; tell us"
        )


def _certificate(
    store: AlgebraStore, learner: Algebra, key: Ed25519PrivateKey, request: Request, destroyed: Sequence[str]
) -> Certificate:
    before, after = request.before, store.current()
    members = len({member for member, _ in request.keys})
    return Certificate(
        counterfactual=COUNTERFACTUAL,
        tier="algebra",
        learner=dict(after.frozen),
        plan=hashlib.sha256(canonical(learner.frozen())).hexdigest(),
        recall=request.recall,
        requested_at=datetime.fromisoformat(request.requested_at),
        issued_at=datetime.now(UTC),
        removed=Removed(
            salt=request.salt,
            digest=removal_digest(request.salt, request.keys),
            members=members,
            records=len(request.keys),
        ),
        closure=CLOSURE,
        rows=Change(before=before.rows, after=after.rows),
        statistics=Change(before=before.statistics, after=after.statistics),
        tensors={
            name: Change(before=before.tensors.get(name, ""), after=after.tensors.get(name, ""))
            for name in sorted({*before.tensors, *after.tensors})
        },
        destroyed=tuple(destroyed),
        environment=after.environment,
        level=Level.WHOLE_MODEL,
        cost={},
        key_id=key_id_of(public_bytes(key)),
        previous=signed.digest if (signed := last_certificate(store)) else "",
    )


def last_certificate(store: AlgebraStore) -> Certificate | None:
    """Give the newest certificate of a store; None where there is none."""
    found = sorted(store.certificates.glob("*.json"))
    return read_certificate(found[-1].read_bytes()) if found else None


def _keep(store: AlgebraStore, certificate: Certificate, key: Ed25519PrivateKey) -> None:
    """Write the records that are left, which a verifier needs, then the certificate."""
    number = f"{len(list(store.certificates.glob('*.json'))) + 1:06}"
    left: list[str | int | list[str]] = [record for _, record in store.keys(store.current())]
    write_durably(store.certificates / f"{number}.records", "\n".join(map(str, left)).encode())
    write_durably(store.certificates / f"{number}.json", sign_certificate(certificate, key))
