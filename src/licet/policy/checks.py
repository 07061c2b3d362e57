"""Refuse a notice whose parts contradict each other, or whose rules would override a member's own choice."""

from collections.abc import Sequence

from licet.model.errors import NoticeError
from licet.model.members import Choice
from licet.policy.rules import Condition, Effect, Notice, Rule
from licet.policy.vocabulary import NO_SETTING

_DENIED = frozenset({Choice.DENY.value})


def check_notice(notice: Notice, name: str) -> None:
    """Check the order of dates, the codes, and every rule against those before it.

    Raises:
        NoticeError: names the file, the key's path, what was expected, and the remedy.
    """
    _check_dates(notice, name)
    codes = [rule.code for rule in notice.rules]
    for place, rule in enumerate(notice.rules):
        where = f"{name}: rules[{place + 1}] ({rule.code})"
        if rule.code in codes[:place]:
            raise NoticeError(f"{where}: another rule has this code", "give each rule its own code")
        _check_reachable(rule, notice.rules[:place], where)
        _check_default(rule, where)
        _check_opt_out(rule, notice.rules[:place], where)


def _check_dates(notice: Notice, name: str) -> None:
    if notice.effective < notice.published:
        raise NoticeError(
            f"{name}: effective: expected a date on or after published ({notice.published.date()})",
            "a notice takes effect after it was published",
        )
    if notice.settings_open > notice.effective:
        raise NoticeError(
            f"{name}: settings_open: expected a date on or before effective ({notice.effective.date()})",
            "let members choose before the notice takes effect",
        )


def _check_reachable(rule: Rule, earlier: Sequence[Rule], where: str) -> None:
    for before in earlier:
        if covers(before.when, rule.when):
            raise NoticeError(
                f"{where}: never reached: {before.code} decides every such record before it", "reorder or remove it"
            )


def _check_default(rule: Rule, where: str) -> None:
    keys = {condition.key: condition for condition in rule.when}
    if "default" in keys and ("setting" not in keys or keys["setting"].values != {NO_SETTING}):
        raise NoticeError(
            f"{where}: when.default: a default speaks only for members without a setting",
            'add setting = "none" to the same rule',
        )


def _check_opt_out(rule: Rule, earlier: Sequence[Rule], where: str) -> None:
    """Refuse a permission that an opt-out would not stop."""
    if rule.effect is Effect.DENY:
        return
    opted_out = Condition(key="setting", values=_DENIED)
    settings = [condition for condition in rule.when if condition.key == "setting"]
    if settings and not settings[0].values & _DENIED:
        return
    others = [condition for condition in rule.when if condition.key != "setting"]
    if not any(each.effect is Effect.DENY and covers(each.when, [*others, opted_out]) for each in earlier):
        raise NoticeError(
            f"{where}: permits members who opted out",
            'add setting = "allow" or setting = "none" to it, or put a rule that denies setting = "deny" before it',
        )


def covers(wide: Sequence[Condition], narrow: Sequence[Condition]) -> bool:
    """Tell whether `wide` is surely true wherever `narrow` is; a wide one without conditions always is."""
    return all(any(_implies(given, asked) for given in narrow) for asked in wide)


def _implies(given: Condition, asked: Condition) -> bool:
    if given.key != asked.key:
        return False
    if given.instant and asked.instant:
        later = given.instant >= asked.instant
        return later if given.key == "created_from" else given.instant <= asked.instant
    if given.key == "shown_days_at_least":
        return given.days >= asked.days
    if given.key == "region":
        return all(code in asked.values or code[:2] in asked.values for code in given.values)
    return given.values <= asked.values
