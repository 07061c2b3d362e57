"""Cut an answer into pages, and let its addresses be renewed: all of one answer comes from one version.

What a token was given for is signed into it. Once the table has another version the token is over, whatever its time:
the older version may hold what was withdrawn since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from licet.protocol.urls import opened, seal
from licet.server.errors import invalid
from licet.server.questions import Paging

MOST: Final = 10_000
"""Files of one page, at most."""
_PAGE: Final = "page"
_REFRESH: Final = "refresh"
_SHOWN: Final = 80

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Gives and takes the tokens of one version of a table; instants are in seconds since 1970."""

    secret: bytes
    table: str
    """License and table."""
    version: int
    now: int
    expires: int

    def page(self, first: int, digest: str) -> str:
        """Give the token of the page that begins with a file, of an answer to what was asked."""
        return seal(self.secret, _PAGE, self._said() | {"first": first, "asked": digest})

    def first(self, paging: Paging) -> int:
        """Give with which file a page begins.

        Raises:
            WireError: 400, the token is none of ours, is over, or was given for another table or question.
        """
        if not paging.token:
            return 0
        said = opened(self.secret, _PAGE, paging.token)
        if said is None:
            raise invalid(f"Error decoding the page token: {paging.token[:_SHOWN]}.")
        self._check(said, "page")
        if said["asked"] != paging.digest:
            raise invalid(
                "Query parameter mismatch detected for the next page query. The query parameter\n"
                "cannot change when querying the next page results."
            )
        return int(said["first"])

    def refresh(self) -> str:
        """Give a token by which the same files can be asked for again."""
        return seal(self.secret, _REFRESH, self._said())

    def require_refresh(self, token: str) -> None:
        """Refuse a refresh token that is not good for this version.

        Raises:
            WireError: 400, it is none of ours, is over, or was given for another table.
        """
        said = opened(self.secret, _REFRESH, token)
        if said is None:
            raise invalid(f"Error decoding refresh token: {token[:_SHOWN]}.")
        self._check(said, "refresh")

    def _said(self) -> dict[str, str | int]:
        return {"table": self.table, "version": self.version, "expires": self.expires}

    def _check(self, said: dict[str, str | int], kind: str) -> None:
        if said["table"] != self.table:
            raise invalid(f"The table specified in the {kind} token does not match the table being queried.")
        if int(said["expires"]) <= self.now or said["version"] != self.version:
            raise invalid(f"The {kind} token has expired. Please restart the query.")


def cut(entries: Sequence[Entry], paging: Paging, tokens: Tokens) -> tuple[Sequence[Entry], str]:
    """Give the page that is asked for, and the token of the next one, empty after the last.

    Raises:
        WireError: 400, the token cannot be taken.
    """
    first = tokens.first(paging)
    if paging.size is None and not paging.token:
        return entries, ""
    end = first + min(paging.size or MOST, MOST)
    return entries[first:end], tokens.page(end, paging.digest) if end < len(entries) else ""
