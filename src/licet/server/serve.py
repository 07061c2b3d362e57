"""Run the app, and beside it whatever keeps the shared tables clean."""

from typing import Protocol

import uvicorn

from licet.server.app import create_app
from licet.server.desk import ServerOptions
from licet.server.sign_in import check_bind
from licet.store.house import House


class Worker(Protocol):
    """What runs beside the server: the recall worker, handed in by the caller."""

    def start(self) -> None:
        """Begin to work, and return."""

    def stop(self) -> None:
        """Finish what is begun, and return."""


def configure(house: House, host: str, port: int, options: ServerOptions) -> uvicorn.Config:
    """Give the web server's configuration.

    Raises:
        UsageError: the development sign-in would be served to other machines.
    """
    check_bind(host, options)
    # No access log: an address of a file is a key to it.
    return uvicorn.Config(
        create_app(house, options),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def serve(house: House, host: str, port: int, options: ServerOptions, worker: Worker | None = None) -> None:
    """Serve a house until interrupted.

    Raises:
        UsageError: the development sign-in would be served to other machines.
    """
    server = uvicorn.Server(configure(house, host, port, options))
    if worker is not None:
        worker.start()
    try:
        server.run()
    finally:
        if worker is not None:
            worker.stop()
