"""Verify a certificate: compute the model again from the data and compare, byte by byte, with what was signed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from licet.model.errors import InputError
from licet.protocol.certificate import Certificate, removal_digest, rows_digest
from licet.train.algebra import Algebra
from licet.train.algebra_fit import sum_rows
from licet.train.algebra_store import AlgebraStore, tensor_hashes
from licet.train.environment import differences, environment
from licet.train.examples import Example
from licet.train.rows import Row, sorted_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was compared, and what came of it."""

    name: str
    passed: bool
    said: str


def encode_examples(
    learner: Algebra, examples: Iterable[Example], records: frozenset[str] | None, step: Callable[[int], None]
) -> list[Row]:
    """Encode anew the examples whose records are listed; all of them where no list is given.

    Raises:
        InputError: an example has an unknown label.
    """
    found = []
    for example in examples:
        step(1)
        if records is not None and example.record not in records:
            continue
        if learner.labels and example.label not in learner.labels:
            raise InputError("an example has a label that is not among the frozen ones", "give the data as it was")
        label = learner.labels.index(example.label) if learner.labels else 0
        payload = learner.encode(example.text)
        found.append(Row(member=example.member, record=example.record, label=label, payload=payload))
    return sorted_rows(found)


def check_rows(certificate: Certificate, learner: Algebra, rows: Sequence[Row]) -> list[Check]:
    """Compute statistics and model from rows and compare them with a certificate."""
    totals = sum_rows(learner, rows)
    said = "equal" if (same := totals.digest() == certificate.statistics.after) else "other integers"
    found = [
        _rows_check(certificate, rows),
        Check(name="integer statistics, from scratch", passed=same, said=said),
    ]
    apart = differences(certificate.environment, environment())
    if apart:
        reason = f"not compared, for bytes of fractions may differ here ({'; '.join(apart)})"
        return [*found, Check(name="model, from scratch", passed=True, said=reason)]
    hashes = tensor_hashes(learner.finish(totals))
    unequal = [name for name, change in certificate.tensors.items() if hashes.get(name, "") != change.after]
    same = not unequal and set(hashes) <= set(certificate.tensors)
    told = (
        f"{len(hashes)} tensors, 0 differ" if same else f"{len(unequal)} of {len(certificate.tensors)} tensors differ"
    )
    return [*found, Check(name="model, from scratch", passed=same, said=told)]


def _rows_check(certificate: Certificate, rows: Sequence[Row]) -> Check:
    same = rows_digest(row.key for row in rows) == certificate.rows.after
    return Check(
        name="set of records", passed=same, said=f"{len(rows)} records" if same else "other records than were certified"
    )


def check_removed(certificate: Certificate, keys: Iterable[tuple[str, str]], rows: Sequence[Row]) -> list[Check]:
    """Check that the removed keys are the given ones, and that none of them is among the rows."""
    gone = set(keys)
    named = removal_digest(certificate.removed.salt, gone) == certificate.removed.digest
    left = sum(row.key in gone for row in rows)
    return [
        Check(name="removed keys", passed=named, said="as named" if named else "others than were certified"),
        Check(name="non-membership", passed=not left, said="none is left" if not left else f"{left} are left"),
    ]


def check_store(certificate: Certificate, store: AlgebraStore) -> list[Check]:
    """Check that a store serves the certified model, and holds neither what was destroyed nor anything unknown."""
    current = store.current()
    serves = (current.statistics, current.rows) == (certificate.statistics.after, certificate.rows.after)
    served = Check(name="served model", passed=serves, said="the certified one" if serves else "another one")
    there = {path.name for path in store.objects.iterdir()}
    strays = there - current.files
    kept = {name.partition(".")[0] for name in there} & set(certificate.destroyed)
    said = f"{len(kept)} of what was destroyed and {len(strays)} unknown files are there"
    return [served, Check(name="destroyed artefacts", passed=not strays and not kept, said=said)]
