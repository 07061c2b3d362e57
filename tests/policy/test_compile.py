"""The compiled expression says of every row what the point decision says of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from licet.model.schemas import INSTANT
from licet.policy.compile import Compiled, compile_rules
from licet.policy.decide import Decision, RecordFacts, Subject, Terms, decide
from licet.policy.notice import Notice

_TEXTS = ("region", "age_band", "protection", "status", "setting", "setting_source")
_MEMBERS = pa.schema(
    [("i", pa.int64()), ("member_id", pa.string()), *((name, pa.string()) for name in _TEXTS), ("shown_at", INSTANT)]
)
_POSTS = pa.schema([("i", pa.int64()), ("visibility", pa.string()), ("created_at", INSTANT), ("deleted", pa.bool_())])
_LIKES = pa.schema([field for field in _POSTS if field.name != "visibility"])

Row = tuple[tuple[Subject | None, Subject | None], RecordFacts]
tables = st.sampled_from(("posts", "posts", "likes", "bookmarks", "reposts"))


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """Give one DuckDB in memory for every example."""
    with duckdb.connect() as connection:
        yield connection


def _members(subjects: Sequence[Subject | None]) -> pa.Table:
    rows = [
        {"i": i, "member_id": str(i), "shown_at": each.shown_at, **{name: getattr(each, name) for name in _TEXTS}}
        for i, each in enumerate(subjects)
        if each is not None
    ]
    return pa.Table.from_pylist(rows, schema=_MEMBERS)


def _answers(
    engine: duckdb.DuckDBPyConnection, compiled: Compiled, rows: Sequence[Row], columns: str
) -> list[Decision]:
    """Run an expression over the rows; a subject of None is a row that the left join does not find."""
    schema = _POSTS if rows[0][1].table == "posts" else _LIKES
    records = [{"i": i, **{name: getattr(row[1], name) for name in schema.names[1:]}} for i, row in enumerate(rows)]
    engine.register("records", pa.Table.from_pylist(records, schema=schema))
    engine.register("firsts", _members([row[0][0] for row in rows]))
    engine.register("seconds", _members([row[0][1] for row in rows]))
    found = engine.sql(
        f"SELECT {columns} FROM records r LEFT JOIN firsts a ON a.i = r.i LEFT JOIN seconds b ON b.i = r.i ORDER BY r.i"
    ).fetchall()
    return [compiled.outcomes[row[0]] for row in found]


def _kept(engine: duckdb.DuckDBPyConnection, compiled: Compiled) -> list[bool]:
    """Filter the rows of the last `_answers` by what permits, and tell of each whether it was kept."""
    source = "records r LEFT JOIN firsts a ON a.i = r.i LEFT JOIN seconds b ON b.i = r.i"
    found = engine.sql(f"SELECT r.i FROM {source} WHERE {compiled.permits(('a', 'b'), 'r')}").fetchall()
    kept = {row[0] for row in found}
    return [i in kept for (i,) in engine.sql("SELECT i FROM records ORDER BY i").fetchall()]


def _pairs() -> st.SearchStrategy[list[Row]]:
    subject = st.one_of(st.from_type(Subject), st.from_type(Subject), st.from_type(Subject), st.none())
    return st.lists(st.tuples(st.tuples(subject, subject), st.from_type(RecordFacts)), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(notice=st.from_type(Notice) | st.none(), terms=st.from_type(Terms), table=tables, rows=_pairs())
def test_point_equals_set(
    engine: duckdb.DuckDBPyConnection, notice: Notice | None, terms: Terms, table: str, rows: list[Row]
) -> None:
    """For every notice, terms and row, of any shape, SQL and `decide` give one decision with one reason."""
    rows = [(pair, replace(record, table=table)) for pair, record in rows]
    compiled = compile_rules(notice, terms, table)
    assert _answers(engine, compiled, rows, compiled.outcome("a", "r")) == [
        decide(pair[:1], record, terms, notice) for pair, record in rows
    ]
    assert _answers(engine, compiled, rows, compiled.decision(("a", "b"), "r")) == [
        decide(pair, record, terms, notice) for pair, record in rows
    ]
    assert _kept(engine, compiled) == [decide(pair, record, terms, notice).permit for pair, record in rows]


@settings(max_examples=40, deadline=None)
@given(table=tables, terms=st.from_type(Terms), rows=_pairs())
def test_point_equals_set_under_the_ready_made_notices(
    engine: duckdb.DuckDBPyConnection, ready_made: Notice, terms: Terms, table: str, rows: list[Row]
) -> None:
    """The shipped notices are decided alike by SQL and by `decide`."""
    rows = [(pair, replace(record, table=table)) for pair, record in rows]
    compiled = compile_rules(ready_made, terms, table)
    assert _answers(engine, compiled, rows, compiled.decision(("a", "b"), "r")) == [
        decide(pair, record, terms, ready_made) for pair, record in rows
    ]
    assert _kept(engine, compiled) == [decide(pair, record, terms, ready_made).permit for pair, record in rows]


def test_the_filter_of_the_ready_made_notices_is_a_plain_conjunction(ready_made: Notice) -> None:
    """No CASE stands between an engine and the columns of members, so it drops the denied before joining."""
    at = ready_made.effective + timedelta(days=1)
    terms = Terms(purpose="third_party_training", channel="third_party", recipient_id="acme", at=at)
    expression = compile_rules(ready_made, terms, "posts").permits(("a",), "r")
    assert "CASE" not in expression
    assert " OR " not in expression


@settings(max_examples=60, deadline=None)
@given(notice=st.from_type(Notice), terms=st.from_type(Terms), table=tables)
def test_the_expression_keeps_to_the_portable_core_and_transpiles_to_spark(
    notice: Notice, terms: Terms, table: str
) -> None:
    """Nothing but CASE, logic, comparisons, SUBSTRING and literals is emitted, and sqlglot reads it as Spark SQL."""
    compiled = compile_rules(notice, terms, table)
    expression = compiled.permits(("a", "b"), "r")
    tree = sqlglot.parse_one(expression, read="duckdb")
    functions = {type(node) for node in tree.find_all(exp.Func)}
    assert functions <= {exp.Case, exp.If, exp.Cast, exp.Substring, exp.And, exp.Or}
    assert not list(tree.find_all(exp.Like, exp.RegexpLike, exp.Subquery))
    (spark,) = sqlglot.transpile(expression, read="duckdb", write="spark")
    assert sqlglot.parse_one(spark, read="spark").sql("spark") == spark
    assert "TIMESTAMPTZ" not in spark


@given(notice=st.from_type(Notice), terms=st.from_type(Terms), table=tables)
def test_permitted_names_exactly_the_outcomes_that_permit(notice: Notice, terms: Terms, table: str) -> None:
    """A build that keeps these outcomes keeps the permitted rows, and only those."""
    compiled = compile_rules(notice, terms, table)
    permitting = [index for index, outcome in enumerate(compiled.outcomes) if outcome.permit]
    assert list(compiled.permitted) == permitting
    assert len(set(compiled.outcomes)) == len(compiled.outcomes)


def test_nothing_is_permitted_without_a_notice(engine: duckdb.DuckDBPyConnection) -> None:
    """The expression is a constant that denies, and its `permits` is false."""
    terms = Terms(purpose="p", channel="third_party", recipient_id="acme", at=datetime(2025, 1, 1, tzinfo=UTC))
    compiled = compile_rules(None, terms, "posts")
    assert compiled.outcomes == (Decision(permit=False, reason="no_notice"),)
    assert engine.sql(f"SELECT {compiled.permits(('a',), 'r')}").fetchall() == [(False,)]
