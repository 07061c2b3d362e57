"""The sign-in provider comes from options and the environment, whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from licet.cli.serving import options, provider_of
from licet.model.errors import UsageError
from licet.store.house import House

GOOD: dict[str, Any] = {
    "oidc_issuer": "https://id.example",
    "oidc_client_id": "licet",
    "oidc_client_secret_file": None,
    "oidc_scope": "openid groups",
    "oidc_member_claim": "sub",
    "oidc_member_prefix": "x:",
    "oidc_operator": "groups=data",
}


def test_without_an_issuer_there_is_no_provider() -> None:
    assert provider_of(**GOOD | {"oidc_issuer": ""}) is None


def test_the_secret_comes_from_a_file_or_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    monkeypatch.setenv("LICET_OIDC_CLIENT_SECRET", "from the environment")
    assert provider_of(**GOOD).client_secret == "from the environment"  # type: ignore[union-attr]
    found = provider_of(**GOOD | {"oidc_client_secret_file": file})
    assert found is not None
    assert (found.client_secret, found.operator_claim, found.operator_value) == ("from the file", "groups", "data")


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_client_id": ""},
        {"oidc_operator": "groups"},
        {"oidc_operator": "=x"},
        {"oidc_issuer": "http://id.example"},
    ],
)
def test_half_a_provider_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]) -> None:
    monkeypatch.setenv("LICET_OIDC_CLIENT_SECRET", "a secret")
    with pytest.raises(UsageError):
        provider_of(**GOOD | wrong)


def test_a_provider_without_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LICET_OIDC_CLIENT_SECRET", raising=False)
    with pytest.raises(UsageError, match="secret"):
        provider_of(**GOOD)


def test_the_server_hands_invoices_out_in_every_form(house: House) -> None:
    assert list(options(house, development_sign_in=False).papers) == ["html", "pdf", "xml"]
