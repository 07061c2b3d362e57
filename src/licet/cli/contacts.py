"""`licet recipient webhook` and `licet recipient key`: where a recipient is told of recalls, and how it answers."""

import click

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, emit, read_text, show
from licet.protocol.signing_keys import read_public_key
from licet.store import attestations, webhooks
from licet.store.credentials import require_recipient
from licet.store.database import reading, transaction


@click.command()
@click.argument("recipient_id")
@click.argument("url", required=False)
@click.option("--allow-private", is_flag=True, help="The address may lie inside this network, or on this machine.")
@click.option("--remove", is_flag=True, help="Send nothing any more; the feed stays.")
def webhook(recipient_id: str, url: str | None, allow_private: bool, remove: bool) -> None:  # noqa: FBT001 # click passes flags so
    """Send a recipient's notices of recall to an address, and print once the secret that signs them.

    Without an address it says where they go now.

    Example: licet recipient webhook acme https://hooks.acme.example/recalls
    """
    database = configuration().open().database
    if remove:
        with transaction(database) as conn:
            require_recipient(conn, recipient_id)
            gone = webhooks.drop_webhook(conn, recipient_id)
        text = "is sent no notices any more" if gone else "had no webhook"
        emit({"recipient": recipient_id, "removed": gone}, [f"{recipient_id} {text}; its feed stays"])
    elif url:
        with transaction(database) as conn:
            secret = webhooks.set_webhook(conn, recipient_id, url, now(), private=allow_private)
        lines = [f"notices of recall for {recipient_id} go there, signed with this secret, shown this once:", secret]
        emit({"recipient": recipient_id, "url": url, "secret": secret}, lines)
    else:
        with reading(database) as conn:
            require_recipient(conn, recipient_id)
            found = webhooks.webhook_of(conn, recipient_id)
        where = found.url if found else ""
        emit({"recipient": recipient_id, "url": where}, [where or f"{recipient_id} has no webhook: it reads the feed"])


@click.group(cls=LicetGroup)
def key() -> None:
    """Register the keys under which a recipient attests.

    Example: licet recipient key add acme acme.pub
    """


@key.command()
@click.argument("recipient_id")
@click.argument("file")
def add(recipient_id: str, file: str) -> None:
    """Register an Ed25519 public key: PEM, or 32 bytes in base64.

    Example: licet recipient key add acme acme.pub
    """
    public_key = read_public_key(read_text(file))
    with transaction(configuration().open().database) as conn:
        key_id = attestations.register_key(conn, recipient_id, public_key, now())
    emit({"recipient": recipient_id, "key": key_id}, [f"{recipient_id} attests under {key_id}"])


@key.command(name="list")
@click.argument("recipient_id")
def list_keys(recipient_id: str) -> None:
    """List a recipient's keys.

    Example: licet recipient key list acme
    """
    with reading(configuration().open().database) as conn:
        require_recipient(conn, recipient_id)
        rows = [(each.key_id, each.at, each.revoked or "") for each in attestations.keys_of(conn, recipient_id)]
    show("keys", ("key", "since", "revoked"), rows)


@key.command()
@click.argument("recipient_id")
@click.argument("key_id")
def revoke(recipient_id: str, key_id: str) -> None:
    """Believe nothing any more that is signed with a key; what was accepted stays accepted.

    Example: licet recipient key revoke acme k_0123456789abcdef0123456789abcdef
    """
    with transaction(configuration().open().database) as conn:
        attestations.revoke_key(conn, recipient_id, key_id, now())
    emit({"recipient": recipient_id, "key": key_id, "revoked": True}, [f"{key_id} is revoked"])
