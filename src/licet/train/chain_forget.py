"""Forget with a chain: quarantine at once, replay the suffix, merge, audit a sample, destroy what saw the members.

Every step can be done again with the same result, and the requests are kept in `forgetting.json` from before the
first to after the last, so that a run that was killed anywhere goes on when it is called again.
"""

import hmac
import math
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from licet.model.errors import IntegrityError, NotFound
from licet.protocol.attestation import Value, canonical
from licet.train.chain import Moved, Terms, advance, check_terms, kept_terms, lineage, load
from licet.train.chain_fit import count_records, digests, from_scratch, without
from licet.train.chain_manifest import divide
from licet.train.chain_model import serve, served, tips
from licet.train.chain_requests import dirty_shards, of_any, quarantine
from licet.train.chain_store import ChainStore, file_digest
from licet.train.chain_workers import Work, Workers
from licet.train.examples import Example
from licet.train.plan import Plan, leave, plan_digest
from licet.train.tensors import tensor_digests


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLineage:
    """What happened to one dirty shard: checkpoints before and after by file name, with their SHA-256."""

    shard: int
    start: str
    """The checkpoint that the replay started from; `""` where it started from the beginning."""
    before: Mapping[str, str]
    after: Mapping[str, str]
    oracle: str
    """`equal` where the shard was trained again from scratch, `not run` else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What a forgetting did: for the certificate."""

    salt: str
    removed: tuple[tuple[str, str], ...]
    """Marks of the member and the record of each record that went."""
    requested_at: str
    plan_before: str
    plan_after: str
    shards: tuple[ShardLineage, ...]
    clean: Mapping[int, str]
    """The served key of each shard that was not touched."""
    tensors: Mapping[str, tuple[str, str]]
    """SHA-256 before and after of each tensor of the dirty shards; `""` where there was none."""
    destroyed: Mapping[str, str]
    """SHA-256 of each destroyed file by name."""
    work: Work
    audit: Work
    of: int
    """Records that a full retraining would have trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """Which shards were trained again from scratch, and the work it took."""

    shards: frozenset[int]
    work: Work


def forget(  # noqa: PLR0913 # what a run needs  # what a run needs
    store: ChainStore,
    now: Terms,
    examples: Sequence[Example],
    *,
    workers: Workers,
    sample: float,
    moved: Moved,
    certify: Callable[[Forgotten], object] = lambda _: None,
) -> Forgotten:
    """Replay the waiting requests, audit a share of the dirty shards from scratch, and destroy what saw them.

    `certify` is called last, while the batch is still on record; a run that was killed may call it again.

    Raises:
        NotFound: nothing waits.
        Refused: this machine or code would not give the same bytes, or the data lacks records of others.
        IntegrityError: a shard differs from its oracle.
    """
    terms = kept_terms(store)
    check_terms(terms, now)
    with store.locked():
        batch = _begin(store, terms)
        gone = batch["requests"]
        quarantine(store, terms, gone)
        dirty = [int(shard) for shard in batch["before"]]
        _trim(store, gone, dirty)
        divided, _ = divide(store.plan(), store.key(), examples, frozenset(dirty))
        work = advance(store, terms, divided, dirty, workers=workers, moved=moved)
        clean = {shard: each for shard, each in served(store).items() if shard not in dirty}
        serve(store, terms, {**clean, **tips(store, terms, dirty)})
        count_records(store, dirty)
        after = {shard: digests(store, terms, shard) for shard in dirty}
        audited = _audit(store, terms, examples, after, sample=sample, workers=workers, moved=moved)
        batch = _doom(store, terms, batch)
        done = _report(store, batch, after, audited, work)
        _destroy(store, batch)
        certify(done)
        store.drop_note("forgetting")
        return done


def _begin(store: ChainStore, terms: Terms) -> dict[str, Any]:
    """Take the waiting requests into a batch, with what stood before; an unfinished batch goes first."""
    said = store.note("forgetting")
    waiting = store.note("waiting").get("requests", {})
    if not said:
        if not waiting:
            raise NotFound("nothing waits to be forgotten", "name whom: --member, --record or --recall")
        plan = store.plan()
        before: dict[str, Value] = {str(s): dict(digests(store, terms, s)) for s in dirty_shards(store, waiting)}
        said = {
            "requests": waiting,
            "before": before,
            "plan": plan_digest(plan),
            "records": sum(store.note("sizes").values()),
            "doomed": {},
            "salt": secrets.token_hex(16),
            "removed": _removed(store, waiting),
            "tensors": _tensors(store, terms, dirty_shards(store, waiting)),
        }
        store.keep_note("forgetting", said)
    left: dict[str, Value] = {mark: at for mark, at in waiting.items() if mark not in said["requests"]}
    store.keep_note("waiting", {"requests": left})
    return said


def _removed(store: ChainStore, gone: Mapping[str, object]) -> list[Value]:
    slices = [held for shard in dirty_shards(store, gone) for held in store.manifest(shard).slices.values()]
    return [[entry.member, entry.record] for entries in slices for entry in entries if of_any(entry, gone)]


def _tensors(store: ChainStore, terms: Terms, shards: Iterable[int]) -> dict[str, Value]:
    """Give the SHA-256 of each tensor that stands for a shard."""
    return {
        f"shard {shard}: {name}": digest
        for shard, tip in tips(store, terms, shards).items()
        if store.checkpoint(shard, tip.place, tip.key).exists()
        for name, digest in tensor_digests(load(store, shard, tip.place, tip.key)).items()
    }


def _trim(store: ChainStore, gone: Mapping[str, object], dirty: Sequence[int]) -> None:
    for shard in dirty:
        store.keep_manifest(shard, without(store.manifest(shard), gone))
    plan: Plan = leave(store.plan(), gone)
    if plan_digest(plan) != plan_digest(store.plan()):
        store.keep_plan(plan)


def _audit(  # noqa: PLR0913 # what a run needs
    store: ChainStore,
    terms: Terms,
    examples: Sequence[Example],
    after: Mapping[int, Mapping[str, str]],
    *,
    sample: float,
    workers: Workers,
    moved: Moved,
) -> Audited:
    """Train a share of the dirty shards from scratch and compare every checkpoint's bytes.

    Raises:
        IntegrityError: one differs.
    """
    chosen = _chosen(store, after, sample)
    found, work = from_scratch(store, terms, examples, chosen, workers=workers, moved=moved)
    unequal = [shard for shard in chosen if found[shard] != after[shard]]
    if unequal:
        raise IntegrityError(
            f"shard {unequal[0]} is not what training it from scratch gives",
            "this machine does not compute the same twice: licet train probe",
        )
    return Audited(shards=frozenset(chosen), work=work)


def _chosen(store: ChainStore, after: Mapping[int, object], sample: float) -> list[int]:
    """Choose a share of shards, one at least, in an order that nobody without the key foresees."""
    salt = store.key() + canonical(plan_digest(store.plan()))
    ordered = sorted(after, key=lambda shard: hmac.digest(salt, str(shard).encode(), "sha256"))
    return sorted(ordered[: math.ceil(sample * len(ordered))])


def _doom(store: ChainStore, terms: Terms, batch: dict[str, Any]) -> dict[str, Any]:
    """Write down what will be destroyed before it is: every file of a dirty shard that its lineage needs no more."""
    plan = store.plan()
    needed = set()
    dirty = [int(shard) for shard in batch["before"]]
    for shard in dirty:
        steps = lineage(plan, terms, shard, store.manifest(shard))
        needed |= {store.checkpoint(shard, step.place, step.key) for step in steps}
    held = [path for shard in dirty for path in store.checkpoints(shard)]
    doomed = {str(path.relative_to(store.folder)): file_digest(path) for path in held if path not in needed}
    batch["doomed"] = {**batch["doomed"], **doomed}
    store.keep_note("forgetting", batch)
    return batch


def _destroy(store: ChainStore, batch: Mapping[str, Any]) -> None:
    for name in batch["doomed"]:
        (store.folder / name).unlink(missing_ok=True)
    for folder in store.folder.glob(".oracle-*"):
        shutil.rmtree(folder)


def _report(
    store: ChainStore, batch: Mapping[str, Any], after: Mapping[int, Mapping[str, str]], audited: Audited, work: Work
) -> Forgotten:
    now = {name: str(digest) for name, digest in _tensors(store, kept_terms(store), after).items()}
    shards = []
    for shard, then in sorted(after.items()):
        before = batch["before"][str(shard)]
        kept = [name for name in before if name in then]
        shards.append(
            ShardLineage(
                shard=shard,
                start=kept[-1] if kept else "",
                before=before,
                after=then,
                oracle="equal" if shard in audited.shards else "not run",
            )
        )
    return Forgotten(
        salt=batch["salt"],
        removed=tuple((member, record) for member, record in batch["removed"]),
        requested_at=min(batch["requests"].values()),
        plan_before=batch["plan"],
        plan_after=plan_digest(store.plan()),
        shards=tuple(shards),
        clean={shard: each.key for shard, each in served(store).items() if shard not in after},
        tensors={name: (batch["tensors"].get(name, ""), now.get(name, "")) for name in {**batch["tensors"], **now}},
        destroyed=batch["doomed"],
        work=work,
        audit=audited.work,
        of=batch["records"],
    )
