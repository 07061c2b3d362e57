"""Run the app, and beside it whatever keeps the shared tables clean and chases recalls."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Protocol

import uvicorn

from licet.model.errors import Unavailable, UsageError
from licet.server.app import create_app
from licet.server.desk import ServerOptions
from licet.server.log import LogWorker, origin_of
from licet.server.outlet import OutletWorker
from licet.server.sign_in import check_bind
from licet.store.house import House


class Worker(Protocol):
    """What runs beside the server: the recall worker and the chaser, handed in by the caller."""

    def start(self) -> None:
        """Begin to work, and return."""

    def stop(self) -> None:
        """Finish what is begun, and return."""


def configure(house: House, host: str, port: int, options: ServerOptions) -> uvicorn.Config:
    """Give the web server's configuration.

    Raises:
        UsageError: the development sign-in would be served to other machines, or a proxy's network is none.
    """
    check_bind(host, options)
    _check_networks(options.trusted_proxies)
    # No access log: an address of a file is a key to it.
    return uvicorn.Config(
        create_app(house, options),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        # By default anybody on this machine would be believed about where a request comes from.
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        timeout_graceful_shutdown=10,
    )


def _check_networks(said: Sequence[str]) -> None:
    for each in said:
        try:
            ip_network(each)
        except ValueError as error:
            raise UsageError(f"`{each}` is no network of a proxy", "write 10.0.0.5 or 10.0.0.0/24") from error


def serve(house: House, host: str, port: int, options: ServerOptions, *workers: Worker) -> None:
    """Serve a house until interrupted, publish its log, and keep its outlet, if there is one, as it should be.

    Raises:
        UsageError: the development sign-in would be served to other machines, a proxy's network is none, or the
            outlet's bucket might keep what is deleted.
        Unavailable: the outlet's store does not answer, or nothing can listen at the address.
    """
    server = uvicorn.Server(configure(house, host, port, options))
    if house.outlet is not None:
        house.outlet.require_forgetful()
        workers = (*workers, OutletWorker(house, house.outlet, options.clock))
    workers = (*workers, LogWorker(house, origin_of(options.public_url), options.clock))
    for worker in workers:
        worker.start()
    try:
        server.run()
    except SystemExit as error:
        if server.started:
            raise
        raise Unavailable(f"nothing can listen on {host}:{port}", "choose another --port, or another --host") from error
    finally:
        for worker in workers:
            worker.stop()
