"""`licet train fit`, `forget` and `verify` for models by shards and slices: folders that `licet train plan` made."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from licet.cli.terminal import emit, progress, show
from licet.model.errors import InputError, IntegrityError, UsageError
from licet.protocol.certificate import read_certificate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from licet.protocol.certificate import Certificate
    from licet.train.chain import Terms
    from licet.train.chain_forget import Forgotten
    from licet.train.chain_requests import Cost
    from licet.train.chain_store import ChainStore
    from licet.train.sources import Source


def is_chain(folder: Path) -> bool:
    """Tell whether a folder holds a plan, so that its model is one of shards and slices."""
    return (folder / "plan.json").exists()


def processes() -> int:
    """Give how many shards are trained at once where the caller does not say."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def settings_of(told: Sequence[str], labels: str) -> dict[str, str]:
    """Read `name=value` settings of a learner.

    Raises:
        UsageError: one is not of that form.
    """
    pairs = [each.partition("=") for each in told]
    wrong = [name for name, equals, _ in pairs if not (name and equals)]
    if wrong:
        raise UsageError(f"`{wrong[0]}` is no setting", "write --set rate=0.01")
    return {**({"labels": labels} if labels else {}), **{name: value for name, _, value in pairs}}


def fit_chain(
    folder: Path, source: "Source", learner: str, settings: Mapping[str, str], aggregate: str, workers: int
) -> None:
    """Train what the plan says and the folder does not hold yet."""
    from licet.train.chain import new_terms
    from licet.train.chain_fit import fit
    from licet.train.chain_store import ChainStore
    from licet.train.chain_workers import Workers
    from licet.train.environment import environment

    store = ChainStore(folder)
    terms = new_terms(learner, dict(settings), aggregate, environment())
    with progress("training", source.count()) as step, Workers(workers or processes()) as started:
        done = fit(store, terms, source.examples(), workers=started, moved=step)
    emit(
        {
            "slices": done.work.slices,
            "records": done.work.records,
            "shards": done.shards,
            "waiting": done.waiting,
            "late": done.late,
            "cpu_seconds": round(done.work.cpu_seconds, 3),
        },
        [
            f"{done.work.records:,} records trained in {done.work.slices} slices; {done.shards} shards are served",
            f"{done.waiting:,} records of members not in the plan, {done.late:,} newer than their member's generation",
            "let new members join with: licet train plan" if done.waiting else "everybody is in the plan",
        ],
    )


def forget_chain(  # what the command was told
    folder: Path,
    source: "Source | None",
    signer: "Ed25519PrivateKey",
    wanted: tuple[Sequence[str], Sequence[str]],
    *,
    recall: str,
    told: Mapping[str, Any],
) -> None:
    """Quarantine at once; then, unless only the cost is asked or nothing is due, replay, audit, destroy and sign."""
    from licet.train.chain_requests import Flush, ask, ask_marks, cost, due, missing_marks
    from licet.train.chain_store import ChainStore

    store, now = ChainStore(folder), datetime.now(UTC)
    members, records = wanted
    if members or records:
        ask(store, members, records, now, recall)
    if told["missing"] and source:
        ask_marks(store, missing_marks(store, source.examples()), now, recall)
    expected = cost(store)
    if told["cost"] or (told["if_due"] and not due(store, Flush(), now)):
        _tell_cost(expected)
        return
    if source is None:
        raise UsageError("the others' records are trained again and must be at hand", "name them: --data DIR")
    if not expected.requests:
        emit({"forgotten": 0}, ["nothing to forget: nobody waits, and every earlier request is done"])
        return
    _replay(store, source, signer, told)
    while told["budget"] == 1 and (store.note("waiting").get("requests") or store.note("forgetting")):
        _replay(store, source, signer, told)


def _replay(store: "ChainStore", source: "Source", signer: "Ed25519PrivateKey", told: Mapping[str, Any]) -> None:
    from licet.train.chain_certify import certificates, certify
    from licet.train.chain_forget import forget
    from licet.train.chain_requests import cost
    from licet.train.chain_workers import Workers

    with progress("replaying", cost(store).records) as step, Workers(told["workers"] or processes()) as started:
        done = forget(
            store,
            _now(store),
            list(source.examples()),
            workers=started,
            sample=told["sample"],
            moved=step,
            budget=told["budget"],
            certify=lambda done: certify(store, done, signer),
        )
    _tell(done, certificates(store)[-1])


def _tell(done: "Forgotten", path: Path) -> None:
    made = read_certificate(path.read_bytes())
    audited = sum(each.audited for each in done.shards)
    emit(
        {
            "forgotten": len(done.removed),
            "certificate": str(path),
            "digest": made.digest,
            "records_trained": done.replayed,
            "of": done.of,
            "destroyed": len(done.destroyed),
        },
        [
            f"forgotten: {len(done.removed):,} records",
            f"replayed:  {done.replayed:,} of {done.of:,} records, {done.work.cpu_seconds:.1f} CPU seconds",
            f"audited:   {audited} of {len(done.shards)} shards from scratch; every byte equal",
            f"destroyed: {len(done.destroyed)} files that had seen them",
            f"signed:    {path}",
            *attest_lines(done.recalls, made.digest),
        ],
    )


def attest_lines(recalls: Sequence[str], digest: str) -> list[str]:
    """Say how to settle recalls with a certificate, one line each."""
    said = f"--done forgotten --models sha256:{digest} --key FILE"
    return [f"to attest: licet recall attest {recall} {said}" for recall in recalls]


def _tell_cost(expected: "Cost") -> None:
    share = expected.records / expected.of if expected.of else 0.0
    emit(
        {"requests": expected.requests, "dirty": list(expected.dirty), "records": expected.records, "of": expected.of},
        [
            f"{expected.requests:,} requests wait; {len(expected.dirty)} shards are quarantined",
            f"replaying trains {expected.records:,} of {expected.of:,} records ({share:.1%})",
        ],
    )


def _now(store: "ChainStore") -> "Terms":
    from licet.train.chain import kept_terms, new_terms
    from licet.train.environment import environment

    kept = kept_terms(store)
    return new_terms(kept.learner, kept.settings, kept.aggregate, environment())


def verify_chain(
    folder: Path, read: "Certificate", source: "Source", removed: "Source | None", told: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """Train again what a certificate names; give a row for each thing compared.

    Raises:
        InputError: a member that the caller named is still in the plan.
    """
    from licet.train.chain_certify import check, check_removed, members_left
    from licet.train.chain_store import ChainStore
    from licet.train.chain_workers import Workers

    store = ChainStore(folder)
    if members_left(store, told["members"]):
        raise InputError("a member that you named is still in the plan", "ask the signer to forget them")
    with Workers(processes()) as started:
        examples = list(source.examples())
        found = list(check(store, read, _now(store), examples, everything=told["everything"], workers=started))
    found += check_removed(store, read, removed.keys()) if removed else []
    return [(each.name, "yes" if each.passed else "NO", each.said) for each in found]


def show_checks(read: "Certificate", rows: Sequence[tuple[str, str, str]]) -> None:
    """Show what was compared.

    Raises:
        IntegrityError: something differs.
    """
    show(f"certificate {read.digest[:16]}", ("what", "holds", "found"), rows)
    if any(holds == "NO" for _, holds, _ in rows):
        raise IntegrityError("the certificate does not fit the data", "ask the signer what was done since")
