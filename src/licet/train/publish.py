"""Copies of a model outside its store, which follow it: the model before and after forgetting never lie side by side.

Whoever compares the two can compute what was removed, so a copy is replaced before the certificate is signed.
"""

import json
from pathlib import Path
from typing import Final

from licet.model.errors import Refused, UsageError
from licet.protocol.attestation import Value, canonical
from licet.train.algebra_store import AlgebraStore
from licet.train.durable import held, write_durably

TABLES: Final = frozenset({"ngram", "hybrid"})
"""Learners whose model is the members' posts, cut in pieces and counted."""
SERVED: Final = 0o666
"""A copy is for others to read, as far as the process's umask lets them."""


def publish(store: AlgebraStore, path: Path) -> None:
    """Write the model that counts now to a file, and remember the file.

    Raises:
        Refused: the model is tables of what members wrote.
        UsageError: a request to forget is not carried out yet, or the file lies in the store.
    """
    with held(store.root):
        current = store.current()
        if current.frozen.get("kind") in TABLES:
            raise Refused("tables of counts are the members' posts", "serve answers from the store, never the tables")
        if store.pending.exists():
            raise UsageError("a request to forget is not carried out yet", "finish it: licet train forget")
        whole = path.resolve()
        if whole.is_relative_to(store.root.resolve()):
            raise UsageError("a copy cannot lie in the store", "name a file outside it")
        listed: list[Value] = [*sorted({*published(store), str(whole)})]
        write_durably(_place(store), canonical(listed))  # remembered first: a copy that nobody knows of would stay
        write_durably(whole, (store.objects / current.model_file).read_bytes(), SERVED)


def published(store: AlgebraStore) -> list[str]:
    """Give the files that hold copies."""
    try:
        return [str(path) for path in json.loads(_place(store).read_bytes())]
    except FileNotFoundError:
        return []


def replace_copies(store: AlgebraStore) -> None:
    """Put the model that counts now in the place of every copy that is still there."""
    body = (store.objects / store.current().model_file).read_bytes()
    for path in map(Path, published(store)):
        if path.exists() and path.read_bytes() != body:
            write_durably(path, body, path.stat().st_mode & 0o777)


def _place(store: AlgebraStore) -> Path:
    return store.root / "published.json"
