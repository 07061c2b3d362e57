"""No hint ever leaves out a file with a wanted row."""

import json
import string

from hypothesis import example, given
from hypothesis import strategies as st

from licet.protocol.predicates import Between, bucket_range, read_hints
from licet.protocol.pseudonyms import bucket_of

ids = st.text("0123456789abcdef", min_size=32, max_size=32)
short = st.text("0189af", max_size=3)
SIGNS = {"equal": "=", "lessThan": "<", "lessThanOrEqual": "<=", "greaterThan": ">", "greaterThanOrEqual": ">="}


@given(ids, st.integers(0, 12).map(lambda n: 1 << n))
def test_a_member_lies_in_the_range_of_its_bucket_and_of_no_other(who, buckets) -> None:
    bucket = bucket_of(who, buckets)
    assert bucket_range(bucket, buckets).low <= who <= bucket_range(bucket, buckets).high
    for other in {bucket - 1, bucket + 1} & set(range(buckets)):
        known = bucket_range(other, buckets)
        assert not known.low <= who <= known.high


def leaf(op: str, name: str, value: str) -> dict:
    return {"op": op, name: value, "valueType": "string"}


def comparisons() -> st.SearchStrategy[dict]:
    sides = st.tuples(st.sampled_from(["author_id", "text"]), short).map(
        lambda said: [leaf("column", "name", said[0]), leaf("literal", "value", said[1])]
    )
    turned = st.one_of(sides, sides.map(lambda both: both[::-1]))
    return st.one_of(
        st.builds(lambda op, children: {"op": op, "children": children}, st.sampled_from(sorted(SIGNS)), turned),
        st.sampled_from(["author_id", "text"]).map(
            lambda name: {"op": "isNull", "children": [leaf("column", "name", name)]}
        ),
    )


trees = st.recursive(
    comparisons(),
    lambda child: st.one_of(
        st.builds(
            lambda op, children: {"op": op, "children": children},
            st.sampled_from(["and", "or"]),
            st.lists(child, min_size=1, max_size=3),
        ),
        child.map(lambda one: {"op": "not", "children": [one]}),
    ),
    max_leaves=6,
)


def truth(node: dict, row: dict[str, str | None]) -> bool | None:
    """Give what SQL says of a row: true, false, or None for unknown."""
    op, children = node["op"], node["children"]
    if op == "isNull":
        return row[children[0]["name"]] is None
    if op in {"and", "or", "not"}:
        found = [truth(child, row) for child in children]
        if op == "not":
            return None if found[0] is None else not found[0]
        decides = op == "or"
        if decides in found:
            return decides
        return None if None in found else not decides
    left, right = (row[side["name"]] if side["op"] == "column" else side["value"] for side in children)
    if left is None or right is None:
        return None
    return {
        "equal": left == right,
        "lessThan": left < right,
        "lessThanOrEqual": left <= right,
        "greaterThan": left > right,
        "greaterThanOrEqual": left >= right,
    }[op]


@given(trees, st.lists(st.tuples(short, st.one_of(st.none(), short)), min_size=1, max_size=6))
def test_a_file_with_a_wanted_row_is_kept_whatever_the_predicate(node, found) -> None:
    owners = [owner for owner, _ in found]
    known = {"author_id": Between(low=min(owners), high=max(owners))}
    wanted = any(truth(node, {"author_id": owner, "text": text}) for owner, text in found)
    kept = read_hints([], json.dumps(node)).may_match(known)
    assert kept or not wanted


@given(st.sampled_from(sorted(SIGNS)), short, short, short)
@example("equal", "0", "0", "0")
def test_a_comparison_leaves_out_what_surely_holds_no_wanted_row(op, value, one, other) -> None:
    """Exactly so: of a range of which nothing else is known, either end may occur."""
    low, high = sorted((one, other))
    tree = {"op": op, "children": [leaf("column", "name", "a"), leaf("literal", "value", value)]}
    kept = read_hints([], json.dumps(tree)).may_match({"a": Between(low=low, high=high)})
    ends = {low, high, value} if low <= value <= high else {low, high}
    assert kept == any(truth(tree, {"a": end}) for end in ends)


@given(st.sampled_from([*SIGNS.values(), "<>"]), short, short, short)
def test_sql_and_trees_say_the_same(sign, value, one, other) -> None:
    low, high = sorted((one, other))
    known = {"a": Between(low=low, high=high)}
    op = {shown: name for name, shown in SIGNS.items()}.get(sign, "equal")
    tree: dict = {"op": op, "children": [leaf("column", "name", "A"), leaf("literal", "value", value)]}
    if sign == "<>":
        tree = {"op": "not", "children": [tree]}
    expected = read_hints([], json.dumps(tree)).may_match(known)
    mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(sign, sign)
    for hint in (f"a {sign} '{value}'", f" `a`{sign}'{value}' ", f"'{value}' {mirrored} A"):
        assert read_hints([hint], None).may_match(known) == expected


def test_a_quote_in_a_literal_is_doubled() -> None:
    known = {"a": Between(low="it's", high="it's")}
    assert read_hints(["a = 'it''s'"], None).may_match(known)
    assert not read_hints(["a <> 'it''s'"], None).may_match(known)
    assert not read_hints(["a is null"], None).may_match(known)
    assert read_hints(["a IS NOT NULL"], None).may_match(known)


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda child: st.one_of(
        st.lists(child, max_size=3),
        st.dictionaries(st.sampled_from(["op", "children", "name", "value", "valueType"]), child, max_size=5),
        st.fixed_dictionaries({"op": st.sampled_from(["and", "or", "not", "equal", "isNull"]), "children": child}),
    ),
    max_leaves=10,
)


@given(st.lists(st.one_of(st.text(string.printable, max_size=30), junk), max_size=3), st.one_of(junk, st.text()))
def test_whatever_cannot_be_read_leaves_everything_in(sql, tree) -> None:
    assert read_hints(sql, json.dumps(tree)).may_match({})


def test_no_depth_of_a_tree_is_too_much() -> None:
    for deep in ("[" * 100_000, '{"op":"not","children":[' * 5000 + "1" + "]}" * 5000):
        assert read_hints([], deep).may_match({"a": Between(low="", high="")})
