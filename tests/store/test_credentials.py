"""Credentials: of each secret only the hash is kept, each opens its own door only, and all of them end."""

from datetime import datetime, timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import Connection, inspect, select

from licet.model.errors import NotFound
from licet.model.licenses import License
from licet.store import credentials, facts, parties
from licet.store import tables as t
from licet.store.credentials import Kind
from licet.store.database import transaction
from licet.store.house import House

HOUR = timedelta(hours=1)


def owner(conn: Connection, token: str, at: datetime) -> str | None:
    found = credentials.holder_of_token(conn, token, at)
    return found.recipient_id if found else None


def client_owner(conn: Connection, issued: credentials.Issued, at: datetime) -> str | None:
    found = credentials.holder_of_client(conn, issued.credential_id, issued.secret, at)
    return found.recipient_id if found else None


def test_a_token_opens_until_it_expires(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        token = credentials.issue_token(conn, "acme", now + HOUR)
        assert owner(conn, token, now) == "acme"
        assert owner(conn, token, now + HOUR - timedelta(microseconds=1)) == "acme"
        assert owner(conn, token, now + HOUR) is None
        for wrong in (token[:-1], token + "x", token.removeprefix("licet_"), "", "licetat_", "licetat_" + token):
            assert owner(conn, wrong, now) is None


def test_no_secret_stands_anywhere(any_house: House, now: datetime) -> None:
    """Every column of every table is searched."""
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        token = credentials.issue_token(conn, "acme", now + HOUR)
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + HOUR)
        access = credentials.issue_access_token(conn, client.credential_id, now, now + HOUR)
        secrets = [token, client.secret, access]
        assert [s.partition("_")[0] for s in secrets] == ["licet", "licetcs", "licetat"]
        hashes = [credentials.token_hash(secret) for secret in secrets]
        names = inspect(conn).get_table_names()
        stored = [str(row) for name in names for row in conn.exec_driver_sql(f"SELECT * FROM {name}")]
    assert all(any(each in row for row in stored) for each in hashes)
    assert not [row for row in stored for secret in secrets if secret.partition("_")[2] in row]


def test_no_credential_opens_the_door_of_another_kind(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        bearer = credentials.issue(conn, "acme", Kind.BEARER, now + HOUR)
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + HOUR)
        access = credentials.issue_access_token(conn, client.credential_id, now, now + HOUR)
        assert owner(conn, access, now) == client_owner(conn, client, now) == owner(conn, bearer.secret, now) == "acme"
        assert owner(conn, client.secret, now) is None
        assert client_owner(conn, bearer, now) is None
        as_client = credentials.Issued(credential_id=client.credential_id, secret=access)
        assert client_owner(conn, as_client, now) is None


@pytest.mark.parametrize("wrong", [("c_none", None), (None, "licetcs_wrong"), (None, ""), ("", "")])
def test_a_client_needs_its_own_secret(any_house: House, now: datetime, wrong: tuple[str | None, str | None]) -> None:
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + HOUR)
        own = (client.credential_id, client.secret)
        client_id, secret = (mine if said is None else said for mine, said in zip(own, wrong, strict=True))
        assert credentials.holder_of_client(conn, client_id, secret, now) is None


def test_an_access_token_ends_by_itself_and_with_its_client(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + 3 * HOUR)
        access = credentials.issue_access_token(conn, client.credential_id, now, now + 2 * HOUR)
        assert owner(conn, access, now + HOUR) == "acme"
        assert owner(conn, access, now + 2 * HOUR) is None
        credentials.end_by(conn, "acme", now + HOUR)
        assert owner(conn, access, now + HOUR - timedelta(microseconds=1)) == "acme"
        assert owner(conn, access, now + HOUR) is None


def test_access_tokens_that_ended_are_forgotten(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + 9 * HOUR)
        for hours in range(4):
            at = now + hours * HOUR
            token = credentials.issue_access_token(conn, client.credential_id, at, at + HOUR)
            kept = conn.execute(select(t.access_token.c.token_hash)).scalars().all()
            assert kept == [credentials.token_hash(token)]


