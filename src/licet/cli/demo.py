"""`licet demo`: the whole way on made-up data, through the real server and the official client."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import click

from licet.cli.community import Community
from licet.cli.configuration import configuration, now
from licet.cli.licensing import EARLIEST, LATEST
from licet.cli.notices import load, source_of
from licet.cli.terminal import console, counted, day, progress
from licet.cli.verifying import verify_receipt
from licet.dataset.build import build
from licet.ingest.mapping import parse_mapping
from licet.ingest.tabular import read_table
from licet.ingest.write import ingest
from licet.model.errors import Unavailable, UsageError
from licet.model.licenses import COLUMNS, License, LicenseId, RecipientId
from licet.model.records import Table, Visibility
from licet.policy.decide import RecordFacts, Subject, Terms, decide
from licet.policy.notice import digest
from licet.protocol.pseudonyms import member_secrets
from licet.store import asof, facts, parties
from licet.store.chosen import chosen_by
from licet.store.database import reading, transaction
from licet.store.house import House, open_house
from licet.store.log_proofs import setting_proof, verifier_of

PURPOSE = "third_party_training"
NOTICE = "x-2024-11-15"
LICENSE = "acme_demo"
START_TENTHS = 1_800
"""How long the server may take to start on a slow machine, in tenths of a second."""


@dataclass(slots=True)
class Teller:
    """Tells each step with its figure."""

    number: int = 0

    def step(self, title: str, what: Callable[[], str]) -> None:
        """Do one step, then say what came of it and how long it took."""
        self.number += 1
        begun = time.perf_counter()
        with progress(title):
            told = what()
        took = time.perf_counter() - begun
        console.print(f"[bold]{self.number:>2}  {title}[/bold]  [dim]{took:.2f} s[/dim]\n    {told}", soft_wrap=True)


@dataclass(slots=True, kw_only=True)
class Demo:
    """The demo's surroundings: its house, its data and where its server listens."""

    house: House
    home: Path
    data: Path
    port: int
    members: tuple[str, ...] = ()
    chosen: str = ""
    links: tuple[str, ...] = ()
    """File URLs handed out before the opt-out."""

    @property
    def address(self) -> str:
        """Give the server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def profile(self) -> Path:
        """Give the recipient's profile file."""
        return self.home / "acme.share"

    def ingest(self) -> str:
        """Read every data file that has a mapping beside it; members first."""
        told = []
        for mapping in sorted(self.data.glob("*.toml"), key=lambda path: (path.stem != "members", path.name)):
            data = next((p for p in sorted(self.data.glob(f"{mapping.stem}.*")) if p != mapping), None)
            if data is None:
                raise UsageError(f"no data beside {mapping.name}", f"put {mapping.stem}.csv, .jsonl or .parquet there")
            parsed = parse_mapping(mapping.read_text("utf-8"), mapping.name)
            report = ingest(self.house.database, self.house.lake, f"demo:{data.name}", read_table(data, parsed))
            told += [counted(count, kind) for kind, count in report.counts.items() if count]
            told += [f"{count:,} set aside ({reason})" for reason, count in report.skipped.items()]
        if not told:
            raise UsageError(f"no mapping in {self.data}", "put a NAME.toml beside each data file; see docs/ingest.md")
        return ", ".join(told)

    def publish(self) -> str:
        """Publish the notice."""
        notice = load(NOTICE)
        with transaction(self.house.database) as conn:
            facts.publish_notice(conn, notice.version, digest(notice), notice.effective, source_of(NOTICE), now())
        return f"{notice.version}: members are in unless they opt out; opt-outs open before {day(notice.effective)}"

    def grant(self) -> str:
        """Register a recipient, grant it a license and give it a profile."""
        start = now()
        granted = License(
            license_id=LicenseId(LICENSE),
            recipient_id=RecipientId("acme"),
            purpose=PURPOSE,
            tables=tuple(Table),
            columns=tuple(name for columns in COLUMNS.values() for name in columns),
            langs=(),
            created_from=EARLIEST,
            created_until=LATEST,
            starts=start,
            ends=start + timedelta(days=365),
            recall_within_hours=24,
        )
        key = self.house_key()
        with transaction(self.house.database) as conn:
            parties.add_recipient(conn, "acme", "Acme AI", start)
            facts.grant_license(conn, granted, key, start)
            token = parties.issue_token(conn, "acme", granted.ends)
        profile = {
            "shareCredentialsVersion": 1,
            "endpoint": f"{self.address}/delta-sharing/",
            "bearerToken": token,
            "expirationTime": f"{granted.ends:%Y-%m-%dT%H:%M:%S.000Z}",
        }
        self.profile.touch(mode=0o600)
        self.profile.write_text(json.dumps(profile), encoding="utf-8")
        return f"Acme AI may train on {', '.join(granted.tables)} until {day(granted.ends)}"

    def house_key(self) -> bytes:
        """Make the license's pseudonym key."""
        with transaction(self.house.database) as conn:
            return parties.house_secret(conn, f"license {LICENSE}")

    def build(self) -> str:
        """Build the licensed tables, and say what was left out and why."""
        lines = []
        for table in build(self.house, LICENSE, now()):
            out = ", ".join(f"{reason} {count:,}" for reason, count in sorted(table.excluded.items()))
            lines.append(f"{table.table}: {counted(table.rows, 'rows')} shared; left out: {out or 'nothing'}")
        return "\n    ".join(lines)

    def read(self, table: Table) -> Any:  # noqa: ANN401 # a pandas frame
        """Read a shared table with the official client."""
        import delta_sharing  # noqa: PLC0415 # an extra that only the demo needs

        url = f"{self.profile}#{LICENSE}.licensed.{table}"
        return delta_sharing.load_as_pandas(url, use_delta_format=False)

    def first_read(self) -> str:
        """Read as the recipient, and pick the member with the most shared posts."""
        frame = self.read(Table.POSTS)
        pseudonyms = {member_secrets(self.house_key(), m)[0]: m for m in self.known_members()}
        busiest = frame["author_id"].value_counts().index[0]
        self.chosen = pseudonyms[busiest]
        self.links = tuple(self.file_urls())
        count = int((frame["author_id"] == busiest).sum())
        return (
            f"{len(frame):,} posts by {frame['author_id'].nunique():,} members; the busiest one wrote {count:,} of them"
        )

    def file_urls(self) -> Iterator[str]:
        """Give the file URLs of the posts as the server offers them now."""
        token = json.loads(self.profile.read_text("utf-8"))["bearerToken"]
        url = f"{self.address}/delta-sharing/shares/{LICENSE}/schemas/licensed/tables/posts/query"
        request = urllib.request.Request(url, b"{}", {"Authorization": f"Bearer {token}"}, method="POST")  # noqa: S310 # our own server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 # our own server
            lines = [json.loads(line) for line in answer]
        yield from (line["file"]["url"] for line in lines if "file" in line)

    def old_links(self) -> str:
        """Try the file URLs handed out before: those whose file held the member are refused."""
        refused = sum(self.is_gone(url) for url in self.links)
        if not refused:
            raise Unavailable("every file URL from before still works", "this is a defect: please report it")
        return f"{refused} of {len(self.links)} file URLs handed out before now answer 410 Gone"

    def is_gone(self, url: str) -> bool:
        """Tell whether a file URL is refused for good."""
        try:
            with urllib.request.urlopen(url, timeout=30):  # noqa: S310 # our own server
                return False
        except urllib.error.HTTPError as error:
            return error.code in {HTTPStatus.GONE, HTTPStatus.NOT_FOUND}  # an object store says it so

    def reason(self) -> str:
        """Ask why that member's posts are out now."""
        with reading(self.house.database) as conn:
            seq = facts.last_seq(conn)
            notice = asof.notice_in_force(conn, seq, now())
            rows = asof.subjects(conn, seq, PURPOSE, "acme", NOTICE, [self.chosen]).to_pylist()
        subject = Subject(**{name: value for name, value in rows[0].items() if name != "member_id"})
        record = RecordFacts(table=Table.POSTS, visibility=Visibility.PUBLIC, created_at=now(), deleted=False)
        terms = Terms(purpose=PURPOSE, channel="third_party", recipient_id="acme", at=now())
        return f"rule `{decide([subject], record, terms, notice).reason}` of notice {NOTICE} decided"

    def known_members(self) -> list[str]:
        """Give the ids of all members."""
        with reading(self.house.database) as conn:
            table = asof.subjects(conn, facts.last_seq(conn), PURPOSE, "acme", NOTICE)
        return [str(value) for value in table.column("member_id").to_pylist()]

    def opt_out(self) -> str:
        """Sign in as that member and opt out, as the settings page does."""
        _, headers = self.call("POST", "/sign-in", {"member_id": self.chosen})
        cookie = SimpleCookie(headers["set-cookie"])
        pairs = "; ".join(f"{name}={morsel.value}" for name, morsel in cookie.items())
        answer, _ = self.call("PUT", f"/settings/{PURPOSE}", {"choice": "deny"}, cookie=pairs)
        return f"the member's choice is recorded as fact {answer['seq']}"

    def verified(self) -> str:
        """Check the member's receipt as anybody could: with the proof and the log's key."""
        with reading(self.house.database) as conn:
            seq = chosen_by(conn, self.chosen)[0].seq
        for _ in range(100):
            with reading(self.house.database) as conn:
                proof, key = setting_proof(conn, self.house.log, self.chosen, seq), verifier_of(conn)
            if proof and key:
                said, place, checkpoint = verify_receipt(proof, key)
                where = f"entry {place.index:,} of {checkpoint.size:,}"
                return f"`{said.choice}` to {said.purpose} is {where} in the signed log, which names nobody"
            time.sleep(0.1)
        raise Unavailable("the log does not have the choice", "this is a defect: please report it")

    def second_read(self) -> str:
        """Read again as the recipient: the member must be gone from every table."""
        pseudonym = member_secrets(self.house_key(), self.chosen)[0]
        total = 0
        for table in Table:
            frame = self.read(table)
            total += len(frame)
            columns = [name for name in ("author_id", "actor_id", "post_author_id") if name in frame]
            left = sum(int((frame[name] == pseudonym).sum()) for name in columns)
            if left:
                raise Unavailable(
                    f"{left} rows of the member are still in {table}", "this is a defect: please report it"
                )
        return f"{total:,} rows in four tables, not one of that member"

    def call(self, method: str, path: str, body: dict[str, str], cookie: str = "") -> tuple[dict[str, Any], Any]:
        """Call the server as a browser would."""
        headers = {"Content-Type": "application/json"} | ({"Cookie": cookie} if cookie else {})
        url = self.address + path
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)  # noqa: S310 # our own server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 # our own server
            return json.load(answer), answer.headers

    @contextlib.contextmanager
    def server(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run `licet serve` as a process of its own while the block lasts."""
        command = [sys.executable, "-m", "licet.cli", "--home", str(self.home), "serve", "--port", str(self.port)]
        log = (self.home / "server.log").open("wb")
        # Whoever is told to end ends its server too, for that one lets anybody sign in as anybody.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        process = subprocess.Popen([*command, "--development-sign-in"], stdout=log, stderr=log)  # noqa: S603 # ourselves
        try:
            self.wait_until_up(process)
            yield process
        finally:
            signal.signal(signal.SIGTERM, before)
            process.terminate()
            process.wait(20)
            log.close()

    def wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the server to answer."""
        for _ in range(START_TENTHS):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        # The home goes with the demo, so what the server said is said again.
        said = (self.home / "server.log").read_text("utf-8", "replace").strip().splitlines()
        raise Unavailable("the demo's server did not start", f"its last words: {said[-1] if said else 'none'}")


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@click.command()
@click.option(
    "--members", default=2_000, type=click.IntRange(20), show_default=True, help="Size of the made-up community."
)
@click.option("--posts", default=20_000, type=click.IntRange(100), show_default=True, help="How much it wrote.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes up the same community.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Use these files instead.")
@click.option("--keep", is_flag=True, help="Leave the server running until Ctrl-C.")
def demo(members: int, posts: int, seed: int, data: Path | None, keep: bool) -> None:  # noqa: FBT001 # click passes flags so
    """Run the whole way on made-up data: ingest, license, share, opt out, read again.

    Example: licet demo --keep
    """
    configuration()
    with tempfile.TemporaryDirectory(prefix="licet-demo-") as folder:
        home = Path(folder)
        it = Demo(house=open_house(home), home=home, data=data or home / "community", port=free_port())
        if data is None:
            Community(seed=seed, members=members, posts=posts).write(it.data)
        teller = Teller()
        teller.step("Ingest what the platform has", it.ingest)
        teller.step("Publish the notice", it.publish)
        teller.step("License it to a recipient", it.grant)
        teller.step("Build the licensed dataset", it.build)
        with it.server() as server:
            teller.step("The recipient reads it with the official Delta Sharing client", it.first_read)
            teller.step("That member opts out", it.opt_out)
            teller.step("The recipient reads again", it.second_read)
            teller.step("The recipient tries the links it was given before", it.old_links)
            teller.step("Why are that member's posts out?", it.reason)
            teller.step("The member's receipt is checked against the public log", it.verified)
            _what_next(it, keep=keep)
            if keep:
                with contextlib.suppress(KeyboardInterrupt):
                    server.wait()


def _what_next(it: Demo, *, keep: bool) -> None:
    console.print("\n[bold]What to try next[/bold]")
    for line in _next_steps(it) if keep else _NEXT_TIME:
        # Never wrapped: a command is there to be copied.
        console.print(f"  {line}", markup=False, soft_wrap=True)


_NEXT_TIME = (
    "licet demo --keep                leave the server running and look around",
    "licet notice show x-2024-11-15   the rules that decided",
    "licet demo --data DIR            the same on your own files",
)


def _next_steps(it: Demo) -> list[str]:
    table = f"{it.profile}#{LICENSE}.licensed.posts"
    return [
        f"the server listens on {it.address}; its home is {it.home} (Ctrl-C ends it)",
        f"{it.address}/sign-in?as=operator   the pages: as operator, as member {it.chosen}, or as acme",
        f"licet --home {it.home} why {it.chosen} --license {LICENSE}",
        f"python -c \"import delta_sharing as d; print(d.load_as_pandas('{table}'))\"",
    ]
