"""Follow one table: what left goes at once, what came is fetched, and then the copy becomes the new version."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from licet.cli.sync_client import Client, NoChanges
from licet.cli.sync_derived import Derived, mark_of
from licet.cli.sync_fetch import Fetcher, Stale
from licet.cli.sync_folder import TableFolder, sha256_of
from licet.cli.sync_rows import (
    Keys,
    Scrubbed,
    count_rows,
    last_removal,
    read_keys,
    read_removals,
    scrub,
    still_there,
)
from licet.model.errors import Refused, Unavailable
from licet.protocol.following import Copy, Held, Plan, plan
from licet.protocol.reading import Listing, Offered, TableName

IDLE_ROUNDS = 6
"""How often in a row a table may be asked again without anything having come."""

KeySource: TypeAlias = Callable[[], Iterator[Keys]]
"""Gives the keys of rows that left, each time that it is called."""
Bar: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how many of a table's bytes came."""


def no_keys() -> Iterator[Keys]:
    """Give no key."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What came of following one table."""

    name: TableName
    copy: Copy
    moved: bool = False
    """Whether it was not up to date before."""
    fetched: int = 0
    bytes: int = 0
    dropped: int = 0
    scrubbed: Scrubbed = field(default_factory=Scrubbed)
    """What was taken out of files that the copy had."""
    derived: Scrubbed = field(default_factory=Scrubbed)
    """What was taken out of registered files."""
    refused: str = ""
    """Why the server gives nothing; what left is out of the copy all the same."""


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows tables of one server into one folder."""

    client: Client
    root: Path
    derived: Derived
    bar: Bar
    at_once: int = 4
    removals: Mapping[tuple[str, str], TableName] = field(default_factory=dict)
    """The table of removals of each schema that has one, by share and schema."""

    def folder(self, name: TableName) -> TableFolder:
        """Give a table's folder."""
        return TableFolder.of(self.root, name)

    def follow(self, name: TableName) -> Followed:
        """Bring the copy of a table to the version that the server has now.

        Where the server refuses the table, at least what left it goes, as far as the removals tell.

        Raises:
            Refused: the license is suspended, ended, or outside its term, and nothing is known of what left.
            Unavailable: the server is not ready, or changes faster than it is read.
        """
        self.folder(name).make()
        idle = 0
        while True:
            before = len(self.folder(name).staged())
            try:
                return self._round(name)
            except Refused as error:
                return self._clear(name, error)
            except Stale as error:
                idle = 0 if len(self.folder(name).staged()) > before else idle + 1
                if idle >= IDLE_ROUNDS:
                    raise Unavailable(f"{name}: {error.message}", "run it again later") from error
                self.client.sleep(min(2**idle / 4, 10))

    def _round(self, name: TableName) -> Followed:
        folder = self.folder(name)
        listing = self.client.listing(name)
        copy = folder.copy()
        todo = plan(copy, folder.present(), listing)
        keys, ids = self._left(name, todo, listing)
        folder.forget_incoming({*ids, *(offer.file_id for offer in todo.fetch)})
        scrubbed = self._scrub_old(folder, todo.drop, keys)
        derived = self._scrub_clean(name, keys)
        fetched, came = self._fetch(name, todo.fetch)
        after = _after(listing, todo, fetched)
        moved = after != copy or todo.changes_files
        if moved:
            folder.switch(copy, after, fetched, todo.drop)
        derived += self._scrub_changed(name, listing.version)
        folder.forget_incoming(())
        return Followed(
            name=name,
            copy=after,
            moved=moved,
            fetched=len(fetched),
            bytes=came,
            dropped=len(todo.drop),
            scrubbed=scrubbed,
            derived=derived,
        )

    def _clear(self, name: TableName, error: Refused) -> Followed:
        """Take what left since out of a copy whose table is refused: a recall is owed all the same."""
        folder = self.folder(name)
        copy, removals = folder.copy(), self.removals.get((name.share, name.schema))
        if copy is None or removals is None or name == removals:
            raise error
        keys = self._since(name, copy.followed + 1)
        # Whatever is on its way may hold what left, and would not be taken up again for long.
        folder.forget_incoming(())
        present = sorted(folder.present())
        scrubbed = self._scrub_old(folder, present, keys)
        derived = self._scrub_clean(name, keys)
        gone = max(copy.followed, last_removal(self._files(removals), name.table))
        after = replace(copy, files=_remaining(folder, copy), cleared=gone)
        folder.note(after)
        derived += self._scrub_changed(name, gone)
        moved = after != copy
        return Followed(name=name, copy=after, moved=moved, scrubbed=scrubbed, derived=derived, refused=str(error))

    def _left(self, name: TableName, todo: Plan, listing: Listing) -> tuple[KeySource, list[str]]:
        """Give the keys that left since the copy was followed, and the ids of the files that they came in."""
        if todo.keys_from is None or name in self.removals.values():
            return no_keys, []
        try:
            found = self.client.changes(name, todo.keys_from, listing.version)
        except NoChanges:
            # A build lies in between: the feed begins with it.
            return self._since(name, todo.keys_from), []
        return self._read(name, found)

    def _since(self, name: TableName, first: int) -> KeySource:
        """Give the keys that left with version `first` or later, as the share's table of removals has them now."""
        removals = self.removals.get((name.share, name.schema))
        if removals is None:
            return no_keys
        self.follow(removals)
        paths = self._files(removals)
        return lambda: read_removals(paths, name.table, first)

    def _files(self, name: TableName) -> list[Path]:
        folder = self.folder(name)
        return [folder.file(file_id) for file_id in folder.present()]

    def _scrub_old(self, folder: TableFolder, drop: Sequence[str], keys: KeySource) -> Scrubbed:
        """Take what left out of files that are about to go: fetching what replaces them may take long, or fail."""
        done = Scrubbed()
        for some in keys() if drop else ():
            for file_id in drop:
                done += scrub(folder.file(file_id), some)
        return done

    def _scrub_clean(self, name: TableName, keys: KeySource) -> Scrubbed:
        """Take what left since out of derived files in which nothing was that had left before."""
        clean = [path for path in self.derived.files(name) if self.derived.is_clean(name, path)]
        done = Scrubbed()
        for some in keys() if clean else ():
            for path in clean:
                done += self.derived.scrub(path, some)
        if done:
            self.derived.save()
        return done

    def _scrub_changed(self, name: TableName, last: int) -> Scrubbed:
        """Take all that ever left, and is not shared again, out of derived files that are new or were changed."""
        files = self.derived.files(name)
        fresh = {path: mark_of(path) for path in files if not self.derived.is_clean(name, path)}
        done = Scrubbed()
        for some in self._denied(name, last) if fresh else ():
            for path, mark in fresh.items():
                one = self.derived.scrub(path, some)
                done += one
                fresh[path] = mark_of(path) if one else mark
        for path, mark in fresh.items():
            self.derived.note_clean(name, path, mark)
        self.derived.keep_only(name, files)
        if files:
            self.derived.save()
        return done

    def _denied(self, name: TableName, last: int) -> Iterator[Keys]:
        """Give the keys of all rows that left a table by a version, but not of those that its copy has again."""
        present = self._files(name)
        for some in self.keys_since(name, 0, last)():
            yield some.without(still_there(present, some))

    def keys_since(self, name: TableName, first: int, last: int) -> KeySource:
        """Give the keys that left a table with the versions from `first` to `last`, as far back as the server tells."""
        if (name.share, name.schema) in self.removals:
            return self._since(name, first)
        try:
            found = self.client.changes(name, max(first, self.client.fold(name, last)), last)
        except NoChanges:
            return no_keys
        return self._read(name, found)[0]

    def _read(self, name: TableName, found: Sequence[Offered]) -> tuple[KeySource, list[str]]:
        """Fetch files of keys; give what is in them, and their ids."""
        files = self._staged(name, found, lambda _: None)
        paths = [self.folder(name).whole(files[offer.file_id]) for offer in found]
        return lambda: read_keys(paths, name.table), list(files)

    def _fetch(self, name: TableName, offers: Sequence[Offered]) -> tuple[dict[str, Held], int]:
        """Fetch files of rows; give them, and how many bytes came."""
        came = 0

        def count(size: int) -> None:
            nonlocal came
            came += size
            show(size)

        with self.bar(str(name), sum(offer.size for offer in offers)) as show:
            return self._staged(name, offers, count), came

    def _staged(self, name: TableName, offers: Sequence[Offered], told: Callable[[int], None]) -> dict[str, Held]:
        """Fetch those files that no earlier run fetched whole; give all."""
        folder = self.folder(name)
        sizes = {offer.file_id: offer.size for offer in offers}
        staged = {file_id: held for file_id, held in folder.staged().items() if sizes.get(file_id) == held.size}
        missing = [offer for offer in offers if offer.file_id not in staged]
        return staged | Fetcher(client=self.client, folder=folder, progress=told, at_once=self.at_once).fetch_all(
            missing
        )


def _after(listing: Listing, todo: Plan, fetched: Mapping[str, Held]) -> Copy:
    files = sorted((*todo.keep, *fetched.values()), key=lambda held: held.file_id)
    return Copy(table_id=listing.table_id, version=listing.version, files=tuple(files), cleared=listing.version)


def _remaining(folder: TableFolder, copy: Copy) -> tuple[Held, ...]:
    """Describe a copy's files anew after rows were taken out of them."""
    sizes = folder.present()
    found = []
    for held in copy.files:
        path, size = folder.file(held.file_id), sizes.get(held.file_id, -1)
        if size == held.size:
            found.append(held)
        elif size >= 0:
            found.append(replace(held, size=size, rows=count_rows(path), sha256=sha256_of(path)))
    return tuple(found)
