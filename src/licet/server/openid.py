"""Sign in at the platform's OpenID Connect provider: code flow with PKCE, state and nonce, by Authlib."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request, Response
from joserfc.errors import JoseError

from licet.model.errors import Refused, Unavailable
from licet.protocol.urls import opened, seal
from licet.server.desk import Desk, Provider
from licet.server.session import Role, is_secure

FLOW: Final = "licet_flow"
FLOW_S: Final = 600
"""How long somebody may take at the provider, in seconds."""
PATH: Final = "/sign-in"
CALLBACK: Final = f"{PATH}/callback"
_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"})
"""How an ID token may be signed: by the provider's private key, never by what we know too, never not at all."""
_TIMEOUT_S: Final = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody who came back from the provider: as what they wanted to come in, where to, and what is said of them."""

    role: Role
    following: str
    claims: Mapping[str, Any]


class OpenId:
    """Our client at one provider."""

    def __init__(self, provider: Provider) -> None:
        """Know a provider; it is asked only when somebody signs in."""
        self._provider = provider
        self._client: Any = OAuth().register(
            name="provider",
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=provider.issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={"scope": provider.scope, "code_challenge_method": "S256", "timeout": _TIMEOUT_S},
        )

    async def leave(self, request: Request, desk: Desk, role: Role, following: str) -> Response:
        """Send a browser to the provider, with a signed cookie that holds state, nonce and verifier.

        Raises:
            Unavailable: the provider does not answer as it should.
        """
        request.scope["session"] = {}
        try:
            await self._ready()
            response: Response = await self._client.authorize_redirect(request, self._back(request, desk))
        except (OAuthError, httpx2.HTTPError, RuntimeError, ValueError) as error:
            raise _silent(error) from error
        said: dict[str, str | int] = {"session": json.dumps(request.session), "role": role, "following": following}
        said["until"] = int(desk.now().timestamp()) + FLOW_S
        # Lax: the way back begins on the provider's site.
        response.set_cookie(
            FLOW,
            seal(desk.options.secret, "flow", said),
            max_age=FLOW_S,
            path=PATH,
            httponly=True,
            samesite="lax",
            secure=is_secure(request, desk),
        )
        return response

    async def arrive(self, request: Request, desk: Desk) -> Arrival:
        """Take somebody back from the provider.

        Raises:
            Refused: they did not set out from here, took too long, or the provider does not vouch for them.
            Unavailable: the provider does not answer as it should.
        """
        said = opened(desk.options.secret, "flow", request.cookies.get(FLOW, ""))
        if said is None or said["until"] <= desk.now().timestamp():
            raise Refused("the sign-in did not begin here or took too long", "sign in again")
        request.scope["session"] = json.loads(said["session"])
        try:
            await self._ready()
            token = await self._client.authorize_access_token(request, claims_options=self._claims())
        except (OAuthError, JoseError) as error:
            # Its text may quote the token.
            log.warning("a sign-in was refused: %s", type(error).__name__)
            if isinstance(error, JoseError):
                # A key that is not named in the token may have been replaced: the next sign-in asks for it anew.
                self._client.server_metadata.pop("jwks", None)
            raise Refused("the provider did not confirm the sign-in", "sign in again") from error
        except (httpx2.HTTPError, RuntimeError, ValueError) as error:
            raise _silent(error) from error
        claims = token.get("userinfo")
        if claims is None:
            raise Refused("the provider sent no ID token", "sign in again")
        return Arrival(role=Role(said["role"]), following=said["following"], claims=claims)

    def _claims(self) -> dict[str, Any]:
        provider = self._provider
        wanted = {name: {"essential": True} for name in ("sub", "exp", "iat", "nonce")}
        wanted["iss"] = {"essential": True, "values": [self._client.server_metadata["issuer"]]}  # type: ignore[dict-item] # Authlib's options mix kinds
        wanted["aud"] = {"essential": True, "value": provider.client_id}  # type: ignore[dict-item] # likewise
        return wanted

    async def _ready(self) -> None:
        """Know the provider's own description, and that it is the provider's own."""
        known = await self._client.load_server_metadata()
        if str(known.get("issuer", "")).rstrip("/") != self._provider.issuer.rstrip("/"):
            raise Unavailable("the provider calls itself by another name", "compare the issuer in the options")
        offered = set(known.get("id_token_signing_alg_values_supported") or ["RS256"])
        known["id_token_signing_alg_values_supported"] = sorted(offered & _ALGORITHMS)

    def _back(self, request: Request, desk: Desk) -> str:
        base = desk.options.public_url or str(request.base_url)
        return base.rstrip("/") + CALLBACK


def _silent(error: Exception) -> Unavailable:
    log.warning("the sign-in provider failed: %s", type(error).__name__)
    return Unavailable("the sign-in provider does not answer", "try again in a moment", 10)


def member_named(provider: Provider, claims: Mapping[str, Any]) -> str:
    """Give the member's id that the provider's claims name; empty where they name none."""
    value = claims.get(provider.member_claim)
    return f"{provider.member_prefix}{value}" if isinstance(value, str | int) and value != "" else ""


def is_operator(provider: Provider, claims: Mapping[str, Any]) -> bool:
    """Tell whether the provider's claims make somebody an operator; without a rule nobody is one."""
    if not provider.operator_claim or not provider.operator_value:
        return False
    value = claims.get(provider.operator_claim)
    values = value if isinstance(value, list) else [value]
    return provider.operator_value in values
