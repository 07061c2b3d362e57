"""Keys are read as people have them, and the wrong half is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from licet.model.errors import InputError
from licet.protocol.attestation import public_bytes
from licet.protocol.signing_keys import read_private_key, read_public_key

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
OTHER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("text", [PUBLIC_PEM, base64.b64encode(public_bytes(KEY)).decode() + "\n"])
def test_a_public_key_is_read_from_pem_or_base64(text: str) -> None:
    assert read_public_key(text) == public_bytes(KEY)


@pytest.mark.parametrize("text", [PEM, base64.b64encode(bytes(range(32))).decode()])
def test_a_private_key_is_read_from_pem_or_base64(text: str) -> None:
    assert public_bytes(read_private_key(text)) == public_bytes(KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "AAAA",
        PEM,
        PUBLIC_PEM.replace("MCow", "MCox"),
        OTHER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    ],
)
def test_what_is_no_ed25519_public_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_public_key(text)
    assert "PRIVATE KEY-" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        PUBLIC_PEM,
        OTHER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode(),
    ],
)
def test_what_is_no_open_ed25519_private_key_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_private_key(text)
    assert caught.value.remedy
