"""A small house that is recalled from, and what of it a recipient holds, held and may ask about."""

import contextlib
import pathlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import uvicorn

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "recall"))  # the same world that recall is tested with

from recall_world import KEY, LICENSE, NOW, World, make_world, member, usual

from licet.dataset import package
from licet.dataset.build import build
from licet.model.members import AccountStatus, Choice, Protection
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets, post_pseudonym
from licet.recall.catch_up import catch_up
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import parties
from licet.store.database import transaction
from licet.store.house import House

SECRET = b"0123456789abcdef0123456789abcdef"
COLUMNS = {Table.POSTS: ("author_id",), Table.LIKES: ("actor_id", "post_author_id")}
AT = {Table.POSTS: {"author_id": 1}, Table.LIKES: {"actor_id": 0, "post_author_id": 2}}
POST_AT = {Table.POSTS: 0, Table.LIKES: 1}


def user(name: str) -> str:
    """Give a member's pseudonym."""
    return member_secrets(KEY, name)[0]


def post_of(name: str, author: str) -> str:
    """Give a post's pseudonym."""
    return post_pseudonym(member_secrets(KEY, author)[1], name)


@dataclass
class Clock:
    """The real time, put forward by a test."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """Give the instant it shows."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Ring:
    """A ring of members, each with a post and two likes; `p:n` is by `x:n`, who likes the next and the fifth next."""

    world: World
    token: str
    clock: Clock = field(default_factory=Clock)
    ever_posts: set[str] = field(default_factory=set)
    ever_liked: set[str] = field(default_factory=set)
    ever_users: set[str] = field(default_factory=set)

    @property
    def house(self) -> House:
        """Give the house."""
        return self.world.house

    def leave(self, *names: str) -> None:
        """Let members opt out, and bring the tables up to that."""
        self.world.say(*names)
        self.recall()

    def come_back(self, *names: str) -> None:
        """Let members allow again, and build."""
        self.world.say(*names, choice=Choice.ALLOW)
        self.build()

    def change(self, name: str, status: AccountStatus = AccountStatus.ACTIVE, *, protected: bool = False) -> None:
        """Change an account, and bring the tables up to that."""
        protection = Protection.PROTECTED if protected else Protection.OPEN
        self.world.change(replace(member(name), status=status, protection=protection))
        self.recall()

    def delete(self, name: str, author: str, *, edited: bool = False) -> None:
        """Delete or edit a post, and bring the tables up to that."""
        self.world.delete(Table.POSTS, name, author, superseded=edited)
        self.recall()

    def unlike(self, actor: str, target: str) -> None:
        """Delete a like, and bring the tables up to that."""
        self.world.delete(Table.LIKES, f"{actor} {target}", actor)
        self.recall()

    def recall(self) -> None:
        """Bring the tables up to the newest fact."""
        self.note()
        catch_up(self.house, NOW)
        self.note()

    def build(self) -> None:
        """Build the tables anew."""
        self.note()
        build(self.house, LICENSE.license_id, NOW)
        self.note()

    def note(self) -> None:
        """Remember what a recipient could fetch by now."""
        posts, liked, users = self.held()
        self.ever_posts |= posts
        self.ever_liked |= liked
        self.ever_users |= users

    def held(self) -> tuple[set[str], set[str], set[str]]:
        """Give the posts, the liked posts and the users who are in the tables now."""
        posts, likes = self.world.shared(Table.POSTS), self.world.shared(Table.LIKES)
        users = {row[1] for row in posts} | {row[0] for row in likes} | {row[2] for row in likes}
        return {str(row[0]) for row in posts}, {str(row[1]) for row in likes}, {str(one) for one in users}

    def gone_posts(self) -> set[str]:
        """Give the posts that left and are not there any more."""
        posts, liked, _ = self.held()
        return (self.ever_posts - posts) | (self.ever_liked - self.ever_posts - posts - liked)

    def gone_users(self) -> set[str]:
        """Give the users who left and are not there any more."""
        return self.ever_users - self.held()[2]


def make_ring(home: pathlib.Path, database_url: str, count: int = 12, file_rows: int = package.FILE_ROWS) -> Ring:
    """Build a ring of members."""
    ring = Ring(world=make_world(home, database_url, *usual(count), file_rows=file_rows), token="")
    with transaction(ring.house.database) as conn:
        ring.token = parties.issue_token(conn, LICENSE.recipient_id, ring.clock.now() + timedelta(days=400))
    ring.note()
    return ring


@contextlib.contextmanager
def served(ring: Ring, **options: object) -> Iterator[str]:
    """Serve a ring on a free port and give the address."""
    chosen = {"secret": SECRET, "clock": ring.clock.now} | options
    config = configure(ring.house, "127.0.0.1", 0, ServerOptions(**chosen))  # type: ignore[arg-type]
    config.log_level = "warning"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
