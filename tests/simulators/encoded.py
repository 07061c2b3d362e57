"""Made-up posts as a learner sees them."""

from licet.train.algebra import Algebra
from licet.train.rows import Row


def row(learner: Algebra, member: str, record: str, text: str) -> Row:
    """Encode one made-up post; its label follows from its length."""
    label = len(text) % len(learner.labels) if learner.labels else 0
    return Row(member=member, record=record, label=label, payload=learner.encode(text))
