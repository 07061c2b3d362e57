"""What a change of a member's facts can take away."""

from dataclasses import replace
from datetime import UTC, datetime

from licet.policy.decide import Subject, Terms
from licet.policy.notice import Condition, Effect, Notice, Rule
from licet.policy.residual import residual, withdrawn

_MEMBER = Subject(
    region="US", age_band="adult", protection="open", status="active", setting="none", setting_source="none"
)
_TERMS = Terms(
    purpose="third_party_training", channel="third_party", recipient_id="acme", at=datetime(2025, 1, 1, tzinfo=UTC)
)


def test_an_opt_out_withdraws(x_notice: Notice) -> None:
    """It is the cause of every recall."""
    assert withdrawn(_MEMBER, replace(_MEMBER, setting="deny"), _TERMS, x_notice, "posts")


def test_an_account_that_becomes_protected_unknown_or_closed_withdraws(x_notice: Notice) -> None:
    """Each of these takes rows away, an account that nobody knows any more included."""
    for after in (
        replace(_MEMBER, protection="protected"),
        replace(_MEMBER, age_band="unknown"),
        replace(_MEMBER, status="deleted"),
        None,
    ):
        assert withdrawn(_MEMBER, after, _TERMS, x_notice, "likes")


def test_an_explicit_allow_in_place_of_the_default_withdraws_nothing(x_notice: Notice) -> None:
    """The reason changes, the permission does not: no recall."""
    allowed = replace(_MEMBER, setting="allow")
    assert residual(_MEMBER, _TERMS, x_notice, "posts") != residual(allowed, _TERMS, x_notice, "posts")
    assert not withdrawn(_MEMBER, allowed, _TERMS, x_notice, "posts")


def test_moving_to_europe_matters_only_where_a_rule_looks_at_it(x_notice: Notice) -> None:
    """Europe is halted for first-party training, and for nothing else."""
    moved = replace(_MEMBER, region="DE")
    assert not withdrawn(_MEMBER, moved, _TERMS, x_notice, "posts")
    first = replace(_TERMS, purpose="first_party_training", channel="first_party")
    assert withdrawn(_MEMBER, moved, first, x_notice, "posts")
    assert not withdrawn(moved, _MEMBER, first, x_notice, "posts")


def test_a_single_microsecond_of_records_is_enough_to_withdraw(x_notice: Notice) -> None:
    """Only what was made before an instant is denied in one region: a move there withdraws from posts before it."""
    instant = datetime(2024, 8, 1, tzinfo=UTC)
    halted = Rule(
        code="window",
        effect=Effect.DENY,
        sentence="A window.",
        law="None",
        when=(
            Condition(key="region", values=frozenset({"DE"})),
            Condition(key="created_from", instant=instant.replace(year=2023)),
            Condition(key="created_before", instant=instant.replace(year=2023, microsecond=1)),
        ),
    )
    notice = replace(x_notice, rules=(halted, *x_notice.rules))
    assert withdrawn(_MEMBER, replace(_MEMBER, region="DE"), _TERMS, notice, "posts")
    assert not withdrawn(_MEMBER, replace(_MEMBER, region="FR"), _TERMS, notice, "posts")
