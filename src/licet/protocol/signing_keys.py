"""Read Ed25519 keys: PEM, or 32 bytes in base64."""

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from licet.model.errors import InputError

_LENGTH = 32


def read_public_key(text: str) -> bytes:
    """Give the 32 bytes of a public key.

    Raises:
        InputError: it is none, or it is a private one.
    """
    if "PRIVATE KEY" in text:
        raise InputError("this is a private key", "keep it to yourself and give the public one: openssl pkey -pubout")
    key = None
    try:
        raw = _from_base64(text)
        key = Ed25519PublicKey.from_public_bytes(raw) if raw else load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        pass
    if not isinstance(key, Ed25519PublicKey):
        raise InputError("this is no Ed25519 public key", "give PEM, or 32 bytes in base64")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_private_key(text: str) -> Ed25519PrivateKey:
    """Give a private key.

    Raises:
        InputError: it is none, or it is locked by a password.
    """
    key = None
    try:
        raw = _from_base64(text)
        key = Ed25519PrivateKey.from_private_bytes(raw) if raw else load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise InputError("the private key is locked by a password", "unlock it: openssl pkey -in FILE") from error
    except (ValueError, UnsupportedAlgorithm):
        pass
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("this is no Ed25519 private key", "make one: openssl genpkey -algorithm ed25519")
    return key


def _from_base64(text: str) -> bytes:
    """Give 32 bytes that a text spells in base64; nothing where it spells anything else."""
    try:
        found = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) == _LENGTH else b""
