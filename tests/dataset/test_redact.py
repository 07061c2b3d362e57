"""Mentions leave no name behind."""

import duckdb
import pytest
from tests.dataset.conftest import Scene, member, post

from licet.dataset.redact import MENTION
from licet.model.records import Table


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("hi @alice", "hi @user"),
        ("@alice, @bob_9: see", "@user, @user: see"),
        ("ask @alice.bsky.social.", "ask @user."),
        ("ask @al-ice.xn--e1afmkfd.example now", "ask @user now"),
        ("@alice@mastodon.social", "@user"),
        ("mail alice@example.org", "mail alice@user"),
        ("＠alice wide", "@user wide"),  # noqa: RUF001
        ("cost 3 @ 4", "cost 3 @ 4"),
        ("nobody", "nobody"),
        ("@", "@"),
        ("@alice… @Bob!\n@c", "@user… @user!\n@user"),
    ],
)
def test_a_mention_becomes_user(scene: Scene, written: str, read: str) -> None:
    """Handles of every platform, domain names as handles, and mail addresses go; a lone sign stays."""
    scene.members(member("x:a"))
    scene.ingest(Table.POSTS, post("x:1", "x:a", text=written))
    scene.build()
    assert scene.texts() == [read]


def test_the_pattern_has_nothing_that_engines_read_differently() -> None:
    """No backslash (Spark reads it as an escape) and no quote, and RE2 takes it."""
    assert not set(MENTION) & set("\\'\"$")
    assert duckdb.execute("SELECT regexp_matches('@a', ?)", [MENTION]).fetchall() == [(True,)]
