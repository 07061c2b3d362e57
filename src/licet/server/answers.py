"""Write a table's answer: its head, a page of files under signed addresses, and a last line where one is due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from licet.protocol import sharing as wire
from licet.protocol.lines import Head, Kind, Line, Link, end_line, file_line, metadata_line, protocol_line
from licet.protocol.urls import FileClaim
from licet.server.desk import Desk
from licet.server.offers import Offer, Place, about, offer_of
from licet.server.outlet import Wanted
from licet.server.paging import Tokens, cut
from licet.server.questions import Paging, capabilities_of, file_scheme

PREFIX: Final = "/delta-sharing"
"""Below which everything for recipients lies."""
TABLE: Final = "/shares/{share}/schemas/{schema}/tables/{table}"
NDJSON: Final = "application/x-ndjson; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of an answer, before it has an address."""

    kind: Kind
    name: str
    size: int
    rows: int
    claimed: int
    """The version for which its address is given out."""
    at: datetime
    """When the version that is told was committed."""
    version: int | None = None
    """The version that the line tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a request wants to be answered."""

    said: wire.Capabilities
    answered: wire.Format
    scheme: wire.Format | None
    """By which file ids are made, None where the request names none."""
    base: str
    """The address that the recipient uses, without the sharing prefix."""
    revoked: datetime
    """Addresses that were given to the recipient before this instant open nothing."""

    @classmethod
    def of(cls, request: Request, desk: Desk) -> Self:
        """Read a request's headers.

        Raises:
            WireError: 400, it takes no format, or no file ids, that there are.
        """
        said, answered = capabilities_of(request)
        base = desk.options.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        revoked = request.state.holder.revoked
        return cls(said=said, answered=answered, scheme=file_scheme(request), base=base, revoked=revoked)

    def headers(self, version: int) -> dict[str, str]:
        """Give the headers of an answer."""
        told = {"Delta-Table-Version": str(version), "Delta-Sharing-Capabilities": self.said.answer(self.answered)}
        return told if self.scheme is None else told | {"fileidhash": self.scheme}

    def head(self, version: int, head: Head) -> Response:
        """Give an answer without files, under a version's header."""
        lines = [protocol_line(self.answered), metadata_line(self.answered, head)]
        return Response(wire.ndjson(lines), headers=self.headers(version), media_type=NDJSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an answer follows from, but for the table."""

    manner: Manner
    paging: Paging
    has_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer about one offer, to be written in one manner."""

    desk: Desk
    manner: Manner
    offer: Offer
    paging: Paging
    wants_refresh: bool = False

    @property
    def _expires(self) -> int:
        return int(self.desk.now().timestamp()) + self.desk.options.horizon_s

    def tokens(self) -> Tokens:
        """Give who gives and takes the answer's tokens."""
        place = self.offer.place
        return Tokens(
            secret=self.desk.options.secret,
            table=f"{place.license.license_id}/{place.name}",
            version=self.offer.version,
            now=int(self.desk.now().timestamp()),
            expires=self._expires,
        )

    def write(self, version: int, head: Head, entries: Sequence[Entry]) -> Response:
        """Give the page of the files that was asked for, under a version's header.

        Raises:
            WireError: 400, the page's token cannot be taken.
            Unavailable: the store of the files does not answer.
        """
        tokens, expires = self.tokens(), self._expires
        shown, following = cut(entries, self.paging, tokens)
        answered = self.manner.answered
        lines = [protocol_line(answered), metadata_line(answered, head)]
        wanted = [self._wanted(entry, expires) for entry in shown]
        urls = self.desk.addresses.give(self.offer.place.license, wanted, f"{self.manner.base}{PREFIX}")
        lines += [self._line(entry, url, expires) for entry, url in zip(shown, urls, strict=True)]
        paged = bool(self.paging.size or self.paging.token)
        # Whoever did not ask for a last line may not understand it.
        if self.manner.said.end_stream or paged or self.wants_refresh:
            lines.append(end_line(expires, following, tokens.refresh() if self.wants_refresh else ""))
        return Response(wire.ndjson(lines), headers=self.manner.headers(version), media_type=NDJSON)

    def _line(self, entry: Entry, url: str, expires: int) -> Line:
        link = Link(
            url=url,
            identity=wire.file_id(entry.name, self.manner.scheme or self.manner.answered),
            size=entry.size,
            rows=entry.rows,
            expires=expires,
            at=entry.at,
            version=entry.version,
        )
        return file_line(self.manner.answered, entry.kind, link)

    def _wanted(self, entry: Entry, expires: int) -> Wanted:
        place = self.offer.place
        claim = FileClaim(
            license_id=place.license.license_id,
            table=place.name,
            version=entry.claimed,
            file=entry.name,
            expires=expires,
        )
        return Wanted(claim=claim, size=entry.size)


async def told(desk: Desk, place: Place, asked: Asked, make: Callable[[Offer], Response]) -> Response:
    """Give the answer that was given lately to the same question about the same version, or make it.

    Whether the question may be answered at all is looked at every time.

    Raises:
        WireError: the question cannot be answered.
        Unavailable: the table awaits a build.
    """
    offer = await about(desk, place, offer_of, desk, place)
    # A token ends, and an address at an outlet is a delivery each time it is given out.
    if not desk.addresses.are_free or asked.has_token:
        return await run_in_threadpool(make, offer)
    name = (place.license.license_id, place.name, offer.version, asked)
    found = desk.kept.find(name, desk.now())
    if found is not None:
        return found
    return await run_in_threadpool(desk.kept.answer, name, desk.now(), lambda: make(offer))


def current(
    offer: Offer, kind: Kind = Kind.FILE, version: int | None = None, at: datetime | None = None
) -> list[Entry]:
    """Give the files of the current version, under the version and instant that their lines shall tell."""
    return [
        Entry(
            kind=kind,
            name=file.name,
            size=file.size,
            rows=file.rows,
            claimed=offer.version,
            at=at or offer.at,
            version=version,
        )
        for file in offer.files
    ]
