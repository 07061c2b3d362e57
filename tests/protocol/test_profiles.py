"""Profile documents, as the official client reads them."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from delta_sharing.protocol import DeltaSharingProfile

from licet.model.errors import UsageError
from licet.protocol.profiles import SCOPE, bearer_profile, oauth_profile

EXPIRES = datetime(2025, 6, 1, 8, 30, 15, 999999, tzinfo=UTC)
ENDPOINT = "https://data.example/delta-sharing/"


def test_the_official_client_reads_a_bearer_profile() -> None:
    said = bearer_profile(ENDPOINT, "licet_x", EXPIRES)
    assert said["expirationTime"] == "2025-06-01T08:30:15.000Z"
    read = DeltaSharingProfile.from_json(json.dumps(said))
    assert (read.share_credentials_version, read.bearer_token) == (1, "licet_x")
    assert read.endpoint == "https://data.example/delta-sharing"


def test_the_official_client_reads_an_oauth_profile() -> None:
    said = oauth_profile(ENDPOINT, "c_1", "licetcs_x")
    assert set(said) == {
        "shareCredentialsVersion",
        "type",
        "endpoint",
        "tokenEndpoint",
        "clientId",
        "clientSecret",
        "scope",
    }
    read = DeltaSharingProfile.from_json(json.dumps(said))
    assert (read.share_credentials_version, read.type) == (2, "oauth_client_credentials")
    assert (read.client_id, read.client_secret, read.scope) == ("c_1", "licetcs_x", SCOPE)
    assert read.token_endpoint == "https://data.example/delta-sharing/oauth2/token"


def test_an_expiry_is_told_in_utc() -> None:
    east = EXPIRES.astimezone(timezone(timedelta(hours=9)))
    assert bearer_profile(ENDPOINT, "t", east) == bearer_profile(ENDPOINT, "t", EXPIRES)


@pytest.mark.parametrize("endpoint", ["https://data.example/delta-sharing", "https://data.example/delta-sharing//"])
def test_an_endpoint_ends_in_one_slash(endpoint) -> None:
    assert bearer_profile(endpoint, "t", EXPIRES)["endpoint"] == ENDPOINT
    assert oauth_profile(endpoint, "c", "s") == oauth_profile(ENDPOINT, "c", "s")


@pytest.mark.parametrize(
    "endpoint", ["", "data.example/delta-sharing", "ftp://data.example/", "https://", "https://a/?x=1", "https://a/#b"]
)
def test_what_is_no_endpoint_is_refused(endpoint) -> None:
    with pytest.raises(UsageError, match="write https"):
        bearer_profile(endpoint, "t", EXPIRES)
    with pytest.raises(UsageError, match="write https"):
        oauth_profile(endpoint, "c", "s")
