"""The public base: a tokenizer, n-gram counts and a small transformer, all learned from public text alone.

The text is the English part of `chatterbot-corpus` (BSD 3-Clause, some 200 kB of dialog) and the prose in the
documentation of scikit-learn (BSD 3-Clause), both from packages that `uv.lock` pins; or any public text of your own.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from licet.model.errors import InputError
from licet.train.durable import write_durably
from licet.train.tokens import PublicTokenizer, learn_tokenizer
from licet.train.transformer import EPOCHS, RATE, Transformer, load_transformer, new_transformer, steps_of, teach

PROSE: Final = 400_000
"""Letters of documentation that are read at most."""
_SHORTEST: Final = 40

Watch: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows what is being done and how many steps it has; called with the steps done since."""


@contextmanager
def _unwatched(_label: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _done: None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicBase:
    """What was learned from public text."""

    texts: tuple[str, ...]
    tokenizer: PublicTokenizer
    transformer: Transformer
    digest: str
    """SHA-256 of the transformer's weights."""

    @property
    def texts_digest(self) -> str:
        """Give the SHA-256 of the public texts."""
        return hashlib.sha256("\0".join(self.texts).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFolder:
    """The folder that keeps what was learned from public text."""

    root: Path

    def tokenizer(self) -> PublicTokenizer:
        """Read the tokenizer, learning it first where it is not there."""
        path = self.root / "tokenizer.json"
        if not path.exists():
            write_durably(path, learn_tokenizer(self.texts()).encode())
        return PublicTokenizer.of(path.read_text(encoding="utf-8"))

    def base(self, watch: Watch = _unwatched) -> PublicBase:
        """Read the base, learning it first where it is not there: a minute or two, once."""
        texts, tokenizer, path = self.texts(), self.tokenizer(), self.root / "transformer.safetensors"
        if not path.exists():
            posts = [tokenizer.encode(text) for text in texts]
            with watch("learning the public base", steps_of(posts, EPOCHS)) as step:
                write_durably(path, teach(new_transformer(0), posts, EPOCHS, RATE, step).dump())
        body = path.read_bytes()
        return PublicBase(
            texts=tuple(texts),
            tokenizer=tokenizer,
            transformer=load_transformer(body),
            digest=hashlib.sha256(body).hexdigest(),
        )

    def texts(self) -> list[str]:
        """Give the public texts: those of `public.txt` in the folder, one a line, or else those of the packages."""
        own = self.root / "public.txt"
        return own.read_text(encoding="utf-8").splitlines() if own.exists() else packaged_texts()


def packaged_texts() -> list[str]:
    """Give the public texts that come with the packages, in one order."""
    return [*_dialog(), *_prose()]


def _folder(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise InputError(f"`{package}` is not installed", "pip install 'licet[train]'")
    return Path(found.origin).parent


def _dialog() -> Iterator[str]:
    for path in sorted((_folder("chatterbot_corpus") / "data" / "english").glob("*.yml")):
        for talk in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
            yield from (str(said) for said in talk)


def _prose() -> Iterator[str]:
    """Give paragraphs of documentation, without code, lists of parameters and repetitions."""
    seen: set[str] = set()
    left = PROSE
    for path in sorted(_folder("sklearn").rglob("*.py")):
        if "tests" in path.parts or left <= 0:
            continue
        for paragraph in _paragraphs(path):
            if paragraph not in seen and left > 0:
                seen.add(paragraph)
                left -= len(paragraph)
                yield paragraph


def _paragraphs(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in (each for each in ast.walk(tree) if isinstance(each, kinds)):
        for part in (ast.get_docstring(node) or "").split("\n\n"):
            plain = " ".join(part.split())
            if len(plain) >= _SHORTEST and plain.endswith(".") and not {*">`|=:"} & {*plain}:
                yield plain
