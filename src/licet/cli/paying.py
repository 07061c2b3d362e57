"""`licet ledger payout`: a list for the bank of what members are paid."""

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from licet.cli.configuration import configuration, now
from licet.cli.terminal import emit, errors
from licet.ledger.payouts import pay_out
from licet.model.errors import InputError, UsageError
from licet.model.money import decimal_of, micros_of, places, shown
from licet.store.database import reading
from licet.store.payouts import payouts_in

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@click.command()
@click.option("--threshold", default="10", show_default=True, help="The least amount that is paid out.")
@click.option("--id", "payout_id", default="", help="The payout's name; the day by default.")
@click.option("--again", is_flag=True, help="Write the list of a payout that was made before, and pay nothing.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The CSV file to write.")
def payout(threshold: str, payout_id: str, again: bool, out: Path) -> None:  # noqa: FBT001 # click passes flags so
    """Pay out what members earned, from a threshold on, as a CSV for the bank; the rest is carried over.

    Example: licet ledger payout --threshold 10 --out payouts.csv
    """
    house, at = configuration().open(), now()
    name = payout_id or f"{at:%Y-%m-%d}"
    if not _NAME.fullmatch(name):
        raise UsageError(f"`{name}` cannot name a payout", "use up to 64 letters, digits, dots, dashes, underscores")
    if not again:
        _require_writable(out)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
            task = bar.add_task("adding up", total=None)
            done = pay_out(house, name, micros_of(threshold), at, lambda step: bar.update(task, description=step))
        if not done.members:
            carried = shown(done.carried_micros, done.currency)
            emit(
                {"payout": None, "members": 0, "carried_micros": done.carried_micros},
                [f"nobody reaches it; carried over: {carried}"],
            )
            return
        errors.print(f"carried over: {shown(done.carried_micros, done.currency)}", soft_wrap=True)
    with reading(house.database) as conn:
        count = _write_private(out, _payout_lines(name, payouts_in(conn, name)))
    emit({"payout": name, "members": count, "file": str(out)}, [f"payout {name}: {count:,} members, list in {out}"])


def _payout_lines(name: str, rows: Iterable[tuple[str, int, str]]) -> Iterable[tuple[str, ...]]:
    return ((name, member_id, decimal_of(micros, places(currency)), currency) for member_id, micros, currency in rows)


def _require_writable(out: Path) -> None:
    """Find out before the payout is booked that its list can be written."""
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise InputError(f"`{out}` cannot be written", "choose a folder that is there")


def _write_private(out: Path, rows: Iterable[tuple[str, ...]]) -> int:
    """Write a list of members that only its owner may read, and give how many there are."""
    count = 0
    try:
        out.touch(mode=0o600)
        out.chmod(0o600)
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("payout", "member", "amount", "currency"))
            for row in rows:
                writer.writerow(row)
                count += 1
    except OSError as error:
        raise InputError(
            f"`{out}` cannot be written: {error.strerror}", "choose another file, and add --again"
        ) from error
    return count
