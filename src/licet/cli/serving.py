"""`licet serve`: the sharing server, the settings API and the recall worker in one process."""

import click

from licet.cli.configuration import configuration, now
from licet.recall.worker import Worker
from licet.server.desk import ServerOptions
from licet.server.serve import serve as run_server
from licet.store.database import transaction
from licet.store.house import House
from licet.store.parties import house_secret


def options(house: House, *, development_sign_in: bool, wait_s: float = 5.0) -> ServerOptions:
    """Give the server its secret (kept in the database) and its bounds."""
    with transaction(house.database) as conn:
        secret = house_secret(conn, "server")
    return ServerOptions(secret=secret, wait_s=wait_s, development_sign_in=development_sign_in, clock=now)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--development-sign-in", is_flag=True, help="Let anybody sign in as anybody; loopback addresses only.")
def serve(host: str, port: int, development_sign_in: bool) -> None:  # noqa: FBT001 # click passes flags so
    """Serve the shares and the settings, and take withdrawals out as they come.

    Example: licet serve --port 8000
    """
    house = configuration().open()
    run_server(house, host, port, options(house, development_sign_in=development_sign_in), Worker(house))
