"""Fit a model by algebra: encode each record once, sum, finish; a run that was killed goes on where it was."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from licet.model.errors import InputError, UsageError
from licet.protocol.attestation import canonical
from licet.protocol.certificate import rows_digest
from licet.train.algebra import Algebra
from licet.train.algebra_store import AlgebraStore, Current, bucket_of, tensor_hashes
from licet.train.durable import held, remove_durably, write_durably
from licet.train.environment import check_environment, environment
from licet.train.examples import Example
from licet.train.rows import Row, members_of, sorted_rows
from licet.train.totals import Totals

AT_ONCE: Final = 20_000
"""Rows whose features are held as fractions in memory at once."""


def fit(
    store: AlgebraStore, learner: Algebra, examples: Iterable[Example], step: Callable[[int], None] = lambda _: None
) -> Current:
    """Train on examples that the store does not know yet, together with those that it knows.

    Raises:
        UsageError: the store holds a model of another learner, or a request to forget is not carried out yet.
        InputError: an example has an unknown label, or a record stands twice.
        Refused: the store was made where bytes may differ.
    """
    with held(store.root):
        known = _known(store, learner)
        fresh = _new_examples(examples, known, learner, step)
        encoded = _encoded(store, learner, fresh, step)
        current = settle_rows(store, learner, sorted_rows([*known, *encoded]))
        store.switch(current)
        remove_durably(_place(store))
        store.sweep(current.files)
        return current


def _known(store: AlgebraStore, learner: Algebra) -> list[Row]:
    if store.pending.exists():
        raise UsageError("a request to forget is not carried out yet", "finish it: licet train forget")
    if not store.exists():
        return []
    current = store.current()
    if canonical(dict(current.frozen)) != canonical(learner.frozen()):
        raise UsageError("the store holds a model of another learner", "name another folder")
    check_environment(current.environment, environment())
    return store.rows(current)


def _new_examples(
    examples: Iterable[Example], known: Sequence[Row], learner: Algebra, step: Callable[[int], None]
) -> dict[str, list[Example]]:
    seen = {row.record for row in known}
    found: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if learner.labels and example.label not in learner.labels:
            raise InputError("an example has a label that is not among the frozen ones", "name all: --labels a,b,c")
        if example.record in seen:
            step(1)
        else:
            found[bucket_of(example.member)].append(example)
    return found


def _encoded(
    store: AlgebraStore, learner: Algebra, fresh: dict[str, list[Example]], step: Callable[[int], None]
) -> list[Row]:
    """Encode bucket by bucket; what a killed run had done of the same examples is taken from the disk."""
    done = _progress(store)
    found: list[Row] = []
    for bucket in sorted(fresh):
        examples = sorted(fresh[bucket], key=lambda each: (each.member, each.record))
        asked = _digest(learner, examples)
        if asked in done and (store.objects / done[asked]).exists():
            rows = store.read_bucket(done[asked])
            step(len(rows))
        else:
            rows = [_row(learner, each, step) for each in examples]
            done[asked] = store.keep_rows(rows)
            write_durably(_place(store), canonical({**done}))
        found += rows
    return found


def _row(learner: Algebra, example: Example, step: Callable[[int], None]) -> Row:
    label = learner.labels.index(example.label) if learner.labels else 0
    row = Row(member=example.member, record=example.record, label=label, payload=learner.encode(example.text))
    step(1)
    return row


def _digest(learner: Algebra, examples: Sequence[Example]) -> str:
    listed = [[each.member, each.record, each.text, each.label] for each in examples]
    return hashlib.sha256(canonical(learner.frozen()) + json.dumps(listed).encode()).hexdigest()


def _place(store: AlgebraStore) -> Path:
    return store.root / "fitting.json"


def _progress(store: AlgebraStore) -> dict[str, str]:
    try:
        return dict(json.loads(_place(store).read_bytes()))
    except (FileNotFoundError, ValueError):
        return {}


def sum_rows(learner: Algebra, rows: Sequence[Row]) -> Totals:
    """Sum what rows add, from nothing: the statistics of a model that has seen these rows and no others."""
    totals = learner.start()
    for first in range(0, len(rows), AT_ONCE):
        totals = totals.plus(learner.added(rows[first : first + AT_ONCE]))
    learner.check(totals)
    return totals


def settle_rows(store: AlgebraStore, learner: Algebra, rows: Sequence[Row]) -> Current:
    """Compute all from rows, keep it, and say what would count."""
    files: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        files[bucket_of(row.member)].append(row)
    names = {bucket: store.keep_rows(some) for bucket, some in sorted(files.items())}
    return describe(store, learner, sum_rows(learner, rows), rows, names)


def describe(
    store: AlgebraStore, learner: Algebra, totals: Totals, rows: Sequence[Row], names: dict[str, str]
) -> Current:
    """Keep statistics and the model that follows from them, and say what would count."""
    tensors = learner.finish(totals)
    return Current(
        frozen=learner.frozen(),
        statistics=totals.digest(),
        statistics_file=store.keep_totals(totals),
        model_file=store.keep_model(tensors),
        tensors=tensor_hashes(tensors),
        row_files=names,
        rows=rows_digest(row.key for row in rows),
        members=members_of(rows),
        records=len(rows),
        environment=environment(),
    )
