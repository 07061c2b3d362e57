"""How far a stream was read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Everything before this was read; `cursor` is where to go on, `quiet` that nothing is coming just now."""

    cursor: str
    quiet: bool = False
