"""A small, lifelike community, made up from a seed: Zipf activity, several countries and languages, minors."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

REGIONS = ("US", "US-CA", "US-NY", "BR", "IN", "JP", "GB", "DE", "FR", "IE", "MX", "NG")
_SENTENCES = {
    "en": "morning coffee train late again sun finally garden tomatoes match tonight book film loved slow quiet rain",
    "pt": "bom dia café praia jogo hoje chuva trabalho livro filme amigos cidade ônibus atrasado festa música",
    "de": "guten morgen kaffee bahn wieder spät garten regen buch film arbeit fahrrad stadt abend ruhig suppe",
    "fr": "bonjour café train retard soleil jardin pluie livre film ville vélo soir soupe équipe projet ami",
    "es": "buenos días café tren tarde sol jardín lluvia libro película ciudad bici noche sopa equipo amigo",
}
_WORDS = {lang: words.split() for lang, words in _SENTENCES.items()}
_LANGUAGE = {"BR": "pt", "DE": "de", "FR": "fr", "MX": "es"}
_REPLIES = 0.2
_START = datetime(2024, 11, 20, tzinfo=UTC)

_MAPPINGS = {
    "members": {"columns": {n: n for n in ("member_id", "region", "age_band", "protection", "status")}},
    "posts": {
        "columns": {
            n: n
            for n in ("post_id", "author_id", "created_at", "text", "lang", "visibility", "in_reply_to", "quote_of")
        }
    },
    "likes": {"columns": {n: n for n in ("actor_id", "post_id", "post_author_id", "created_at")}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """Members and posts made up from a seed; sizes are numbers of members and of posts."""

    seed: int
    members: int
    posts: int

    def write(self, folder: Path) -> None:
        """Write JSON Lines files and their mappings, as an operator would have them."""
        chance = random.Random(self.seed)  # noqa: S311 # a reproducible community, no secret
        people = [self._member(chance, number) for number in range(self.members)]
        posts = list(self._posts(chance, people))
        kinds = {"members": people, "posts": posts}
        for table, share in (("likes", 2.0), ("bookmarks", 0.3), ("reposts", 0.5)):
            kinds[table] = list(self._interactions(chance, people, posts, int(self.posts * share)))
        folder.mkdir(parents=True, exist_ok=True)
        for kind, rows in kinds.items():
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{kind}.jsonl").write_text(lines, encoding="utf-8")
            (folder / f"{kind}.toml").write_text(_mapping(kind), encoding="utf-8")

    def _member(self, chance: random.Random, number: int) -> dict[str, Any]:
        return {
            "member_id": f"m{number:05d}",
            "region": chance.choices(REGIONS, weights=range(len(REGIONS), 0, -1))[0],
            "age_band": chance.choices(("adult", "minor", "unknown"), weights=(90, 6, 4))[0],
            "protection": chance.choices(("open", "protected"), weights=(88, 12))[0],
            "status": chance.choices(("active", "suspended", "deactivated"), weights=(96, 1, 3))[0],
        }

    def _posts(self, chance: random.Random, people: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        weights = [1 / (rank + 1) ** 0.8 for rank in range(len(people))]
        for number, author in enumerate(chance.choices(people, weights, k=self.posts)):
            lang = _LANGUAGE.get(author["region"], "en")
            reply = f"p{chance.randrange(number):06d}" if number and chance.random() < _REPLIES else ""
            mention = f"@{chance.choice(people)['member_id']} " if reply else ""
            yield {
                "post_id": f"p{number:06d}",
                "author_id": author["member_id"],
                "created_at": _moment(chance),
                "text": mention + " ".join(chance.choices(_WORDS[lang], k=chance.randint(4, 18))),
                "lang": lang,
                "visibility": chance.choices(("public", "unlisted", "followers"), weights=(90, 4, 6))[0],
                "in_reply_to": reply,
                "quote_of": "",
            }

    def _interactions(
        self, chance: random.Random, people: list[dict[str, Any]], posts: list[dict[str, Any]], count: int
    ) -> Iterator[dict[str, Any]]:
        for actor in chance.choices(people, k=count):
            target = posts[int(len(posts) * chance.random() ** 2)]
            yield {
                "actor_id": actor["member_id"],
                "post_id": target["post_id"],
                "post_author_id": target["author_id"],
                "created_at": _moment(chance),
            }


def _moment(chance: random.Random) -> str:
    return (_START + timedelta(seconds=chance.randrange(86_400 * 300))).isoformat()


def _mapping(kind: str) -> str:
    columns = _MAPPINGS[kind if kind in _MAPPINGS else "likes"]["columns"]
    listed = "\n".join(f'{name} = "{column}"' for name, column in columns.items())
    return f'[records]\nkind = "{kind}"\ntime_format = "iso"\n\n[constants]\nplatform = "demo"\n\n[columns]\n{listed}\n'
