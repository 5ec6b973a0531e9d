"""A whole multi-user MLflow on one machine, to try it. NOT FOR PRODUCTION."""

from mlflow_oidc_auth.demo.command import run

__all__ = ["run"]
