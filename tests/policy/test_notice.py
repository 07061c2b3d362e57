"""A notice is read exactly, or refused with file, key, expectation and remedy."""

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import licet.policy
from licet.model.errors import NoticeError
from licet.policy.notice import Notice, digest, parse_notice

_TEXT = (Path(licet.policy.__file__).parent / "notices" / "x-2024-11-15.toml").read_text(encoding="utf-8")


def _toml(value: Any) -> str:  # noqa: ANN401 (whatever TOML holds)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in reversed(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return value.isoformat() + "T02:00:00+02:00" if isinstance(value, date) else json.dumps(value)


def test_the_digest_does_not_depend_on_the_layout_of_the_file(x_notice: Notice) -> None:
    """Inline tables, reversed keys and another offset of the same instant: one notice, one digest."""
    table = tomllib.loads(_TEXT)
    other = "\n".join(f"{key} = {_toml(value)}" for key, value in reversed(table.items()))
    again = parse_notice(other, "other.toml")
    assert again == x_notice
    assert digest(again) == digest(x_notice)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "Sharing', 'title = "Giving'),
        ("gpc = true", "gpc = false"),
        ("amount = 72", "amount = 71"),
        ('"GB", ', ""),
        ("effective = 2024-11-15", "effective = 2024-11-16"),
        ('law = "GDPR Art. 17"', 'law = "GDPR Art. 18"'),
    ],
)
def test_the_digest_changes_with_anything_that_the_notice_says(x_notice: Notice, old: str, new: str) -> None:
    """A changed word is another notice."""
    assert old in _TEXT
    assert digest(parse_notice(_TEXT.replace(old, new, 1), "n.toml")) != digest(x_notice)


def test_the_opt_out_opens_before_the_notice_takes_effect(x_notice: Notice) -> None:
    """That is what the notice promises, to the day."""
    assert x_notice.published == x_notice.settings_open == datetime(2024, 10, 16, tzinfo=UTC)
    assert x_notice.effective == datetime(2024, 11, 15, tzinfo=UTC)
    assert len(x_notice.regions["europe"]) == 27 + 3 + 2


def _rule(code: str, effect: str, when: str) -> str:
    return f'[[rules]]\ncode = "{code}"\neffect = "{effect}"\nsentence = "S."\nlaw = "L."\nwhen = {{ {when} }}\n\n'


def _first(extra: str) -> str:
    """Put a rule before every other."""
    return _TEXT.replace("[[rules]]", extra + "[[rules]]", 1)


def _last(extra: str) -> str:
    """Put a rule after every other."""
    return _TEXT.replace("[[deadlines]]", extra + "[[deadlines]]", 1)


_REFUSED = {
    "not TOML": ("version = ", "not valid TOML"),
    "key twice": (_TEXT.replace("title =", 'version = "a"\ntitle =', 1), "not valid TOML"),
    "unknown key": ("effectiv = 2024-01-01\n" + _TEXT, "effectiv: unknown key"),
    "missing key": (_TEXT.replace("settings_open = 2024-10-16\n", ""), "settings_open: missing"),
    "text for a date": (_TEXT.replace("published = 2024-10-16", 'published = "soon"'), "published: expected a date"),
    "local time": (_TEXT.replace("published = 2024-10-16", "published = 2024-10-16T00:00:00"), "expected an offset"),
    "effective early": (_TEXT.replace("effective = 2024-11-15", "effective = 2024-10-15"), "effective: expected"),
    "settings late": (_TEXT.replace("settings_open = 2024-10-16", "settings_open = 2025-01-01"), "settings_open: exp"),
    "bad default": (_TEXT.replace('default = "allow"', 'default = "maybe"', 1), "training.default: expected one of"),
    "gpc as text": (_TEXT.replace("gpc = true", 'gpc = "yes"', 1), "training.gpc: expected true or false"),
    "bad effect": (_TEXT.replace('effect = "deny"', 'effect = "forbid"', 1), "rules[1].effect: expected one of"),
    "unknown condition": (_first(_rule("a", "deny", "age = 12")), "rules[1].when.age: unknown key"),
    "unknown value": (_first(_rule("a", "deny", 'age_band = "teen"')), "when.age_band: expected one of: adult, minor"),
    "unknown group": (_first(_rule("a", "deny", 'region = "asia"')), "rules[1].when.region: expected an ISO 3166"),
    "no ISO code": (_first(_rule("a", "deny", 'region = "UK"')), "rules[1].when.region: expected an ISO 3166"),
    "unknown purpose": (_first(_rule("a", "deny", 'purpose = "ads"')), "rules[1].when.purpose: expected one of"),
    "empty list": (_first(_rule("a", "deny", "status = []")), "when.status: expected a text or a list"),
    "value twice": (_first(_rule("a", "deny", 'status = ["active", "active"]')), "a value is there twice"),
    "negative days": (_first(_rule("a", "deny", "shown_days_at_least = -1")), "expected a whole number"),
    "code twice": (_first(_rule("minor", "deny", 'table = "likes"')), "another rule has this code"),
    "built-in code": (_first(_rule("no_rule", "deny", 'table = "likes"')), "is a built-in reason"),
    "after everything": (_first(_rule("a", "deny", "")), "never reached: a decides"),
    "after a wider": (_last(_rule("a", "deny", 'status = "deleted", region = "US"')), "never reached: account_not"),
    "opt-out overridden": (_first(_rule("a", "permit", 'region = "US"')), "permits members who opted out"),
    "opt-out as a ground": (_last(_rule("a", "permit", 'setting = ["deny", "none"], table = "likes"')), ""),
    "default over a setting": (_first(_rule("a", "deny", 'default = "deny"')), "speaks only for members without"),
    "bad unit": (_TEXT.replace('unit = "days"', 'unit = "weeks"'), "deadlines[1].unit: expected one of"),
    "bad amount": (_TEXT.replace("amount = 30", "amount = true"), "deadlines[1].amount: expected a whole number"),
}


@pytest.mark.parametrize("case", [name for name in _REFUSED if name != "opt-out as a ground"])
def test_a_malformed_notice_is_refused_precisely(case: str) -> None:
    """The error names the file, the key's path and what was expected, and says what to do."""
    text, expected = _REFUSED[case]
    with pytest.raises(NoticeError) as caught:
        parse_notice(text, "draft.toml")
    assert caught.value.message.startswith("draft.toml: ")
    assert expected in caught.value.message
    assert caught.value.remedy


def test_a_permission_after_the_denial_of_opt_outs_may_leave_the_setting_open() -> None:
    """The earlier rule already denies whoever opted out."""
    text, _ = _REFUSED["opt-out as a ground"]
    assert parse_notice(text, "draft.toml").rules[-1].code == "a"


def test_subdivisions_and_groups_mix() -> None:
    """A list of regions may name groups, countries and parts of countries."""
    notice = parse_notice(
        _first(_rule("a", "deny", 'table = "likes", region = ["europe", "US-CA", "BR"]')), "draft.toml"
    )
    assert {"US-CA", "BR", "IE"} <= next(each.values for each in notice.rules[0].when if each.key == "region")
