"""Read what a form sends: bounded, from a page of ours, and in a session only with that session's token."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from licet.model.errors import InputError, Refused
from licet.server.desk import AtDesk, Desk, desk_of
from licet.server.errors import WireError, malformed
from licet.server.session import Role, Session, require

MOST: Final = 512 * 1024
"""Bytes of a form that are read."""
FIELDS: Final = 100
TOKEN: Final = "form_token"  # noqa: S105 # the field's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a form sent: its fields, each with one or more values, and its files."""

    fields: Mapping[str, Sequence[str]]
    files: Mapping[str, bytes]

    def get(self, name: str, default: str = "") -> str:
        """Give a field's first value without blanks around it."""
        values = self.fields.get(name)
        return values[0].strip() if values else default

    def all(self, name: str) -> tuple[str, ...]:
        """Give every value of a field."""
        return tuple(self.fields.get(name, ()))

    def text(self, name: str, file: str) -> str:
        """Give a text that was either typed or sent as a file.

        Raises:
            InputError: the file is no text.
        """
        sent = self.files.get(file, b"")
        try:
            return sent.decode("utf-8-sig") if sent else self.get(name)
        except UnicodeDecodeError as error:
            raise InputError("the file is no text in UTF-8", "choose another file") from error


def require_same_site(request: Request, desk: Desk) -> None:
    """Refuse a form that comes from another site's page, as far as the browser says where it comes from.

    Raises:
        Refused: it does.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    ours = {request.url.netloc, urlsplit(desk.options.public_url).netloc} - {""}
    foreign = site is not None and site != "same-origin"
    if foreign or (origin is not None and urlsplit(origin).netloc not in ours):
        raise Refused("the form comes from another site", "open the page here and send it again")


async def read_form(request: Request, desk: AtDesk) -> Form:
    """Read a form of a page of ours.

    Raises:
        WireError: 411 or 413, it does not say its size or is too large; 400, it cannot be read.
        Refused: it comes from another site.
    """
    require_same_site(request, desk)
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        raise WireError(411, "MALFORMED_REQUEST", "the form does not say its size")
    if int(length) > MOST:
        raise WireError(413, "MALFORMED_REQUEST", f"a form has at most {MOST} bytes")
    fields: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    try:
        async with request.form(max_files=3, max_fields=FIELDS, max_part_size=MOST) as sent:
            for name, value in sent.multi_items():
                if isinstance(value, UploadFile):
                    files[name] = await value.read()
                else:
                    fields.setdefault(name, []).append(value)
    except HTTPException as error:
        raise malformed("the form cannot be read") from error
    return Form(fields=fields, files=files)


AnyForm = Annotated[Form, Depends(read_form)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody who is signed in sent."""

    session: Session
    form: Form


def said_as(role: Role) -> Callable[[Request], Awaitable[Said]]:
    """Give what reads a form of somebody signed in, and refuses one without their session's token."""
    ask = require(role)

    async def read(request: Request) -> Said:
        # The session first: a stranger's form is not even read.
        desk = await desk_of(request)
        session = await run_in_threadpool(ask, request, desk)
        form = await read_form(request, desk)
        if not hmac.compare_digest(session.form_token.encode(), form.get(TOKEN).encode()):
            raise Refused("the page was open for too long or belongs to another session", "open it again")
        return Said(session=session, form=form)

    return read


MemberSaid = Annotated[Said, Depends(said_as(Role.MEMBER))]
RecipientSaid = Annotated[Said, Depends(said_as(Role.RECIPIENT))]
OperatorSaid = Annotated[Said, Depends(said_as(Role.OPERATOR))]
AtMember = Annotated[Session, Depends(require(Role.MEMBER))]
AtRecipient = Annotated[Session, Depends(require(Role.RECIPIENT))]
AtOperator = Annotated[Session, Depends(require(Role.OPERATOR))]
