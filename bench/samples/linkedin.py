"""A made-up LinkedIn account export for the benchmark."""

import csv
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

_MEMBER = 17_000_001
_OPENINGS = ("Today we shipped a release", "Happy to share that I start a new role", "Three notes from the conference")
_MIDDLES = ("the whole team learned how much careful review is worth", "I am grateful for every colleague on the way")
_ENDINGS = ("one question stays open", "what has changed in your field this year?", "the slides are in the comments")
_PROFILE = (
    "First Name,Last Name,Maiden Name,Address,Birth Date,Headline,Summary,Industry,Zip Code,Geo Location,"
    "Twitter Handles,Websites,Instant Messengers\nSam,Ple,,,,Carpenter,,Construction,,Utrecht,,,\n"
)


def write(path: Path, records: int) -> None:
    """Write a folder of so many rows: posts of every visibility, comments and reactions; the same on every run."""
    path.mkdir(parents=True, exist_ok=True)
    chance = random.Random(20_260_401)  # noqa: S311 - a sample, no secret
    shares = records * 6 // 10
    comments = (records - shares) // 3
    _table(
        path / f"Shares_{_MEMBER}.csv",
        "Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility",
        _shares(chance, shares),
    )
    _table(path / f"Comments_{_MEMBER}.csv", "Date,Link,Message", _comments(chance, comments))
    _table(path / f"Reactions_{_MEMBER}.csv", "Date,Type,Link", _reactions(chance, records - shares - comments))
    (path / "Profile.csv").write_text(_PROFILE, encoding="utf-8")


def _table(path: Path, header: str, rows: Iterator[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header + "\n")
        csv.writer(file, lineterminator="\n").writerows(rows)


def _shares(chance: random.Random, count: int) -> Iterator[list[str]]:
    for number in range(count):
        lines = [_sentence(chance) for _ in range(chance.choice((1, 1, 2, 4)))]
        seen_by = chance.choice(("PUBLIC", "PUBLIC", "PUBLIC", "MEMBER_NETWORK", "CONNECTIONS"))
        # LinkedIn puts quotation marks around each line of a post.
        yield [_date(number), _link("share", number), '"\n"'.join(lines), "", "", seen_by]


def _comments(chance: random.Random, count: int) -> Iterator[list[str]]:
    for number in range(count):
        yield [_date(number), _link("activity", number), _sentence(chance)]


def _reactions(chance: random.Random, count: int) -> Iterator[list[str]]:
    for number in range(count):
        yield [_date(number), chance.choice(("LIKE", "PRAISE", "EMPATHY")), _link("activity", number)]


def _sentence(chance: random.Random) -> str:
    middles = chance.choices(_MIDDLES, k=chance.randint(0, 3))
    return ", ".join((chance.choice(_OPENINGS), *middles, chance.choice(_ENDINGS))) + chance.choice(
        (".", "!", " 📌", "")
    )


def _date(number: int) -> str:
    moment = datetime(2026, 4, 1, tzinfo=UTC) - timedelta(minutes=37 * number % 5_000_000)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _link(kind: str, number: int) -> str:
    return f"https://www.linkedin.com/feed/update/urn%3Ali%3A{kind}%3A{7_400_000_000_000_000_001 + number}"
