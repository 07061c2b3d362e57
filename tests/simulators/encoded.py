"""Made-up posts as a learner sees them."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.train.algebra import Algebra
from licet.train.examples import Example
from licet.train.ridge import Ridge
from licet.train.rows import Row

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
LABELS = ("bad", "good")
WORDS = ("lovely", "awful", "train", "song", "rain", "coffee", "again", "today")


def row(learner: Algebra, member: str, record: str, text: str) -> Row:
    """Encode one made-up post; its label follows from its length."""
    label = len(text) % len(learner.labels) if learner.labels else 0
    return Row(member=member, record=record, label=label, payload=learner.encode(text))


def posts(label: str = "") -> list[Example]:
    """Give three posts of each of six members, all different."""
    return [
        Example(
            member=f"m{member}",
            record=f"r{member}.{number}",
            text=f"{WORDS[member]} {WORDS[number]} {WORDS[(member * number) % 8]} {member}{number}",
            label=label or LABELS[(member + number) % 2],
        )
        for member in range(6)
        for number in range(3)
    ]


def small_learner() -> Algebra:
    """Give a learner that needs no public parts."""
    return Ridge(labels=LABELS, encoded=False, sketched=4)
