"""Certificates of a chain's forgetting: made and signed, and computed again by whoever holds the data."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.protocol.attestation import Value, canonical, key_id_of, public_bytes
from licet.protocol.certificate import (
    Certificate,
    Change,
    Level,
    Lineage,
    Metric,
    Removed,
    read_certificate,
    removal_digest,
    sign_certificate,
)
from licet.train.chain import Terms, check_terms, kept_terms, load
from licet.train.chain_fit import digests, from_scratch
from licet.train.chain_forget import Forgotten, ShardLineage
from licet.train.chain_manifest import divide
from licet.train.chain_model import tips
from licet.train.chain_quality import SURPRISE, surprise
from licet.train.chain_store import ChainStore, file_digest
from licet.train.chain_workers import Workers
from licet.train.durable import write_durably
from licet.train.examples import Example
from licet.train.plan import member_mark, record_mark
from licet.train.tensors import tensor_digests

COUNTERFACTUAL: Final = (
    "The checkpoints of every shard are those that the same learner gives under the same plan without the rows of "
    "those who left, over the same records without the removed ones, trained from the beginning in an empty folder."
)
CLOSURE: Final = "None: exactly the records named in the request. Quotes, replies and near copies were not looked for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that a verifier compared."""

    name: str
    passed: bool
    said: str


def certificates(store: ChainStore) -> list[Path]:
    """List a store's certificates, oldest first."""
    return sorted((store.folder / "certificates").glob("*.json"))


def certify(store: ChainStore, done: Forgotten, key: Ed25519PrivateKey) -> Path:
    """Sign what a forgetting did and keep the certificate; a batch that was certified is not certified twice."""
    earlier = certificates(store)
    last = read_certificate(earlier[-1].read_bytes()) if earlier else None
    if last and last.removed.salt == done.salt:
        return earlier[-1]
    path = store.folder / "certificates" / f"{len(earlier) + 1:06}.json"
    made = _certificate(store, done, key, last.digest if last else "")
    write_durably(path, sign_certificate(made, key))
    return path


def _certificate(store: ChainStore, done: Forgotten, key: Ed25519PrivateKey, previous: str) -> Certificate:
    terms = kept_terms(store)
    whole = all(each.audited for each in done.shards) and bool(done.shards)
    return Certificate(
        counterfactual=COUNTERFACTUAL,
        tier="chain" if store.plan().shards > 1 else "replay",
        learner=_learner(terms),
        plan=done.plan_after,
        recall=", ".join(done.recalls),
        requested_at=datetime.fromisoformat(done.requested_at),
        issued_at=datetime.now(UTC),
        removed=Removed(
            salt=done.salt,
            digest=removal_digest(done.salt, done.removed),
            members=len({member for member, _ in done.removed}),
            records=len(done.removed),
        ),
        closure=CLOSURE,
        rows=Change(before=_rows(done, "before"), after=_rows(done, "after")),
        statistics=Change(before="", after=""),
        tensors={name: Change(before=before, after=after) for name, (before, after) in sorted(done.tensors.items())},
        destroyed=tuple(sorted(done.destroyed.values())),
        environment=terms.environment,
        level=Level.SHARD_ORACLE if whole else Level.SUFFIX_REPLAY,
        cost=_cost(done),
        key_id=key_id_of(public_bytes(key)),
        lineages=tuple(map(_lineage, done.shards)),
        untouched={f"shard {shard}": tip for shard, tip in sorted(done.clean.items())},
        metrics=_metrics(done, whole=whole),
        previous=previous,
    )


def _metrics(done: Forgotten, *, whole: bool) -> tuple[Metric, ...]:
    before, after = done.surprise
    # Shards that were audited have the bytes of those from scratch, so one figure stands for both.
    return (Metric(name=SURPRISE, before=before, after=after, oracle=after if whole else ""),) if after else ()


def _learner(terms: Terms) -> Mapping[str, Value]:
    said = terms.value()
    del said["environment"]
    return said


def _cost(done: Forgotten) -> dict[str, str]:
    return {
        "cpu_seconds": f"{done.work.cpu_seconds:.3f}",
        "audit_cpu_seconds": f"{done.audit.cpu_seconds:.3f}",
        "metrics_cpu_seconds": f"{done.measuring:.3f}",
        "records_trained": str(done.replayed),
        "records_of_a_full_training": str(done.of),
    }


def _rows(done: Forgotten, when: str) -> str:
    dirty = {each.shard: list(each.before if when == "before" else each.after) for each in done.shards}
    last = {shard: names[-1].split(".")[1] for shard, names in dirty.items() if names}
    return _tips_digest({**done.clean, **last})


def _tips_digest(keys: Mapping[int, str]) -> str:
    """Give a digest over the last checkpoint's name of every shard, which commits to each record that it saw."""
    told: dict[str, Value] = {str(shard): key for shard, key in keys.items()}
    return hashlib.sha256(canonical(told)).hexdigest()


