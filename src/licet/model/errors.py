"""The one error tree; a class is chosen by what the caller should do about it.

LicetError
├── UsageError          the caller asked for something impossible: change the call
│   └── NotFound        the named thing does not exist
├── InputError          a file, message or value is malformed: mend it
│   └── NoticeError     a notice is malformed
├── Refused             permission is missing: not now, and not by retrying
├── Unavailable         not at this moment: try again later
└── IntegrityError      stored facts contradict each other: stop and look
"""


class LicetError(Exception):
    """Root of every error that licet raises on purpose; `remedy` says what to do next."""

    def __init__(self, message: str, remedy: str = "") -> None:
        """Keep what is wrong and what to do about it."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """Give one line: what is wrong, then the remedy."""
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(LicetError):
    """The caller asked for something impossible."""


class NotFound(UsageError):
    """The named thing does not exist."""


class InputError(LicetError):
    """A file, message or value is malformed."""


class NoticeError(InputError):
    """A notice is malformed; the message names file and key."""


class Refused(LicetError):
    """Permission is missing."""


class Unavailable(LicetError):
    """Not at this moment; `retry_after` is in seconds."""

    def __init__(self, message: str, remedy: str = "", retry_after: int = 1) -> None:
        """Keep also when to try again, in seconds."""
        super().__init__(message, remedy)
        self.retry_after = retry_after


class IntegrityError(LicetError):
    """Stored facts contradict each other."""
