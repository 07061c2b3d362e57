"""A second process that serves a house, or a third that takes withdrawn rows out of it; either may be killed."""

import sys
import threading
from pathlib import Path

import uvicorn

from licet.recall.worker import Worker
from licet.server.desk import ServerOptions
from licet.server.serve import configure
from licet.store.house import House, open_house


def serve(house: House) -> None:
    """Serve on a free port and say which."""
    options = ServerOptions(secret=b"s" * 32, wait_s=30, development_sign_in=True)
    config = configure(house, "127.0.0.1", 0, options)
    config.log_level = "warning"
    server = uvicorn.Server(config)

    def tell() -> None:
        while not server.started:
            threading.Event().wait(0.01)
        sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()

    threading.Thread(target=tell, daemon=True).start()
    server.run()


def work(house: House) -> None:
    """Take withdrawn rows out until killed."""
    Worker(house).start()
    threading.Event().wait()


if __name__ == "__main__":
    role, home, database_url = sys.argv[1:]
    {"serve": serve, "work": work}[role](open_house(Path(home), database_url))
