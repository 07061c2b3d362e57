"""Pseudonyms keyed per license, so that two recipients cannot join their tables on them.

One keyed BLAKE2b per member gives both the pseudonym and a secret of that member; a post's pseudonym is
SHA-256 over its author's secret and its id, so that an engine can compute it from joined columns alone and
no key ever stands in a query's text.
"""

import hashlib

DIGITS = 32
"""Length of a pseudonym in hexadecimal digits (128 bits)."""


def member_secrets(key: bytes, member_id: str) -> tuple[str, str]:
    """Give a member's pseudonym and secret, 32 hexadecimal digits each."""
    digest = hashlib.blake2b(member_id.encode(), key=key, digest_size=32, person=b"licet-member").hexdigest()
    return digest[:DIGITS], digest[DIGITS:]


def post_pseudonym(author_secret: str, post_id: str) -> str:
    """Give a post's pseudonym; the SQL form is `substr(sha256(author_secret || post_id), 1, 32)`."""
    return hashlib.sha256((author_secret + post_id).encode()).hexdigest()[:DIGITS]


def bucket_of(pseudonym: str, buckets: int) -> int:
    """Give the bucket of a member's rows, from the pseudonym's first 32 bits."""
    return int(pseudonym[:8], 16) % buckets
