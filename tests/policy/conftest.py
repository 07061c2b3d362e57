"""Strategies for the nouns of policy, registered so that `st.from_type(Notice)` makes notices of every shape."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import licet.policy
from licet.model.members import Choice
from licet.policy.decide import RecordFacts, Subject, Terms
from licet.policy.notice import Condition, Deadline, Effect, Notice, Purpose, Rule, Unit, parse_notice
from licet.policy.vocabulary import ATTRIBUTE_OF, KNOWN

NOTICES = Path(licet.policy.__file__).parent / "notices"
EFFECTIVE = datetime(2024, 11, 15, tzinfo=UTC)
INSTANTS = tuple(
    EFFECTIVE + timedelta(days=days, microseconds=tick) for days in (-30, 0, 30, 60) for tick in (-1, 0, 1)
)
REGIONS = ("US", "US-CA", "US-TX", "DE", "DE-BY", "GB", "CH")
PURPOSES = ("third_party_training", "first_party_training")
ODD = ("unknown", "", "UK", "USA", "us", "Adult", "it's", "é-", "US-")

instants = st.sampled_from(INSTANTS)


def _condition(key: str) -> st.SearchStrategy[Condition]:
    if key in {"created_before", "created_from"}:
        return st.builds(Condition, key=st.just(key), instant=instants)
    if key == "shown_days_at_least":
        return st.builds(Condition, key=st.just(key), days=st.sampled_from((0, 30, 60)))
    closed = {"region": REGIONS, "purpose": PURPOSES, "recipient": ("acme", "it's")}
    words = sorted(closed.get(key) or KNOWN[key])
    return st.builds(Condition, key=st.just(key), values=st.frozensets(st.sampled_from(words), min_size=1))


def _rule(place: int) -> st.SearchStrategy[Rule]:
    keys = st.lists(st.sampled_from(sorted(ATTRIBUTE_OF)), unique=True, max_size=4)
    return st.builds(
        Rule,
        code=st.just(f"rule_{place}"),
        effect=st.sampled_from(Effect),
        sentence=st.just("Because."),
        law=st.just("None"),
        when=keys.flatmap(lambda chosen: st.tuples(*map(_condition, chosen))),
    )


def _purpose(name: str) -> st.SearchStrategy[Purpose]:
    gpc = st.booleans()
    return st.builds(
        Purpose, name=st.just(name), default=st.sampled_from(Choice), gpc=gpc, on=st.just("+"), off=st.just("-")
    )


notices = st.builds(
    Notice,
    version=st.just("v1"),
    title=st.just("A notice"),
    text=st.just("Words."),
    published=st.just(INSTANTS[0]),
    settings_open=st.just(INSTANTS[0]),
    effective=st.sampled_from((EFFECTIVE, INSTANTS[0], INSTANTS[-1])),
    purposes=st.fixed_dictionaries({PURPOSES[0]: _purpose(PURPOSES[0])}, optional={PURPOSES[1]: _purpose(PURPOSES[1])}),
    regions=st.just({}),
    rules=st.integers(0, 7).flatmap(lambda count: st.tuples(*map(_rule, range(count)))),
    deadlines=st.just(()),
)


def _value(known: Iterable[str], rare: tuple[str | None, ...] = (*ODD, None)) -> st.SearchStrategy[Any]:
    """Give mostly known values, and now and then one that nothing can be made of."""
    usual = st.sampled_from(sorted(known))
    return st.one_of(usual, usual, usual, st.sampled_from(rare))


subjects = st.builds(
    Subject,
    region=_value(REGIONS),
    age_band=_value(KNOWN["age_band"]),
    protection=_value(KNOWN["protection"]),
    status=_value(KNOWN["status"]),
    setting=_value(KNOWN["setting"]),
    setting_source=_value(KNOWN["setting_source"]),
    shown_at=st.none() | instants,
)
records = st.builds(
    RecordFacts,
    table=_value(KNOWN["table"], ("unknown",)),
    visibility=_value(KNOWN["visibility"]),
    created_at=st.one_of(instants, instants, st.none()),
    deleted=st.sampled_from((False, False, False, False, True, None)),
)
terms = st.builds(
    Terms,
    purpose=st.sampled_from((*PURPOSES, *PURPOSES, "unheard_of")),
    channel=_value(KNOWN["channel"], ("unknown", "")),
    recipient_id=st.sampled_from(("acme", "it's", "other", "")),
    at=instants,
)
deadlines = st.builds(
    Deadline,
    what=st.just("recall"),
    amount=st.integers(0, 60),
    unit=st.sampled_from(Unit),
    regions=st.frozensets(st.sampled_from(REGIONS)),
)

for kind, strategy in (
    (Notice, notices),
    (Subject, subjects),
    (RecordFacts, records),
    (Terms, terms),
    (Deadline, deadlines),
):
    st.register_type_strategy(kind, strategy)


def ready_made_text(version: str) -> str:
    """Read the file of a notice that ships with the package."""
    return (NOTICES / f"{version}.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session", params=["x-2024-11-15", "strict-opt-in"])
def ready_made(request: pytest.FixtureRequest) -> Notice:
    """Give each notice that ships with the package."""
    return parse_notice(ready_made_text(request.param), f"{request.param}.toml")


@pytest.fixture(scope="session")
def x_notice() -> Notice:
    """Give the opt-out notice that ships with the package."""
    return parse_notice(ready_made_text("x-2024-11-15"), "x-2024-11-15.toml")


@pytest.fixture(scope="session")
def strict_notice() -> Notice:
    """Give the opt-in notice that ships with the package."""
    return parse_notice(ready_made_text("strict-opt-in"), "strict-opt-in.toml")
