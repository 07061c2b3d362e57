"""A plan is read to the letter, and whatever is unclear in it is refused by name."""

import importlib.resources

import pytest

from licet.ledger.plan import Counts, CreditRule, Meter, Mode, parse_plan
from licet.model.errors import InputError
from licet.model.records import Table

WHOLE = """
name = "All of it"
currency = "EUR"
fee = "100"
minimum = "250.50"
discount = "12.5"
tax = "20"
counts = "file"
recall_credit = "full"
[[charge]]
tables = ["posts"]
meter = "tokens"
mode = "volume"
included = 1_000
[[charge.tier]]
up_to = 10_000
per_thousand = "0.000001"
[[charge.tier]]
per_thousand = "0.5"
"""


def test_every_key_is_read() -> None:
    plan = parse_plan(WHOLE)
    (charge,) = plan.charges
    assert (plan.fee_micros, plan.minimum_micros, plan.discount_ppm, plan.tax_ppm) == (
        100_000_000,
        250_500_000,
        125_000,
        200_000,
    )
    assert (plan.counts, plan.recall_credit, charge.meter, charge.mode) == (
        Counts.FILE,
        CreditRule.FULL,
        Meter.TOKENS,
        Mode.VOLUME,
    )
    assert (charge.tables, charge.included) == ((Table.POSTS,), 1000)
    assert [(tier.up_to, tier.per_thousand_micros) for tier in charge.tiers] == [(10_000, 1), (0, 500_000)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("fee =", "fees ="), "`fees` is not known"),
        (('"100"', "1.5"), "`fee` is no amount"),
        (('"100"', '"-1"'), "`fee` is less than nothing"),
        (('"EUR"', '"euro"'), "`currency`"),
        (('"12.5"', '"101"'), "`discount` is no percentage"),
        (('"volume"', '"bulk"'), "`charge[1].mode` cannot be `bulk`"),
        (('["posts"]', '["pots"]'), "`charge[1].tables` names no table"),
        (("up_to = 10_000", ""), "does not ascend"),
        (('per_thousand = "0.5"', 'per_thousand = "0.5"\nup_to = 20_000'), "has no end"),
        (("included = 1_000", "included = -1"), "is no whole number"),
        (("included = 1_000", 'per_thousand = "1"'), "one of them is needed"),
        (('"0.000001"', '"0.0000001"'), "more than six decimal places"),
        (('name = "All of it"', ""), "`name` is missing"),
        (('"0.5"', '"0.5'), "is no TOML"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], said: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_plan(WHOLE.replace(*change))
    assert said in str(raised.value)


def test_a_table_is_charged_once() -> None:
    charge = '\n[[charge]]\ntables = ["posts", "likes"]\nper_thousand = "1"\n'
    with pytest.raises(InputError, match="posts twice"):
        parse_plan(WHOLE + charge)


def test_the_ready_made_plans_are_plans() -> None:
    ready = importlib.resources.files("licet.ledger") / "plans"
    plans = {each.name: parse_plan(each.read_text(encoding="utf-8")) for each in ready.iterdir()}
    assert set(plans) == {"flat.toml", "graduated.toml", "per-thousand.toml", "per-token.toml", "volume.toml"}
