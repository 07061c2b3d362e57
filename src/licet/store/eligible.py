"""Step 1, eligible: one SQL expression tells of every row of the lake whether it may go out, and if not, why.

Written in DuckDB's dialect within the core that Spark shares; the text holds no member's data and no key.
"""

from dataclasses import dataclass
from datetime import datetime

from licet.model.licenses import License
from licet.model.members import UNKNOWN_REGION
from licet.model.records import Table
from licet.policy.compile import Compiled
from licet.store.tables import OPEN

OUTSIDE_LICENSE = "outside_license"
"""The reason of rows whose language or date the license does not cover."""

ARRIVED_LATER = "arrived_later"
"""The reason of rows ingested after the facts that the build goes by."""

_OUTSIDE, _LATER = -1, -2

SUBJECTS: dict[Table, tuple[tuple[str, str], ...]] = {
    Table.POSTS: (("a", "author_id"),),
    Table.LIKES: (("a", "actor_id"), ("b", "post_author_id")),
    Table.BOOKMARKS: (("a", "actor_id"), ("b", "post_author_id")),
    Table.REPOSTS: (("a", "actor_id"), ("b", "post_author_id")),
}
"""Whose permission a row needs: the alias under which each subject is joined, and the column that names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """The rows of one table joined with their subjects, and the expression of each row's outcome."""

    table: Table
    source: str
    """What follows FROM: the records as `r`, their subjects as `a` and `b`."""
    outcome: str
    permitted: str
    """The BOOLEAN expression of the rows that may go out."""
    compiled: Compiled

    def counts(self) -> str:
        """Give the query of (outcome, region of the author or actor, rows)."""
        each = f"SELECT {self.outcome} AS outcome, COALESCE(a.region, '{UNKNOWN_REGION}') AS region FROM {self.source}"
        return f"SELECT o.outcome, o.region, COUNT(*) AS n FROM ({each}) AS o GROUP BY o.outcome, o.region"

    def reason(self, outcome: int) -> str | None:
        """Give why rows of this outcome stay out, None where they may go."""
        if outcome in {_OUTSIDE, _LATER}:
            return OUTSIDE_LICENSE if outcome == _OUTSIDE else ARRIVED_LATER
        decision = self.compiled.outcomes[outcome]
        return None if decision.permit else decision.reason


def eligible(license_: License, table: Table, compiled: Compiled, seq: int, *, any_fallen: bool) -> Eligible:
    """Write the rows of one table as of `seq`.

    The sources that the text names: the table itself, `members` (schema `members.MEMBERS`), and where there are any
    `fallen` (see `store.everyone.every_fallen`).
    """
    subjects = SUBJECTS[table]
    joins = [f"LEFT JOIN members AS {alias} ON {alias}.member_id = r.{column}" for alias, column in subjects]
    aliases, covered = [alias for alias, _ in subjects], _covered(license_, table)
    decision = compiled.decision(aliases, "r")
    outcome = f"CASE WHEN r.seq > {seq} THEN {_LATER} WHEN NOT ({covered}) THEN {_OUTSIDE} ELSE ({decision}) END"
    permitted = f"r.seq <= {seq} AND {covered} AND {compiled.permits(aliases, 'r')}"
    source = f"({_records(table, any_fallen=any_fallen)}) AS r {' '.join(joins)}"
    return Eligible(table=table, source=source, outcome=outcome, permitted=permitted, compiled=compiled)


def _covered(license_: License, table: Table) -> str:
    tests = [
        f"r.created_at >= {_instant(license_.created_from)}",
        f"r.created_at < {_instant(license_.created_until)}",
    ]
    if license_.langs and table is Table.POSTS:
        tests.append(f"r.lang IN ({', '.join(_text(lang) for lang in license_.langs)})")
    return " AND ".join(tests)


def _records(table: Table, *, any_fallen: bool) -> str:
    """Give the table's rows with a BOOLEAN `deleted`: by their own id, or with the post that they point to."""
    if not any_fallen:
        return f"SELECT t.*, FALSE AS deleted FROM {table} AS t"
    ids = {"d": "t.post_id"}
    if table is not Table.POSTS:
        ids = {"d": "t.actor_id || ' ' || t.post_id", "e": "t.interaction_id"}
    joins = [f"LEFT JOIN {_fallen(table)} AS {alias} ON {alias}.record_id = {id_}" for alias, id_ in ids.items()]
    tests = [f"COALESCE(t.seq < {alias}.before_seq, FALSE)" for alias in ids]
    if table is not Table.POSTS:
        # An edited post is still there to be liked; a deleted or hidden one is not.
        joins.append(f"LEFT JOIN {_fallen(Table.POSTS)} AS f ON f.record_id = t.post_id")
        tests.append(f"COALESCE(f.before_seq >= {OPEN}, FALSE)")
    return f"SELECT t.*, {' OR '.join(tests)} AS deleted FROM {table} AS t {' '.join(joins)}"


def _fallen(table: Table) -> str:
    return f"(SELECT record_id, before_seq FROM fallen WHERE record_table = '{table}')"


def _instant(value: datetime) -> str:
    return f"CAST('{value.isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMPTZ)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
