"""`licet recipient` and `licet license`."""

import json
import pathlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from licet.cli.main import main
from licet.model.licenses import LicenseId, Party
from licet.store import credentials
from licet.store.asof import license_as_of
from licet.store.database import open_database, reading, transaction
from licet.store.facts import last_seq
from licet.store.lifecycle import Actor, offer

NOW = datetime(2025, 3, 1, tzinfo=UTC)


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
        (("--recipient", "acme", "--id", "../acme 1"), "letters of ASCII, digits and underscores"),
    ],
)
def test_a_wrong_grant_names_the_remedy(home: pathlib.Path, arguments: tuple[str, ...], remedy: str) -> None:
    """Nothing is granted, and one line says what to write."""
    code, output = run(home, "license", "grant", *arguments)
    assert code == 1
    assert remedy in output
    assert json.loads(run(home, "--json", "license", "list")[1]) == []


def test_an_id_is_granted_once(home: pathlib.Path) -> None:
    """The second grant is one line with the remedy, and changes nothing."""
    run(home, "license", "grant", "--recipient", "acme", "--id", "acme_1", "--tables", "posts")
    code, output = run(home, "license", "grant", "--recipient", "acme", "--id", "acme_1")
    assert (code, output) == (1, "error: license `acme_1` exists already; choose another id\n")
    assert json.loads(run(home, "--json", "license", "show", "acme_1")[1])["tables"] == ["posts"]


def test_terms_are_shown_in_words(home: pathlib.Path) -> None:
    """No value is printed as Python writes it; what bounds nothing says so."""
    run(home, "license", "grant", "--recipient", "acme", "--id", "acme_1", "--tables", "posts,likes")
    shown = run(home, "license", "show", "acme_1")[1].splitlines()
    assert {"tables: posts, likes", "langs: all", "created from: any time", "created until: any time"} <= set(shown)
    assert not any(sign in line for line in shown for sign in "()<>'")


