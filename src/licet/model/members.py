"""Members: whose data it is, and the state that decisions look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

MemberId = NewType("MemberId", str)
"""A member, unique in the house: adapters prefix the platform (`x:12`) unless the id is global (a DID)."""

UNKNOWN_REGION = "unknown"
"""The region of a member whose region nobody stated; any rule that looks at it denies."""


class AgeBand(StrEnum):
    """How old a member is, as far as the law asks."""

    ADULT = "adult"
    MINOR = "minor"
    UNKNOWN = "unknown"


class Protection(StrEnum):
    """Whether an account shows its posts to everybody."""

    OPEN = "open"
    PROTECTED = "protected"
    UNKNOWN = "unknown"


class AccountStatus(StrEnum):
    """The state of an account on its platform."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member's state; region is an ISO 3166-1 alpha-2 code (`US`), optionally with a subdivision (`US-CA`)."""

    member_id: MemberId
    platform: str
    region: str = UNKNOWN_REGION
    age_band: AgeBand = AgeBand.UNKNOWN
    protection: Protection = Protection.UNKNOWN
    status: AccountStatus = AccountStatus.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """A platform told that an account's status or protection changed; `unknown` leaves that part as it was.

    Where `at` says when, a change that arrives late does not replace a later one; else the order of arrival counts.
    """

    member_id: MemberId
    platform: str
    status: AccountStatus = AccountStatus.UNKNOWN
    protection: Protection = Protection.UNKNOWN
    at: datetime | None = None


class Choice(StrEnum):
    """A member's own position on a purpose."""

    ALLOW = "allow"
    DENY = "deny"


EVERY_RECIPIENT = ""
"""The recipient of a setting that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """A member allowed or denied a purpose, for one recipient or for every one.

    `source` says how: `member` (the settings page), `gpc` (a browser signal), `platform` (ingested).
    """

    member_id: MemberId
    purpose: str
    choice: Choice
    recipient_id: str = EVERY_RECIPIENT
    source: str = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeShown:
    """A member was shown one version of the notice."""

    member_id: MemberId
    notice_version: str
    at: datetime
