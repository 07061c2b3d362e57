"""How fast a file is served, as a share of what nginx gives for the same file on the same machine in the same run.

    python bench/serving.py [MIB] [ROUNDS]

Needs nginx and curl. Both servers are read in turn, so that neighbors on the machine slow both alike.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta

import uvicorn

from licet.model.licenses import COLUMNS, License, LicenseId, RecipientId
from licet.model.records import Table
from licet.policy.notice import digest, parse_notice
from licet.protocol.urls import FileClaim, file_path
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store import facts, parties
from licet.store.database import transaction
from licet.store.house import House, open_house
from licet.store.parcels import file_name
from licet.store.shared import CommitFacts, DataFile

SECRET = b"s" * 32
NOTICES = pathlib.Path(__file__).parents[1] / "src" / "licet" / "policy" / "notices"


def furnish(house: House, size: int) -> pathlib.Path:
    """Share one file of `size` random bytes and give its path; nobody reads it as Parquet here."""
    now = datetime.now(UTC)
    source = (NOTICES / "x-2024-11-15.toml").read_text()
    notice = parse_notice(source, "x")
    license_ = License(
        license_id=LicenseId("bench"),
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
    with transaction(house.database) as conn:
        facts.publish_notice(conn, notice.version, digest(notice), notice.effective, source, now)
        parties.add_recipient(conn, "bench", "Bench", now)
        seq = facts.grant_license(conn, license_, b"k" * 32, now)
        parties.set_checked_seq(conn, "bench", seq)
    path = house.shared.folder("bench", Table.POSTS) / file_name(0)
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(size))
    stated = CommitFacts(as_of_seq=seq, policy_digest=digest(notice), buckets=1, cause="build", excluded={})
    house.shared.commit(license_, Table.POSTS, [DataFile(name=path.name, size=size, rows=1)], [], stated)
    return path


def serve_licet(home: pathlib.Path) -> None:
    """Serve the house in this process, announcing the port on standard output."""
    server = uvicorn.Server(configure(open_house(home), "127.0.0.1", 0, ServerOptions(secret=SECRET)))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    sys.stdin.read()
    server.should_exit = True
    thread.join()


def nginx_configuration(folder: pathlib.Path, port: int) -> str:
    """Give a configuration for one worker that sends files as fast as nginx can."""
    return f"""
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ root {folder}/www; }} }} }}
"""


def fetch(url: str, times: int) -> float:
    """Fetch an address over one connection and give megabytes a second."""
    sinks = [part for _ in range(times) for part in ("-o", "/dev/null")]
    command = ["curl", "-sf", "-w", "%{size_download}\n", *sinks, *[url] * times]
    begun = time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(map(int, said.split())) / (time.perf_counter() - begun) / 1e6


def compare(folder: pathlib.Path, size: int, rounds: int) -> None:
    """Serve one file with both, read it in turn, and print the ratio of the medians."""
    home = folder / "home"
    path = furnish(open_house(home), size)
    (folder / "www").mkdir()
    (folder / "www" / "file").write_bytes(path.read_bytes())
    port = 20_000 + os.getpid() % 20_000
    (folder / "nginx.conf").write_text(nginx_configuration(folder, port))
    nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    licet = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert licet.stdout is not None
        expires = int(time.time()) + 3600
        claim = FileClaim(license_id="bench", table="posts", version=0, file=path.name, expires=expires)
        ours = f"http://127.0.0.1:{int(licet.stdout.readline())}/delta-sharing/{file_path(SECRET, claim)}"
        theirs = f"http://127.0.0.1:{port}/file"
        times = max(1, 256 * 2**20 // size)
        fetch(ours, 1)
        fetch(theirs, 1)
        pairs = [(fetch(ours, times), fetch(theirs, times)) for _ in range(rounds)]
    finally:
        nginx.terminate()
        licet.terminate()
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{size / 2**20:g} MiB: licet {mine:.0f} MB/s, nginx {other:.0f} MB/s, ratio {mine / other:.2f}")


def main() -> None:
    """Run the comparison, or the server that it starts."""
    if sys.argv[1:2] == ["--serve"]:
        serve_licet(pathlib.Path(sys.argv[2]))
        return
    size, rounds = (int(value) for value in [*sys.argv[1:], *["64", "7"][len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 # nginx's worker is another user
        compare(pathlib.Path(folder), size * 2**20, rounds)


if __name__ == "__main__":
    main()
