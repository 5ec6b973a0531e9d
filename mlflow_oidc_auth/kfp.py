"""Credentials of MLflow for tasks of Kubeflow Pipelines, from a Kubernetes secret.

Runs where a pipeline is compiled, beside `kfp` and `kfp-kubernetes`, without MLflow and without the server.
"""

from __future__ import annotations

from typing import Any

VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
"""What MLflow's client reads, and the keys of the secret: each under its own name."""


def use_mlflow_credentials(*tasks: Any, secret_name: str = "mlflow-credentials") -> None:  # noqa: S107 - a name
    """Let tasks reach MLflow as whoever the secret belongs to.

    The secret is read when a task starts, in the namespace in which it runs; the compiled pipeline holds its name
    and never what is in it. The Permissions page shows the command that makes the secret.

    Args:
        tasks: tasks of a pipeline, as calls of components give them.
        secret_name: the secret in the namespace of the run.

    Raises:
        ValueError: no task is given, or the secret has no name.
    """
    from kfp import kubernetes  # not before it is called: the server's environment has none

    if not tasks:
        raise ValueError("use_mlflow_credentials needs at least one task")
    if not secret_name:
        raise ValueError("use_mlflow_credentials needs the name of a secret")
    for task in tasks:
        kubernetes.use_secret_as_env(
            task, secret_name=secret_name, secret_key_to_env={name: name for name in VARIABLES}
        )
