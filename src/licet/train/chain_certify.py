"""Certificates of a chain's forgetting: made and signed, and computed again by whoever holds the data."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
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
    Removed,
    read_certificate,
    removal_digest,
    sign_certificate,
)
from licet.train.chain import Terms, check_terms, kept_terms
from licet.train.chain_fit import from_scratch
from licet.train.chain_forget import Forgotten, ShardLineage
from licet.train.chain_model import tips
from licet.train.chain_store import ChainStore, write_whole
from licet.train.chain_workers import Workers
from licet.train.examples import Example
from licet.train.plan import plan_digest

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


def certify(store: ChainStore, done: Forgotten, key: Ed25519PrivateKey, recall: str = "") -> Path:
    """Sign what a forgetting did and keep the certificate; a batch that was certified is not certified twice."""
    earlier = certificates(store)
    last = read_certificate(earlier[-1].read_bytes()) if earlier else None
    if last and last.removed.salt == done.salt:
        return earlier[-1]
    path = store.folder / "certificates" / f"{len(earlier) + 1:06}.json"
    made = _certificate(store, done, key, recall, last.digest if last else "")
    write_whole(path, sign_certificate(made, key))
    return path


def _certificate(store: ChainStore, done: Forgotten, key: Ed25519PrivateKey, recall: str, previous: str) -> Certificate:
    terms, plan = kept_terms(store), store.plan()
    removed = Removed(
        salt=done.salt,
        digest=removal_digest(done.salt, done.removed),
        members=len({member for member, _ in done.removed}),
        records=len(done.removed),
    )
    whole = all(each.oracle for each in done.shards) and bool(done.shards)
    return Certificate(
        counterfactual=COUNTERFACTUAL,
        tier="chain" if plan.shards > 1 else "replay",
        learner=_learner(terms),
        plan=done.plan_after,
        recall=recall,
        requested_at=datetime.fromisoformat(done.requested_at),
        issued_at=datetime.now(UTC),
        removed=removed,
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
        previous=previous,
    )


def _learner(terms: Terms) -> Mapping[str, Value]:
    said = terms.value()
    del said["environment"]
    return said


def _cost(done: Forgotten) -> dict[str, str]:
    return {
        "cpu_seconds": f"{done.work.cpu_seconds:.3f}",
        "audit_cpu_seconds": f"{done.audit.cpu_seconds:.3f}",
        "records_trained": str(done.work.records),
        "records_of_a_full_training": str(done.of),
    }


def _rows(done: Forgotten, when: str) -> str:
    """Give a digest over the last checkpoint's name of every shard, which commits to each record that it saw."""
    dirty = {each.shard: list(each.before if when == "before" else each.after) for each in done.shards}
    told: dict[str, Value] = {str(shard): key for shard, key in done.clean.items()}
    told |= {str(shard): names[-1].split(".")[1] for shard, names in dirty.items() if names}
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
        oracle=output if each.oracle == "equal" else "",
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
    plan = store.plan()
    said = plan_digest(plan)
    yield Checked(name="plan", passed=said == read.plan, said=said[:16])
    kept = tips(store, terms, range(plan.shards))
    seen = {f"shard {shard}": tip.key for shard, tip in kept.items()}
    same = all(seen.get(name) == key for name, key in read.untouched.items())
    yield Checked(name="untouched shards", passed=same, said=f"{len(read.untouched)} saw what they saw before")
    shards = range(plan.shards) if everything else [each.shard for each in read.lineages]
    with store.locked():
        fresh, _ = from_scratch(store, terms, examples, shards, workers=workers, moved=lambda _: None)
    for each in read.lineages:
        output = next(reversed(fresh[each.shard].values()), "")
        yield Checked(name=f"shard {each.shard}", passed=output == each.output, said=f"{output[:16]}, from scratch")
    if everything:
        held = {shard: {path.name: _digest(path) for path in store.checkpoints(shard)} for shard in fresh}
        yield Checked(name="every checkpoint", passed=fresh == held, said=f"{sum(map(len, fresh.values()))} compared")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
