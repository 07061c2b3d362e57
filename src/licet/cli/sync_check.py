"""Prove that a local copy equals the share, and that nothing that left is in it or in what was derived from it."""

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from licet.cli.sync_client import NoChanges
from licet.cli.sync_fetch import Fetcher
from licet.cli.sync_folder import MANIFEST, TableFolder, sha256_of
from licet.cli.sync_rows import count_rows, still_there
from licet.cli.sync_table import Follower
from licet.model.errors import InputError
from licet.protocol.following import Comparison, Held, compare
from licet.protocol.reading import Listing, TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found of one table."""

    name: TableName
    version: int
    """The share's."""
    rows: int
    files: int
    comparison: Comparison
    stated: int
    """Files whose SHA-256 the server states; of the others it is known from when they came."""
    strangers: tuple[str, ...]
    """Parquet files in the folder that nobody fetched."""
    keys: int
    """Keys of rows that left, as far back as the server tells."""
    removed: int
    """How many of those are in the copy though nothing came since."""
    derived: Mapping[str, int] = field(default_factory=dict)
    """Registered files that hold rows which left, and how many."""

    @property
    def is_good(self) -> bool:
        """Tell whether the copy is the share, and clean."""
        return self.comparison.is_equal and not (self.strangers or self.removed or self.derived)


def check(follower: Follower, name: TableName) -> Checked:
    """Compare one table of a copy with the share; changes nothing.

    Raises:
        Refused: the license is suspended, ended, or outside its term.
        Unavailable: the server is not ready.
    """
    folder = follower.folder(name)
    listing = follower.client.listing(name)
    found = _found(follower, folder, name)
    stated = _stated(follower, folder, listing, found)
    with tempfile.TemporaryDirectory(prefix="licet-sync-") as scratch:
        # The removals are read into a folder of their own: a check leaves the copy as it is.
        aside = replace(follower, root=Path(scratch))
        aside.folder(name).make()
        keys, removed = _removed(follower, aside, name, listing)
        derived = _derived(follower, aside, name, listing)
    return Checked(
        name=name,
        version=listing.version,
        rows=sum(held.rows for held in found.values()),
        files=len(found),
        comparison=compare(folder.copy(), found, stated, listing),
        stated=len(stated),
        strangers=tuple(folder.strangers()),
        keys=keys,
        removed=removed,
        derived=derived,
    )


def _found(follower: Follower, folder: TableFolder, name: TableName) -> dict[str, Held]:
    """Read every file that is there, every byte of it."""
    present = folder.present()
    found = {}
    with follower.bar(str(name), sum(present.values())) as show:
        for file_id, size in present.items():
            path = folder.file(file_id)
            found[file_id] = Held(file_id=file_id, size=size, rows=_rows(path), sha256=sha256_of(path))
            show(size)
    return found


def _rows(path: Path) -> int:
    try:
        return count_rows(path)
    except InputError:
        return -2  # what no server states


def _stated(follower: Follower, folder: TableFolder, listing: Listing, found: Mapping[str, Held]) -> dict[str, str]:
    """Ask for the SHA-256 of each file; without those that the server does not state."""
    fetcher = Fetcher(client=follower.client, folder=folder)
    offers = [offer for offer in listing.files if offer.file_id in found]
    with ThreadPoolExecutor(follower.at_once) as pool:
        digests = pool.map(fetcher.stated_sha256, offers)
        return {offer.file_id: digest for offer, digest in zip(offers, digests, strict=True) if digest}


def _removed(follower: Follower, aside: Follower, name: TableName, listing: Listing) -> tuple[int, int]:
    """Count the keys of rows that left since every file was last written anew, and those that are in the copy."""
    if name in follower.removals.values():
        return 0, 0
    try:
        first = follower.client.fold(name, listing.version)
    except NoChanges:
        first = 0
    folder = follower.folder(name)
    present = [folder.file(file_id) for file_id in folder.present()]
    keys = removed = 0
    for some in aside.keys_since(name, first, listing.version)():
        keys += len(some.values)
        removed += len(still_there(present, some))
    return keys, removed


def _derived(follower: Follower, aside: Follower, name: TableName, listing: Listing) -> dict[str, int]:
    """Count the rows in registered files that left, without those that are shared again."""
    files = follower.derived.files(name)
    folder = follower.folder(name)
    present = [folder.file(file_id) for file_id in folder.present()]
    found = dict.fromkeys(map(str, files), 0)
    for some in aside.keys_since(name, 0, listing.version)() if files else ():
        denied = some.without(still_there(present, some))
        for path in files:
            found[str(path)] += len(still_there([path], denied))
    return {path: rows for path, rows in found.items() if rows}


def no_longer_shared(root: Path, shared: list[TableName]) -> list[Path]:
    """Give the folders of tables that were followed once and are not shared any more."""
    known = {TableFolder.of(root, name).path for name in shared}
    return sorted(path.parent for path in root.glob(f"*/*/*/{MANIFEST}") if path.parent not in known)
