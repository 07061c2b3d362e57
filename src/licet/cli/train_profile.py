"""Data straight from a share: a profile, given as `--data`, is first brought in step by what `licet sync` does."""

import json
from pathlib import Path

import click

from licet.cli.syncing import bring_in_step

MOST = 1 << 20
"""Bytes of a profile, at most."""


def data_path(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Give where examples lie: the path itself, or the folder beside a profile that is now in step with its share.

    Raises:
        LicetError: the share could not be followed.
    """
    if path is None or not is_profile(path):
        return path
    folder = path.with_name(f"{path.name}.data")
    bring_in_step(path, folder)
    return folder


def is_profile(path: Path) -> bool:
    """Tell whether a file is a profile of Delta Sharing."""
    if not path.is_file() or path.stat().st_size > MOST:
        return False
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "shareCredentialsVersion" in said
