"""`licet serve`: the sharing server, the settings API, the recall worker and the chaser in one process."""

from dataclasses import replace
from typing import Any

import click

from licet.cli.configuration import configuration, now
from licet.recall.chaser import Chaser, Chasing
from licet.recall.worker import Worker
from licet.server.desk import ServerOptions
from licet.server.serve import serve as run_server
from licet.store.database import transaction
from licet.store.house import House
from licet.store.parties import house_secret


def options(house: House, *, development_sign_in: bool, wait_s: float = 5.0, **bounds: Any) -> ServerOptions:  # noqa: ANN401 # fields of ServerOptions
    """Give the server its secret (kept in the database) and its bounds."""
    with transaction(house.database) as conn:
        secret = house_secret(conn, "server")
    return ServerOptions(secret=secret, wait_s=wait_s, development_sign_in=development_sign_in, clock=now, **bounds)


_ABOVE_0 = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--development-sign-in", is_flag=True, help="Let anybody sign in as anybody; loopback addresses only.")
@click.option("--rate", default=50.0, type=_ABOVE_0, show_default=True, help="Requests a second of one recipient.")
@click.option("--burst", default=200, type=click.IntRange(1), show_default=True, help="Requests of one at once.")
@click.option("--file-rate", default=500.0, type=_ABOVE_0, show_default=True, help="The same for files, apart.")
@click.option("--file-burst", default=2000, type=click.IntRange(1), show_default=True)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="NETWORK",
    help="Take X-Forwarded-For and X-Forwarded-Proto from this address or network.",
)
@click.option("--public-url", default="", help="What recipients call the server where a proxy hides its name.")
@click.option("--outlet", default="", help="Have recipients fetch files from s3://bucket/prefix.")
def serve(host: str, port: int, development_sign_in: bool, outlet: str, **bounds: Any) -> None:  # noqa: ANN401, FBT001 # click hands options over so
    """Serve the shares and the settings, take withdrawals out as they come, and chase recalls.

    Example: licet serve --port 8000 --rate 50 --burst 200
    """
    known = configuration()
    house = replace(known, outlet_url=outlet or known.outlet_url).open()
    told = options(house, development_sign_in=development_sign_in, **bounds)
    chasing = Chasing(house=house, base=told.public_url, horizon_s=told.horizon_s, clock=now)
    run_server(house, host, port, told, Worker(house), Chaser(chasing))
