"""`licet recipient webhook` and `licet recipient key`."""

import base64
import json
import pathlib

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.cli.main import main
from licet.protocol.attestation import key_id_of, public_bytes

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def run(home: pathlib.Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    return result.exit_code, result.output


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home with a recipient, and its public key in a file."""
    run(tmp_path, "recipient", "add", "acme", "--name", "Acme AI")
    (tmp_path / "acme.pub").write_text(base64.b64encode(public_bytes(KEY)).decode() + "\n")
    return tmp_path


def test_a_webhooks_secret_is_shown_once(home: pathlib.Path) -> None:
    """Setting it again makes a new one; asking where notices go tells none."""
    said = json.loads(run(home, "--json", "recipient", "webhook", "acme", "https://hooks.acme.example/r")[1])
    assert said["secret"].startswith("whsec_")
    shown = run(home, "recipient", "webhook", "acme")[1]
    assert "https://hooks.acme.example/r" in shown
    assert "whsec_" not in shown
    again = json.loads(run(home, "--json", "recipient", "webhook", "acme", "https://hooks.acme.example/r")[1])
    assert again["secret"] != said["secret"]


def test_a_webhook_is_removed(home: pathlib.Path) -> None:
    assert "had no webhook" in run(home, "recipient", "webhook", "acme", "--remove")[1]
    run(home, "recipient", "webhook", "acme", "https://hooks.acme.example/r")
    assert json.loads(run(home, "--json", "recipient", "webhook", "acme", "--remove")[1])["removed"] is True
    assert "reads the feed" in run(home, "recipient", "webhook", "acme")[1]


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("nobody", "https://hooks.example/"), "licet recipient add"),
        (("nobody",), "licet recipient add"),
        (("nobody", "--remove"), "licet recipient add"),
        (("acme", "http://hooks.example/"), "https only"),
        (("acme", "https://10.0.0.1/"), "--allow-private"),
        (("acme", "https://a:b@hooks.example/"), "without a password"),
    ],
)
def test_a_wrong_webhook_names_the_remedy(home: pathlib.Path, arguments: tuple[str, ...], remedy: str) -> None:
    code, output = run(home, "recipient", "webhook", *arguments)
    assert code == 1
    assert remedy in output


def test_this_machine_takes_notices_where_that_is_meant(home: pathlib.Path) -> None:
    assert run(home, "recipient", "webhook", "acme", "http://127.0.0.1:9/", "--allow-private")[0] == 0


def test_a_key_is_registered_listed_and_revoked(home: pathlib.Path) -> None:
    name = key_id_of(public_bytes(KEY))
    for _ in range(2):
        assert name in run(home, "recipient", "key", "add", "acme", str(home / "acme.pub"))[1]
    (row,) = json.loads(run(home, "--json", "recipient", "key", "list", "acme")[1])
    assert (row["key"], row["revoked"]) == (name, "")
    assert run(home, "recipient", "key", "revoke", "acme", name)[0] == 0
    (row,) = json.loads(run(home, "--json", "recipient", "key", "list", "acme")[1])
    assert row["revoked"]
    code, output = run(home, "recipient", "key", "add", "acme", str(home / "acme.pub"))
    assert (code, "register another" in output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("add", "nobody", "acme.pub"), "licet recipient add"),
        (("add", "acme", "nothing.pub"), "check the path"),
        (("add", "acme", "licet.db"), ""),
        (("list", "nobody"), "licet recipient add"),
        (("revoke", "acme", "k_0"), "licet recipient key list"),
    ],
)
def test_a_wrong_key_names_the_remedy(home: pathlib.Path, arguments: tuple[str, ...], remedy: str) -> None:
    placed = [str(home / each) if "." in each else each for each in arguments]
    code, output = run(home, "recipient", "key", *placed)
    assert code == 1
    assert "error: " in output
    assert remedy in output
