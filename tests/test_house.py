"""The house rules, as far as a machine can check them."""

import ast
import importlib.resources
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from licet.cli.main import main
from licet.ingest.reasons import SKIP_REASONS
from licet.policy.notice import parse_notice
from licet.policy.reasons import REASONS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "licet"
MODULES = sorted(SOURCE.rglob("*.py"))
ROOMS = sorted(path for path in SOURCE.iterdir() if (path / "__init__.py").exists())
FORBIDDEN = re.compile(r"util|common|helper|manager|^misc|^base", re.IGNORECASE)
WITHOUT_A_TWIN = {"compliance_clients", "laws", "oracle", "leaks", "killed", "clients", "spark", "reach"}
"""Test modules about a law or a peer that no one module of `src` answers for."""


def test_there_is_a_house_to_look_at() -> None:
    assert len(MODULES) > 30
    assert len(ROOMS) >= 9


def test_no_module_is_longer_than_400_lines() -> None:
    assert {str(path): n for path in MODULES if (n := len(path.read_text().splitlines())) > 400} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    """But for migrations, each of which is a list of tables."""
    functions = [
        (f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in MODULES
        if path.parent.name != "versions"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert functions
    assert [found for found in functions if found[1] > 60] == []


def test_no_room_or_module_is_a_drawer_for_odds_and_ends() -> None:
    names = [path.stem for path in MODULES] + [path.name for path in ROOMS]
    assert [name for name in names if FORBIDDEN.search(name)] == []


def test_every_room_says_what_it_is() -> None:
    assert [path.name for path in ROOMS if not ast.get_docstring(ast.parse((path / "__init__.py").read_text()))] == []


def test_every_test_module_mirrors_a_module_or_names_a_law() -> None:
    apart = {"conformance", "journeys", "simulators"}
    tests = [p for p in (ROOT / "tests").glob("*/test_*.py") if p.parent.name not in apart]
    assert tests
    strays = [
        str(path.relative_to(ROOT))
        for path in tests
        if (name := path.stem.removeprefix("test_")) not in WITHOUT_A_TWIN
        and not (SOURCE / path.parent.name / f"{name}.py").exists()
    ]
    assert strays == []


def commands(group: click.Group, path: tuple[str, ...] = ("licet",)) -> Iterator[tuple[str, click.Command]]:
    """Walk to every command that does something, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        told = getattr(group, "elsewhere", {}).get(name)
        assert told is None or told[1] == command.get_short_help_str(1000), f"the help page tells otherwise of `{name}`"
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


ALL_COMMANDS = dict(commands(main))


def test_there_are_commands() -> None:
    assert len(ALL_COMMANDS) >= 10


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_every_command_shows_an_example_and_stands_in_the_documents(name: str) -> None:
    command = ALL_COMMANDS[name]
    text = f"{command.help or ''}\n{command.epilog or ''}"
    assert "example" in text.lower(), f"the help of `{name}` has no example"
    assert name in text, f"the example of `{name}` does not run it"
    assert name in (ROOT / "docs" / "cli.md").read_text() + (ROOT / "README.md").read_text()


def test_every_reason_stands_in_the_documents() -> None:
    texts = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    ready = importlib.resources.files("licet.policy") / "notices"
    notices = [parse_notice(each.read_text(), each.name) for each in ready.iterdir() if each.name.endswith(".toml")]
    codes = {*REASONS, *SKIP_REASONS, *(rule.code for notice in notices for rule in notice.rules)}
    assert len(codes) > 40
    assert sorted(code for code in codes if f"`{code}`" not in texts) == []


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = [
        *project["project"]["dependencies"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
        *(each for group in project["dependency-groups"].values() for each in group),
    ]
    names = {re.split(r"[\[<>=;! ]", each)[0] for each in listed}
    page = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text()
    rows = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    assert len(names) > 20
    assert rows == names


def test_no_place_outside_the_project_is_named() -> None:
    """Absolute homes and the folders that the project happens to lie in; test data has an environment variable."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    outside = re.compile(
        r"(?<![\w.])/(?:home|root|Users|work)/\w|\.\./shared/(?:design|reference)|" + re.escape(f"{ROOT.parent}/")
    )
    named = []
    paths = [ROOT / name for name in listed.stdout.splitlines() if name != "uv.lock"]
    for path in (path for path in paths if path.is_file() and path != Path(__file__)):
        lines = path.read_bytes().decode(errors="replace").splitlines()
        named += [f"{path.relative_to(ROOT)}:{n}" for n, line in enumerate(lines, 1) if outside.search(line)]
    assert len(paths) > 50
    assert named == []


def test_the_makefile_has_the_recipes_that_the_documents_name() -> None:
    recipes = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = "setup setup-train demo test check bench bench-train serve screenshots"
    assert set(recipes) == set(named.split())
