"""The console command `mlflow-oidc-auth`: thin, and quick to say what it can do.

Whoever runs it has the database, and so is above every grant. Nothing heavy is imported before a command
needs it.
"""

from mlflow_oidc_auth.cli.main import main

__all__ = ["main"]
