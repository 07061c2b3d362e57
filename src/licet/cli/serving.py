"""`licet serve`: the sharing server, the settings API, the pages, the recall worker and the chaser in one process."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from licet.cli.configuration import configuration, now
from licet.cli.terminal import read_text
from licet.ledger.papers import PAPERS
from licet.model.errors import UsageError
from licet.recall.chaser import Chaser, Chasing
from licet.recall.worker import Worker
from licet.server.desk import Provider, ServerOptions
from licet.server.serve import serve as run_server
from licet.store.database import transaction
from licet.store.house import House
from licet.store.parties import house_secret


def options(house: House, *, development_sign_in: bool, wait_s: float = 5.0, **bounds: Any) -> ServerOptions:  # noqa: ANN401 # fields of ServerOptions
    """Give the server its secret (kept in the database) and its bounds."""
    with transaction(house.database) as conn:
        secret = house_secret(conn, "server")
    return ServerOptions(
        secret=secret, wait_s=wait_s, development_sign_in=development_sign_in, clock=now, papers=PAPERS, **bounds
    )


_ABOVE_0 = click.FloatRange(min=0, min_open=True)

Command = TypeVar("Command", bound=Callable[..., None])
_OPENID_OPTIONS = (
    click.option("--oidc-issuer", envvar="LICET_OIDC_ISSUER", default="", help="The provider that people sign in at."),
    click.option("--oidc-client-id", envvar="LICET_OIDC_CLIENT_ID", default="", help="Our client there."),
    click.option(
        "--oidc-client-secret-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with our client's secret; or set LICET_OIDC_CLIENT_SECRET.",
    ),
    click.option("--oidc-scope", default="openid", show_default=True),
    click.option("--oidc-member-claim", default="sub", show_default=True, help="The claim that names a member."),
    click.option("--oidc-member-prefix", default="", help="What stands before it in members' ids, such as `x:`."),
    click.option("--oidc-operator", default="", metavar="CLAIM=VALUE", help="Who is an operator: groups=licet."),
)


def _OPENID(command: Command) -> Command:  # noqa: N802 # stands among the options
    for option in reversed(_OPENID_OPTIONS):
        command = option(command)
    return command


def provider_of(  # noqa: PLR0913 # each is an option
    *,
    oidc_issuer: str,
    oidc_client_id: str,
    oidc_client_secret_file: Path | None,
    oidc_scope: str,
    oidc_member_claim: str,
    oidc_member_prefix: str,
    oidc_operator: str,
) -> Provider | None:
    """Give the sign-in provider that the options and the environment name; None where they name none.

    Raises:
        UsageError: part of it is missing or cannot be meant.
    """
    if not oidc_issuer:
        return None
    claim, _, value = oidc_operator.partition("=")
    if oidc_operator and not (claim and value):
        raise UsageError("--oidc-operator names no claim and value", "write it like groups=licet")
    local = urlsplit(oidc_issuer).hostname in {"localhost", "127.0.0.1", "::1"}
    if not oidc_issuer.startswith("https://") and not local:
        raise UsageError("the sign-in provider is not reached by https", "write https://id.example")
    secret = read_text(str(oidc_client_secret_file)).strip() if oidc_client_secret_file else ""
    secret = secret or os.environ.get("LICET_OIDC_CLIENT_SECRET", "")
    if not oidc_client_id or not secret:
        raise UsageError(
            "the sign-in provider knows no client without an id and a secret",
            "give --oidc-client-id, and --oidc-client-secret-file or LICET_OIDC_CLIENT_SECRET",
        )
    return Provider(
        issuer=oidc_issuer,
        client_id=oidc_client_id,
        client_secret=secret,
        member_claim=oidc_member_claim,
        member_prefix=oidc_member_prefix,
        operator_claim=claim,
        operator_value=value,
        scope=oidc_scope,
    )


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), show_default=True, help="0 takes a free one.")
@click.option("--development-sign-in", is_flag=True, help="Let anybody sign in as anybody; loopback addresses only.")
@click.option("--rate", default=50.0, type=_ABOVE_0, show_default=True, help="Requests a second of one recipient.")
@click.option("--burst", default=200, type=click.IntRange(1), show_default=True, help="Requests of one at once.")
@click.option("--file-rate", default=500.0, type=_ABOVE_0, show_default=True, help="The same for files, apart.")
@click.option("--file-burst", default=2000, type=click.IntRange(1), show_default=True, help="Files of one at once.")
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="NETWORK",
    help="Take X-Forwarded-For and X-Forwarded-Proto from this address or network.",
)
@click.option("--public-url", default="", help="What recipients call the server where a proxy hides its name.")
@click.option("--page-rate", default=10.0, type=_ABOVE_0, show_default=True, help="Pages a second of one person.")
@click.option("--page-burst", default=100, type=click.IntRange(1), show_default=True, help="Pages of one at once.")
@click.option("--outlet", default="", help="Have recipients fetch files from s3://bucket/prefix.")
@_OPENID
def serve(
    host: str,
    port: int,
    development_sign_in: bool,  # noqa: FBT001 # click passes flags so
    outlet: str,
    **rest: Any,  # noqa: ANN401 # click hands options over so
) -> None:
    """Serve the shares, the settings and the pages, take withdrawals out as they come, and chase recalls.

    Example: licet serve --port 8000 --oidc-issuer https://id.example --oidc-client-id licet
    """
    known = configuration()
    house = replace(known, outlet_url=outlet or known.outlet_url).open()
    openid = {name: rest.pop(name) for name in list(rest) if name.startswith("oidc_")}
    told = options(house, development_sign_in=development_sign_in, provider=provider_of(**openid), **rest)
    chasing = Chasing(house=house, base=told.public_url, horizon_s=told.horizon_s, clock=now)
    run_server(house, host, port, told, Worker(house), Chaser(chasing))
