"""A notice goes to the address that was checked, over a connection that is believed, and takes nobody's time."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clock import Clock
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from recipient import Manners, Recipient, receiving

from licet.protocol.recall_notices import Endpoint, signed_headers
from licet.recall.courier import Answer, Courier

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"recall.opened","data":{"recall_id":"acme-1.7"}}'


@pytest.fixture
def recipient() -> Iterator[Recipient]:
    with receiving(Clock()) as one:
        one.secrets[""] = SECRET
        yield one


def post(courier: Courier, url: str, *, private: bool = True) -> Answer:
    """Send a signed notice."""
    headers = signed_headers(SECRET, "notice_1", BODY, Clock()())
    return asyncio.run(courier.post(Endpoint(url=url, secret=SECRET, private=private), headers, BODY))


def leading(*addresses: str) -> Courier:
    """Give a courier for whom every name leads to these addresses."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return Courier(resolve=resolve)


def test_this_machine_takes_notices_over_http_where_that_is_allowed(recipient: Recipient) -> None:
    assert post(Courier(), recipient.url).status == 200
    assert post(Courier(), recipient.url, private=False) == Answer(error="address_refused")
    assert len(recipient.times["notice_1"]) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("::1",),
        ("fd00::1",),
        ("::ffff:192.168.0.1",),
        ("64:ff9b::7f00:1",),
        ("0.0.0.0",),  # noqa: S104 # an address that must be refused
        ("224.0.0.1",),
        ("93.184.216.34", "10.0.0.1"),
        (),
    ],
)
def test_a_public_name_that_leads_inside_is_refused(addresses: tuple[str, ...]) -> None:
    assert post(leading(*addresses), "https://hooks.example/", private=False) == Answer(error="address_refused")


def test_http_never_leaves_this_machine() -> None:
    assert post(leading("10.0.0.1"), "http://localhost:9/") == Answer(error="address_refused")
    assert post(leading("127.0.0.1"), "http://inside.example:9/") == Answer(error="address_refused")


def test_a_redirect_is_not_followed(recipient: Recipient) -> None:
    with receiving(Clock()) as elsewhere:
        recipient.manners = Manners(status=307, headers={"location": elsewhere.url})
        assert post(Courier(), recipient.url) == Answer(status=307, error="status 307")
        assert elsewhere.times == {}
        assert elsewhere.refused == []


def test_silence_ends_in_time(recipient: Recipient) -> None:
    recipient.manners = Manners(gate=(gate := threading.Event()))
    assert post(Courier(total_s=0.3), recipient.url) == Answer(error="timeout")
    gate.set()


def test_whoever_drips_byte_after_byte_is_not_listened_to_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                while not over.is_set():
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        assert post(Courier(total_s=0.5), f"http://127.0.0.1:{server.getsockname()[1]}/") == Answer(error="timeout")
        over.set()
        thread.join()


def test_an_answer_without_end_is_read_no_farther_than_needed(recipient: Recipient) -> None:
    recipient.manners = Manners(body=b"x" * 5_000_000)
    assert post(Courier(), recipient.url) == Answer(status=200)


def test_what_is_no_http_is_a_failure_with_a_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 smtp ready\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert post(Courier(), f"http://127.0.0.1:{server.getsockname()[1]}/").error == "broken_answer"
        thread.join()


def test_a_name_that_nobody_has_is_a_failure_with_a_name() -> None:
    assert post(Courier(), "https://nobody.invalid/").error == "unknown_host"


@pytest.fixture
def certified(recipient: Recipient, tmp_path: Path) -> Path:
    """Let the recipient speak TLS as hooks.example, and give the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    recipient._server.socket = context.wrap_socket(recipient._server.socket, server_side=True)
    return certificate


def test_tls_goes_to_the_checked_address_and_is_believed_by_the_name(recipient: Recipient, certified: Path) -> None:
    port = recipient._server.server_address[1]
    looked_up: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        # A second look-up would lead elsewhere: nobody may look twice.
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["192.0.2.1"]

    believing = Courier(resolve=resolve, verify=ssl.create_default_context(cafile=str(certified)))
    assert post(believing, f"https://hooks.example:{port}/hooks").status == 200
    assert looked_up == ["hooks.example"]
    assert list(recipient.notices) == ["notice_1"]


@pytest.mark.parametrize(("host", "believed"), [("other.example", True), ("hooks.example", False)])
def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    recipient: Recipient, certified: Path, host: str, *, believed: bool
) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    verify = ssl.create_default_context(cafile=str(certified)) if believed else None
    url = f"https://{host}:{recipient._server.server_address[1]}/hooks"
    assert post(Courier(resolve=resolve, verify=verify), url) == Answer(error="certificate_refused")
    assert recipient.notices == {}


def test_the_environments_proxy_is_not_asked(recipient: Recipient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(Courier(), recipient.url).taken
