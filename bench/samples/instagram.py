"""A made-up Instagram account export of any size."""

import json
import random
import string
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CODE = string.ascii_letters + string.digits + "-_"
_FIRST = 1_641_000_000
_SECONDS = 120_000_000


def write(path: Path, records: int) -> None:
    """Write a zip with so many posts, likes and saved posts in all; the same number gives the same records."""
    chance = random.Random(records)  # noqa: S311 - a sample, no secret
    posts, saved = records // 10, records // 5
    labels = {"Username": {"value": "sample_person"}, "Private Account": {"value": "False"}}
    account = {"profile_user": [{"title": "", "string_map_data": labels}]}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("personal_information/personal_information/personal_information.json", json.dumps(account))
        activity = "your_instagram_activity"
        _pack(packed, f"{activity}/media/posts_1.json", (_post(chance) for _ in range(posts)))
        _pack(packed, f"{activity}/saved/saved_posts.json", (_target(chance) for _ in range(saved)))
        likes = records - posts - saved
        _pack(packed, f"{activity}/likes/liked_posts.json", (_target(chance) for _ in range(likes)))


def _pack(packed: zipfile.ZipFile, name: str, records: Iterator[dict[str, Any]]) -> None:
    with packed.open(name, "w", force_zip64=True) as part:
        part.write(b"[")
        for number, record in enumerate(records):
            part.write(b"," * (number > 0) + b"\n" + json.dumps(record).encode())
        part.write(b"\n]")


def _post(chance: random.Random) -> dict[str, Any]:
    caption = " ".join(chance.choices(["sun", "café", "#tag", "🎉", "friends", "walk"], k=chance.randrange(2, 30)))
    second = _FIRST + chance.randrange(_SECONDS)
    media = {"uri": f"media/posts/{second}_n.jpg", "creation_timestamp": second, "title": ""}
    return {"media": [media], "title": caption.encode().decode("latin-1"), "creation_timestamp": second}


def _target(chance: random.Random) -> dict[str, Any]:
    link = f"https://www.instagram.com/p/{''.join(chance.choices(_CODE, k=11))}/"
    user = f"user_{chance.randrange(5000)}"
    owner = [
        {"label": "URL", "value": f"https://www.instagram.com/{user}"},
        {"label": "Name", "value": "A Person"},
        {"label": "Username", "value": user},
    ]
    labels = [
        {"label": "URL", "value": link, "href": link},
        {"label": "Caption", "value": "words of another person " * chance.randrange(4)},
        {"title": "Owner", "dict": [{"dict": owner}]},
    ]
    second = _FIRST + chance.randrange(_SECONDS)
    return {"timestamp": second, "media": [], "label_values": labels, "fbid": str(second)}
