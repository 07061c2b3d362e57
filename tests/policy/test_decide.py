"""What the ready-made notices permit, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from licet.policy.decide import RecordFacts, Subject, Terms, decide, explain
from licet.policy.notice import Condition, Effect, Notice, Rule
from licet.policy.reasons import REASONS, unknown
from licet.policy.vocabulary import ATTRIBUTE_OF

_MEMBER = Subject(
    region="US", age_band="adult", protection="open", status="active", setting="none", setting_source="none"
)
_POST = RecordFacts(table="posts", visibility="public", created_at=datetime(2024, 1, 1, tzinfo=UTC))
_TERMS = Terms(
    purpose="third_party_training", channel="third_party", recipient_id="acme", at=datetime(2025, 1, 1, tzinfo=UTC)
)
_FIRST = replace(_TERMS, purpose="first_party_training", channel="first_party")


@pytest.mark.parametrize("table", ["posts", "likes", "bookmarks", "reposts"])
def test_members_are_in_unless_they_opt_out(x_notice: Notice, table: str) -> None:
    """The default permits, an opt-out denies, whatever it came from."""
    record = replace(_POST, table=table)
    assert decide([_MEMBER, _MEMBER], record, _TERMS, x_notice).reason == "third_party_default"
    for source in ("member", "gpc", "platform"):
        out = replace(_MEMBER, setting="deny", setting_source=source)
        assert decide([_MEMBER, out], record, _TERMS, x_notice).reason == "opted_out"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age_band": "minor"}, "minor"),
        ({"age_band": "unknown"}, "unknown_age_band"),
        ({"age_band": "teen"}, "unknown_age_band"),
        ({"protection": "protected"}, "protected_account"),
        ({"protection": "unknown"}, "unknown_protection"),
        ({"status": "deactivated"}, "account_not_active"),
        ({"status": "suspended"}, "account_not_active"),
        ({"status": "deleted"}, "account_not_active"),
        ({"status": ""}, "unknown_status"),
        ({"setting": "unknown"}, "unknown_setting"),
    ],
)
def test_members_who_are_out_stay_out_even_if_they_allow(
    ready_made: Notice, change: dict[str, Any], reason: str
) -> None:
    """No setting opens what age, protection or status close."""
    member = replace(replace(_MEMBER, setting="allow"), **change)
    assert decide([member], _POST, _TERMS, ready_made).reason == reason


@pytest.mark.parametrize("visibility", ["unlisted", "followers", "private"])
def test_what_is_not_public_is_out(ready_made: Notice, visibility: str) -> None:
    """Unlisted is not public either."""
    member = replace(_MEMBER, setting="allow")
    assert decide([member], replace(_POST, visibility=visibility), _TERMS, ready_made).reason == "not_public"
    assert decide([member], replace(_POST, visibility="?"), _TERMS, ready_made).reason == "unknown_visibility"


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ("DE", "halted_in_europe"),
        ("NO", "halted_in_europe"),
        ("GB", "halted_in_europe"),
        ("GB-SCT", "halted_in_europe"),
        ("CH", "halted_in_europe"),
        ("UK", "unknown_region"),
        ("de", "unknown_region"),
        ("unknown", "unknown_region"),
        ("US-CA", "first_party_default"),
    ],
)
def test_first_party_training_is_halted_in_europe(x_notice: Notice, region: str, reason: str) -> None:
    """A region that is spelled wrong is unknown: it does not slip past the halt."""
    assert decide([replace(_MEMBER, region=region)], _POST, _FIRST, x_notice).reason == reason


def test_a_purpose_goes_through_its_own_channel_only(x_notice: Notice) -> None:
    """A third party does not get data under the purpose of our own training, nor the reverse."""
    for terms in (replace(_TERMS, channel="first_party"), replace(_FIRST, channel="third_party")):
        assert decide([_MEMBER], _POST, terms, x_notice).reason == "no_rule"
    assert decide([_MEMBER], _POST, replace(_TERMS, channel="?"), x_notice).reason == "unknown_channel"


def test_strict_opt_in_permits_only_an_explicit_allow(strict_notice: Notice) -> None:
    """Silence is a no."""
    assert decide([_MEMBER], _POST, _TERMS, strict_notice).reason == "not_asked"
    assert decide([replace(_MEMBER, setting="deny")], _POST, _TERMS, strict_notice).reason == "opted_out"
    assert decide([replace(_MEMBER, setting="allow")], _POST, _TERMS, strict_notice).permit


def test_a_notice_binds_from_the_instant_it_takes_effect(x_notice: Notice) -> None:
    """Not a microsecond earlier, although settings were open."""
    early = replace(_TERMS, at=x_notice.effective - timedelta(microseconds=1))
    assert decide([_MEMBER], _POST, early, x_notice).reason == "notice_not_effective"
    assert decide([_MEMBER], _POST, replace(_TERMS, at=x_notice.effective), x_notice).permit
    assert x_notice.settings_open < x_notice.effective


def test_built_in_reasons(x_notice: Notice) -> None:
    """Whatever is missing denies, with a reason of its own."""
    assert decide([_MEMBER], _POST, _TERMS, None).reason == "no_notice"
    assert decide([], _POST, _TERMS, x_notice).reason == "unknown_member"
    assert decide([None], _POST, _TERMS, x_notice).reason == "unknown_member"
    assert decide([_MEMBER], replace(_POST, deleted=True), _TERMS, x_notice).reason == "deleted"
    assert decide([_MEMBER], replace(_POST, deleted=None), _TERMS, x_notice).reason == "unknown_deleted"
    assert decide([_MEMBER], replace(_POST, table="polls"), _TERMS, x_notice).reason == "unknown_table"
    assert decide([_MEMBER], _POST, replace(_TERMS, purpose="ads"), x_notice).reason == "purpose_not_in_notice"


def _with(notice: Notice, *conditions: Condition) -> Notice:
    rule = Rule(code="asked", effect=Effect.PERMIT, sentence="Yes.", law="None", when=conditions)
    return replace(notice, rules=(rule,))


def test_a_member_known_by_country_alone_may_live_in_the_listed_part(x_notice: Notice) -> None:
    """`US` against `US-CA` is unknown; another state is not California."""
    notice = _with(x_notice, Condition(key="region", values=frozenset({"US-CA"})))
    reasons = {
        region: decide([replace(_MEMBER, region=region)], _POST, _TERMS, notice).reason
        for region in ("US-CA", "US-TX", "US", "FR")
    }
    assert reasons == {"US-CA": "asked", "US-TX": "no_rule", "US": "unknown_region", "FR": "no_rule"}


def test_a_notice_counts_as_shown_after_whole_days(x_notice: Notice) -> None:
    """Thirty days to the microsecond; never shown is unknown, and so is a time without a zone."""
    notice = _with(x_notice, Condition(key="shown_days_at_least", days=30))
    edge = _TERMS.at - timedelta(days=30)
    shown = [edge, edge + timedelta(microseconds=1), None, edge.replace(tzinfo=None)]
    reasons = [decide([replace(_MEMBER, shown_at=each)], _POST, _TERMS, notice).reason for each in shown]
    assert reasons == ["asked", "no_rule", "unknown_shown_at", "unknown_shown_at"]


def test_every_attribute_has_a_sentence_for_its_absence() -> None:
    """A member never reads a bare code."""
    assert {unknown(attribute) for attribute in ATTRIBUTE_OF.values()} <= REASONS.keys()


def test_an_explanation_shows_what_was_seen(x_notice: Notice) -> None:
    """Each rule tried, each condition, the value it saw, and its truth."""
    explanation = explain([_MEMBER, replace(_MEMBER, region="XX")], _POST, _FIRST, x_notice)
    assert explanation.decision.reason == "unknown_region"
    first, second = explanation.subjects
    assert first.rules[-1].rule.code == "first_party_default"
    (halted,) = second.rules
    assert halted.truth is None
    assert [(item.condition.key, item.seen, item.truth) for item in halted.conditions] == [
        ("purpose", "first_party_training", True),
        ("region", "XX", None),
    ]
