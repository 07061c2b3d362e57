"""Share a whole amount by whole weights so that nothing is lost: largest remainders, ties by the order of names.

`split` states the rule for a few; `SPLIT` is the same rule in SQL for millions.
"""

from collections.abc import Sequence
from typing import Final


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` (not negative) by weights (positive, in the order of names); the parts sum to it.

    Each gets the whole part of its quota; what is left goes, one each, to the largest remainders, of equals to those
    first in order.
    """
    everything = sum(weights)
    quotas = [divmod(total * weight, everything) for weight in weights]
    left = total - sum(whole for whole, _ in quotas)
    first = sorted(range(len(weights)), key=lambda n: (-quotas[n][1], n))[:left]
    parts = [whole for whole, _ in quotas]
    for n in first:
        parts[n] += 1
    return parts


SPLIT: Final = """
    WITH quota AS (
      SELECT pseudonym, rows, (CAST({total} AS HUGEINT) * weight) // {everything} AS whole,
        (CAST({total} AS HUGEINT) * weight) % {everything} AS remainder
      FROM {weights}),
    remaining AS (SELECT CAST({total} - SUM(whole) AS BIGINT) AS n FROM quota),
    edge AS (
      SELECT remainder FROM quota ORDER BY remainder DESC LIMIT 1 OFFSET (SELECT GREATEST(n - 1, 0) FROM remaining)),
    above AS (SELECT COUNT(*) AS n FROM quota WHERE remainder > (SELECT remainder FROM edge)),
    tied AS (
      SELECT pseudonym FROM quota WHERE remainder = (SELECT remainder FROM edge)
      ORDER BY pseudonym LIMIT (SELECT CASE WHEN r.n > 0 THEN r.n - a.n ELSE 0 END FROM remaining AS r, above AS a))
    SELECT q.pseudonym, CAST(q.rows AS BIGINT) AS rows,
      CAST(q.whole + CASE WHEN (SELECT n FROM remaining) > 0 AND (q.remainder > (SELECT remainder FROM edge)
        OR q.pseudonym IN (SELECT pseudonym FROM tied)) THEN 1 ELSE 0 END AS BIGINT) AS micros
    FROM quota AS q ORDER BY q.pseudonym"""
"""Names, `rows` and parts by name, of a table `weights` (pseudonym, rows, weight); `everything` is the weights' sum."""
