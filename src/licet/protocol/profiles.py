"""Profile files of Delta Sharing: what a recipient's client needs to know to come in.

Version 1 holds a bearer token. Version 2 holds an OAuth client's id and secret; no specification has it, so its keys
are those that the official clients read.
"""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from licet.model.errors import UsageError

SCOPE: Final = "delta-sharing"
"""The one scope of access tokens: to read what is shared."""
TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105 # a path
"""Where access tokens are given, below a profile's endpoint."""


def bearer_profile(endpoint: str, token: str, expires: datetime) -> dict[str, Any]:
    """Give a version 1 profile.

    Raises:
        UsageError: the endpoint is no http address.
    """
    return {
        "shareCredentialsVersion": 1,
        "endpoint": _address(endpoint),
        "bearerToken": token,
        "expirationTime": f"{expires.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
    }


def oauth_profile(endpoint: str, client_id: str, client_secret: str) -> dict[str, Any]:
    """Give a version 2 profile for OAuth client credentials.

    Raises:
        UsageError: the endpoint is no http address.
    """
    address = _address(endpoint)
    return {
        "shareCredentialsVersion": 2,
        "type": "oauth_client_credentials",
        "endpoint": address,
        "tokenEndpoint": address.rstrip("/") + TOKEN_PATH,
        "clientId": client_id,
        "clientSecret": client_secret,
        "scope": SCOPE,
    }


def _address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"`{endpoint}` is no endpoint", "write https://data.example/delta-sharing/")
    return endpoint.rstrip("/") + "/"
