"""Everything of a member as one zip file: who they are to us, what they chose, who has what, and their records."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from licet.model.money import decimal_of
from licet.model.records import Table
from licet.server.desk import AtDesk, Desk
from licet.server.pages.forms import AtMember
from licet.server.pages.languages import Speech, language_of
from licet.server.pages.member import told
from licet.server.pages.receipts import receipt_of
from licet.server.pages.rendering import PageRoute
from licet.store import asof, chosen, facts, ledger
from licet.store.database import reading
from licet.store.disclosures import OWNER, Disclosure
from licet.store.engine import BATCH
from licet.store.house import House
from licet.store.log_proofs import setting_proof
from licet.store.parties import recipients

router = APIRouter(prefix="/member", route_class=PageRoute, include_in_schema=False)

IN_MEMORY: Final = 4 << 20
"""Bytes of the file that are kept in memory; beyond, it lies on the disk without a name."""
_CHUNK: Final = 1 << 16


@router.get("/download")
def get_everything(request: Request, desk: AtDesk, session: AtMember) -> Response:
    """Give everything of the member who is signed in."""
    desk.limits.downloads.take(session.who)
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 # closed once it is sent
    _write(desk, session.who, _readme(Speech(language=language_of(request))), file)
    name = f"licet-{desk.now():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(file.tell())}
    headers |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(_sent(file), headers=headers, media_type="application/zip")


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while part := file.read(_CHUNK):
            yield part


def _readme(speech: Speech) -> str:
    """Say what is in the file, in the reader's language."""
    about = {
        "account.json": speech.translated("what decisions see of you, and which notices you were shown"),
        "choices.json": speech.translated("every choice you made, each as a receipt"),
        "sharing.json": speech.translated("who has your data: tables, rows, when they were fetched, and every recall"),
        "earnings.json": speech.translated("what you earned by month and license, and what was paid out"),
        "records/": speech.translated(
            "your posts, likes, bookmarks and reposts as they were taken in, one JSON object a line"
        ),
    }
    first = speech.translated("Your data, as of the time in account.json. Times are UTC.")
    return "\n".join([first, "", *(f"{name:<16}{said}" for name, said in about.items()), ""])


def _write(desk: Desk, member_id: str, readme: str, target: IO[bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", readme)
        with reading(desk.house.database) as conn:
            archive.writestr("account.json", _json(_account(conn, member_id, desk.now())))
            archive.writestr("choices.json", _json(_choices(conn, desk.house, member_id)))
        shared = [
            _sharing(each) | {"more_may_go": why.permit, "reason": why.reason} for each, why in told(desk, member_id)
        ]
        archive.writestr("sharing.json", _json(shared))
        with reading(desk.house.database) as conn:
            archive.writestr("earnings.json", _json(_earnings(conn, desk.house, member_id)))
        for table in Table:
            with archive.open(f"records/{table}.jsonl", "w", force_zip64=True) as out:
                for line in _records(desk.house, table, member_id):
                    out.write(line)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _account(conn: Connection, member_id: str, now: datetime) -> dict[str, Any]:
    found = asof.member_as_of(conn, member_id, facts.last_seq(conn))
    names = ("platform", "region", "age_band", "protection", "status")
    state = {name: str(getattr(found, name)) for name in names} if found else {}
    shown = [{"notice": version, "at": at} for version, at in chosen.notices_shown(conn, member_id)]
    return {"member_id": member_id, "as_of": now, **state, "notices_shown": shown}


def _choices(conn: Connection, house: House, member_id: str) -> list[dict[str, Any]]:
    names = dict(recipients(conn))
    return [
        receipt_of(
            member_id,
            made,
            asof.notices_as_of(conn, made.seq),
            asof.notice_in_force(conn, made.seq, made.at),
            names,
            setting_proof(conn, house.log, member_id, made.seq),
        )
        for made in chosen.chosen_by(conn, member_id)
    ]


def _sharing(each: Disclosure) -> dict[str, Any]:
    held = [
        {"table": str(one.table), "rows_now": one.rows, "first_fetched": one.first, "last_fetched": one.last}
        for one in each.held
    ]
    back = [
        {
            "recall": one.recall.recall_id,
            "rows": dict(one.rows),
            "reasons": one.reasons,
            "due": one.recall.due,
            "steps": [{"state": str(state), "detail": detail, "at": at} for state, detail, at in one.steps],
        }
        for one in each.taken_back
    ]
    license_ = each.license
    said = {"recipient": each.recipient, "license": license_.license_id, "purpose": license_.purpose}
    return {**said, "from": license_.starts, "until": license_.ends, "tables": held, "recalls": back}


def _earnings(conn: Connection, house: House, member_id: str) -> dict[str, Any]:
    earned = [
        {
            "month": str(each.month),
            "license": each.license_id,
            "recipient": each.recipient_id,
            "rows": each.rows,
            "amount": decimal_of(each.micros),
            "currency": each.currency,
        }
        for each in ledger.earnings_of(conn, house.shared, member_id)
    ]
    paid = [
        {"payout": each.payout_id, "at": each.at, "amount": decimal_of(each.micros), "currency": each.currency}
        for each in ledger.payouts_of(conn, member_id)
    ]
    return {"earned": earned, "paid_out": paid}


def _records(house: House, table: Table, member_id: str) -> Iterator[bytes]:
    """Give a member's own records of one table as lines of JSON, batch by batch."""
    with house.engine.session() as session:
        relation = house.lake.relation(session, table)
        query = f"SELECT * EXCLUDE (seq) FROM {relation} WHERE {OWNER[table]} = $member"
        for batch in session.sql(query, params={"member": member_id}).to_arrow_reader(BATCH):
            for row in batch.to_pylist():
                yield json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n"
