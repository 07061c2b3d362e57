"""The laws of permission, over generated notices, members and records."""

from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from licet.model.errors import NoticeError
from licet.model.members import Choice
from licet.policy.checks import check_notice
from licet.policy.decide import Decision, RecordFacts, Subject, Terms, decide, explain
from licet.policy.notice import Condition, Effect, Notice, Rule
from licet.policy.residual import conclude, residual, withdrawn
from licet.policy.vocabulary import KNOWN

_OPTED_OUT = Rule(
    code="opted_out",
    effect=Effect.DENY,
    sentence="No.",
    law="None",
    when=(Condition(key="setting", values=frozenset({"deny"})),),
)


@st.composite
def accepted(draw: st.DrawFn) -> Notice:
    """Give a notice that `check_notice` accepts: of generated rules, those are kept that it lets stand."""
    notice = draw(st.from_type(Notice))
    first = (_OPTED_OUT,) if draw(st.booleans()) else ()
    kept = replace(notice, rules=first)
    for rule in notice.rules:
        longer = replace(kept, rules=(*kept.rules, rule))
        try:
            check_notice(longer, "n.toml")
        except NoticeError:
            continue
        kept = longer
    return kept


subjects = st.from_type(Subject)
records = st.from_type(RecordFacts)
terms_of_licenses = st.from_type(Terms)
several = st.lists(st.one_of(subjects, subjects, subjects, st.none()), max_size=3)
_ATTRIBUTES = ("region", "age_band", "protection", "status", "setting", "setting_source")


@settings(max_examples=150, deadline=None)
@given(notice=accepted(), subject=subjects, record=records, terms=terms_of_licenses)
def test_an_opt_out_is_never_permitted_by_a_notice_that_was_accepted(
    notice: Notice, subject: Subject, record: RecordFacts, terms: Terms
) -> None:
    """Whatever the rules: once the setting is deny, or cannot be read, nothing of the member is permitted."""
    for setting in ("deny", "unknown", "Allow"):
        assert not decide([replace(subject, setting=setting)], record, terms, notice).permit


@settings(max_examples=100, deadline=None)
@given(notice=accepted(), pair=st.lists(subjects, min_size=2, max_size=2), record=records, terms=terms_of_licenses)
def test_adding_an_opt_out_of_either_subject_never_permits_more(
    notice: Notice, pair: list[Subject], record: RecordFacts, terms: Terms
) -> None:
    """A record about two members falls with the opt-out of either."""
    first, second = pair
    assert not decide([replace(first, setting="deny"), second], record, terms, notice).permit
    assert not decide([first, replace(second, setting="deny")], record, terms, notice).permit


@settings(max_examples=150, deadline=None)
@given(notice=accepted(), subject=subjects, record=records, terms=terms_of_licenses, setting=st.sampled_from(Choice))
def test_a_default_never_overrides_a_setting(
    notice: Notice, subject: Subject, record: RecordFacts, terms: Terms, setting: Choice
) -> None:
    """Of a member who chose, the decision is the same whatever the notice's default is."""
    chosen = replace(subject, setting=setting.value)
    decisions = {
        decide(
            [chosen],
            record,
            terms,
            replace(notice, purposes={key: replace(each, default=default) for key, each in notice.purposes.items()}),
        )
        for default in Choice
    }
    assert len(decisions) == 1


@settings(max_examples=150, deadline=None)
@given(
    notice=st.from_type(Notice),
    subject=subjects,
    record=records,
    terms=terms_of_licenses,
    attribute=st.sampled_from(_ATTRIBUTES),
)
def test_what_is_permitted_without_knowing_is_permitted_whatever_the_truth(
    notice: Notice, subject: Subject, record: RecordFacts, terms: Terms, attribute: str
) -> None:
    """Unknown never permits: it makes no difference to a permission, else it denies."""
    unaware = decide([_changed(subject, attribute, "unknown")], record, terms, notice)
    truths = KNOWN.get(attribute, frozenset({"US", "US-CA", "DE", "GB"}))
    aware = {decide([_changed(subject, attribute, each)], record, terms, notice) for each in truths}
    assert not unaware.permit or aware == {unaware}


def _changed(subject: Subject, attribute: str, value: str) -> Subject:
    change: dict[str, Any] = {attribute: value}
    return replace(subject, **change)


@given(notice=st.from_type(Notice), several=several, record=records, terms=terms_of_licenses)
def test_nothing_is_permitted_before_the_notice_takes_effect(
    notice: Notice, several: list[Subject | None], record: RecordFacts, terms: Terms
) -> None:
    """One microsecond early is too early."""
    early = replace(terms, at=min(terms.at, notice.effective.replace(microsecond=0)))
    assume(early.at < notice.effective)
    assert decide(several, record, early, notice) == Decision(permit=False, reason="notice_not_effective")


@given(notice=st.from_type(Notice) | st.none(), several=several, record=records, terms=terms_of_licenses)
def test_every_subject_must_be_known_and_permitted(
    notice: Notice | None, several: list[Subject | None], record: RecordFacts, terms: Terms
) -> None:
    """A record is permitted where it has subjects and each of them alone is permitted."""
    alone = [decide([subject], record, terms, notice).permit for subject in several]
    assert decide(several, record, terms, notice).permit == (bool(several) and all(alone))
    assert None not in several or not decide(several, record, terms, notice).permit


@settings(max_examples=150, deadline=None)
@given(notice=st.from_type(Notice) | st.none(), several=several, record=records, terms=terms_of_licenses)
def test_an_explanation_agrees_with_the_decision(
    notice: Notice | None, several: list[Subject | None], record: RecordFacts, terms: Terms
) -> None:
    """The trace ends in the rule that decided, and says the same as `decide`."""
    explanation = explain(several, record, terms, notice)
    assert explanation.decision == decide(several, record, terms, notice)
    for trace in explanation.subjects:
        assert all(tried.truth is False for tried in trace.rules[:-1])
        if trace.rules and trace.rules[-1].truth:
            assert trace.rules[-1].rule.code == trace.decision.reason
    if explanation.decision.permit:
        assert len(explanation.subjects) == len(several)


@settings(max_examples=150, deadline=None)
@given(notice=st.from_type(Notice) | st.none(), subject=subjects | st.none(), record=records, terms=terms_of_licenses)
def test_a_residual_decides_what_the_whole_notice_decides(
    notice: Notice | None, subject: Subject | None, record: RecordFacts, terms: Terms
) -> None:
    """Partial evaluation and a record give the decision of the whole, reason included."""
    standing = replace(record, deleted=False)
    steps = residual(subject, terms, notice, record.table)
    assert conclude(steps, standing, terms) == decide([subject], standing, terms, notice)


@settings(max_examples=150, deadline=None)
@given(
    notice=st.from_type(Notice) | accepted(),
    before=subjects | st.none(),
    after=subjects | st.none(),
    terms=terms_of_licenses,
    table=st.sampled_from(sorted(KNOWN["table"])),
    lake=st.lists(records, max_size=20),
)
def test_where_nothing_is_withdrawn_whatever_was_permitted_stays_permitted(
    notice: Notice, before: Subject | None, after: Subject | None, terms: Terms, table: str, lake: list[RecordFacts]
) -> None:
    """Recall may leave a member's rows alone exactly when no record of theirs falls."""
    fallen = [
        record
        for record in (replace(each, table=table) for each in lake)
        if decide([before], record, terms, notice).permit and not decide([after], record, terms, notice).permit
    ]
    assert not fallen or withdrawn(before, after, terms, notice, table)
    assert not withdrawn(before, before, terms, notice, table)
