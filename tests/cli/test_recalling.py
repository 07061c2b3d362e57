"""`licet recall`: what is owed, chased and attested, from both sides."""

import base64
import json
import pathlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from click.testing import CliRunner
from clock import Clock
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from debts import Debts
from recipient import Recipient, receiving

from licet.cli.main import main
from licet.model.recalls import State
from licet.model.records import Table
from licet.protocol.attestation import canonical, read_attestation
from licet.protocol.profiles import bearer_profile, oauth_profile
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import credentials
from licet.store.credentials import Kind
from licet.store.database import transaction
from licet.store.house import open_house


def run(home: pathlib.Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    return result.exit_code, result.output


@pytest.fixture
def debts(tmp_path: pathlib.Path) -> Iterator[Debts]:
    """A home with a license whose posts were delivered, by the machine's own clock."""
    house = open_house(tmp_path / "home")
    made = Debts(house, Clock(datetime.now(UTC)))
    made.license()
    made.deliver()
    yield made
    house.database.dispose()


@pytest.fixture
def home(debts: Debts) -> pathlib.Path:
    """The operator's home."""
    return debts.house.shared.root.parent


@pytest.fixture
def signer(debts: Debts, tmp_path: pathlib.Path) -> Iterator[Recipient]:
    """A recipient with a registered key, whose private half lies in a file."""
    with receiving(debts.clock) as one:
        debts.register(one)
        pem = one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "acme.pem").write_bytes(pem)
        yield one


@pytest.fixture
def address(debts: Debts) -> Iterator[str]:
    """Serve the home on a free port."""
    options = ServerOptions(secret=b"s" * 32, development_sign_in=True)
    config = configure(debts.house, "127.0.0.1", 0, options)
    config.log_level = "warning"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/delta-sharing/"
    server.should_exit = True
    thread.join()


def test_what_is_owed_is_listed_with_its_deadline(debts: Debts, home: pathlib.Path) -> None:
    """Overdue is said; what is closed is left out unless asked for."""
    names = [
        debts.withdraw(causes={"opted_out": 3}),
        debts.withdraw(due=debts.clock() - timedelta(hours=1), causes={"deleted": 4}),
    ]
    debts.license("free-1", "free")
    debts.withdraw("free-1")
    debts.clock.go(hours=2)
    debts.chase()
    rows = json.loads(run(home, "--json", "recall", "status")[1])
    assert [(r["recall"], r["license"], r["recipient"], r["state"], r["overdue"], r["rows"]) for r in rows] == [
        (names[0], "acme-1", "acme", "open", "no", 3),
        (names[1], "acme-1", "acme", "open", "yes", 4),
    ]
    assert len(json.loads(run(home, "--json", "recall", "status", "--all")[1])) == 3
    assert json.loads(run(home, "--json", "recall", "status", "--license", "free-1")[1]) == []
    assert names[0] in run(home, "recall", "status")[1]


def test_a_recall_is_shown_with_what_left_and_every_step(debts: Debts, home: pathlib.Path, signer: Recipient) -> None:
    """An auditor gets the statement and its signature whole."""
    name = debts.withdraw("acme-1", Table.POSTS, Table.LIKES, causes={"opted_out": 2, "edited": 1})
    debts.chase()
    debts.attest(signer, name)
    debts.chase()
    shown = run(home, "recall", "show", name)[1]
    assert "posts version 1: 3 rows left (edited 1, opted_out 2)" in shown
    assert "closed (attested)" in shown
    said = json.loads(run(home, "--json", "recall", "show", name)[1])
    assert [step["state"] for step in said["steps"]] == ["open", "attested", "closed"]
    (kept,) = said["attestations"]
    whole = read_attestation(canonical({"statement": kept["statement"], "signature": kept["signature"]}))
    signer.key.public_key().verify(whole.signature, whole.signed)


def test_a_recall_that_nobody_knows_names_the_remedy(home: pathlib.Path) -> None:
    code, output = run(home, "recall", "show", "nothing")
    assert (code, "licet recall status" in output) == (1, True)


def test_a_failing_webhook_is_told_of(debts: Debts, home: pathlib.Path) -> None:
    run(home, "recipient", "webhook", "acme", "http://127.0.0.1:1/", "--allow-private")
    name = debts.withdraw()
    said = json.loads(run(home, "--json", "recall", "chase")[1])
    assert (said["announced"], said["sent"], said["not_taken"]) == (1, 0, 1)
    assert "the webhook was tried 1 times: unreachable" in run(home, "recall", "show", name)[1]


def test_a_chase_tells_what_it_did_and_then_nothing(debts: Debts, home: pathlib.Path) -> None:
    debts.withdraw(due=debts.clock() - timedelta(seconds=1))
    said = run(home, "recall", "chase", "--public-url", "https://data.example")[1]
    assert "announced: 1" in said
    assert "suspended: 1" in said
    assert "nothing to do" in run(home, "recall", "chase")[1]
    assert debts.license_state() == "suspended"


