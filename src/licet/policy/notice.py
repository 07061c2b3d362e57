"""Read a notice from its TOML text, and name it by a digest."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from licet.model.errors import NoticeError
from licet.model.members import Choice
from licet.policy.checks import check_notice
from licet.policy.reader import Reader
from licet.policy.reasons import REASONS
from licet.policy.rules import Condition, Deadline, Effect, Notice, Purpose, Rule, Unit
from licet.policy.vocabulary import ATTRIBUTE_OF, COUNTRIES, KNOWN, NO_SETTING, country_of

__all__ = ["Condition", "Deadline", "Effect", "Notice", "Purpose", "Rule", "Unit", "digest", "parse_notice"]

_LONGEST_DAYS: Final = 36_500
_TOP_KEYS: Final = frozenset(
    {"version", "title", "published", "settings_open", "effective", "text", "purposes", "regions", "rules", "deadlines"}
)


def parse_notice(toml_text: str, name: str) -> Notice:
    """Read a notice; `name` is the file's name, for errors.

    Raises:
        NoticeError: names the file, the key's path, what was expected, and the remedy.
    """
    try:
        table = tomllib.loads(toml_text)
    except tomllib.TOMLDecodeError as error:
        raise NoticeError(f"{name}: not valid TOML: {error}", "correct the file at that place") from error
    top = Reader(name=name, path="", table=table)
    top.only(_TOP_KEYS)
    regions = _regions(top)
    purposes = _purposes(top)
    notice = Notice(
        version=top.word("version"),
        title=top.text("title"),
        text=top.text("text"),
        published=top.instant("published"),
        settings_open=top.instant("settings_open"),
        effective=top.instant("effective"),
        purposes=purposes,
        regions=regions,
        rules=tuple(_rule(each, regions, purposes) for each in top.tables("rules")),
        deadlines=tuple(_deadline(each, regions) for each in top.tables("deadlines", at_least=0)),
    )
    check_notice(notice, name)
    return notice


def digest(notice: Notice) -> str:
    """Give the SHA-256 (hex) of a canonical form: equal notices, however their files are laid out, have one digest."""
    canonical = {
        "version": notice.version,
        "title": notice.title,
        "text": notice.text,
        "published": _utc(notice.published),
        "settings_open": _utc(notice.settings_open),
        "effective": _utc(notice.effective),
        "purposes": {
            key: {"default": each.default.value, "gpc": each.gpc, "on": each.on, "off": each.off}
            for key, each in notice.purposes.items()
        },
        "regions": {key: sorted(codes) for key, codes in notice.regions.items()},
        "rules": [_canonical_rule(rule) for rule in notice.rules],
        "deadlines": [
            {"what": each.what, "amount": each.amount, "unit": each.unit.value, "regions": sorted(each.regions)}
            for each in notice.deadlines
        ],
    }
    text = json.dumps(canonical, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical_rule(rule: Rule) -> dict[str, object]:
    when = [
        {
            "key": each.key,
            "values": sorted(each.values),
            "instant": _utc(each.instant) if each.instant else None,
            "days": each.days,
        }
        for each in rule.when
    ]
    return {"code": rule.code, "effect": rule.effect.value, "sentence": rule.sentence, "law": rule.law, "when": when}


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _regions(top: Reader) -> dict[str, frozenset[str]]:
    groups = top.table_of("regions") if "regions" in top.table else Reader(name=top.name, path="regions", table={})
    regions: dict[str, frozenset[str]] = {}
    for key in groups.table:
        if key != key.lower() or not key.replace("_", "").isalnum():
            raise groups.error(key, "expected a group name in lower case", "write it like `europe` or `us_opt_in`")
        regions[key] = _codes(groups, key, {})
    return regions


def _codes(reader: Reader, key: str, groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Read region codes and group names as the codes that they stand for."""
    codes: set[str] = set()
    for item in reader.words(key):
        if item in groups:
            codes |= groups[item]
        elif _is_code(item):
            codes.add(item)
        else:
            expected = "an ISO 3166 code (`US`, `US-CA`)" + (
                " or a group of [regions]" if reader.path != "regions" else ""
            )
            raise reader.error(key, f"expected {expected}, found {item!r}", "correct it, or add the group to [regions]")
    return frozenset(codes)


def _is_code(item: str) -> bool:
    rest = item[3:]
    part = rest.isascii() and rest.isalnum() and rest.upper() == rest and len(rest) <= 3  # noqa: PLR2004 (ISO 3166-2)
    return item in COUNTRIES or (country_of(item) is not None and part)


def _purposes(top: Reader) -> dict[str, Purpose]:
    purposes: dict[str, Purpose] = {}
    named = top.table_of("purposes")
    for key in named.table:
        named.check_word(key, key)
        each = named.table_of(key)
        each.only({"default", "gpc", "on", "off"})
        purposes[key] = Purpose(
            name=key,
            default=Choice(each.one_of("default", KNOWN["default"])),
            gpc=each.boolean("gpc"),
            on=each.text("on"),
            off=each.text("off"),
        )
    if not purposes:
        raise top.error(
            "purposes", "expected at least one purpose", "add a table such as [purposes.third_party_training]"
        )
    return purposes


def _rule(reader: Reader, regions: Mapping[str, frozenset[str]], purposes: Mapping[str, Purpose]) -> Rule:
    reader.only({"code", "effect", "sentence", "law", "when"})
    code = reader.word("code")
    if code in REASONS:
        raise reader.error("code", f"{code!r} is a built-in reason", "choose another code")
    when = reader.table_of("when") if "when" in reader.table else Reader(name=reader.name, path="when", table={})
    when.only(ATTRIBUTE_OF)
    return Rule(
        code=code,
        effect=Effect(reader.one_of("effect", {each.value for each in Effect})),
        sentence=reader.text("sentence"),
        law=reader.text("law"),
        # Sorted, so that the order of keys inside a table, which TOML gives no meaning, has none here either.
        when=tuple(_condition(when, key, regions, purposes) for key in sorted(when.table)),
    )


def _condition(
    when: Reader, key: str, regions: Mapping[str, frozenset[str]], purposes: Mapping[str, Purpose]
) -> Condition:
    if key in {"created_before", "created_from"}:
        return Condition(key=key, instant=when.instant(key))
    if key == "shown_days_at_least":
        return Condition(key=key, days=when.integer(key, _LONGEST_DAYS))
    if key == "region":
        return Condition(key=key, values=_codes(when, key, regions))
    words = when.words(key)
    allowed = purposes.keys() if key == "purpose" else KNOWN.get(key)
    for word in words:
        if not word or (allowed is not None and word not in allowed):
            listed = ", ".join(sorted(item for item in allowed or ["a name"] if item))
            raise when.error(key, f"expected one of: {listed}; found {word!r}", "correct the value")
    # A member who chose nothing has the source `none`, or an empty one.
    more = {""} if key == "setting_source" and NO_SETTING in words else set()
    return Condition(key=key, values=frozenset(words) | more)


def _deadline(reader: Reader, regions: Mapping[str, frozenset[str]]) -> Deadline:
    reader.only({"what", "amount", "unit", "regions"})
    return Deadline(
        what=reader.word("what"),
        amount=reader.integer("amount", _LONGEST_DAYS),
        unit=Unit(reader.one_of("unit", {each.value for each in Unit})),
        regions=_codes(reader, "regions", regions) if "regions" in reader.table else frozenset(),
    )
