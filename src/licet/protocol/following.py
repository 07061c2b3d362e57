"""Follow a share: from what a recipient holds and what the server lists to what is fetched, and what goes.

A file's id stands for its bytes: a recall or a build gives every file that it writes a new one. So a copy that holds
exactly the listed files is the version listed, whichever versions were skipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from licet.model.errors import IntegrityError
from licet.protocol.reading import Listing, Offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One file of a copy: bytes, rows and the SHA-256 that its bytes had when they came."""

    file_id: str
    size: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A table as it was last followed to the end."""

    table_id: str
    version: int
    files: tuple[Held, ...]
    cleared: int = -1
    """The version through which rows that left are out of it: later than its own while a license is suspended."""

    @property
    def followed(self) -> int:
        """Give the version through which rows that left are out of it."""
        return max(self.version, self.cleared)

    @property
    def rows(self) -> int:
        """Give how many rows the copy has."""
        return sum(file.rows for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What turns a copy into the version listed."""

    keys_from: int | None
    """The first version whose departures the copy has not followed; None: nothing left a copy that it holds."""
    fetch: tuple[Offered, ...]
    drop: tuple[str, ...]
    """Ids of files that go; only these can hold rows that left."""
    keep: tuple[Held, ...]

    @property
    def changes_files(self) -> bool:
        """Tell whether any file comes or goes."""
        return bool(self.fetch or self.drop)


def plan(copy: Copy | None, present: Mapping[str, int], listing: Listing) -> Plan:
    """Plan how a copy follows a listing; `present` gives the bytes of each file that lies in the copy's folder.

    Only a file that the copy notes, with the bytes that it had, is taken for what its id says.

    Raises:
        IntegrityError: the share went back to an older version.
    """
    same = copy is not None and copy.table_id == listing.table_id
    if copy is not None and same and listing.version < copy.version:
        raise IntegrityError(
            f"the share went back from version {copy.version} to {listing.version}",
            "ask the operator why; an older version may hold what was withdrawn since",
        )
    held = {} if copy is None else {file.file_id: file for file in copy.files}
    offers = {file.file_id: file for file in listing.files}
    keep = tuple(held[name] for name, offer in offers.items() if name in held and _is_whole(held[name], offer, present))
    whole = {file.file_id for file in keep}
    return Plan(
        keys_from=copy.followed + 1 if copy is not None and same and copy.followed < listing.version else None,
        fetch=tuple(offer for name, offer in offers.items() if name not in whole),
        drop=tuple(sorted(name for name in present if name not in offers)),
        keep=keep,
    )


def _is_whole(held: Held, offer: Offered, present: Mapping[str, int]) -> bool:
    return present.get(held.file_id) == held.size == offer.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a copy differs from a listing; all empty means that they are equal."""

    behind: int
    """Versions that the copy has not followed."""
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    differing: tuple[str, ...]
    """Files whose bytes or rows are not those that the server states."""

    @property
    def is_equal(self) -> bool:
        """Tell whether there is no difference."""
        return not (self.behind or self.missing or self.surplus or self.differing)


def compare(copy: Copy | None, found: Mapping[str, Held], stated: Mapping[str, str], listing: Listing) -> Comparison:
    """Compare files as they were `found` on the disk with a listing, and with the SHA-256 `stated` for some of them."""
    version = -1 if copy is None or copy.table_id != listing.table_id else copy.version
    noted = {} if copy is None else {file.file_id: file.sha256 for file in copy.files}
    offers = {file.file_id: file for file in listing.files}
    return Comparison(
        behind=abs(listing.version - version),
        missing=tuple(sorted(offers.keys() - found.keys())),
        surplus=tuple(sorted(found.keys() - offers.keys())),
        differing=tuple(
            sorted(
                name
                for name in offers.keys() & found.keys()
                if not _agrees(found[name], offers[name], stated.get(name) or noted.get(name, ""))
            )
        ),
    )


def _agrees(found: Held, offer: Offered, sha256: str) -> bool:
    # A digest that nobody stated was noted when the file came; a file without either is not known to be whole.
    return found.size == offer.size and offer.rows in {-1, found.rows} and found.sha256 == sha256
