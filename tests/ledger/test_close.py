"""A month is closed once, as a whole, and never changes; every delivery is charged exactly once."""


from ledger_world import MARCH, Books, march

from licet.store.database import reading
from licet.store.ledger import balance_of, earnings_of, invoices_of, revenue_by_month, usage_of


def test_a_month_is_counted_priced_and_shared(any_world: Books) -> None:
    any_world.license()
    name = any_world.file({"ann": 3000, "bob": 1000})
    for day in (3, 3, 9):
        any_world.deliver(name, march(day))
    (closed,) = any_world.close()
    assert closed.month == MARCH
    with reading(any_world.house.database) as conn:
        (usage,) = usage_of(conn, "l1")
        (invoice,) = invoices_of(conn, "acme")
        (ann,) = earnings_of(conn, any_world.house.shared, "ann")
        (bob,) = earnings_of(conn, any_world.house.shared, "bob")
        assert earnings_of(conn, any_world.house.shared, "eve") == []
        (month,) = revenue_by_month(conn)
        assert balance_of(conn, any_world.house.shared, "ann").waiting_micros == 7_500_000
    assert (usage.files, usage.rows, usage.tokens) == (1, 4000, 8000)
    assert invoice.total_micros == 20_000_000
    assert (ann.rows, ann.micros, bob.rows, bob.micros) == (3000, 7_500_000, 1000, 2_500_000)
    assert (month.net_micros, month.members_micros, month.operator_micros) == (20_000_000, 10_000_000, 10_000_000)
