"""`licet notice`."""

import json
import pathlib

from click.testing import CliRunner

from licet.cli.main import main


def run(home: pathlib.Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--home", str(home), *arguments])
    return result.exit_code, result.output


def test_a_ready_made_notice_is_published_once(tmp_path: pathlib.Path) -> None:
    """Publishing the same text twice changes nothing."""
    code, output = run(tmp_path, "--json", "notice", "publish", "x-2024-11-15")
    first = json.loads(output)
    again = json.loads(run(tmp_path, "--json", "notice", "publish", "x-2024-11-15")[1])
    assert (code, first["seq"], again["seq"], again["digest"]) == (0, 1, 0, first["digest"])


def test_another_text_under_a_published_version_is_refused(tmp_path: pathlib.Path) -> None:
    """A published notice never changes; the error names the remedy."""
    run(tmp_path, "notice", "publish", "x-2024-11-15")
    code, source = run(tmp_path, "notice", "show")
    assert code == 0
    assert "opted_out" in source
    changed = tmp_path / "changed.toml"
    from licet.cli.notices import source_of  # noqa: PLC0415

    changed.write_text(source_of("x-2024-11-15").replace("The member opted out.", "They left."), encoding="utf-8")
    code, output = run(tmp_path, "notice", "publish", str(changed))
    assert code == 1
    assert "give it a new version" in output


def test_a_missing_file_gets_one_line_with_the_remedy(tmp_path: pathlib.Path) -> None:
    """No traceback, exit code 1."""
    code, output = run(tmp_path, "notice", "check", "nowhere.toml")
    assert code == 1
    assert output.startswith("error: ")
    assert len(output.strip().splitlines()) == 1


def test_an_unknown_notice_is_told_which_there_are(tmp_path: pathlib.Path) -> None:
    """Whoever mistypes a ready-made one sees their names."""
    code, output = run(tmp_path, "notice", "publish", "x-2024-11-51")
    assert code == 1
    assert output == "error: no notice `x-2024-11-51`; name a TOML file, or one of strict-opt-in, x-2024-11-15\n"


def test_the_codes_of_rules_are_not_broken_where_they_fit(tmp_path: pathlib.Path) -> None:
    """A code that is copied from the table is whole, on eighty columns too."""
    from licet.cli.notices import load  # noqa: PLC0415

    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, ["--home", str(tmp_path), "notice", "show", "x-2024-11-15"])
    assert [rule.code for rule in load("x-2024-11-15").rules if rule.code not in result.output] == []


def test_two_notices_are_compared_line_by_line(tmp_path: pathlib.Path) -> None:
    """The difference is printed as a unified diff."""
    code, output = run(tmp_path, "notice", "diff", "x-2024-11-15", "strict-opt-in")
    assert code == 0
    assert '+version = "strict-opt-in"' in output
