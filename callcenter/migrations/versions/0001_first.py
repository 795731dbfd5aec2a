"""The first shape."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table, trigger and the job queue, as 0001_first.sql says."""
    script = files("callcenter.migrations").joinpath("versions", "0001_first.sql").read_text(encoding="utf-8")
    for statement in script.split("\n--;\n"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """There is no way back: restore the backup made before the upgrade."""
    raise RuntimeError("downgrade is not supported; restore the backup made before the upgrade")
