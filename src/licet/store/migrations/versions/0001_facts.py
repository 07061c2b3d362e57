"""The first schema: facts, parties, versions and deliveries."""

from alembic import op

from licet.store import ledger_tables, log_tables  # noqa: F401 # their tables are created too
from licet.store.tables import metadata, sequence

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table and start the sequence at zero."""
    connection = op.get_bind()
    metadata.create_all(connection)
    connection.execute(sequence.insert().values(id=1, last=0))


def downgrade() -> None:
    """Drop every table."""
    metadata.drop_all(op.get_bind())
