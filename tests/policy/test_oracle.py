"""Cedar, an engine that is not ours, decides the ready-made notices alike."""

from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.policy.decide import RecordFacts, Subject, Terms, decide
from licet.policy.notice import Notice

_EUROPE = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IS IE IT LV LI LT LU MT NL NO PL PT RO SK SI ES SE GB CH"
_BASE = """
forbid (principal, action, resource) when { context.at < context.effective };
forbid (principal, action, resource) unless { resource.deleted == "no" };
forbid (principal, action, resource) unless { ["posts", "likes", "bookmarks", "reposts"].contains(resource.table) };
forbid (principal, action, resource) unless {
  principal.known && principal.age_band == "adult" && principal.protection == "open" && principal.status == "active"
};
forbid (principal, action, resource) when { resource.table == "posts" && resource.visibility != "public" };
"""
# Written by hand from what the notices say in words, not derived from our rules.
_X = (
    _BASE
    + """
permit (principal, action, resource) when {
  ["allow", "none"].contains(principal.setting) &&
  ((context.purpose == "third_party_training" && context.channel == "third_party") ||
   (context.purpose == "first_party_training" && context.channel == "first_party"))
};
forbid (principal, action, resource) when { context.purpose == "first_party_training" } unless {
  principal.country_known && !context.europe.contains(principal.country)
};
"""
)
_STRICT = (
    _BASE
    + """
permit (principal, action, resource) when {
  principal.setting == "allow" && ["third_party_training", "first_party_training"].contains(context.purpose)
};
"""
)
_OURS = {"x-2024-11-15": _X, "strict-opt-in": _STRICT}
_WELL_FORMED = {"US", "DE", "GB", "CH", "US-CA", "US-TX", "DE-BY"}


def _request(subject: Subject | None, record: RecordFacts, terms: Terms, notice: Notice) -> tuple[Any, Any]:
    known = subject is not None
    names = ("age_band", "protection", "status", "setting")
    facts = {name: str(getattr(subject, name, "")) for name in names}
    region = subject.region if subject else ""
    place = {"known": known, "country": str(region)[:2], "country_known": region in _WELL_FORMED}
    entities = [
        {"uid": {"type": "Member", "id": "m"}, "attrs": {**facts, **place}, "parents": []},
        {
            "uid": {"type": "Record", "id": "r"},
            "attrs": {
                "table": record.table,
                "visibility": str(record.visibility),
                "deleted": {True: "yes", False: "no", None: "?"}[record.deleted],
            },
            "parents": [],
        },
    ]
    context = {
        "at": int(terms.at.timestamp() * 1_000_000),
        "effective": int(notice.effective.timestamp() * 1_000_000),
        "purpose": terms.purpose,
        "channel": terms.channel,
        "europe": _EUROPE.split(),
    }
    request = {"principal": 'Member::"m"', "action": 'Action::"share"', "resource": 'Record::"r"', "context": context}
    return request, entities


@settings(max_examples=400, deadline=None)
@given(
    subject=st.one_of(st.from_type(Subject), st.from_type(Subject), st.from_type(Subject), st.none()),
    record=st.from_type(RecordFacts),
    terms=st.from_type(Terms),
)
def test_cedar_decides_alike(ready_made: Notice, subject: Subject | None, record: RecordFacts, terms: Terms) -> None:
    """Permit where Cedar permits, and only there, for members and records of every kind."""
    request, entities = _request(subject, record, terms, ready_made)
    answer = cedarpy.is_authorized(request, _OURS[ready_made.version], entities)
    assert answer.diagnostics.errors == []
    assert decide([subject], record, terms, ready_made).permit == answer.allowed


@pytest.mark.parametrize("setting", ["allow", "none", "deny"])
def test_cedar_permits_some_of_the_requests(ready_made: Notice, setting: str) -> None:
    """The oracle is not one that always denies: an ordinary member's public post, by setting."""
    subject = Subject(
        region="US", age_band="adult", protection="open", status="active", setting=setting, setting_source="member"
    )
    record = RecordFacts(table="posts", visibility="public", created_at=ready_made.effective)
    terms = Terms(purpose="third_party_training", channel="third_party", recipient_id="a", at=ready_made.effective)
    request, entities = _request(subject, record, terms, ready_made)
    expected = setting == "allow" or (setting == "none" and ready_made.version.startswith("x-"))
    assert cedarpy.is_authorized(request, _OURS[ready_made.version], entities).allowed is expected
    assert decide([subject], record, terms, ready_made).permit is expected
