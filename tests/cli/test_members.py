"""`licet member` and `licet why`: what was mistyped is told, not kept in silence."""

import json
import pathlib

import pytest
from click.testing import CliRunner

from licet.cli.main import main


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    """A home with a notice, a recipient and a license."""
    run(tmp_path, "notice", "publish", "x-2024-11-15")
    run(tmp_path, "recipient", "add", "acme", "--name", "Acme AI")
    run(tmp_path, "license", "grant", "--recipient", "acme", "--id", "acme_1")
    return tmp_path


def run(home: pathlib.Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    return result.exit_code, result.output


def test_a_choice_of_nobody_known_is_kept_and_questioned(home: pathlib.Path) -> None:
    """An opt-out that came before the data holds; a mistyped id is not passed over in silence."""
    told = CliRunner().invoke(main, ["--home", str(home), "--json", "member", "choose", "x:9", "deny"])
    assert json.loads(told.stdout)["choice"] == "deny"
    assert "nobody is known as x:9 so far" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--purpose", "trainign"), "choose from first_party_training, third_party_training"),
        (("--recipient", "acmee"), "licet recipient list"),
    ],
)
def test_a_choice_that_would_bind_nobody_is_refused(
    home: pathlib.Path, arguments: tuple[str, ...], remedy: str
) -> None:
    """Kept, it would look like an opt-out and change nothing."""
    code, output = run(home, "member", "choose", "x:9", "deny", *arguments)
    assert (code, output.count("\n")) == (1, 1)
    assert remedy in output
    assert json.loads(run(home, "--json", "member", "choose", "x:9", "deny")[1].splitlines()[-1])["seq"] == 3


def test_a_license_that_came_later_is_told_from_one_that_never_was(home: pathlib.Path) -> None:
    """Whoever asks about the past learns from when on there is an answer."""
    assert "was not there yet; ask about 20" in run(home, "why", "x:9", "--license", "acme_1", "--at", "2020-01-01")[1]
    assert "licet license list" in run(home, "why", "x:9", "--license", "acme_2", "--at", "2020-01-01")[1]


def test_earnings_of_nobody_are_an_error(home: pathlib.Path) -> None:
    """A mistyped id is not a member who earned nothing."""
    code, output = run(home, "ledger", "earnings", "--member", "x:9")
    assert code == 1
    assert output.startswith("error: no such member; ")
