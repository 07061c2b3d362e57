"""The reasons that come with the engine; a notice's own rules bring theirs."""

from typing import Final

from licet.policy.rules import Notice

_UNKNOWN: Final = {
    "region": "We do not know where the member lives, and a rule depends on it.",
    "age_band": "We do not know whether the member is an adult, and a rule depends on it.",
    "protection": "We do not know whether the account is protected, and a rule depends on it.",
    "status": "We do not know whether the account is active, and a rule depends on it.",
    "setting": "We could not read the member's setting, and a rule depends on it.",
    "setting_source": "We do not know how the member's setting was made, and a rule depends on it.",
    "default": "The notice states no default for this purpose, and a rule depends on it.",
    "purpose": "The purpose is not stated, and a rule depends on it.",
    "channel": "We do not know whether the data would go to a third party, and a rule depends on it.",
    "recipient": "The recipient is not stated, and a rule depends on it.",
    "table": "We do not know what kind of record this is.",
    "visibility": "We do not know who may see the record, and a rule depends on it.",
    "created_at": "We do not know when the record was made, and a rule depends on it.",
    "shown_at": "We cannot show that the member was shown the notice, and a rule depends on it.",
    "deleted": "We do not know whether the record was deleted.",
    "member": "The record is about somebody we know nothing about.",
}

REASONS: Final[dict[str, str]] = {
    "no_notice": "No notice is in force, so nothing is permitted.",
    "notice_not_effective": "The notice has not taken effect yet.",
    "purpose_not_in_notice": "The notice does not name this purpose, so nothing is permitted for it.",
    "deleted": "The record was deleted on the platform.",
    "no_rule": "No rule of the notice permits it.",
    **{f"unknown_{attribute}": sentence for attribute, sentence in _UNKNOWN.items()},
}
"""A sentence for people behind every built-in reason code."""


def unknown(attribute: str) -> str:
    """Name the reason of a denial because `attribute` is unknown."""
    return f"unknown_{attribute}"


def sentence(reason: str, notice: Notice | None) -> str:
    """Give the sentence for people behind a reason, the notice's own or the engine's; empty if it is neither's."""
    own = (rule.sentence for rule in notice.rules if rule.code == reason) if notice else iter(())
    return next(own, REASONS.get(reason, ""))


def law(reason: str, notice: Notice | None) -> str:
    """Give the law that the notice names for a reason; empty if it names none."""
    return next((rule.law for rule in notice.rules if rule.code == reason), "") if notice else ""