def told(home: pathlib.Path, *arguments: str) -> dict:
    """Run a command that must succeed and give what it prints for scripts."""
    result = CliRunner().invoke(main, ["--home", str(home), "--json", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def rows(home: pathlib.Path) -> Iterator[Callable[[str], list]]:
    """The rows of a query on the home's database."""
    database = open_database(f"sqlite:///{home / 'licet.db'}")

    def ask(query: str) -> list:
        with reading(database) as conn:
            return list(conn.exec_driver_sql(query))

    yield ask
    database.dispose()


def holder(home: pathlib.Path, token: str, days: float = 0) -> str | None:
    """Tell whose a token is, so many days from now."""
    database = open_database(f"sqlite:///{home / 'licet.db'}")
    with reading(database) as conn:
        found = credentials.holder_of_token(conn, token, datetime.now(UTC) + timedelta(days=days))
    database.dispose()
    return found.recipient_id if found else None


@pytest.mark.parametrize(("option", "version", "secret"), [((), 1, "bearerToken"), (("--oauth",), 2, "clientSecret")])
def test_a_profile_is_private_and_its_secret_is_stored_hashed(home, rows, option, version, secret) -> None:
    """Only the file's owner can read it, also where a file for all was before, and the database holds no secret."""
    out = home / "acme.share"
    out.touch(mode=0o644)
    code, output = run(home, "recipient", "profile", "acme", *option, "--out", str(out))
    profile = json.loads(out.read_text("utf-8"))
    assert code == 0
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert profile["shareCredentialsVersion"] == version
    dump = str(rows("SELECT * FROM credential"))
    assert credentials.token_hash(profile[secret]) in dump
    assert profile[secret] not in dump + output


def test_a_profile_that_cannot_be_written_leaves_no_credential(home, rows) -> None:
    for arguments in (
        ("profile", "acme", "--out", str(home / "no" / "acme.share")),
        ("profile", "acme", "--endpoint", "x"),
    ):
        code, output = run(home, "recipient", *arguments)
        assert (code, len(output.splitlines())) == (1, 1)
    assert rows("SELECT * FROM credential") == []


def test_the_profile_alone_is_printed_where_no_file_is_named(home) -> None:
    said = told(home, "recipient", "profile", "acme", "--endpoint", "https://data.example/delta-sharing")
    assert said["endpoint"] == "https://data.example/delta-sharing/"
    assert holder(home, said["bearerToken"]) == "acme"


def test_after_a_rotation_the_old_profile_works_for_the_overlap(home) -> None:
    old = told(home, "recipient", "profile", "acme")["bearerToken"]
    new = told(home, "recipient", "rotate", "acme", "--overlap", "7d")["bearerToken"]
    assert [holder(home, token) for token in (old, new)] == ["acme", "acme"]
    assert [holder(home, token, days=6.9) for token in (old, new)] == ["acme", "acme"]
    assert [holder(home, token, days=7) for token in (old, new)] == [None, "acme"]
    assert holder(home, new, days=90) is None


def test_a_rotation_keeps_the_kind_unless_told_and_lengthens_nothing(home) -> None:
    told(home, "recipient", "profile", "acme", "--oauth", "--valid", "1h")
    assert told(home, "recipient", "rotate", "acme")["shareCredentialsVersion"] == 2
    assert told(home, "recipient", "rotate", "acme", "--bearer", "--overlap", "1d")["shareCredentialsVersion"] == 1
    code, output = run(home, "recipient", "rotate", "acme")
    assert (code, "--oauth or --bearer" in output) == (1, True)
    ends = [datetime.fromisoformat(row["expires"]) - datetime.now(UTC) for row in told(home, "recipient", "list")]
    assert [round(each / timedelta(hours=1)) for each in ends] == [90 * 24, 24, 1]


def test_a_rotation_needs_something_to_rotate(home) -> None:
    code, output = run(home, "recipient", "rotate", "acme")
    assert (code, "licet recipient profile" in output) == (1, True)
    code, output = run(home, "recipient", "rotate", "nobody", "--oauth")
    assert (code, "licet recipient add" in output) == (1, True)


def test_a_revocation_ends_every_credential(home) -> None:
    token = told(home, "recipient", "profile", "acme")["bearerToken"]
    told(home, "recipient", "profile", "acme", "--oauth")
    assert told(home, "recipient", "revoke", "acme") == {"recipient": "acme", "ended": 2}
    assert holder(home, token) is None
    assert [row["credential"] for row in told(home, "recipient", "list")] == [""]


def test_the_list_shows_when_each_credential_ends_and_never_the_credential(home) -> None:
    client = told(home, "recipient", "profile", "acme", "--oauth", "--valid", "30d")
    bearer = told(home, "recipient", "profile", "acme", "--valid", "60d")
    run(home, "recipient", "add", "other", "--name", "Other")
    listed = told(home, "recipient", "list")
    assert [(row["recipient"], row["kind"], row["networks"]) for row in listed] == [
        ("acme", "bearer", "any"),
        ("acme", "oauth", "any"),
        ("other", "", "any"),
    ]
    days = [(datetime.fromisoformat(row["expires"]) - datetime.now(UTC)) / timedelta(days=1) for row in listed[:2]]
    assert [round(each) for each in days] == [60, 30]
    assert listed[1]["credential"] == client["clientId"]
    shown = run(home, "recipient", "list")[1] + json.dumps(listed)
    assert not [each for each in (client["clientSecret"], bearer["bearerToken"]) if each in shown]


def test_networks_are_added_replaced_and_lifted(home) -> None:
    def allow(*arguments: str) -> list[str]:
        return told(home, "recipient", "allow", "acme", *arguments)["networks"]

    assert allow("203.0.113.0/24") == ["203.0.113.0/24"]
    assert allow("2001:db8::/48", "198.51.100.7") == ["198.51.100.7/32", "2001:db8::/48", "203.0.113.0/24"]
    assert told(home, "recipient", "list")[0]["networks"].split()[0] == "198.51.100.7/32"
    assert allow("--only", "192.0.2.0/24") == ["192.0.2.0/24"]
    assert allow("--any") == []


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("acme",), "name networks"),
        (("acme", "--any", "192.0.2.0/24"), "name networks"),
        (("acme", "192.0.2.1/24"), "write 203.0.113.0/24"),
        (("acme", "home"), "write 203.0.113.0/24"),
        (("nobody", "192.0.2.0/24"), "licet recipient add"),
    ],
)
def test_a_wrong_network_names_the_remedy_and_changes_nothing(home, arguments, remedy) -> None:
    code, output = run(home, "recipient", "allow", *arguments)
    assert (code, remedy in output) == (1, True)
    assert told(home, "recipient", "list")[0]["networks"] == "any"


def test_an_offer_is_not_made_active_past_the_recipient(home: pathlib.Path) -> None:
    """Nobody agreed to it yet; to end it is always possible."""
    run(home, "license", "grant", "--recipient", "acme", "--id", "acme_1")
    database = open_database(f"sqlite:///{home / 'licet.db'}")
    with reading(database) as conn:
        granted, _ = license_as_of(conn, "acme_1", last_seq(conn))
    with transaction(database) as conn:
        offer(conn, replace(granted, license_id=LicenseId("acme_2")), Actor(party=Party.OPERATOR, name="me"), NOW)
    database.dispose()
    code, output = run(home, "license", "end", "acme_2", "--state", "active")
    assert (code, "acme_2` is offered" in output) == (1, True)
    assert run(home, "license", "end", "acme_2")[0] == 0


@pytest.mark.parametrize(
    ("recipient_id", "name"),
    [
        ("é", "E"),
        ("東京", "T"),
        ("a" * 49, "A"),
        ("a-b", "A"),
        ("b", " "),
        ("b", "x" * 201),
        ("b", "a\nb"),
        ("b", "a\u202eb"),
    ],
)
def test_an_id_that_is_none_and_a_name_that_cannot_be_seen_are_refused(home, recipient_id: str, name: str) -> None:
    code, output = run(home, "recipient", "add", recipient_id, "--name", name)
    assert code == 1
    assert "at most" in output


def test_a_name_may_be_of_any_script(home: pathlib.Path) -> None:
    assert run(home, "recipient", "add", "b", "--name", "\u0634\u0631\u06a9\u062a\u200c\u0647\u0627 Zoł")[0] == 0
