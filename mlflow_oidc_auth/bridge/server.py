"""MLflow's applications, as `mlflow server` would serve them without us."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import flask
from fastapi import FastAPI

from mlflow_oidc_auth.errors import StartRefused


@dataclass(frozen=True, slots=True)
class MlflowServer:
    """MLflow's Flask application, and the FastAPI one that serves its native routes and mounts it."""

    flask_app: flask.Flask
    fastapi_app: FastAPI


def static_prefix(environ: Mapping[str, str] = os.environ) -> str:
    """What `--static-prefix` says: empty, or `/path` without a trailing slash."""
    return environ.get("_MLFLOW_STATIC_PREFIX", "").rstrip("/")


def refuse_other_servers(environ: Mapping[str, str]) -> None:
    """Only uvicorn serves what stands in front of MLflow's native routes.

    Raises:
        StartRefused: MLflow was started with gunicorn or waitress.
    """
    served_by = environ.get("_MLFLOW_SGI_NAME", "uvicorn")
    if served_by != "uvicorn":
        raise StartRefused(
            f"This server was started with {served_by}, which cannot serve MLflow's native routes behind the gate. "
            "Leave out --gunicorn-opts and --waitress-opts: uvicorn is the default."
        )


def refuse_other_callback(redirect_uri: str | None, prefix: str) -> None:
    """The provider sends browsers to OIDC_REDIRECT_URI: our callback must be there.

    Raises:
        StartRefused: it is somewhere else.
    """
    if redirect_uri is not None and urlsplit(redirect_uri).path != f"{prefix}/callback":
        raise StartRefused(
            f"OIDC_REDIRECT_URI does not end in {prefix}/callback, which is where this server answers. "
            "Change it (at the provider too), or --static-prefix."
        )


def use_shipped_catalogues(environ: MutableMapping[str, str]) -> None:
    """Unless the operator chose another place, MLflow reads its catalogues of language models from its package.

    SECURITY: by default MLflow fetches one for each provider from the internet, whenever somebody opens a page
    or sends a span that names a provider, and the address holds that name. Without a way out each look-up takes
    seconds of a thread that others wait for.
    """
    environ.setdefault("MLFLOW_MODEL_CATALOG_URI", "")


def mlflow_server() -> MlflowServer:
    """Both applications. Routes added to the Flask one until now are served."""
    from mlflow.server import app
    from mlflow.server.fastapi_app import create_fastapi_app

    return MlflowServer(app, create_fastapi_app(app))
