"""Real beancount accepts our books, and the CloudEvents library our events."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from beancount import loader
from beancount.core import data, realization
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import AFTER, Books, march

from licet.ledger.export import account_name, beancount, cloud_events
from licet.ledger.payouts import pay_out
from licet.store import books
from licet.store.database import reading
from licet.store.deliveries import events_of
from licet.store.ledger import journal


def filled(world: Books) -> None:
    """Close a month of two licenses whose ids no accountant would choose."""
    for name in ("acme_1", "acme-1"):
        world.license(name, recipient="acme_ai")
        world.deliver(world.file({"ann": 1234, "bob": 3}, name), march(3), license_id=name)
    world.close()
    pay_out(world.house, "p1", 0, AFTER)


def test_bean_check_accepts_the_books_and_its_balances_are_ours(world: Books, tmp_path: Path) -> None:
    filled(world)
    with reading(world.house.database) as conn:
        booked = journal(conn)
        text = "\n".join(beancount(booked, "USD")) + "\n"
    path = tmp_path / "books.beancount"
    path.write_text(text, encoding="utf-8")
    subprocess.run([Path(sys.executable).with_name("bean-check"), path], check=True)
    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    assert sum(isinstance(entry, data.Transaction) for entry in entries) == len(booked) == 4
    real = realization.realize(entries)
    accounts = {posting.account for each in booked for posting in each.postings}
    with reading(world.house.database) as conn:
        for account in accounts:
            units = realization.get(real, account_name(account)).balance.get_currency_units("USD")
            assert units.number * 1_000_000 == Decimal(books.account_balance(conn, account))


def test_no_books_are_books(world: Books, tmp_path: Path) -> None:
    path = tmp_path / "books.beancount"
    path.write_text("\n".join(beancount([], "USD")) + "\n", encoding="utf-8")
    assert loader.load_file(str(path))[1] == []
    assert world.close() == []


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_ids_never_share_an_account(one: str, other: str) -> None:
    names = [account_name(f"Income:Licenses:{each}") for each in (one, other)]
    assert (names[0] == names[1]) == (one == other)


def test_usage_is_read_by_the_library_of_its_specification_and_an_id_is_given_once(world: Books) -> None:
    filled(world)
    with reading(world.house.database) as conn:
        lines = list(cloud_events(events_of(conn)))
    headers = {"content-type": "application/cloudevents+json"}
    bodies = (HTTPMessage(headers=headers, body=line.encode()) for line in lines)
    found = [from_structured(body, JSONFormat()) for body in bodies]
    assert len({event.get_id() for event in found}) == 2
    assert {event.get_subject() for event in found} == {"acme_ai"}
    assert [event.get_data()["rows"] for event in found] == [1237, 1237]
