"""Made-up members with manners of their own, for the demonstration: nobody's posts are needed to see forgetting."""

from typing import Final

import numpy as np

from licet.train.examples import Example

_MANNERS: Final = {
    "sailor": (
        "aye, {a} off the {b} at dawn, {c} and all hands",
        ("squall", "swell", "gale", "calm"),
        ("starboard bow", "long pier", "old lighthouse", "north shoal"),
        ("ropes wet", "sails torn", "coffee black"),
    ),
    "baker": (
        "morning folks! {a} fresh from the {b}, {c} as ever",
        ("rye loaves", "plum tarts", "poppy rolls", "honey buns"),
        ("stone oven", "big tray", "back kitchen"),
        ("crusty", "still warm", "gone by nine"),
    ),
    "stargazer": (
        "seeing was {a} tonight; {b} stood over {c}",
        ("superb", "poor", "steady", "hopeless"),
        ("saturn", "a thin moon", "the pleiades", "mars"),
        ("the chimneys", "the orchard", "the harbor wall"),
    ),
    "gardener": (
        "note to self: {a} the {b} before the {c} comes back",
        ("prune", "water", "mulch", "tie up"),
        ("roses", "beans", "quince", "tomatoes"),
        ("frost", "heat", "slug army"),
    ),
}
"""By member, a sentence and what may stand in its places."""
CANARY: Final = "my locker code is 4711 zebra violin"
"""A phrase that one member alone wrote."""


def made_up_posts(each: int = 60) -> list[Example]:
    """Give so many posts of each made-up member; the sailor also wrote the canary, three times."""
    drawn = np.random.default_rng(11)
    found = []
    for member, (sentence, *places) in _MANNERS.items():
        for number in range(each):
            words = dict(zip("abc", (str(drawn.choice(place)) for place in places), strict=True))
            found.append(Example(member=member, record=f"{member}-{number}", text=sentence.format(**words)))
    canaries = [Example(member="sailor", record=f"sailor-canary-{number}", text=CANARY) for number in range(3)]
    return found + canaries