def test_the_horizon_is_that_of_the_server(debts: Debts, home: pathlib.Path) -> None:
    debts.license("free-1", "free")
    debts.clock.go(minutes=-10)
    name = debts.withdraw("free-1")
    run(home, "recall", "chase")
    assert debts.state(name) is State.OPEN
    run(home, "recall", "chase", "--horizon", "5m")
    assert debts.state(name) is State.CLOSED


@pytest.mark.parametrize("kind", ["bearer", "oauth"])
def test_a_recipient_attests_with_its_profile(
    debts: Debts, home: pathlib.Path, signer: Recipient, address: str, tmp_path: pathlib.Path, kind: str
) -> None:
    """Looked up, signed and sent; the operator's next chase settles it."""
    assert signer.public_key
    until = debts.clock() + timedelta(days=1)
    with transaction(debts.house.database) as conn:
        fresh = credentials.issue(conn, "acme", Kind(kind), until)
    profile = (
        bearer_profile(address, fresh.secret, until)
        if kind == "bearer"
        else oauth_profile(address, fresh.credential_id, fresh.secret)
    )
    (tmp_path / "acme.share").write_text(json.dumps(profile))
    name = debts.withdraw()
    debts.chase()
    arguments = (
        "recall",
        "attest",
        name,
        "--key",
        str(tmp_path / "acme.pem"),
        "--profile",
        str(tmp_path / "acme.share"),
    )
    code, output = run(home, *arguments, "--models", "gpt-acme", "--done", "deleted", "--done", "retrained")
    assert code == 0, output
    assert "has the attestation" in output
    run(home, "recall", "chase")
    assert debts.state(name) is State.CLOSED
    code, output = run(home, *arguments)
    assert (code, "nothing_owed" in output) == (1, True)


def test_a_recipient_without_a_connection_signs_the_notice_it_got(
    debts: Debts, home: pathlib.Path, signer: Recipient, tmp_path: pathlib.Path
) -> None:
    debts.hook(signer)
    name = debts.withdraw()
    debts.chase()
    (notice,) = signer.notices.values()
    (tmp_path / "notice.json").write_text(json.dumps(notice))
    arguments = (
        "recall",
        "attest",
        name,
        "--key",
        str(tmp_path / "acme.pem"),
        "--notice",
        str(tmp_path / "notice.json"),
    )
    code, output = run(home, *arguments, "--out", str(tmp_path / "signed.json"))
    assert code == 0, output
    sent = read_attestation(output.encode())
    assert sent == read_attestation((tmp_path / "signed.json").read_bytes())
    assert (sent.statement.recall_id, dict(sent.statement.versions)) == (name, {"posts": 1})
    signer.key.public_key().verify(sent.signature, sent.signed)
    assert debts.state(name) is State.NOTIFIED, "nothing was sent"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ((), "--profile or --notice"),
        (("--profile", "p", "--notice", "n"), "--profile or --notice"),
        (("--notice", "nothing.json"), "check the path"),
        (("--notice", "other.json"), "it is of acme-1.999"),
        (("--notice", "right.json", "--done", "none_held", "--models", "gpt"), "none_held alone"),
    ],
)
def test_a_wrong_attestation_names_the_remedy(tmp_path: pathlib.Path, arguments: tuple[str, ...], remedy: str) -> None:
    (tmp_path / "acme.pem").write_text(base64.b64encode(bytes(32)).decode())
    for file, name in (("other.json", "acme-1.999"), ("right.json", "acme-1.7")):
        data = {"recall_id": name, "license_id": "acme-1", "tables": [{"table": "posts", "version": 1}]}
        (tmp_path / file).write_text(json.dumps({"data": data}))
    placed = [str(tmp_path / each) if each.endswith(".json") else each for each in arguments]
    code, output = run(tmp_path / "home", "recall", "attest", "acme-1.7", "--key", str(tmp_path / "acme.pem"), *placed)
    assert code == 1
    assert remedy in output


def test_a_private_key_is_not_repeated_when_it_is_wrong(tmp_path: pathlib.Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    (tmp_path / "n.json").write_text("{}")
    arguments = ("--key", str(tmp_path / "key.pem"), "--notice", str(tmp_path / "n.json"))
    code, output = run(tmp_path / "home", "recall", "attest", "acme-1.7", *arguments)
    assert (code, "openssl genpkey" in output) == (1, True)
    assert "c2VjcmV0" not in output


def test_how_far_each_license_followed_is_told(debts: Debts, home: pathlib.Path) -> None:
    debts.withdraw()
    (row,) = json.loads(run(home, "--json", "recall", "lag")[1])
    assert (row["license"], row["recall"]) == ("acme-1", "never built")


def test_a_run_without_withdrawals_says_so(home: pathlib.Path) -> None:
    assert "nothing withdrawn was shared" in run(home, "recall", "run")[1]
