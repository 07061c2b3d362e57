"""What stands between a person and the commands: help in full, and errors of one line."""

import pathlib
import re
import subprocess
import sys
from datetime import timedelta

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from licet.cli import terminal
from licet.cli.main import main
from licet.cli.terminal import counted, duration
from licet.model.errors import UsageError


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--home", "{file}/house", "license", "list"), "--home"),
        (("--database", "sqlite:///{file}/none.db", "license", "list"), "check the path"),
        (("--database", "postgresql+psycopg://ada:s3cret@127.0.0.1:1/none", "license", "list"), "--database"),
    ],
)
def test_what_surrounds_a_command_fails_in_one_line(
    tmp_path: pathlib.Path, arguments: tuple[str, ...], remedy: str
) -> None:
    """A home, database or limit that cannot be is named with the remedy; no traceback and no password."""
    file = tmp_path / "file"
    file.write_text("no folder")
    code, output = run("--home", str(tmp_path / "home"), *(part.format(file=file) for part in arguments))
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("error: ")
    assert remedy in output
    assert "s3cret" not in output


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--memory-limit", "much", "license", "list"), "800MB, 4GB, 4GiB"),
        (("serve", "--port", "99999"), "65535"),
        (("demo", "--members", "0"), "x>=20"),
    ],
)
def test_a_number_that_cannot_be_is_a_wrong_call(
    tmp_path: pathlib.Path, arguments: tuple[str, ...], remedy: str
) -> None:
    """It is not taken for another one, and nothing begins."""
    code, output = run("--home", str(tmp_path), *arguments)
    assert code == 2
    assert remedy in output


def test_help_lists_commands_with_whole_sentences() -> None:
    """No group cuts off what a command does."""
    context = click.Context(main)
    for group in main.list_commands(context):
        code, output = (
            run(group, "--help") if isinstance(main.get_command(context, group), click.Group) else run("--help")
        )
        assert code == 0
        assert "..." not in output.replace("[ARGS]...", "")


def test_a_command_imports_nothing_of_others() -> None:
    """Who asks for one command does not wait for the database, the server and the pages of all the others."""
    script = "import sys; from licet.cli.main import main; main(['sync', '--help'], standalone_mode=False); "
    heavy = "{'alembic', 'fastapi', 'deltalake', 'fpdf', 'licet.store.house', 'licet.train.plan'}"
    told = subprocess.run(
        [sys.executable, "-c", f"{script}print(sorted({heavy} & set(sys.modules)))"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_table_is_whole_at_any_width(tmp_path: pathlib.Path, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut off; only the longest words are broken, and only where there is no room."""
    run("--home", str(tmp_path), "notice", "publish", "x-2024-11-15")
    run("--home", str(tmp_path), "recipient", "add", "acme", "--name", "Acme AI")
    run("--home", str(tmp_path), "license", "grant", "--recipient", "acme", "--id", "acme_research_1")
    monkeypatch.setattr(terminal, "console", Console(highlight=False, width=columns))
    told = CliRunner().invoke(main, ["--home", str(tmp_path), "license", "list"])
    assert max(map(len, told.stdout.splitlines())) <= columns
    whole = {"bookmarks,", "reposts", "active", "tables", "delivered", "third_party_training", "acme_research_1"}
    found = {word for word in whole if word in told.stdout}
    assert whole - found <= ({"third_party_training", "acme_research_1"} if columns < 120 else set())


def test_one_is_counted_in_the_singular() -> None:
    """Names of counts are plurals with underscores; people read words."""
    assert [counted(1, "posts"), counted(0, "posts"), counted(1_234, "account_changes"), counted(1, "bookmarks")] == [
        "1 post",
        "0 posts",
        "1,234 account changes",
        "1 bookmark",
    ]


@given(number=st.integers(0, 10_000), unit=st.sampled_from(["seconds", "minutes", "hours", "days"]))
def test_durations_are_read_as_they_are_written(number: int, unit: str) -> None:
    assert duration(f"{number}{unit[0]}") == timedelta(**{unit: number})


@given(text=st.text(max_size=8).filter(lambda text: not re.fullmatch(r"[0-9]+[smhd]", text)))
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="60s, 15m, 24h, 30d"):
        duration(text)
