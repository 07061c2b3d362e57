"""Decide about one record, and explain that decision rule by rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from licet.model.records import Table, Visibility
from licet.policy.reasons import unknown
from licet.policy.rules import Condition, Effect, Notice, Rule, truth
from licet.policy.vocabulary import RECORD_SIDE, TABLES, TERMS_SIDE

Value = str | datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A member as a decision sees them, for one purpose and recipient; `unknown` where a value is unknown."""

    region: str
    age_band: str
    protection: str
    status: str
    setting: str
    setting_source: str
    shown_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """A record as a decision sees it; an interaction has no visibility of its own and counts as public."""

    table: str
    visibility: str
    created_at: datetime | None
    deleted: bool | None = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The license's side of a decision, and its instant (UTC)."""

    purpose: str
    channel: str
    recipient_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Permit or deny, and the code of the rule, or the built-in reason, that decided."""

    permit: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionTrace:
    """One condition as it was tried: what was asked, what was seen, and its truth (None: unknown)."""

    condition: Condition
    seen: str | None
    truth: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """One rule as it was tried, with every condition; `truth` is None where an unknown kept it open."""

    rule: Rule
    truth: bool | None
    conditions: tuple[ConditionTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectTrace:
    """The rules tried for one subject up to the one that decided."""

    decision: Decision
    rules: tuple[RuleTrace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with its trace; `subjects` is empty where nothing about them was looked at."""

    decision: Decision
    subjects: tuple[SubjectTrace, ...]


def decide(subjects: Sequence[Subject | None], record: RecordFacts, terms: Terms, notice: Notice | None) -> Decision:
    """Decide about one record; a subject of None is a member nobody knows.

    Every subject must be permitted: the first denied subject gives the reason, else the last subject does.
    """
    if notice is None:
        return Decision(permit=False, reason="no_notice")
    early = settled(terms, notice, record.table) or _of_deletion(record)
    if early is not None or not subjects:
        return early or unknown_member()
    decision = unknown_member()
    for subject in subjects:
        decision = unknown_member() if subject is None else _of_subject(subject, record, terms, notice)
        if not decision.permit:
            return decision
    return decision


def explain(
    subjects: Sequence[Subject | None], record: RecordFacts, terms: Terms, notice: Notice | None
) -> Explanation:
    """Decide as `decide` does, and keep the trace of every subject up to the first denied one."""
    if notice is None:
        return Explanation(decision=decide(subjects, record, terms, notice), subjects=())
    early = settled(terms, notice, record.table) or _of_deletion(record)
    if early is not None or not subjects:
        return Explanation(decision=early or unknown_member(), subjects=())
    traces: list[SubjectTrace] = []
    for subject in subjects:
        traces.append(_trace(subject, record, terms, notice))
        if not traces[-1].decision.permit:
            break
    return Explanation(decision=traces[-1].decision, subjects=tuple(traces))


def unknown_member() -> Decision:
    """Deny because nobody knows the member."""
    return Decision(permit=False, reason=unknown("member"))


def settled(terms: Terms, notice: Notice, table: str) -> Decision | None:
    """Deny what the license, the notice and the kind of record alone rule out; None where they leave it open."""
    if terms.at < notice.effective:
        return Decision(permit=False, reason="notice_not_effective")
    if terms.purpose not in notice.purposes:
        return Decision(permit=False, reason="purpose_not_in_notice")
    if table not in TABLES:
        return Decision(permit=False, reason=unknown("table"))
    return None


def of_rule(rule: Rule) -> Decision:
    """Give the decision of a rule whose conditions are all true."""
    return Decision(permit=rule.effect is Effect.PERMIT, reason=rule.code)


def terms_value(attribute: str, terms: Terms, notice: Notice, table: str) -> Value:
    """Read an attribute that is settled before any member or record is seen."""
    if attribute == "default":
        purpose = notice.purposes.get(terms.purpose)
        return None if purpose is None else purpose.default.value
    if attribute == "table":
        return table
    return {"purpose": terms.purpose, "channel": terms.channel, "recipient": terms.recipient_id}[attribute]


def record_value(attribute: str, record: RecordFacts) -> Value:
    """Read an attribute of a record."""
    if attribute == "created_at":
        return record.created_at
    return record.visibility if record.table == Table.POSTS else Visibility.PUBLIC.value


def subject_value(attribute: str, subject: Subject) -> Value:
    """Read an attribute of a member."""
    value: Value = getattr(subject, attribute)
    return value


def _of_deletion(record: RecordFacts) -> Decision | None:
    if record.deleted is None:
        return Decision(permit=False, reason=unknown("deleted"))
    return Decision(permit=False, reason="deleted") if record.deleted else None


def _value(attribute: str, subject: Subject, record: RecordFacts, terms: Terms, notice: Notice) -> Value:
    if attribute in TERMS_SIDE:
        return terms_value(attribute, terms, notice, record.table)
    if attribute in RECORD_SIDE:
        return record_value(attribute, record)
    return subject_value(attribute, subject)


def _of_subject(subject: Subject, record: RecordFacts, terms: Terms, notice: Notice) -> Decision:
    for rule in notice.rules:
        missing = ""
        for condition in rule.when:
            attribute = condition.attribute
            held = truth(condition, _value(attribute, subject, record, terms, notice), terms.at)
            if held is False:
                break
            if held is None:
                missing = missing or attribute
        else:
            return Decision(permit=False, reason=unknown(missing)) if missing else of_rule(rule)
    return Decision(permit=False, reason="no_rule")


def _trace(subject: Subject | None, record: RecordFacts, terms: Terms, notice: Notice) -> SubjectTrace:
    if subject is None:
        return SubjectTrace(decision=unknown_member(), rules=())
    tried: list[RuleTrace] = []
    for rule in notice.rules:
        tried.append(_try(rule, subject, record, terms, notice))
        if tried[-1].truth is None:
            missing = next(item.condition.attribute for item in tried[-1].conditions if item.truth is None)
            return SubjectTrace(decision=Decision(permit=False, reason=unknown(missing)), rules=tuple(tried))
        if tried[-1].truth:
            return SubjectTrace(decision=of_rule(rule), rules=tuple(tried))
    return SubjectTrace(decision=Decision(permit=False, reason="no_rule"), rules=tuple(tried))


def _try(rule: Rule, subject: Subject, record: RecordFacts, terms: Terms, notice: Notice) -> RuleTrace:
    seen = [(item, _value(item.attribute, subject, record, terms, notice)) for item in rule.when]
    conditions = tuple(
        ConditionTrace(
            condition=condition,
            seen=value.isoformat() if isinstance(value, datetime) else value,
            truth=truth(condition, value, terms.at),
        )
        for condition, value in seen
    )
    truths = {item.truth for item in conditions}
    held = False if False in truths else None if None in truths else True
    return RuleTrace(rule=rule, truth=held, conditions=conditions)
