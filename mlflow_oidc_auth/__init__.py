"""A multi-user MLflow tracking server: `mlflow server --app-name oidc-auth`.

Importing this package has no side effects: MLflow's parent process imports it too.
Everything is attached in :func:`mlflow_oidc_auth.app.create_app`.
"""
