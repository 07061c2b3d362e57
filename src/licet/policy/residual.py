"""Partial evaluation: what a notice still asks of a record once license and member are known."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

from licet.model.records import Table
from licet.policy.decide import (
    Decision,
    RecordFacts,
    Subject,
    Terms,
    of_rule,
    record_value,
    settled,
    subject_value,
    terms_value,
    unknown_member,
)
from licet.policy.reasons import unknown
from licet.policy.rules import Condition, Notice, Rule, truth
from licet.policy.vocabulary import KNOWN, RECORD_SIDE, TERMS_SIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Stands where a condition was found unknown: the rule can deny, never permit."""

    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is left of a rule: its decision, and the conditions still open, in their order."""

    decision: Decision
    when: tuple[Condition | Missing, ...] = ()


def narrow(rule: Rule, terms: Terms, notice: Notice, table: str, subject: Subject | None) -> Step | None:
    """Decide the conditions that license, table and (where given) subject settle; None where one is false."""
    left: list[Condition | Missing] = []
    for condition in rule.when:
        held = _settled_truth(condition, terms, notice, table, subject)
        if held is False:
            return None
        if held is None:
            left.append(Missing(attribute=condition.attribute))
        elif isinstance(held, Condition):
            left.append(held)
    return Step(decision=of_rule(rule), when=tuple(left))


def _settled_truth(
    condition: Condition, terms: Terms, notice: Notice, table: str, subject: Subject | None
) -> Condition | bool | None:
    """Give the truth of a condition that can be settled, else the condition itself."""
    attribute = condition.attribute
    if attribute in TERMS_SIDE:
        return truth(condition, terms_value(attribute, terms, notice, table), terms.at)
    if attribute in RECORD_SIDE:
        if attribute == "visibility" and table != Table.POSTS:
            facts = RecordFacts(table=table, visibility="", created_at=None)
            return truth(condition, record_value(attribute, facts), terms.at)
        return condition
    return condition if subject is None else truth(condition, subject_value(attribute, subject), terms.at)


def residual(subject: Subject | None, terms: Terms, notice: Notice | None, table: str) -> tuple[Step, ...]:
    """Give what is left of the notice for one member; equal residuals decide every record alike.

    Deletion is left out: it denies whatever the residual says.
    """
    if notice is None:
        return (Step(decision=Decision(permit=False, reason="no_notice")),)
    early = settled(terms, notice, table) or (unknown_member() if subject is None else None)
    if early is not None:
        return (Step(decision=early),)
    steps: list[Step] = []
    for rule in notice.rules:
        step = narrow(rule, terms, notice, table, subject)
        if step is None:
            continue
        steps.append(step)
        if not step.when:
            return tuple(steps)
    return (*steps, Step(decision=Decision(permit=False, reason="no_rule")))


def conclude(steps: tuple[Step, ...], record: RecordFacts, terms: Terms) -> Decision:
    """Finish a residual with a record that is not deleted; the same decision as `decide` for that one subject."""
    for step in steps:
        missing = ""
        for item in step.when:
            if isinstance(item, Missing):
                missing = missing or item.attribute
                continue
            held = truth(item, record_value(item.attribute, record), terms.at)
            if held is False:
                break
            if held is None:
                missing = missing or item.attribute
        else:
            return Decision(permit=False, reason=unknown(missing)) if missing else step.decision
    return Decision(permit=False, reason="no_rule")


def withdrawn(before: Subject | None, after: Subject | None, terms: Terms, notice: Notice | None, table: str) -> bool:
    """Tell whether a change of a member's facts stops some record from being permitted.

    Exact over records: visibility is a closed list, and between two instants that the rules name every creation time
    is decided alike, so trying one record for each is trying them all.
    """
    old, new = residual(before, terms, notice, table), residual(after, terms, notice, table)
    if old == new:
        return False
    return any(
        conclude(old, record, terms).permit and not conclude(new, record, terms).permit
        for record in _representatives((*old, *new), table)
    )


def _representatives(steps: tuple[Step, ...], table: str) -> list[RecordFacts]:
    named = {item.instant for step in steps for item in step.when if isinstance(item, Condition) and item.instant}
    last_before = [instant - timedelta(microseconds=1) for instant in named]
    instants: list[datetime | None] = [None, datetime(1970, 1, 1, tzinfo=UTC), *named, *last_before]
    seen = [*sorted(KNOWN["visibility"]), "unknown"]
    return [
        RecordFacts(table=table, visibility=visibility, created_at=created_at)
        for visibility, created_at in product(seen, instants)
    ]
