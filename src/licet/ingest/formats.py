"""Every form of input that licet recognizes by itself, and which of them an input is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from licet.ingest import (
    activitypub_stream,
    bluesky_firehose,
    bluesky_repo,
    facebook_export,
    instagram_export,
    jetstream,
    linkedin_export,
    mastodon_export,
    x_api,
    x_compliance,
    x_export,
    x_v1,
)
from licet.ingest.archives import shown
from licet.ingest.meta_parts import check_vouched
from licet.ingest.opened import Opened
from licet.model.errors import InputError, UsageError
from licet.model.members import MemberId
from licet.model.records import Ingested, Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What whoever brings an input says of it, for forms that do not say it themselves."""

    member_id: MemberId | None = None
    visibility: Visibility | None = None


NOTHING_TOLD = Told()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One form of input: what it recognizes ("" if not its own), how it is read, and what may be told of it."""

    name: str
    sees: Callable[[Opened], str]
    read: Callable[[Opened, Told], Iterator[Ingested]]
    member: bool = False
    visibility: bool = False
    yields_to: str = ""
    """The form that counts where both recognize an input."""


FORMATS = (
    Format(name="x-export", sees=x_export.sees, read=lambda source, _: x_export.read(source)),
    Format(name="x-api", sees=x_api.sees, read=lambda source, _: x_api.read(source)),
    Format(name="x-compliance", sees=x_compliance.sees, read=lambda source, _: x_compliance.read(source)),
    # A recorded stream of old has deletions in it; withdrawals must not be missed, so compliance comes first.
    Format(name="x-v1", sees=x_v1.sees, read=lambda source, _: x_v1.read(source), yields_to="x-compliance"),
    Format(name="jetstream", sees=jetstream.sees, read=lambda source, _: jetstream.read(source)),
    Format(name="at-firehose", sees=bluesky_firehose.sees, read=lambda source, _: bluesky_firehose.read(source)),
    Format(name="at-repo", sees=bluesky_repo.sees, read=lambda source, _: bluesky_repo.read(source)),
    Format(name="mastodon-export", sees=mastodon_export.sees, read=lambda source, _: mastodon_export.read(source)),
    Format(name="activitypub", sees=activitypub_stream.sees, read=lambda source, _: activitypub_stream.read(source)),
    Format(
        name="linkedin-export",
        sees=linkedin_export.sees,
        read=lambda source, told: linkedin_export.read(source, told.member_id),
        member=True,
    ),
    Format(
        name="facebook-export",
        sees=facebook_export.sees,
        read=lambda source, told: facebook_export.read(source, told.member_id, told.visibility),
        member=True,
        visibility=True,
    ),
    Format(
        name="instagram-export",
        sees=instagram_export.sees,
        read=lambda source, told: instagram_export.read(source, told.member_id, told.visibility),
        member=True,
        visibility=True,
    ),
)
NAMES = tuple(each.name for each in FORMATS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """The form of an input, and what was seen of it, in words for people."""

    format: Format
    seen: str

    def read(self, source: Opened, told: Told = NOTHING_TOLD) -> Iterator[Ingested]:
        """Read the input.

        Raises:
            UsageError: something is told that this form says itself, or that cannot be told.
            InputError: the form is one that cannot be read.
        """
        if told.member_id is not None and not self.format.member:
            raise UsageError(f"{self.seen} names its members itself", "leave out --member")
        if told.visibility is not None and not self.format.visibility:
            raise UsageError(f"{self.seen} must state itself who may read a post", "leave out --visibility")
        check_vouched(told.member_id, told.visibility)
        return self.format.read(source, told)


def recognize(source: Opened, name: str = "") -> Recognized:
    """Tell which form an input has; `name` is the form that it is said to have.

    Raises:
        InputError: it has none that is known, or several.
        UsageError: there is no form of that name.
    """
    if name:
        return _named(source, name)
    damage: list[InputError] = []
    found = [Recognized(format=each, seen=seen) for each in FORMATS if (seen := _seen(each, source, damage))]
    names = {each.format.name for each in found}
    found = [each for each in found if each.format.yields_to not in names]
    if not found:
        remedy = "give a table a mapping (--mapping), unpack what is packed twice, or see docs/platforms"
        raise next(iter(damage), InputError(f"{shown(source.name)}: no known form of data", remedy))
    if len(found) > 1:
        seen = " and ".join(each.seen for each in found)
        remedy = f"give each by itself, or choose with --format: {', '.join(each.format.name for each in found)}"
        raise InputError(f"{shown(source.name)}: this may be {seen}", remedy)
    return found[0]


def _named(source: Opened, name: str) -> Recognized:
    for each in FORMATS:
        if each.name == name:
            return Recognized(format=each, seen=_seen(each, source, []) or f"{name}, as told")
    raise UsageError(f"there is no form of data `{name}`", f"choose one of {', '.join(NAMES)}")


def _seen(form: Format, source: Opened, damage: list[InputError]) -> str:
    """Say what a form recognizes; a damaged part, such as a picture, must not hide what the other parts are."""
    try:
        return form.sees(source)
    except InputError as error:
        damage.append(error)
        return ""