def _lineage(each: ShardLineage) -> Lineage:
    names = list(each.after)
    replayed = [each.after[name] for name in names if name not in each.before]
    output = each.after[names[-1]] if names else ""
    return Lineage(
        shard=each.shard,
        start=each.after[each.start] if each.start else "",
        slices=tuple(replayed),
        output=output,
        oracle=output if each.audited else "",
    )


def check(
    store: ChainStore, read: Certificate, now: Terms, examples: Sequence[Example], *, everything: bool, workers: Workers
) -> Iterator[Checked]:
    """Train the shards that a certificate names again from the data, or all of them, and compare bytes.

    Raises:
        Refused: this machine or code would not give the same bytes, or the data lacks records.
    """
    terms = kept_terms(store)
    check_terms(terms, now)
    yield from _stands(store, terms, read)
    named = [each.shard for each in read.lineages]
    shards = list(range(store.plan().shards)) if everything else named
    divided, _ = divide(store.plan(), store.key(), examples, frozenset(shards))
    with (
        store.locked(),
        from_scratch(store, terms, divided, shards, workers=workers, moved=lambda _: None) as (
            fresh,
            _,
        ),
    ):
        for each in read.lineages:
            output = next(reversed(digests(fresh, terms, each.shard).values()), "")
            yield Checked(name=f"shard {each.shard}", passed=output == each.output, said=f"{output[:16]}, from scratch")
        yield _tensors_check(fresh, terms, read)
        told = surprise(fresh, terms, divided, {shard: store.manifest(shard) for shard in named})
        yield from (_metric_check(metric, told) for metric in read.metrics)
        if everything:
            trained = {shard: digests(fresh, terms, shard) for shard in shards}
            held = {shard: {path.name: file_digest(path) for path in store.checkpoints(shard)} for shard in shards}
            yield Checked(name="every checkpoint", passed=trained == held, said=f"{sum(map(len, held.values()))} held")


def _stands(store: ChainStore, terms: Terms, read: Certificate) -> Iterator[Checked]:
    """Compare what a store says of itself with a certificate, training nothing."""
    said = store.plan_digest()
    yield Checked(name="plan", passed=said == read.plan, said=said[:16])
    same = read.learner == _learner(terms) and read.environment == terms.environment
    yield Checked(name="learner", passed=same, said=f"{terms.learner}, its settings, code and environment")
    kept = {shard: tip.key for shard, tip in tips(store, terms, range(store.plan().shards)).items()}
    clean = {shard: key for shard, key in kept.items() if f"shard {shard}" in read.untouched}
    same = {f"shard {shard}": key for shard, key in clean.items()} == read.untouched
    yield Checked(name="untouched shards", passed=same, said=f"{len(read.untouched)} saw what they saw before")
    trained = {each.shard: kept[each.shard] for each in read.lineages if each.shard in kept}
    same = _tips_digest({**clean, **trained}) == read.rows.after
    yield Checked(name="set of records", passed=same, said="as named by the last checkpoint of each shard")
    held = {file_digest(path) for each in read.lineages for path in store.checkpoints(each.shard)}
    left = len(held & set(read.destroyed))
    yield Checked(name="destroyed artefacts", passed=not left, said=f"{left} of {len(read.destroyed)} are there")


def _tensors_check(fresh: ChainStore, terms: Terms, read: Certificate) -> Checked:
    found = {
        f"shard {shard}: {name}": digest
        for shard, tip in tips(fresh, terms, [each.shard for each in read.lineages]).items()
        for name, digest in tensor_digests(load(fresh, shard, tip.place, tip.key)).items()
    }
    unequal = sum(found.get(name, "") != change.after for name, change in read.tensors.items())
    same = not unequal and found.keys() <= read.tensors.keys()
    return Checked(name="tensors", passed=same, said=f"{unequal} of {len(read.tensors)} differ from those from scratch")


def _metric_check(metric: Metric, told: str) -> Checked:
    same = metric.name == SURPRISE and told == metric.after and metric.oracle in {"", told}
    before = f"; {metric.before} before, which nobody can compute again" if metric.before else ""
    return Checked(name="metric", passed=same, said=f"{told}, from scratch{before}")


def check_removed(store: ChainStore, read: Certificate, keys: Iterable[tuple[str, str]]) -> list[Checked]:
    """Check that the removed (member, record) keys are the given ones, and that no manifest holds one of them."""
    key = store.key()
    gone = {(member_mark(key, member), record_mark(key, record)) for member, record in keys}
    named = removal_digest(read.removed.salt, gone) == read.removed.digest
    manifests = [store.manifest(shard) for shard in range(store.plan().shards)]
    entries = [entry for manifest in manifests for held in manifest.slices.values() for entry in held]
    left = sum((entry.member, entry.record) in gone for entry in entries)
    return [
        Checked(name="removed keys", passed=named, said="as named" if named else "others than were certified"),
        Checked(name="non-membership", passed=not left, said="none is left" if not left else f"{left} are left"),
    ]


def members_left(store: ChainStore, members: Iterable[str]) -> int:
    """Count those of some members whom the plan still holds."""
    key = store.key()
    return len({member_mark(key, member) for member in members} & store.plan().rows.keys())
