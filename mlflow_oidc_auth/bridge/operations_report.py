"""What the installed MLflow serves, compared with the operations table: for whoever raises MLflow's version.

The server makes the same comparison at its start and warns. What is missing is refused to everybody but
admins until it gets an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import mlflow

from mlflow_oidc_auth.bridge.routes import graphql_fields, served
from mlflow_oidc_auth.bridge.server import mlflow_server, static_prefix
from mlflow_oidc_auth.operations.coverage import Coverage, compare, graphql_served
from mlflow_oidc_auth.operations.graphql import ENTRIES
from mlflow_oidc_auth.operations.table import TABLE


def report() -> str:
    """A few lines of text, or many where the table lacks something."""
    return "\n".join(_lines(coverage(), mlflow.__version__))


def coverage() -> Coverage:
    """The installed MLflow's operations against those of the table that are MLflow's."""
    server = mlflow_server()
    live = served(server.fastapi_app, server.flask_app, static_prefix()) | graphql_served(graphql_fields())
    return compare(live, (*TABLE, *ENTRIES), version=mlflow.__version__)


def _lines(found: Coverage, version: str) -> Iterator[str]:
    yield f"MLflow {version} serves {len(found.both) + len(found.unlisted)} operations; {len(found.both)} are listed."
    yield from _part(
        "Not listed, and so refused to everybody but admins; add an entry to operations/table.py (or graphql.py):",
        (f"{item.method} {item.path} ({item.by})" for item in found.unlisted),
    )
    yield from _part("Listed more than once:", (" ".join(key) for key in found.listed_twice))
    yield from _part(
        "Listed, but not served by this version; if an older one serves it still, leave it:",
        (" ".join(key) for key in found.not_served),
    )
    if found.exact:
        yield "Nothing is missing."


def _part(heading: str, items: Iterable[str]) -> Iterator[str]:
    lines = [f"  {item}" for item in items]
    if lines:
        yield from ("", heading, *lines)
