"""A month is closed once, as a whole, and never changes; every delivery is charged exactly once."""

import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import AFTER, MARCH, PER_THOUSAND, TERMS, Books, march
from sqlalchemy import func, select

from licet.ledger.close import close
from licet.ledger.journal import EARNED, waiting
from licet.model.errors import IntegrityError, UsageError
from licet.model.licenses import LicenseId, SharedVersion
from licet.model.money import LineKind, Month
from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.store import books, ledger_tables, recalls, tables
from licet.store.database import reading, transaction
from licet.store.facts import change_license, micros
from licet.store.house import open_house
from licet.store.ledger import balance, earnings_of, invoices_of, journal, payouts_of, revenue_by_month, usage_of
from licet.store.meter import measure
from licet.store.statements import is_whole
from licet.store.values import save_values

FLAT = 'name = "f"\ncurrency = "USD"\nfee = "310"\nrecall_credit = "none"\n'
ONCE = PER_THOUSAND.replace("[[charge]]", 'counts = "file"\n[[charge]]')
MAY = AFTER + timedelta(days=31)
NAMES = ("usage_line", "usage_month", "ledger_month", "ledger_transaction", "ledger_posting", "invoice", "statement")


def dump(world: Books) -> dict[str, list[tuple[object, ...]]]:
    """Give every row of the books."""
    with reading(world.house.database) as conn:
        found = {name: conn.execute(select(getattr(ledger_tables, name))).all() for name in NAMES}
    return {name: sorted(map(tuple, rows), key=str) for name, rows in found.items()}


def require_sound_books(world: Books) -> None:
    """Whatever happened: everything balances, members' statements are whole and sum to what is booked for them."""
    with reading(world.house.database) as conn:
        booked = journal(conn)
        statements = books.statements_of(conn)
        seals = books.seals(conn)
        assert all(books.month_digest(conn, month) == digest for month, digest in seals)
        invoiced = sum(invoice.total_micros for invoice in invoices_of(conn))
    accounts: Counter[str] = Counter()
    for each in booked:
        for leg in each.postings:
            accounts[leg.account] += leg.micros
    assert sum(accounts.values()) == 0
    assert -accounts[EARNED] == sum(statement.micros for *_, statement in statements)
    assert sum(amount for name, amount in accounts.items() if name.startswith("Assets:Receivable")) == invoiced
    assert all(is_whole(world.house.shared, license_id, statement) for _, license_id, statement in statements)


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
        assert (
            balance(earnings_of(conn, any_world.house.shared, "ann"), payouts_of(conn, "ann")).waiting_micros
            == 7_500_000
        )
    assert (usage.files, usage.rows, usage.tokens) == (1, 4000, 8000)
    assert invoice.total_micros == 20_000_000
    assert (ann.rows, ann.micros, bob.rows, bob.micros) == (3000, 7_500_000, 1000, 2_500_000)
    assert (month.net_micros, month.members_micros, month.operator_micros) == (20_000_000, 10_000_000, 10_000_000)
    require_sound_books(any_world)


def test_closing_again_changes_nothing_and_a_late_delivery_is_charged_in_the_open_month(any_world: Books) -> None:
    any_world.license()
    first, late, later = (any_world.file({"ann": 1000}) for _ in range(3))
    any_world.deliver(first, march(5))
    any_world.deliver(first, march(33))
    any_world.close()
    before = dump(any_world)
    assert any_world.close() == []
    assert dump(any_world) == before
    any_world.deliver(late, march(6))
    any_world.deliver(later, march(34))
    any_world.close(MAY)
    after = dump(any_world)
    assert all(set(rows) <= set(after[name]) for name, rows in before.items())
    with reading(any_world.house.database) as conn:
        assert [(str(each.month), each.rows) for each in usage_of(conn, "l1")] == [("2025-03", 1000), ("2025-04", 2000)]
    require_sound_books(any_world)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_delivery_whose_transaction_outlasts_the_close_is_charged_in_the_next_month(any_world: Books) -> None:
    world = any_world
    world.license()
    names = [world.file({"ann": 1000}) for _ in range(3)]
    world.deliver(names[0], march(20))
    late = {"recipient_id": "acme", "license_id": "l1", "record_table": "posts", "version": 0, "bytes": 1}
    with world.house.database.connect() as slow:
        slow.execute(tables.delivery.insert().values(**late, file=names[1], at_us=micros(march(30))))
        world.deliver(names[2], march(31))
        world.close()
        slow.commit()
    world.close(MAY)
    with reading(world.house.database) as conn:
        assert [each.rows for each in usage_of(conn, "l1")] == [2000, 1000]
    require_sound_books(world)


