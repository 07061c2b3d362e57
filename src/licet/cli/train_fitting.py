"""`licet train probe`, `fit`, `forget`, `verify` and `demo`."""

from typing import Final

import click

FITTING: Final[tuple[click.Command, ...]] = ()
"""The commands of this module."""
