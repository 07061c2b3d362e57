"""The books in the words of others: beancount text, and usage as CloudEvents. Pure: facts in, lines out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from licet.model.money import Transaction, decimal_of
from licet.store.deliveries import Event

SOURCE = "urn:licet:ledger"
"""The `source` of our events."""


def beancount(transactions: Sequence[Transaction], currency: str) -> Iterator[str]:
    """Give the journal as beancount text, line by line; each transaction stands on the last day of its month."""
    yield 'option "title" "licet"'
    if currency:
        yield f'option "operating_currency" "{currency}"'
    accounts = sorted({posting.account for each in transactions for posting in each.postings})
    opened = min((each.month.start.date() for each in transactions), default=date(1970, 1, 1))
    yield from (f"{opened} open {account_name(account)} {currency}" for account in accounts)
    for each in transactions:
        yield ""
        yield f'{each.month.last_day} * "{_quoted(each.narration)}"'
        yield f'  id: "{_quoted(each.transaction_id)}"'
        for posting in each.postings:
            yield f"  {account_name(posting.account)}  {decimal_of(posting.micros)} {currency}"


def account_name(account: str) -> str:
    """Give an account's name as beancount wants it: parts that are ids of ours are marked, and escaped one to one."""
    kind, *parts = account.split(":", 2)
    if len(parts) < 2:  # noqa: PLR2004 # the kind and one word of ours
        return account
    first, rest = parts
    words = [first]
    if rest.startswith("Waiting:"):
        words, rest = [first, "Waiting"], rest.removeprefix("Waiting:")
    elif account.startswith("Liabilities:"):
        return account
    return ":".join([kind, *words, f"X-{''.join(_escaped(letter) for letter in rest)}"])


def _escaped(letter: str) -> str:
    return letter if letter.isascii() and letter.isalnum() else f"-{ord(letter):x}-"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def cloud_events(events: Iterable[Event]) -> Iterator[str]:
    """Give usage as CloudEvents 1.0 in JSON, a line each; the id is that of what was counted, so twice is once."""
    for each in events:
        data = {
            "license": each.license_id,
            "table": str(each.table),
            "version": each.version,
            "file": each.file,
            "rows": each.rows,
            "tokens": each.tokens,
            "tokenizer": each.tokenizer,
            "month": str(each.month),
        }
        event = {
            "specversion": "1.0",
            "id": f"{each.license_id}/{each.table}/{each.version}/{each.file}",
            "source": SOURCE,
            "type": "licet.records.delivered",
            "subject": each.recipient_id,
            "time": each.at.isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
        yield json.dumps(event, separators=(",", ":"))
