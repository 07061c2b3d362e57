"""Pseudonyms keyed per license, so that two recipients cannot join their tables on them.

One keyed BLAKE2b per member gives both the pseudonym and a secret of that member; a post's pseudonym is
SHA-256 over its author's secret and its id, so that an engine can compute it from joined columns alone and
no key ever stands in a query's text.
"""

import hashlib
from collections.abc import Iterable, Iterator

DIGITS = 32
"""Length of a pseudonym in hexadecimal digits (128 bits)."""

_SPREAD_DIGITS = 15
"""As many digits as a signed 64-bit integer holds."""


def member_secrets(key: bytes, member_id: str) -> tuple[str, str]:
    """Give a member's pseudonym and secret, 32 hexadecimal digits each."""
    digits = next(member_digests(key, [member_id])).hex()
    return digits[:DIGITS], digits[DIGITS:]


def member_digests(key: bytes, member_ids: Iterable[str]) -> Iterator[bytes]:
    """Give, for each member, `DIGITS` bytes: in hexadecimal digits the pseudonym, then the secret."""
    keyed = hashlib.blake2b(key=key, digest_size=DIGITS, person=b"licet-member")
    for member_id in member_ids:
        one = keyed.copy()  # the key is hashed once, not once a member
        one.update(member_id.encode())
        yield one.digest()


def post_pseudonym(author_secret: str, post_id: str) -> str:
    """Give a post's pseudonym; the SQL form is `substr(sha256(author_secret || post_id), 1, 32)`."""
    return hashlib.sha256((author_secret + post_id).encode()).hexdigest()[:DIGITS]


def spread_of(pseudonym: str) -> int:
    """Give a member's place among all, in [0, 2^60): in the order of pseudonyms, evenly spread."""
    return int(pseudonym[:_SPREAD_DIGITS], 16)


def bucket_of(pseudonym: str, buckets: int) -> int:
    """Give the bucket of a member's rows among a power of two of buckets, which follow the order of pseudonyms."""
    return spread_of(pseudonym) >> bucket_shift(buckets)


def bucket_shift(buckets: int) -> int:
    """Give by how many bits `spread_of` is shifted to the right to give the bucket, in SQL as in Python."""
    return 4 * _SPREAD_DIGITS - (buckets.bit_length() - 1)
