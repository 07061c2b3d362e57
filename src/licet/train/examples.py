"""What a model learns from: one post of one pseudonymous member."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A post as a license shares it, with its label where a task has one (`""` where not)."""

    member: str
    """The author's pseudonym: all examples of one member share it."""
    record: str
    """The post's pseudonym, unique among all examples."""
    text: str
    label: str = ""
