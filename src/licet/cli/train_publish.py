"""`licet train publish`: a copy of a model that follows what is forgotten."""

from pathlib import Path

import click

from licet.cli.terminal import emit
from licet.cli.train_chain import is_chain
from licet.model.errors import Refused


@click.command()
@click.argument("store", type=click.Path(path_type=Path, exists=True))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def publish(store: Path, file: Path) -> None:
    """Write the served model to a file; whoever is forgotten later leaves that file, too.

    Example: licet train publish model /srv/sentiment.safetensors
    """
    from licet.train.algebra_store import AlgebraStore
    from licet.train.publish import publish as write_copy

    if is_chain(store):
        remedy = "serve it from its folder: licet.train.chain_model.open_model"
        raise Refused("a copy of a model by shards would stay when a shard is quarantined", remedy)
    write_copy(AlgebraStore(root=store), file)
    emit({"published": str(file)}, [f"published: {file}"])
