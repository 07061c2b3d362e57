"""`licet train probe`: what this machine can promise about bytes."""

import click

from licet.cli.terminal import emit, progress


@click.command()
def probe() -> None:
    """Train small models in two processes, compare their bytes, and say what this machine can certify.

    Example: licet train probe
    """
    from licet.train.probe import probe as compare

    with progress("training twice"):
        found = compare()
    said = {
        "integer statistics": found.integers,
        "models by algebra": found.solved,
        "networks": found.network,
        "networks, resumed": found.resumed,
    }
    lines = [f"{name:<20} {'bytes equal' if same else 'bytes differ'}" for name, same in said.items()]
    emit({**said, "exactness": found.exactness.name.lower(), "environment": found.environment},
         [*lines, str(found.exactness), f"environment {found.environment}"])  # fmt: skip
