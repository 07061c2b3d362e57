"""The members' part is new or waits, and no transaction can lose any of it."""

from hypothesis import given
from hypothesis import strategies as st

from licet.ledger.journal import EARNED, charge, paid_out, pool, share, waiting
from licet.model.money import Month

MARCH = Month(year=2025, month=3)
amounts = st.integers(-(10**15), 10**15)


@given(amounts, st.integers(0, 1_000_000), amounts, st.booleans())
def test_the_members_part_is_handed_out_or_waits(net: int, ppm: int, before: int, any_rows: bool) -> None:  # noqa: FBT001 # generated
    found = pool(net, ppm, before, any_rows=any_rows)
    assert 0 <= net * ppm - found.new * 1_000_000 < 1_000_000
    assert found.distributed >= 0
    assert found.distributed + found.waiting_after == before + found.new
    assert found.waiting_after == 0 or not any_rows or found.waiting_after <= 0
    legs = {posting.account: posting.micros for posting in share(MARCH, "l", found).postings}
    assert -legs.get(EARNED, 0) == found.distributed
    assert -legs.get(waiting("l"), 0) == found.waiting_after - before


@given(amounts, amounts)
def test_charges_and_payouts_balance(net: int, tax: int) -> None:
    assert charge(MARCH, "l", "acme", net, tax).month == MARCH
    assert paid_out(MARCH, "p", abs(net) + 1).postings[0].micros == abs(net) + 1
