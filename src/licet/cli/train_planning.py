"""`licet train plan` and `licet train audit`."""

from typing import Final

import click

PLANNING: Final[tuple[click.Command, ...]] = ()
"""The commands of this module."""
