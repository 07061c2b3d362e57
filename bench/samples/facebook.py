"""A made-up Facebook account export of any size."""

import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

_WORDS = ["rain", "bike", "café", "market", "sister", "train", "Zürich", "garden", "naïve", "music", "🚀", "happy"]
_AUDIENCES = ("Public", "Public", "Friends", "Only me")
_FIRST = 1_242_901_624


def write(path: Path, records: int) -> None:
    """Write a zip with so many posts, most of which state an audience; the same number gives the same posts."""
    profile = {"profile_v2": {"name": {"full_name": "Sample Person"}, "username": "sample.person"}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("profile_information/profile_information.json", json.dumps(profile))
        with packed.open("posts/your_posts__check_ins__photos_and_videos_1.json", "w", force_zip64=True) as part:
            for number, post in enumerate(_posts(records)):
                part.write(("[\n" if number == 0 else ",\n").encode() + json.dumps(post).encode())
            part.write(b"\n]" if records else b"[]")


def _posts(records: int) -> Iterator[dict[str, object]]:
    chance = random.Random(records)  # noqa: S311 - a sample, no secret
    second = _FIRST
    for _ in range(records):
        second += chance.randrange(1, 90_000_000_000 // (records + 1) // 100 + 2)
        text = " ".join(chance.choices(_WORDS, k=chance.randrange(3, 40)))
        exif = {"upload_ip": "192.0.2.10", "latitude": 0.0, "longitude": 0.0}
        media = {"uri": f"posts/media/{second}.jpg", "media_metadata": {"photo_metadata": {"exif_data": [exif]}}}
        post: dict[str, object] = {
            "timestamp": second,
            "data": [{"post": text.encode().decode("latin-1")}, {"update_timestamp": second}],
            "title": "Sample Person updated her status.",
        }
        if chance.random() < 0.3:
            post["attachments"] = [{"data": [{"media": media}]}]
        if chance.random() < 0.9:
            post["privacy"] = chance.choice(_AUDIENCES)
        yield post