def test_ending_shortens_every_credential_of_one_recipient_and_lengthens_none(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        for name in ("acme", "other"):
            parties.add_recipient(conn, name, name, now)
        ends = {
            credentials.issue(conn, name, kind, now + hours * HOUR).credential_id: (name, hours)
            for name in ("acme", "other")
            for kind in Kind
            for hours in (1, 5, 9)
        }
        assert credentials.end_by(conn, "acme", now + 5 * HOUR) == 2
        found = {each.credential_id: each.expires for each in credentials.credentials(conn, now)}
    expected = {each: now + (min(hours, 5) if name == "acme" else hours) * HOUR for each, (name, hours) in ends.items()}
    assert found == expected


def test_credentials_are_listed_while_they_work_without_their_secrets(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        parties.add_recipient(conn, "acme", "Acme", now)
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + 2 * HOUR)
        credentials.issue(conn, "acme", Kind.BEARER, now + HOUR)
        listed = credentials.credentials(conn, now)
        assert [(each.kind, each.expires) for each in listed] == [
            (Kind.OAUTH, now + 2 * HOUR),
            (Kind.BEARER, now + HOUR),
        ]
        assert client.secret not in str(listed)
        assert [each.credential_id for each in credentials.credentials(conn, now + HOUR)] == [client.credential_id]
        assert credentials.credentials(conn, now + 2 * HOUR) == []


def test_a_revocation_ends_everything_of_one_recipient(any_house: House, now: datetime, granted: License) -> None:
    with transaction(any_house.database) as conn:
        for name in ("acme", "other"):
            parties.add_recipient(conn, name, name, now)
        facts.grant_license(conn, granted, b"k" * 32, now)
        bearer, others = (credentials.issue_token(conn, name, now + HOUR) for name in ("acme", "other"))
        client = credentials.issue(conn, "acme", Kind.OAUTH, now + HOUR)
        access = credentials.issue_access_token(conn, client.credential_id, now, now + HOUR)
        before = credentials.holder_of_license(conn, granted.license_id)
        assert credentials.revoke(conn, "acme", now) == 2
        after = credentials.holder_of_license(conn, granted.license_id)
        assert owner(conn, bearer, now) is owner(conn, access, now) is client_owner(conn, client, now) is None
        assert owner(conn, others, now) == "other"
        fresh = credentials.issue_token(conn, "acme", now + HOUR)
        assert owner(conn, fresh, now) == "acme"
    assert before is not None
    assert after is not None
    assert (before.revoked.year, after.revoked) == (1970, now)


def test_networks_are_kept_per_recipient_until_they_are_lifted(any_house: House, now: datetime) -> None:
    networks = [ip_network(each) for each in ("203.0.113.0/24", "2001:db8::/48", "203.0.113.7/32")]
    with transaction(any_house.database) as conn:
        for name in ("acme", "other"):
            parties.add_recipient(conn, name, name, now)
        token = credentials.issue_token(conn, "acme", now + HOUR)
        credentials.allow(conn, "acme", networks)
        assert set(credentials.networks_of(conn, "acme")) == set(networks)
        assert credentials.networks_of(conn, "other") == ()
        found = credentials.holder_of_token(conn, token, now)
        assert found is not None
        assert set(found.networks) == set(networks)
        credentials.allow(conn, "acme", [])
        assert credentials.networks_of(conn, "acme") == ()


def test_nobody_unregistered_gets_anything(any_house: House, now: datetime) -> None:
    with transaction(any_house.database) as conn:
        for act in (
            lambda: credentials.issue_token(conn, "acme", now),
            lambda: credentials.issue(conn, "acme", Kind.OAUTH, now),
            lambda: credentials.revoke(conn, "acme", now),
            lambda: credentials.allow(conn, "acme", []),
            lambda: credentials.networks_of(conn, "acme"),
        ):
            with pytest.raises(NotFound):
                act()
        assert credentials.holder_of_license(conn, "acme-1") is None
