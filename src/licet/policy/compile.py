"""Compile a notice to one SQL expression in the core that DuckDB and Spark share.

Only CASE, AND, OR, IN, comparisons, IS NULL, SUBSTRING and literals are used. SQL's own three-valued logic is left
aside: every test is written so that it is true exactly when `decide` would find it so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from licet.policy.decide import Decision, Terms, settled, unknown_member
from licet.policy.reasons import unknown
from licet.policy.residual import Missing, Step, narrow
from licet.policy.rules import Condition, Notice, bare_countries
from licet.policy.vocabulary import COUNTRIES, KNOWN, RECORD_SIDE, country_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One WHEN: SQL tests, all of which must hold, with `{s}` and `{r}` for the aliases; no test always holds."""

    tests: tuple[str, ...]
    outcome: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A notice compiled for one license's terms and one table."""

    outcomes: tuple[Decision, ...]
    """What each value of the expression means."""
    permitted: tuple[int, ...]
    """The values that permit."""
    branches: tuple[Branch, ...]
    permissions: tuple[tuple[str, ...], ...] | None
    """Tests under each of which one subject permits; None where only the whole expression tells."""

    def outcome(self, subject: str, record: str) -> str:
        """Give the INTEGER expression of one subject's outcome; arguments are table aliases.

        `subject` needs the columns of `model.schemas.SUBJECTS` from a left join, `record` those of the lake's table
        and a BOOLEAN `deleted`.
        """
        *cases, last = self.branches
        whens = [f"WHEN {' AND '.join(case.tests)} THEN {case.outcome}" for case in cases]
        text = f"CASE {' '.join(whens)} ELSE {last.outcome} END" if whens else str(last.outcome)
        return text.replace("{s}", f"{subject}.").replace("{r}", f"{record}.")

    def decision(self, subjects: Sequence[str], record: str) -> str:
        """Give the INTEGER expression over every subject, as `decide` combines them: the first denied, else the last.

        Raises:
            ValueError: `subjects` is empty.
        """
        *earlier, text = [self.outcome(subject, record) for subject in subjects]
        for each in reversed(earlier):
            text = f"CASE WHEN {self._permitting(each)} THEN {text} ELSE {each} END"
        return text

    def permits(self, subjects: Sequence[str], record: str) -> str:
        """Give the BOOLEAN expression that is true exactly where `decision` permits, and else false or NULL.

        Where the rules allow it, this is a plain conjunction, which an engine can push down to members and records.
        """
        if self.permissions is None:
            return self._permitting(self.decision(subjects, record))
        either = " OR ".join(f"({' AND '.join(tests)})" for tests in self.permissions) or "1 = 0"
        each = [either.replace("{s}", f"{subject}.").replace("{r}", f"{record}.") for subject in subjects]
        return "(" + " AND ".join(f"({one})" for one in each) + ")"

    def _permitting(self, outcome: str) -> str:
        return _among(f"({outcome})", [str(index) for index in self.permitted])


def compile_rules(notice: Notice | None, terms: Terms, table: str) -> Compiled:
    """Compile a notice for one license's terms and one table; what `decide` says of a row, the expression says too."""
    early = Decision(permit=False, reason="no_notice") if notice is None else settled(terms, notice, table)
    writer = _Writer(terms.at)
    if notice is None or early is not None:
        writer.add((), early or unknown_member())
        return writer.compiled()
    writer.add(("{r}deleted",), Decision(permit=False, reason="deleted"))
    writer.add(("{r}deleted IS NULL",), Decision(permit=False, reason=unknown("deleted")))
    writer.add(("{s}member_id IS NULL",), unknown_member())
    for rule in notice.rules:
        step = narrow(rule, terms, notice, table, None)
        if step is not None and writer.step(step):
            return writer.compiled()
    writer.add((), Decision(permit=False, reason="no_rule"))
    return writer.compiled()


