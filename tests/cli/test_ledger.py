"""`licet ledger` (invoices and billing with it) and `licet license price`, from a fetched file to a payout."""

import csv
import json
import pathlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet as pq

from licet.cli.main import main
from licet.model.licenses import Delivery, License, LicenseId, RecipientId
from licet.model.members import AccountStatus, AgeBand, Member, MemberId, Protection
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.store import facts, parties
from licet.store.database import transaction
from licet.store.house import open_house

NOW = datetime.now(UTC)
LAST = NOW.replace(day=1) - timedelta(days=10)
"""Some day of last month."""
MONTH = f"{LAST:%Y-%m}"


def run(home: pathlib.Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(home: pathlib.Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    assert result.exit_code == 1, result.output
    return " ".join(result.output.split())


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home in which last month 4,000 posts of two members were fetched."""
    opened = open_house(tmp_path / "home")
    granted = License(
        license_id=LicenseId("l1"),
        recipient_id=RecipientId("acme"),
        purpose="third_party_training",
        tables=(Table.POSTS,),
        columns=("text",),
        langs=(),
        created_from=datetime(2020, 1, 1, tzinfo=UTC),
        created_until=NOW,
        starts=LAST,
        ends=NOW + timedelta(days=365),
        recall_within_hours=24,
    )
    key = b"k" * 32
    same = {"platform": "x", "region": "US", "age_band": AgeBand.ADULT, "protection": Protection.OPEN}
    folder = opened.shared.folder("l1", Table.POSTS)
    folder.mkdir(parents=True)
    owners = [member_secrets(key, name)[0] for name in ["ann"] * 3000 + ["bob"] * 1000]
    pq.write_table(pa.table({"author_id": owners, "text": ["two words"] * 4000}), folder / "bucket-00000-a.parquet")
    with transaction(opened.database) as conn:
        members = [Member(member_id=MemberId(name), status=AccountStatus.ACTIVE, **same) for name in ("ann", "bob")]
        facts.record_members(conn, members, LAST)
        parties.add_recipient(conn, "acme", "Acme <AI>", LAST)
        facts.grant_license(conn, granted, key, LAST)
        sent = {"recipient_id": RecipientId("acme"), "license_id": LicenseId("l1"), "table": Table.POSTS, "version": 0}
        parties.record_delivery(conn, Delivery(**sent, file="bucket-00000-a.parquet", bytes=9, at=LAST))
    opened.database.dispose()
    return tmp_path / "home"


def test_from_a_price_to_a_payout(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert "licet ledger set --currency" in refused(home, "ledger", "close")
    run(home, "ledger", "set", "--currency", "USD", "--members", "50", "--seller", "The Platform\\n1 Road")
    assert "licet license price" in refused(home, "ledger", "close")
    assert "20.00 USD" not in run(home, "license", "price", "l1", "per-thousand")
    closed = json.loads(run(home, "--json", "ledger", "close", "--month", MONTH))["closed"]
    assert [(each["month"], each["total_micros"], each["members_micros"]) for each in closed] == [
        (MONTH, 20_000_000, 10_000_000)
    ]
    assert "no month is to be closed" in run(home, "ledger", "close")
    (listed,) = json.loads(run(home, "--json", "ledger", "invoice", "--recipient", "acme"))
    assert (listed["invoice"], listed["total"]) == (f"{MONTH}-acme", "20.00")
    run(home, "ledger", "invoice", f"{MONTH}-acme", "--out", str(tmp_path / "out"))
    assert "Acme &lt;AI&gt;" in (tmp_path / "out" / f"{MONTH}-acme.html").read_text()
    assert (tmp_path / "out" / f"{MONTH}-acme.pdf").read_bytes().startswith(b"%PDF")
    (mine,) = json.loads(run(home, "--json", "ledger", "earnings", "--member", "ann"))
    assert (mine["rows"], mine["earned"]) == (3000, "7.500000")
    (everybody,) = json.loads(run(home, "--json", "ledger", "earnings"))
    assert (everybody["members"], everybody["earned"]) == (2, "10.000000")
    out = tmp_path / "payouts.csv"
    run(home, "ledger", "payout", "--threshold", "5", "--id", "p1", "--out", str(out))
    assert list(csv.reader(out.read_text().splitlines())) == [
        ["payout", "member", "amount", "currency"],
        ["p1", "ann", "7.50", "USD"],
    ]
    assert out.stat().st_mode & 0o077 == 0
    first = out.read_bytes()
    run(home, "ledger", "payout", "--id", "p1", "--again", "--out", str(out))
    assert out.read_bytes() == first
    assert "nobody reaches" in run(home, "ledger", "payout", "--threshold", "5", "--id", "p2", "--out", str(out))
    assert "as they were closed" in run(home, "ledger", "check")
    books = tmp_path / "books.beancount"
    run(home, "ledger", "export", "--out", str(books))
    subprocess.run([pathlib.Path(sys.executable).with_name("bean-check"), books], check=True)
    (event,) = run(home, "ledger", "export", "--format", "events").splitlines()
    assert json.loads(event)["data"]["rows"] == 4000


def test_a_mistyped_payout_leaves_the_list_that_is_there(home: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "payouts.csv"
    out.write_text("a list\n")
    assert "no payout `p9`" in refused(home, "ledger", "payout", "--out", str(out), "--id", "p9", "--again")
    assert out.read_text() == "a list\n"


def test_a_correction_is_on_the_running_months_invoice(home: pathlib.Path) -> None:
    run(home, "ledger", "set", "--currency", "USD")
    said = run(home, "ledger", "correct", "l1", "--reason", "agreed", "--", "-1.50")
    assert "-1.50 USD" in said
    assert "2 decimal places" in refused(home, "ledger", "correct", "l1", "0.001", "--reason", "x")


BILLED = ("--street", "1 Road", "--city", "Paris", "--country", "FR", "--vat-id", "FR23334175221")


def test_an_invoice_in_xml_wants_billing_details_and_names_the_command(
    home: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run(home, "ledger", "set", "--currency", "USD")
    run(home, "license", "price", "l1", "per-thousand")
    run(home, "ledger", "close")
    wanted = ("ledger", "invoice", f"{MONTH}-acme", "--format", "xml", "--out", str(tmp_path))
    assert "licet ledger billing --name" in refused(home, *wanted)
    assert "nothing is known of the operator" in run(home, "ledger", "billing")
    run(home, "ledger", "billing", "--name", "The Platform", *BILLED)
    assert "licet ledger billing acme --name" in refused(home, *wanted)
    run(home, "ledger", "billing", "acme", "--name", "Acme <AI>", *BILLED)
    assert "licet ledger billing acme --untaxed" in refused(home, *wanted)
    said = run(home, "--json", "ledger", "billing", "acme", "--untaxed", "reverse-charge")
    assert json.loads(said)["billing"]["name"] == "Acme <AI>"
    run(home, *wanted)
    assert [path.name for path in tmp_path.glob("*.*")] == [f"{MONTH}-acme.xml"]
    assert "Acme &lt;AI&gt;" in (tmp_path / f"{MONTH}-acme.xml").read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("ledger", "invoice", "--format", "xml"), "add --out"),
        (("ledger", "billing", "nobody"), "no recipient `nobody`"),
        (("ledger", "billing", "acme", "--country", "EU"), "no country"),
        (("ledger", "billing", "acme", "--city", "Paris"), "without name, street, country"),
        (("ledger", "billing", "--untaxed", "export"), "hangs on the recipient"),
        (("ledger", "set", "--members", "50"), "a new ledger needs a currency"),
        (("ledger", "set", "--currency", "usd"), "no currency"),
        (("ledger", "set", "--currency", "USD", "--members", "101"), "no percentage"),
        (("license", "price", "l1", "nothing"), "one of flat, graduated"),
        (("license", "price", "l9", "flat"), "l9"),
        (("ledger", "close", "--month", "2999-01"), "is not over"),
        (("ledger", "invoice", "x"), "no invoice"),
        (("ledger", "payout", "--out", "/nowhere/x.csv"), "cannot be written"),
        (("ledger", "payout", "--out", "x.csv", "--id", "a b"), "cannot name a payout"),
        (("ledger", "payout", "--out", "x.csv"), "nothing was earned yet"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(home: pathlib.Path, command: tuple[str, ...], said: str) -> None:
    assert said in refused(home, *command)


def test_a_ledger_keeps_its_currency_and_plans_keep_to_it(home: pathlib.Path) -> None:
    run(home, "ledger", "set", "--currency", "EUR")
    assert "kept in EUR" in refused(home, "ledger", "set", "--currency", "USD")
    assert "the plan is in USD" in refused(home, "license", "price", "l1", "flat")


def test_books_that_somebody_changed_do_not_pass(home: pathlib.Path) -> None:
    run(home, "ledger", "set", "--currency", "USD", "--members", "50")
    run(home, "license", "price", "l1", "per-thousand")
    run(home, "ledger", "close")
    (statement,) = (home / "shared" / "l1" / "ledger").glob("earned-*.parquet")
    statement.write_bytes(statement.read_bytes() + b" ")
    assert f"statement {MONTH} of l1" in refused(home, "ledger", "check")
