"""The first shape."""

from alembic import op

from callcenter import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    for metadata in schema.METADATA:
        metadata.create_all(op.get_bind())
    for statement in schema.DDL:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """There is no way back: restore the backup made before the upgrade."""
    raise RuntimeError("downgrade is not supported; restore the backup made before the upgrade")
