"""`licet recipient` and `licet license`."""

import json
import pathlib
import stat

import pytest
from click.testing import CliRunner

from licet.cli.main import main
from licet.store import parties
from licet.store.database import open_database, reading


def run(home: pathlib.Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    return result.exit_code, result.output


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home with a notice and a recipient."""
    run(tmp_path, "notice", "publish", "x-2024-11-15")
    run(tmp_path, "recipient", "add", "acme", "--name", "Acme AI")
    return tmp_path


def test_a_license_is_granted_and_listed(home: pathlib.Path) -> None:
    """The terms given are the terms shown."""
    arguments = ("--tables", "posts,likes", "--filter", "lang=en", "--recall-within", "2d", "--id", "acme_1")
    code, _ = run(home, "license", "grant", "--recipient", "acme", *arguments)
    shown = json.loads(run(home, "--json", "license", "show", "acme_1")[1])
    assert code == 0
    assert (shown["tables"], shown["langs"], shown["recall_within_hours"]) == (["posts", "likes"], ["en"], 48)
    assert shown["state"] == "active"


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--recipient", "nobody"), "licet recipient add"),
        (("--recipient", "acme", "--purpose", "fun"), "first_party_training, third_party_training"),
        (("--recipient", "acme", "--tables", "messages"), "choose from posts"),
        (("--recipient", "acme", "--filter", "mood=good"), "write lang="),
        (("--recipient", "acme", "--term", "soon"), "60s, 15m, 24h, 30d"),
    ],
)
def test_a_wrong_grant_names_the_remedy(home: pathlib.Path, arguments: tuple[str, ...], remedy: str) -> None:
    """Nothing is granted, and one line says what to write."""
    code, output = run(home, "license", "grant", *arguments)
    assert code == 1
    assert remedy in output
    assert json.loads(run(home, "--json", "license", "list")[1]) == []


def test_a_profile_is_private_and_its_token_is_stored_hashed(home: pathlib.Path) -> None:
    """Only the file's owner can read it, and the database does not hold the token."""
    out = home / "acme.share"
    code, _ = run(home, "recipient", "profile", "acme", "--out", str(out))
    profile = json.loads(out.read_text("utf-8"))
    assert code == 0
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert profile["shareCredentialsVersion"] == 1
    database = open_database(f"sqlite:///{home / 'licet.db'}")
    with reading(database) as conn:
        dump = str(list(conn.exec_driver_sql("SELECT * FROM recipient_token")))
        assert parties.token_hash(profile["bearerToken"]) in dump
        assert profile["bearerToken"] not in dump
    database.dispose()
