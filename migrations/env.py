"""Alembic's entry: runs on the connection that `mlflow_oidc_auth.database.migrate` hands over, in its transaction."""

from alembic import context

VERSION_TABLE = "oidc_auth_alembic_version"

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run 'mlflow-oidc-auth db upgrade' instead: it takes the lock and knows the database.")
context.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=True)
context.run_migrations()
