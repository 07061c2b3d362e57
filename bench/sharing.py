"""What an answer of the sharing server costs, beside a bare FastAPI route that returns the very same bytes.

`python bench/sharing.py [requests]` serves a table of 8 files and one of 10,000 in one process, and the bare routes in
another, under the same web server, to four clients at once. It prints CPU time a request of each server process (user
and system), their ratio, requests a second, and the CPU time of the very first answer, which is then kept for a minute.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

from licet.model.licenses import COLUMNS, License, LicenseId, RecipientId, SharedVersion
from licet.model.records import Table
from licet.policy.notice import digest, parse_notice
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import credentials, facts, parties
from licet.store.database import transaction
from licet.store.house import House, open_house
from licet.store.parcels import file_name
from licet.store.shared import CommitFacts, DataFile

NOTICES = Path(__file__).parents[1] / "src" / "licet" / "policy" / "notices"
FEW, MANY = "few", "many"
FILES = {FEW: 8, MANY: 10_000}
CLIENTS = 4
TICK = os.sysconf("SC_CLK_TCK")


def license_of(name: str, now: datetime) -> License:
    """Give a license over posts."""
    return License(
        license_id=LicenseId(name),
        recipient_id=RecipientId("bench"),
        purpose="third_party_training",
        tables=(Table.POSTS,),
        columns=COLUMNS[Table.POSTS],
        langs=(),
        created_from=now,
        created_until=now,
        starts=now - timedelta(days=1),
        ends=now + timedelta(days=1),
        recall_within_hours=24,
    )


def furnish(house: House) -> str:
    """Commit both tables, files that nobody reads here, and give a token."""
    now = datetime.now(UTC)
    source = (NOTICES / "x-2024-11-15.toml").read_text()
    notice = parse_notice(source, "x")
    with transaction(house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, source, now)
        parties.add_recipient(conn, "bench", "Bench", now)
        token = credentials.issue_token(conn, "bench", now + timedelta(days=1))
    for name, count in FILES.items():
        granted = license_of(name, now)
        with transaction(house.database) as conn:
            seq = facts.grant_license(conn, granted, b"k" * 32, now)
        files = [DataFile(name=file_name(bucket), size=1000, rows=10) for bucket in range(count)]
        stated = CommitFacts(as_of_seq=seq, policy_digest=digest(notice), buckets=count, cause="build", excluded={})
        made = house.shared.commit(granted, Table.POSTS, files, [], stated)
        version = SharedVersion(
            license_id=granted.license_id,
            table=Table.POSTS,
            version=made.version,
            as_of_seq=seq,
            policy_digest=digest(notice),
            cause="build",
            rows=10 * count,
            at=made.at,
        )
        with transaction(house.database) as conn:
            parties.record_version(conn, version, {})
            parties.set_checked_seq(conn, granted.license_id, seq)
    return token


def bare(answers: dict[str, bytes]) -> FastAPI:
    """Give an app that returns bytes it has."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    def give(request: Request, path: str) -> Response:
        return Response(answers[request.method + " /" + path], media_type="application/json")

    return app


def serve(config: uvicorn.Config) -> None:
    """Serve in this process until standard input ends, announcing the port."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    sys.stdin.read()
    server.should_exit = True
    thread.join()


class Served:
    """One of the two servers, in a process of its own."""

    def __init__(self, kind: str, folder: Path) -> None:
        """Start it."""
        command = [sys.executable, __file__, kind, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def ask(self, what: str, token: str, times: int = 1) -> bytes:
        """Ask `METHOD /path` so many times over one connection, and give the last answer."""
        method, path = what.split(" ")
        body = b"{}" if method == "POST" else None
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port)) as line:
            for _ in range(times):
                line.request(method, path, body, headers)
                answer = line.getresponse()
                said = answer.read()
                assert answer.status == 200, said
        return said

    def cpu(self) -> float:
        """Give the CPU seconds that the process took so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def close(self) -> None:
        """Stop it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def table(name: str) -> str:
    """Give a table's address."""
    return f"/delta-sharing/shares/{name}/schemas/licensed/tables/posts"


ASKED = {
    "list of shares": ("GET /delta-sharing/shares", 1.0),
    "list of tables": (f"GET /delta-sharing/shares/{FEW}/schemas/licensed/tables", 1.0),
    "metadata": (f"GET {table(FEW)}/metadata", 1.0),
    "query, 8 files": (f"POST {table(FEW)}/query", 1.0),
    "query, 10,000 files": (f"POST {table(MANY)}/query", 0.02),
    "changes, 10,000 files": (f"GET {table(MANY)}/changes?startingVersion=0", 0.02),
}


def measure(server: Served, what: str, token: str, times: int) -> tuple[float, float]:
    """Let clients ask so many times in all; give the server's CPU milliseconds a request, and requests a second."""
    server.ask(what, token)
    cpu, begun = server.cpu(), time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(server.ask, what, token, times // CLIENTS) for _ in range(CLIENTS)]
        for each in asked:
            each.result()
    made = times // CLIENTS * CLIENTS
    return (server.cpu() - cpu) / made * 1e3, made / (time.perf_counter() - begun)


def first_time(what: str, token: str, folder: Path) -> float:
    """Give the CPU milliseconds of an answer that a fresh process gives for the first time, but for its start."""
    server = Served("--licet", folder)
    server.ask(ASKED["list of shares"][0], token, 20)
    cpu = server.cpu()
    server.ask(what, token)
    taken = server.cpu() - cpu
    server.close()
    return taken * 1e3


def main() -> None:
    """Compare both, question by question."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        house = open_house(Path(folder) / "home")
        token = furnish(house)
        house.database.dispose()
        ours = Served("--licet", Path(folder))
        answers = {what.partition("?")[0]: ours.ask(what, token).decode() for what, _ in ASKED.values()}
        (Path(folder) / "answers.json").write_text(json.dumps(answers))
        theirs = Served("--bare", Path(folder))
        print(f"{'question':24}{'bytes':>11}{'licet ms':>10}{'bare ms':>9}{'ratio':>8}{'a second':>10}{'first ms':>10}")
        for name, (what, share) in ASKED.items():
            times = max(40, int(requests * share))
            (cpu, pace), (floor, _) = measure(ours, what, token, times), measure(theirs, what, token, times)
            size = len(answers[what.partition("?")[0]])
            first = first_time(what, token, Path(folder))
            print(f"{name:24}{size:>11,}{cpu:>10.2f}{floor:>9.2f}{cpu / floor:>7.2f}x{pace:>10,.0f}{first:>10.0f}")
        ours.close()
        theirs.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--licet"]:
        unlimited = ServerOptions(secret=b"s" * 32, rate=1e9, burst=10**9)
        serve(configure(open_house(Path(sys.argv[2]) / "home"), "127.0.0.1", 0, unlimited))
    elif sys.argv[1:2] == ["--bare"]:
        said = json.loads((Path(sys.argv[2]) / "answers.json").read_text())
        app = bare({what: text.encode() for what, text in said.items()})
        serve(uvicorn.Config(app, host="127.0.0.1", port=0, loop="uvloop", http="httptools", log_level="warning"))
    else:
        main()
