"""What a recipient owes after rows left: read the feed of recalls, acknowledge what it tells, attest what is done."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.cli.sync_client import Client, json_of
from licet.cli.sync_folder import write_json
from licet.model.errors import InputError, NotFound, Refused, UsageError
from licet.model.recalls import State
from licet.protocol import attestation as wire
from licet.protocol.recall_notices import FEED

PLACE = "_recalls.json"
"""Where a copy keeps how far the feed holds nothing but settled recalls."""
PAGE = 1000
_OWED = frozenset({State.OPEN, State.NOTIFIED, State.ACKNOWLEDGED})
_SETTLED = (wire.Refusal.NOTHING_OWED, wire.Refusal.REPLAYED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A recall that is not attested yet: by table, the version with which rows left last."""

    recall_id: str
    license_id: str
    due: str
    rows: int
    versions: Mapping[str, int]

    def lacking(self, followed: Mapping[tuple[str, str], int]) -> list[str]:
        """Give the tables of which it is not known that what left is out; `followed` is by share and table."""
        return sorted(
            table for table, left in self.versions.items() if followed.get((self.license_id, table), -1) < left
        )


def counter_of(client: Client) -> Client:
    """Open a connection to where the same server speaks about recalls: beside the shares, not below them."""
    base = client.profile.endpoint.rstrip("/").removesuffix("/delta-sharing") + "/"
    profile = replace(client.profile, endpoint=base)
    return Client(profile=profile, patience_s=client.patience_s, sleep=client.sleep, clock=client.clock)


def read_feed(counter: Client, root: Path) -> list[Owed]:
    """Give every recall that is not attested, oldest first; all that were read count as acknowledged.

    A server that knows no recalls has none.

    Raises:
        InputError: the feed cannot be read.
    """
    cursor, settled_so_far = _place(root), True
    owed: list[Owed] = []
    while True:
        try:
            said = json_of(counter.ask("GET", FEED[1:], params={"cursor": cursor, "limit": str(PAGE)}))
        except NotFound:
            return []
        items = said.get("recalls") if isinstance(said, dict) else None
        if not isinstance(said, dict) or not isinstance(items, list):
            raise _unreadable()
        open_ones = [_owed(item) for item in items if item.get("state") in _OWED]
        owed += open_ones
        settled_so_far = settled_so_far and not open_ones
        cursor = str(said.get("cursor") or cursor)
        if settled_so_far and len(items) == PAGE:
            write_json(root / PLACE, {"settled": cursor})
        if not items:
            # Asking for what comes after the last one is what acknowledged it.
            return owed


def _place(root: Path) -> str:
    try:
        return str(json.loads((root / PLACE).read_text("utf-8"))["settled"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


def _owed(item: Any) -> Owed:  # noqa: ANN401 # whatever another company's server says
    try:
        data = item["data"]
        versions: dict[str, int] = {}
        for each in data["tables"]:
            versions[str(each["table"])] = max(int(each["version"]), versions.get(str(each["table"]), -1))
        return Owed(
            recall_id=str(data["recall_id"]),
            license_id=str(data["license_id"]),
            due=str(data["due"]),
            rows=int(data["rows"]),
            versions=versions,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error


def _unreadable() -> InputError:
    return InputError("the server's feed of recalls cannot be read", "ask the operator")


def statement_of(
    owed: Owed, models: Sequence[str], done: Sequence[wire.Done], key_id: str, at: datetime
) -> wire.Statement:
    """State that a recall is carried out."""
    return wire.Statement(
        recall_id=owed.recall_id,
        license_id=owed.license_id,
        versions=owed.versions,
        models=tuple(models),
        done=tuple(done),
        issued_at=at,
        key_id=key_id,
    )


def attest(counter: Client, statement: wire.Statement, key: Ed25519PrivateKey) -> str:
    """Sign a statement and send it; give why it was refused, empty where the server has it.

    Raises:
        InputError: the statement contradicts itself.
    """
    signed = wire.sign(statement, key)
    wire.read_attestation(wire.canonical(signed))  # what contradicts itself is not sent
    path = f"{FEED[1:]}/{quote(statement.recall_id, safe='')}/attestation"
    try:
        counter.ask("POST", path, json=signed)
    except (Refused, UsageError) as error:
        # Settled meanwhile, by hand or by another run, is as good.
        return "" if error.message.startswith(_SETTLED) else error.message
    return ""
