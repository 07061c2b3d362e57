"""Predicate hints: which files surely hold no row that a client wants.

Hints are best effort: whatever cannot be read, or judged from what is known of a file, leaves the file in.
"""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from licet.protocol.pseudonyms import DIGITS, bucket_shift

_DEPTH: Final = 50
"""Deepest tree that is looked at."""
_SPREAD: Final = 15
"""Digits of a pseudonym that decide its bucket."""

_LITERAL = r"'((?:[^']|'')*)'"
_COLUMN = r"`?([A-Za-z_][A-Za-z_0-9]*)`?"
_COMPARED = re.compile(rf"\s*{_COLUMN}\s*(<=|>=|<>|=|<|>)\s*{_LITERAL}\s*", re.ASCII)
_TURNED = re.compile(rf"\s*{_LITERAL}\s*(<=|>=|<>|=|<|>)\s*{_COLUMN}\s*", re.ASCII)
_NULL = re.compile(rf"\s*{_COLUMN}\s+is\s+(not\s+)?null\s*", re.ASCII | re.IGNORECASE)
_MIRROR: Final = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_SIGNS: Final = {
    "equal": "=",
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The least and the greatest text that a column may hold in a file, where it is never null."""

    low: str
    high: str


Ranges: TypeAlias = Mapping[str, Between]


@dataclass(frozen=True, slots=True)
class _Compared:
    column: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class _IsNull:
    column: str


@dataclass(frozen=True, slots=True)
class _Not:
    child: "_Node"


@dataclass(frozen=True, slots=True)
class _All:
    children: tuple["_Node", ...]


@dataclass(frozen=True, slots=True)
class _Any:
    children: tuple["_Node", ...]


_Node: TypeAlias = _Compared | _IsNull | _Not | _All | _Any | None
"""None is what cannot be judged."""

_EITHER: Final = (True, True)


@dataclass(frozen=True, slots=True)
class Hints:
    """What a client's hints say, all of them at once."""

    nodes: tuple[_Node, ...] = ()

    def may_match(self, ranges: Ranges) -> bool:
        """Tell whether a file, of whose columns this is known, may hold a row for which every hint is true."""
        return all(_outcomes(node, ranges)[0] for node in self.nodes)


def read_hints(sql: Sequence[object], tree: object) -> Hints:
    """Read `predicateHints` and `jsonPredicateHints`; what cannot be read is passed over."""
    nodes = [_read_sql(hint) for hint in sql if isinstance(hint, str)]
    if isinstance(tree, str):
        with contextlib.suppress(ValueError, RecursionError):
            nodes.append(_read_tree(json.loads(tree), _DEPTH))
    return Hints(tuple(node for node in nodes if node is not None))


def bucket_range(bucket: int, buckets: int) -> Between:
    """Give between which pseudonyms the members of one of a power of two of buckets lie."""
    shift, tail = bucket_shift(buckets), DIGITS - _SPREAD
    low, high = bucket << shift, ((bucket + 1) << shift) - 1
    return Between(low=f"{low:0{_SPREAD}x}" + "0" * tail, high=f"{high:0{_SPREAD}x}" + "f" * tail)


def _read_sql(hint: str) -> _Node:
    if found := _NULL.fullmatch(hint):
        column, negated = found.groups()
        node = _IsNull(column.lower())
        return _Not(node) if negated else node
    if found := _COMPARED.fullmatch(hint):
        column, sign, value = found.groups()
        return _compared(column, sign, value.replace("''", "'"))
    if found := _TURNED.fullmatch(hint):
        value, sign, column = found.groups()
        return _compared(column, _MIRROR[sign], value.replace("''", "'"))
    return None


def _compared(column: str, sign: str, value: str) -> _Node:
    if sign == "<>":
        return _Not(_Compared(column.lower(), "=", value))
    return _Compared(column.lower(), sign, value)


def _read_tree(value: object, depth: int) -> _Node:
    if not depth or not isinstance(value, dict):
        return None
    op, children = value.get("op"), value.get("children")
    if not isinstance(op, str) or not isinstance(children, list) or not children:
        return None
    if op in {"and", "or", "not"}:
        return _combined(op, tuple(_read_tree(child, depth - 1) for child in children))
    if op == "isNull":
        column = _leaf(children[0], "column", "name")
        return None if column is None else _IsNull(column.lower())
    pair = len(children) == 2  # noqa: PLR2004 # a comparison has two sides
    return _read_comparison(_SIGNS[op], *children) if op in _SIGNS and pair else None


def _combined(op: str, children: tuple[_Node, ...]) -> _Node:
    if op == "not":
        return _Not(children[0]) if len(children) == 1 else None
    return _All(children) if op == "and" else _Any(children)


def _read_comparison(sign: str, left: object, right: object) -> _Node:
    for one, other, turned in ((left, right, sign), (right, left, _MIRROR[sign])):
        column, value = _leaf(one, "column", "name"), _leaf(other, "literal", "value")
        if column is not None and value is not None:
            return _Compared(column.lower(), turned, value)
    return None


def _leaf(value: object, op: str, key: str) -> str | None:
    if not isinstance(value, dict) or value.get("op") != op or value.get("valueType", "string") != "string":
        return None
    found = value.get(key)
    return found if isinstance(found, str) else None


def _outcomes(node: _Node, ranges: Ranges) -> tuple[bool, bool]:
    """Give whether some row may make a node true, and whether some row may make it false."""
    match node:
        case _Compared(column, sign, value) if column in ranges:
            return _comparison(ranges[column], sign, value)
        case _IsNull(column) if column in ranges:
            return False, True
        case _Not(child):
            true, false = _outcomes(child, ranges)
            return false, true
        case _All(children):
            found = [_outcomes(child, ranges) for child in children]
            return all(true for true, _ in found), any(false for _, false in found)
        case _Any(children):
            found = [_outcomes(child, ranges) for child in children]
            return any(true for true, _ in found), all(false for _, false in found)
    return _EITHER


def _comparison(known: Between, sign: str, value: str) -> tuple[bool, bool]:
    low, high = known.low, known.high
    match sign:
        case "=":
            return low <= value <= high, not low == value == high
        case "<":
            return low < value, high >= value
        case "<=":
            return low <= value, high > value
        case ">":
            return high > value, low <= value
        case _:
            return high >= value, low < value
