"""`licet notice`: check, publish, show and compare notices."""

import difflib
from importlib import resources
from pathlib import Path

import click

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, counted, day, emit, read_text, show
from licet.model.errors import NotFound
from licet.policy.notice import Notice, digest, parse_notice
from licet.store import asof, facts
from licet.store.database import reading, transaction

READY_MADE = ("x-2024-11-15", "strict-opt-in")


def source_of(name: str) -> str:
    """Read a notice's TOML: a ready-made one by its name, else a file."""
    if name in READY_MADE:
        return (resources.files("licet.policy") / "notices" / f"{name}.toml").read_text("utf-8")
    if not Path(name).exists():
        raise NotFound(f"no notice `{name}`", f"name a TOML file, or one of {', '.join(sorted(READY_MADE))}")
    return read_text(name)


def load(name: str) -> Notice:
    """Read and check a notice."""
    return parse_notice(source_of(name), Path(name).name)


@click.group(cls=LicetGroup)
def notice() -> None:
    """Publish the words and rules under which data may be licensed.

    Example: licet notice publish x-2024-11-15
    """


@notice.command()
@click.argument("name")
def check(name: str) -> None:
    """Check a notice without publishing it.

    Example: licet notice check my-notice.toml
    """
    found = load(name)
    text = f"{found.version} is well formed: {counted(len(found.rules), 'rules')}, in force from {day(found.effective)}"
    emit({"version": found.version, "digest": digest(found), "rules": len(found.rules)}, [text])


@notice.command()
@click.argument("name")
def publish(name: str) -> None:
    """Publish a notice: a file, or a ready-made one by name (x-2024-11-15, strict-opt-in).

    Example: licet notice publish x-2024-11-15
    """
    found = load(name)
    house = configuration().open()
    with transaction(house.database) as conn:
        seq = facts.publish_notice(conn, found.version, digest(found), found.effective, source_of(name), now())
    done = "published" if seq else "was published already"
    line = f"{found.version} {done}; settings open {day(found.settings_open)}, in force {day(found.effective)}"
    emit({"version": found.version, "digest": digest(found), "seq": seq}, [line])


@notice.command(name="show")
@click.argument("name", required=False)
def show_notice(name: str | None) -> None:
    """Show a notice's rules in order; without a name, the one in force.

    Example: licet notice show strict-opt-in
    """
    found = load(name) if name else _in_force()
    rows = [(n, r.code, str(r.effect), r.sentence, r.law) for n, r in enumerate(found.rules, 1)]
    show(f"{found.title} ({found.version})", ("order", "code", "effect", "sentence", "law"), rows)


def _in_force() -> Notice:
    house = configuration().open()
    with reading(house.database) as conn:
        found = asof.notice_in_force(conn, facts.last_seq(conn), now())
    if found is None:
        raise NotFound("no notice is published", "`licet notice publish x-2024-11-15` publishes a ready-made one")
    return found


@notice.command()
@click.argument("old")
@click.argument("new")
def diff(old: str, new: str) -> None:
    """Compare two notices line by line.

    Example: licet notice diff x-2024-11-15 my-notice.toml
    """
    load(old)
    load(new)
    before, after = source_of(old).splitlines(), source_of(new).splitlines()
    lines = list(difflib.unified_diff(before, after, old, new, lineterm=""))
    emit({"same": not lines, "diff": lines}, lines or ["the two notices are the same"])
