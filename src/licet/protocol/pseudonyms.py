"""Pseudonyms keyed per license, so that two recipients cannot join their tables on them.

One keyed BLAKE2b per member gives both the pseudonym and a secret of that member; a post's pseudonym is
SHA-256 over its author's secret and its id, so that an engine can compute it from joined columns alone and
no key ever stands in a query's text.
"""

import hashlib
from collections.abc import Iterable, Iterator

DIGITS = 32
"""Length of a pseudonym in hexadecimal digits (128 bits)."""


def member_secrets(key: bytes, member_id: str) -> tuple[str, str]:
    """Give a member's pseudonym and secret, 32 hexadecimal digits each."""
    digest = next(member_digests(key, [member_id]))
    return digest[:DIGITS], digest[DIGITS:]


def member_digests(key: bytes, member_ids: Iterable[str]) -> Iterator[str]:
    """Give, for each member, 64 hexadecimal digits: the pseudonym, then the secret."""
    keyed = hashlib.blake2b(key=key, digest_size=32, person=b"licet-member")
    for member_id in member_ids:
        one = keyed.copy()  # the key is hashed once, not once a member
        one.update(member_id.encode())
        yield one.hexdigest()


def post_pseudonym(author_secret: str, post_id: str) -> str:
    """Give a post's pseudonym; the SQL form is `substr(sha256(author_secret || post_id), 1, 32)`."""
    return hashlib.sha256((author_secret + post_id).encode()).hexdigest()[:DIGITS]


def bucket_of(pseudonym: str, buckets: int) -> int:
    """Give the bucket of a member's rows, from the pseudonym's first 32 bits."""
    return int(pseudonym[:8], 16) % buckets
