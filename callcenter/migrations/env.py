"""How alembic reaches the database: over the connection `callcenter.migrations.upgrade` holds."""

from alembic import context

from callcenter import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=list(schema.METADATA),
    include_name=lambda name, kind, _: schema.is_ours(name, kind),
    compare_server_default=True,
)
context.run_migrations()