class _Writer:
    """Collects branches; `sure` holds the attributes that no later branch can find unknown."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.sure: set[str] = set()
        self.outcomes: list[Decision] = []
        self.branches: list[Branch] = []
        self.passing: dict[str, frozenset[str]] | None = {}
        self.permissions: list[dict[str, frozenset[str]]] | None = []
        self.usual: Branch | None = None

    def add(self, tests: tuple[str, ...], decision: Decision) -> None:
        if decision not in self.outcomes:
            self.outcomes.append(decision)
        self.branches.append(Branch(tests=tests, outcome=self.outcomes.index(decision)))

    def step(self, step: Step) -> bool:
        """Write what is left of one rule; True where nothing can come after it."""
        sqls = [None if isinstance(item, Missing) else _sql(item, self.at, self.sure) for item in step.when]
        if all(sqls):
            self.add(tuple(sql.true for sql in sqls if sql), step.decision)
        self.shortcut(step)
        for place, (item, sql) in enumerate(zip(step.when, sqls, strict=True)):
            if sql and sql.unknown is None:
                continue
            # Every earlier condition is known here, or its own branch would have decided.
            earlier = tuple(each.true for each in sqls[:place] if each)
            later = tuple(each.possible for each in sqls[place + 1 :] if each and each.possible)
            found = (sql.unknown,) if sql and sql.unknown else ()
            self.add((*earlier, *found, *later), Decision(permit=False, reason=unknown(item.attribute)))
            if sql is None:
                break
        if len(step.when) == 1:
            self.sure.add(step.when[0].attribute)
        return not self.branches[-1].tests

    def shortcut(self, step: Step) -> None:
        """Keep each permission as one test of listed values: a filter needs no more, and most rows meet the usual one.

        It exists where every rule before it asks one listed attribute only, so that "not that rule, and not unknown"
        is again a list of values.
        """
        listed = [item for item in step.when if isinstance(item, Condition) and item.key in KNOWN]
        if not step.when or len(listed) < len(step.when):
            self.passing = None
        if step.decision.permit:
            self.permission(listed, step.decision)
        if self.passing is None or len(listed) > 1:
            self.passing = None
            return
        column, known = _column(listed[0]), KNOWN[listed[0].key]
        self.passing[column] = self.passing.get(column, known) - listed[0].values

    def permission(self, listed: Sequence[Condition], decision: Decision) -> None:
        """Note what permits, or that it cannot be told apart from the rules before."""
        if self.passing is None or self.permissions is None:
            self.permissions = None
            return
        met = dict(self.passing)
        for item in listed:
            met[_column(item)] = met.get(_column(item), KNOWN[item.key]) & item.values
        self.permissions.append(met)
        self.usual = Branch(tests=_tests(met), outcome=self.outcomes.index(decision))

    def compiled(self) -> Compiled:
        permitted = tuple(index for index, outcome in enumerate(self.outcomes) if outcome.permit)
        permissions = None if self.permissions is None else tuple(_tests(met) for met in _joined(self.permissions))
        if self.usual is not None:
            self.branches.insert(0, self.usual)
        return Compiled(
            outcomes=tuple(self.outcomes),
            permitted=permitted,
            branches=tuple(self.branches),
            permissions=permissions,
        )


def _tests(met: dict[str, frozenset[str]]) -> tuple[str, ...]:
    values = (_member(column, values) for column, values in met.items())
    return ("NOT {r}deleted", "{s}member_id IS NOT NULL", *values)


def _joined(permissions: Sequence[dict[str, frozenset[str]]]) -> list[dict[str, frozenset[str]]]:
    """Make one of neighbors that differ in the values of one column only."""
    joined: list[dict[str, frozenset[str]]] = []
    for met in permissions:
        last = joined[-1] if joined else {}
        differing = [column for column in met if met[column] != last.get(column)]
        if last.keys() == met.keys() and len(differing) == 1:
            joined[-1] = last | {differing[0]: last[differing[0]] | met[differing[0]]}
        else:
            joined.append(met)
    return joined


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sql:
    """Three tests of one condition: true; unknown (None: cannot be); true or unknown (None: always)."""

    true: str
    unknown: str | None
    possible: str | None


def _sql(condition: Condition, at: datetime, sure: set[str]) -> _Sql:
    attribute, column = condition.attribute, _column(condition)
    if condition.key == "region":
        return _region_sql(column, condition.values, sure=attribute in sure)
    if condition.key in KNOWN:
        return _listed_sql(column, condition.values, KNOWN[condition.key], sure=attribute in sure)
    return _instant_sql(column, condition, at, sure=attribute in sure)


def _column(condition: Condition) -> str:
    attribute = condition.attribute
    return f"{{r}}{attribute}" if attribute in RECORD_SIDE else f"{{s}}{attribute}"


def _listed_sql(column: str, values: frozenset[str], known: frozenset[str], *, sure: bool) -> _Sql:
    true = _member(column, values & known)
    if sure:
        return _Sql(true=true, unknown=None, possible=true)
    rest = known - values
    possible = f"({column} IS NULL OR NOT {_member(column, rest)})" if rest else None
    return _Sql(true=true, unknown=f"({column} IS NULL OR NOT {_member(column, known)})", possible=possible)


def _instant_sql(column: str, condition: Condition, at: datetime, *, sure: bool) -> _Sql:
    instant = condition.instant
    if condition.key == "shown_days_at_least":
        instant = at - timedelta(days=condition.days)
    sign = {"shown_days_at_least": "<=", "created_before": "<", "created_from": ">="}[condition.key]
    true = f"{column} {sign} {_instant(instant)}" if instant else "(1 = 0)"
    if sure:
        return _Sql(true=true, unknown=None, possible=true)
    return _Sql(true=true, unknown=f"{column} IS NULL", possible=f"({column} IS NULL OR {true})")


def _region_sql(column: str, listed: frozenset[str], *, sure: bool) -> _Sql:
    country = f"SUBSTRING({column}, 1, 2)"
    shape = f"SUBSTRING({column}, 3, 1) IN ('', '-')"
    countries, parts = listed & COUNTRIES, frozenset(code for code in listed - COUNTRIES if country_of(code))
    whole = _member(country, countries)
    either = [whole if sure or not countries else f"({whole} AND {shape})"] if countries else []
    true = f"({' OR '.join([*either, *([_member(column, parts)] if parts else [])])})" if listed else "(1 = 0)"
    doubts = [] if sure else [f"{column} IS NULL", f"NOT {_member(country, COUNTRIES)}", f"NOT {shape}"]
    bare = bare_countries(listed)
    doubts += [_member(column, bare)] if bare else []
    unknown_ = f"({' OR '.join(doubts)})" if doubts else None
    return _Sql(true=true, unknown=unknown_, possible=f"({true} OR {unknown_})" if unknown_ else true)


def _member(column: str, values: frozenset[str]) -> str:
    """Write membership in a list of texts."""
    return _among(column, [_text(value) for value in sorted(values)])


def _among(expression: str, literals: Sequence[str]) -> str:
    if not literals:
        return "(1 = 0)"
    return f"{expression} = {literals[0]}" if len(literals) == 1 else f"{expression} IN ({', '.join(literals)})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _instant(value: datetime) -> str:
    return f"CAST('{value.isoformat(sep=' ', timespec='microseconds')}' AS TIMESTAMPTZ)"
