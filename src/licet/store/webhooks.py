"""Where recipients take notices of recall. The secret lies here in clear, for every notice is signed with it."""

import secrets
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from licet.protocol.recall_notices import Endpoint, require_endpoint, secret_of
from licet.store import tables as t
from licet.store.credentials import require_recipient
from licet.store.facts import micros


def set_webhook(conn: Connection, recipient_id: str, url: str, at: datetime, *, private: bool) -> str:
    """Send a recipient's notices to an address from now on, and give the fresh secret that they are signed with.

    Raises:
        NotFound: no such recipient.
        UsageError: notices are not sent to such an address.
    """
    require_recipient(conn, recipient_id)
    require_endpoint(url, private=private)
    drop_webhook(conn, recipient_id)
    secret = secret_of(secrets.token_bytes(32))
    row = {"recipient_id": recipient_id, "url": url, "secret": secret, "private": private, "at_us": micros(at)}
    conn.execute(insert(t.webhook).values(**row))
    return secret


def drop_webhook(conn: Connection, recipient_id: str) -> bool:
    """Send a recipient nothing any more; tell whether it had a webhook."""
    return conn.execute(delete(t.webhook).where(t.webhook.c.recipient_id == recipient_id)).rowcount > 0


def webhook_of(conn: Connection, recipient_id: str) -> Endpoint | None:
    """Give where a recipient takes notices, or None if it reads the feed only."""
    row = conn.execute(select(t.webhook).where(t.webhook.c.recipient_id == recipient_id)).first()
    return None if row is None else Endpoint(url=row.url, secret=row.secret, private=bool(row.private))
