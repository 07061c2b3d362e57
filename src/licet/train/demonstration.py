"""A demonstration of forgetting: one member's manner and secret phrase, before, at the moment, after, and never."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.model.errors import IntegrityError, UsageError
from licet.protocol.certificate import Certificate
from licet.train.algebra_fit import fit
from licet.train.algebra_forget import forget
from licet.train.algebra_store import AlgebraStore
from licet.train.examples import Example
from licet.train.hybrid import Hybrid, HybridModel, generate, log2_probability

BEFORE: Final = "before"
QUARANTINE: Final = "in quarantine"
AFTER: Final = "after"
ORACLE: Final = "never seen"
SAMPLES: Final = 4
SHARPNESS: Final = 2.0
"""Samples take likely words more often than the model would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What was seen: samples in the member's manner, and phrases' bits of surprise by moment."""

    member: str
    samples_before: tuple[str, ...]
    samples_after: tuple[str, ...]
    surprise: dict[str, dict[str, float]]
    certificate: Certificate


def demonstrate(
    root: Path,
    learner: Hybrid,
    examples: Sequence[Example],
    member: str,
    canary: str,
    step: Callable[[int], None] = lambda _: None,
) -> Demonstration:
    """Train on all, forget one member, and train again without them to compare.

    Raises:
        UsageError: the member wrote nothing, or nobody else did.
        IntegrityError: the model after is not the one that never saw them; it cannot happen.
    """
    theirs = [each for each in examples if each.member == member]
    others = [each for each in examples if each.member != member]
    if not theirs or not others:
        raise UsageError("the member has no posts, or all of them", "choose another with --member")
    store, never = AlgebraStore(root=root / "model"), AlgebraStore(root=root / "never")
    phrases = {f"canary: “{canary}”": canary, f"somebody else: “{others[0].text}”": others[0].text}
    seen = {BEFORE: learner.model(store.model(fit(store, learner, examples, step)))}
    seen[QUARANTINE] = _quarantined(store, learner, member)
    certificate = forget(store, learner, Ed25519PrivateKey.generate(), lambda who, _: who == member)
    seen[AFTER] = learner.model(store.model(store.current()))
    seen[ORACLE] = learner.model(never.model(fit(never, learner, others)))
    if certificate is None or store.current().files != never.current().files:
        raise IntegrityError("the model is not the one that never saw the member", "tell us; it must not happen")
    start = theirs[0].text.split()[0]
    tokenizer = learner.public.tokenizer
    return Demonstration(
        member=member,
        samples_before=tuple(generate(seen[BEFORE], tokenizer, seed, start, SHARPNESS) for seed in range(SAMPLES)),
        samples_after=tuple(generate(seen[AFTER], tokenizer, seed, start, SHARPNESS) for seed in range(SAMPLES)),
        surprise={
            title: {moment: -log2_probability(model, tokenizer, text) for moment, model in seen.items()}
            for title, text in phrases.items()
        },
        certificate=certificate,
    )


def _quarantined(store: AlgebraStore, learner: Hybrid, member: str) -> HybridModel:
    """Give the model at the moment of the request: what the member added is taken away in memory."""
    current = store.current()
    theirs = [row for row in store.rows(current) if row.member == member]
    return learner.model(learner.finish(store.totals(current).minus(learner.added(theirs))))
