"""Labelled posts for the benchmark of forgetting, given to made-up members."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np

LABELS = ("negative", "neutral", "positive")


def data_folder() -> Path:
    """Give the folder of real posts, which are not part of the project."""
    return Path(os.environ.get("LICET_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def labelled_posts() -> list[tuple[str, str]]:
    """Read distinct (text, label) pairs of SemEval-2017 task 4A, in an order that depends on the texts alone."""
    found: dict[str, str] = {}
    for path in sorted((data_folder() / "semeval").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines():
            _, label, text = line.rstrip("\t").split("\t", 2)
            plain = re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), text.strip('"'))
            if label in LABELS and plain:
                found.setdefault(plain, label)
    return sorted(found.items(), key=lambda pair: hashlib.sha256(pair[0].encode()).digest())


def zipf_members(posts: int, members: int = 10_000, power: float = 0.7) -> list[str]:
    """Draw an author for each post: few write much, most write little."""
    weights = np.arange(1, members + 1) ** -power
    drawn = np.random.default_rng(7).choice(members, size=posts, p=weights / weights.sum())
    return [f"member-{number:05}" for number in drawn]