FILES = 4
events = st.tuples(st.integers(0, FILES - 1), st.integers(0, 1), st.integers(1, 90))
"""A file, a version, and a day after the first of March."""


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(events, max_size=6), min_size=1, max_size=3), st.sampled_from([PER_THOUSAND, ONCE, FLAT]))
def test_every_delivery_is_charged_exactly_once_however_late_it_comes(
    rounds: list[list[tuple[int, int, int]]], plan: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = Books(open_house(Path(folder)))
        world.terms()
        world.license(plan=plan)
        files = [world.file({"ann": n + 1, f"m{n}": 2}) for n in range(FILES)]
        sent: set[tuple[int, int]] = set()
        for n, round_ in enumerate(rounds):
            for file, version, day in round_:
                world.deliver(files[file], march(day), version)
                sent.add((file, version))
            world.close(AFTER + timedelta(days=31 * n))
        world.close(march(150))
        with reading(world.house.database) as conn:
            usage = usage_of(conn, "l1")
            earned = earnings_of(conn, world.house.shared, "ann")
        assert sum(each.files for each in usage) == len(sent)
        assert sum(each.rows for each in usage) == sum(file + 3 for file, _ in sent)
        billed = {(file, 0) for file, _ in sent} if plan is ONCE else sent
        assert sum(each.billed_rows for each in usage) == sum(file + 3 for file, _ in billed)
        assert sum(each.rows for each in earned) <= sum(file + 1 for file, _ in billed)
        require_sound_books(world)
        world.house.database.dispose()


def test_what_is_killed_at_any_step_is_closed_by_the_next_as_if_nothing_had_been(any_world: Books) -> None:
    for name in ("l1", "l2"):
        any_world.license(name)
        for n in range(3):
            any_world.deliver(any_world.file({"ann": 100 + n, "bob": 7}, name), march(3 + n), license_id=name)
    home = any_world.house.shared.root.parent
    url = any_world.house.database.url.render_as_string(hide_password=False)
    command = [sys.executable, Path(__file__).with_name("close_worker.py"), home, url, AFTER.isoformat()]
    done = subprocess.run([*command, "9"], capture_output=True, text=True, check=True)
    assert done.stdout == "9\n"
    with reading(any_world.house.database) as conn:
        assert not conn.execute(select(func.count()).select_from(ledger_tables.ledger_month)).scalar_one()
        assert journal(conn) == invoices_of(conn) == usage_of(conn, "l1") == []
    any_world.close()
    with reading(any_world.house.database) as conn:
        assert sum(each.rows for name in ("l1", "l2") for each in usage_of(conn, name)) == 2 * (303 + 21)
        assert [invoice.total_micros for invoice in invoices_of(conn)] == [3_240_000]
    require_sound_books(any_world)


def test_what_left_before_it_was_measured_is_counted_by_its_commit_and_the_share_waits(world: Books) -> None:
    world.license(plan=FLAT)
    name = world.file({"ann": 10})
    log = world.path("_delta_log")
    log.mkdir()
    (log / "0.json").write_text(f'{{"add":{{"path":"{name}","stats":"{{\\"numRecords\\":10}}"}}}}\n')
    world.path(name).unlink()
    world.deliver(name, march(3))
    (closed,) = world.close()
    assert closed.lost_files == 1
    with reading(world.house.database) as conn:
        assert [(each.rows, each.tokens) for each in usage_of(conn, "l1")] == [(10, 0)]
        assert -books.account_balance(conn, waiting("l1")) == 155_000_000
    name = world.file({"ann": 1})
    world.deliver(name, march(40))
    world.close(MAY)
    with reading(world.house.database) as conn:
        (earned,) = earnings_of(conn, world.house.shared, "ann")
    assert earned.micros == 310_000_000
    require_sound_books(world)


def test_a_measured_file_may_go(world: Books) -> None:
    world.license()
    name = world.file({"ann": 1000})
    world.deliver(name, march(3))
    assert measure(world.house, "l1", Table.POSTS, [name], march(3)) == 1
    world.path(name).unlink()
    (closed,) = world.close()
    assert (closed.lost_files, closed.invoices[0].total_micros) == (0, 5_000_000)


def recall(world: Books, rows: int, opened: int, attested: int) -> None:
    """Open a recall of so many rows on a day in March, attested on another."""
    left = SharedVersion(
        license_id=LicenseId("l1"),
        table=Table.POSTS,
        version=1,
        as_of_seq=opened,
        policy_digest="",
        cause="recall",
        rows=0,
        at=march(opened),
        keys=(("keys-1", 1, rows),),
    )
    with transaction(world.house.database) as conn:
        name = recalls.owe(conn, left)
        recalls.move(conn, name, State.ATTESTED, "", march(attested))
        recalls.move(conn, name, State.CLOSED, "", march(attested))


def test_an_attested_recall_is_credited_once_pro_rata_and_its_members_part_comes_back(any_world: Books) -> None:
    any_world.license()
    any_world.deliver(any_world.file({"ann": 10_000}), march(2))
    recall(any_world, 1000, opened=10, attested=12)
    any_world.close()
    any_world.close(MAY)
    with reading(any_world.house.database) as conn:
        lines = [line for invoice in invoices_of(conn) for line in invoice.lines if line.kind == LineKind.CREDIT]
        (month, _) = revenue_by_month(conn)
    (line,) = lines
    left = (365 - 9.5) / 365
    assert line.quantity == 1000
    assert line.micros == -round(500 * left) * 10_000
    assert month.net_micros == 50_000_000 + line.micros
    assert month.members_micros == month.net_micros // 2
    require_sound_books(any_world)


def test_no_more_rows_are_credited_than_were_counted(world: Books) -> None:
    world.license(plan=PER_THOUSAND.replace("[[charge]]", 'recall_credit = "full"\n[[charge]]'))
    world.deliver(world.file({"ann": 1000}), march(2))
    recall(world, 700, opened=10, attested=12)
    recall(world, 700, opened=11, attested=13)
    (closed,) = world.close()
    assert [line.quantity for line in closed.invoices[0].lines if line.kind == LineKind.CREDIT] == [700, 300]
    assert closed.invoices[0].total_micros == 0
    require_sound_books(world)


def test_a_credit_that_would_exceed_what_was_charged_is_cut_to_it(world: Books) -> None:
    world.license(plan=PER_THOUSAND.replace("[[charge]]", 'recall_credit = "full"\n[[charge]]'))
    world.deliver(world.file({"ann": 10}), march(2))  # five cents
    for day in (10, 11, 12):
        recall(world, 3, opened=day, attested=day)  # a cent and a half each, two when rounded
    (closed,) = world.close()
    assert [line.micros for line in closed.invoices[0].lines] == [50_000, -20_000, -20_000, -10_000]
    require_sound_books(world)


def test_what_a_correction_gave_back_is_not_credited_again(world: Books) -> None:
    world.license(plan=PER_THOUSAND.replace("[[charge]]", 'recall_credit = "full"\n[[charge]]'))
    world.deliver(world.file({"ann": 1000}), march(2))
    with transaction(world.house.database) as conn:
        books.correct(conn, "l1", -4_000_000, "agreed", march(3))
    recall(world, 1000, opened=10, attested=12)
    (closed,) = world.close()
    assert closed.invoices[0].total_micros == 0
    require_sound_books(world)


def test_a_file_without_rows_keeps_no_month_open(world: Books) -> None:
    world.license(plan=FLAT)
    world.deliver(world.file({}), march(2))
    (closed,) = world.close()
    assert closed.invoices[0].total_micros == 310_000_000
    with reading(world.house.database) as conn:
        assert -books.account_balance(conn, waiting("l1")) == 155_000_000


def test_files_are_not_given_up_where_the_shared_folder_is_not_there(world: Books) -> None:
    world.license()
    name = world.file({"ann": 1000})
    world.deliver(name, march(2))
    folder = world.house.shared.folder("l1", Table.POSTS)
    away = folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(IntegrityError, match="not there"):
        world.close()
    away.rename(folder)
    (closed,) = world.close()
    assert (closed.lost_files, closed.invoices[0].total_micros) == (0, 5_000_000)


def test_a_recall_that_nobody_attested_is_not_credited(world: Books) -> None:
    world.license()
    world.deliver(world.file({"ann": 1000}), march(2))
    recall(world, 700, opened=10, attested=33)
    (closed,) = world.close()
    assert LineKind.CREDIT not in {line.kind for line in closed.invoices[0].lines}


def test_a_correction_is_booked_in_the_open_month_and_the_closed_one_stays(world: Books) -> None:
    world.license()
    world.deliver(world.file({"ann": 1000}), march(2))
    world.close()
    before = dump(world)
    with transaction(world.house.database) as conn:
        books.correct(conn, "l1", -1_000_000, "agreed by letter", march(40))
    world.close(MAY)
    with reading(world.house.database) as conn:
        newest, _ = invoices_of(conn, "acme")
    assert (str(newest.month), newest.total_micros, newest.is_credit) == ("2025-04", -1_000_000, True)
    assert all(set(rows) <= set(dump(world)[name]) for name, rows in before.items())
    require_sound_books(world)


def test_a_fee_is_due_for_the_days_until_a_license_ended(world: Books) -> None:
    license_ = world.license(plan=FLAT)
    with transaction(world.house.database) as conn:
        change_license(conn, license_, "suspended", march(3))
        change_license(conn, license_, "ended", march(10))
    (closed,) = world.close()
    assert closed.invoices[0].total_micros == 100_000_000


def test_a_delivery_without_a_price_stops_the_close_unless_it_is_meant(world: Books) -> None:
    world.license(plan="")
    world.deliver(world.file({"ann": 1000}), march(2))
    with pytest.raises(UsageError, match="no price: l1"):
        world.close()
    (closed,) = world.close(unpriced=True)
    assert closed.invoices == ()
    with reading(world.house.database) as conn:
        assert [each.rows for each in usage_of(conn, "l1")] == [1000]


def test_members_may_share_by_what_their_data_is_worth(world: Books) -> None:
    world.terms(replace(TERMS, basis="value"))
    world.license()
    name = world.file({"ann": 1000, "bob": 3000, "eve": 4000})
    world.deliver(name, march(3))
    worth = {"ann": 0.3, "bob": 0.1, "eve": -0.2}
    key = b"l1".ljust(32, b".")
    save_values(world.house, "l1", {member_secrets(key, who)[0]: each for who, each in worth.items()}, march(4))
    world.close()
    with reading(world.house.database) as conn:
        found = {who: earnings_of(conn, world.house.shared, who) for who in worth}
    assert [each.micros for who in worth for each in found[who]] == [15_000_000, 5_000_000]
    assert found["eve"] == []
    require_sound_books(world)


def test_without_a_valuation_they_share_by_rows(world: Books) -> None:
    world.terms(replace(TERMS, basis="value"))
    world.license()
    world.deliver(world.file({"ann": 1000, "bob": 3000}), march(3))
    save_values(world.house, "l1", {"nobody": 1.0}, march(4))
    world.close()
    with reading(world.house.database) as conn:
        assert [each.micros for each in earnings_of(conn, world.house.shared, "bob")] == [7_500_000]


def test_no_month_is_closed_before_it_is_over_or_without_terms_or_in_another_currency(world: Books) -> None:
    world.license(plan=PER_THOUSAND.replace("USD", "EUR"))
    with pytest.raises(UsageError, match="is not over"):
        close(world.house, AFTER, Month(year=2025, month=4))
    world.deliver(world.file({"ann": 1}), march(2))
    with pytest.raises(UsageError, match="is in EUR, the ledger in USD"):
        world.close()


def test_a_ledger_without_terms_says_how_to_set_them(tmp_path: Path) -> None:
    bare = Books(open_house(tmp_path))
    bare.license()
    with pytest.raises(UsageError, match="licet ledger set"):
        bare.close()
    bare.house.database.dispose()


def test_the_books_show_when_somebody_changed_them(world: Books) -> None:
    world.license()
    world.deliver(world.file({"ann": 1000}), march(2))
    world.close()
    with transaction(world.house.database) as conn:
        conn.execute(ledger_tables.invoice.update().values(net_micros=1))
    with reading(world.house.database) as conn:
        ((month, digest),) = books.seals(conn)
        assert books.month_digest(conn, month) != digest


def test_a_fee_is_due_only_once_both_sides_have_signed(world: Books) -> None:
    granted = world.license(plan=FLAT)
    with transaction(world.house.database) as conn:
        change_license(conn, granted, "agreed", march(1))
        change_license(conn, granted, "active", march(22))
    world.close()
    with reading(world.house.database) as conn:
        (invoice,) = invoices_of(conn)
    # The first day, on which it was granted and taken back, and the last ten.
    assert invoice.net_micros == 110_000_000


def test_of_two_closes_at_once_one_closes_and_the_other_finds_it_done(any_world: Books) -> None:
    any_world.license()
    any_world.deliver(any_world.file({"ann": 1000}), march(3))
    with ThreadPoolExecutor(2) as pool:
        done = [each.result() for each in [pool.submit(any_world.close) for _ in range(2)]]
    assert sorted(len(each) for each in done) == [0, 1]
    with reading(any_world.house.database) as conn:
        assert [invoice.total_micros for invoice in invoices_of(conn)] == [5_000_000]
    require_sound_books(any_world)


def test_a_month_ends_at_midnight_in_utc(any_world: Books) -> None:
    any_world.license()
    last, first = (any_world.file({"ann": 1000}) for _ in range(2))
    end = MARCH.end
    any_world.deliver(last, (end - timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=9))))
    any_world.deliver(first, end.astimezone(timezone(timedelta(hours=-8))))
    any_world.close(end)
    any_world.close(MAY)
    with reading(any_world.house.database) as conn:
        assert [(str(each.month), each.files) for each in usage_of(conn, "l1")] == [("2025-03", 1), ("2025-04", 1)]


def test_the_plan_at_a_months_end_prices_the_whole_month(world: Books) -> None:
    world.license()
    world.deliver(world.file({"ann": 1000}), march(3))
    with transaction(world.house.database) as conn:
        books.set_plan(conn, "l1", PER_THOUSAND.replace('"5"', '"7"'), march(31))
        books.set_plan(conn, "l1", PER_THOUSAND.replace('"5"', '"9"'), MARCH.end)
    (closed,) = world.close()
    assert closed.invoices[0].total_micros == 7_000_000
