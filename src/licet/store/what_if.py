"""What a draft notice would change, were it in force: every member and every record decided under both notices."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet as pq

from licet.model.licenses import License
from licet.model.records import Table
from licet.model.schemas import LAKE
from licet.policy.compile import Compiled, compile_rules
from licet.policy.decide import Terms
from licet.policy.notice import Notice
from licet.store.eligible import SUBJECTS as JOINED
from licet.store.eligible import eligible
from licet.store.engine import Source
from licet.store.everyone import every_fallen, every_subject
from licet.store.house import House

CHANNEL: Final = "third_party"
"""A license hands data to somebody else."""
_DRAFTED: Final = {"a": "c", "b": "d"}
"""Under which alias each subject is joined a second time, as the draft sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How many members or rows of a region are decided so before and so after; an empty reason means permitted."""

    region: str
    before: str
    after: str
    count: int

    @property
    def change(self) -> int:
        """Give 1 where it comes in, -1 where it goes out, 0 where it stays."""
        return bool(self.before) - bool(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """The notice in force and the draft, at an instant and as of a number."""

    before: Notice | None
    after: Notice
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseShift:
    """What would change for one license: its members, and its rows by table."""

    license: License
    members: tuple[Shift, ...]
    rows: dict[Table, tuple[Shift, ...]]


def what_if(house: House, license_: License, drafted: Drafted) -> LicenseShift:
    """Decide every member (about a public post of this moment) and every record of a license under both notices."""
    with _people(house, license_, drafted) as sources:
        members = tuple(_members(house, license_, drafted, sources))
        rows = {table: tuple(_rows(house, license_, drafted, table, sources)) for table in license_.tables}
    return LicenseShift(license=license_, members=members, rows=rows)


@contextmanager
def _people(house: House, license_: License, drafted: Drafted) -> Iterator[dict[str, Source]]:
    """Give all members as each notice sees them (who was shown it differs), and the fallen records."""
    asking = (house.database, house.engine, drafted.seq)
    with house.engine.folder(f"what-if-{license_.license_id}") as folder:
        sources: dict[str, Source] = {}
        for name, notice in (("members", drafted.before), ("drafted", drafted.after)):
            version = notice.version if notice else ""
            with every_subject(*asking, license_.purpose, license_.recipient_id, version) as people:
                sources[name] = _kept(people, folder / f"{name}.parquet")
        with every_fallen(*asking) as records:
            sources["fallen"] = _kept(records, folder / "fallen.parquet")
        yield sources


def _kept(rows: pa.RecordBatchReader, target: Path) -> Path:
    with pq.ParquetWriter(target, rows.schema, compression="lz4") as writer:
        for batch in rows:
            writer.write_batch(batch)
    return target


def _compiled(license_: License, drafted: Drafted, table: Table) -> tuple[Compiled, Compiled]:
    terms = Terms(purpose=license_.purpose, channel=CHANNEL, recipient_id=license_.recipient_id, at=drafted.at)
    return compile_rules(drafted.before, terms, table), compile_rules(drafted.after, terms, table)


def _members(house: House, license_: License, drafted: Drafted, sources: dict[str, Source]) -> Iterator[Shift]:
    before, after = _compiled(license_, drafted, Table.POSTS)
    moment = f"CAST('{drafted.at.isoformat()}' AS TIMESTAMPTZ)"
    record = f"SELECT FALSE AS deleted, 'public' AS visibility, {moment} AS created_at"
    people = f"members AS a JOIN drafted AS c ON c.member_id = a.member_id CROSS JOIN ({record}) AS r"
    query = _grouped(before.decision(["a"], "r"), after.decision(["c"], "r"), people)
    with house.engine.run({name: sources[name] for name in ("members", "drafted")}) as run:
        for region, old, new, count in run.fetch(query):
            yield Shift(
                region=str(region),
                before=_reason(before, int(str(old))),
                after=_reason(after, int(str(new))),
                count=int(str(count)),
            )


def _rows(
    house: House, license_: License, drafted: Drafted, table: Table, sources: dict[str, Source]
) -> Iterator[Shift]:
    before, after = _compiled(license_, drafted, table)
    old_rows = eligible(license_, table, before, drafted.seq, any_fallen=True)
    joins = " ".join(
        f"LEFT JOIN drafted AS {_DRAFTED[alias]} ON {_DRAFTED[alias]}.member_id = r.{column}"
        for alias, column in JOINED[table]
    )
    decided = after.decision([_DRAFTED[alias] for alias, _ in JOINED[table]], "r")
    new = f"CASE WHEN {old_rows.outcome} < 0 THEN {old_rows.outcome} ELSE {decided} END"
    delta = house.lake.open(table)
    empty = delta is None or not delta.file_uris()
    records: Source = LAKE[table].empty_table() if delta is None or empty else delta
    with house.engine.run(sources | {str(table): records}) as run:
        for region, old, fresh, count in run.fetch(_grouped(old_rows.outcome, new, f"{old_rows.source} {joins}")):
            first, second = int(str(old)), int(str(fresh))
            yield Shift(
                region=str(region),
                before=old_rows.reason(first) or "",
                after=(old_rows.reason(second) or "") if second < 0 else _reason(after, second),
                count=int(str(count)),
            )


def _grouped(before: str, after: str, source: str) -> str:
    each = f"SELECT COALESCE(a.region, 'unknown') AS region, {before} AS before, {after} AS after FROM {source}"
    return f"SELECT region, before, after, COUNT(*) FROM ({each}) AS o GROUP BY ALL ORDER BY ALL"


def _reason(compiled: Compiled, outcome: int) -> str:
    decision = compiled.outcomes[outcome]
    return "" if decision.permit else decision.reason
