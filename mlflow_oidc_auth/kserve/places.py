"""Where what an address asks for lies in the artifact proxy: asked of MLflow's REST API.

SECURITY: only `mlflow-artifacts:` ends here, on the server that was asked: any other scheme (`s3:`, `file:`, `http:`)
would be fetched with other credentials, past MLflow's permissions, and is refused.

No `models:/` string is ever built: a name may hold `@` and `?`, which mean something in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, assert_never
from urllib.parse import unquote_to_bytes, urlsplit

from mlflow_oidc_auth.kserve.failures import Failure, Status
from mlflow_oidc_auth.kserve.server import Missing
from mlflow_oidc_auth.kserve.uri import (
    Alias,
    Latest,
    LoggedModel,
    RegisteredModel,
    RunArtifacts,
    Stage,
    Version,
    Wanted,
    is_plain,
)

_API = "/api/2.0/mlflow"
_OF_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]{32})/?")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the artifact proxy, the path inside it that is wanted, and in words what it is."""

    folder: tuple[str, ...]
    path: tuple[str, ...]
    what: str


class Asked(Protocol):
    """The server (`server.py`)."""

    def get(self, path: str, query: Mapping[str, str], what: str) -> Any:
        """The JSON of a GET; `what` is asked for, in words."""


def find(server: Asked, wanted: Wanted) -> list[Place]:
    """Where it may lie: the places to look at, in order.

    Raises:
        Failure: MLflow knows no such thing, hides it, or keeps it where this server does not serve it.
    """
    try:
        return _found(server, wanted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Failure(Status.UNEXPECTED, f"An answer of the server is not understood ({error!r}).") from None


def _found(server: Asked, wanted: Wanted) -> list[Place]:
    match wanted:
        case RegisteredModel():
            return [_of_version(server, wanted)]
        case LoggedModel():
            return [_of_logged_model(server, wanted)]
        case RunArtifacts():
            return _of_run(server, wanted)
        case other:
            assert_never(other)


def _of_version(server: Asked, wanted: RegisteredModel) -> Place:
    number = _number(server, wanted)
    what = f"version {number} of the model '{wanted.name}'"
    told = _asked(server, what, "/model-versions/get-download-uri", name=wanted.name, version=str(number))
    return _place(server, str(told.get("artifact_uri", "")), wanted.path, what)


def _number(server: Asked, wanted: RegisteredModel) -> int:
    """The version's number, as MLflow knows it now."""
    name = wanted.name
    match wanted.which:
        case Version(number):
            return number
        case Latest():
            return _newest(server, name, f"a version of the model '{name}'")
        case Stage() as stage:
            return _newest(server, name, f"a version of the model '{name}' in the stage {stage.value}", stage)
        case Alias(alias):
            what = f"the alias '{alias}' of the model '{name}'"
            told = _asked(server, what, "/registered-models/alias", name=name, alias=alias)
            return int(told["model_version"]["version"])
        case other:
            assert_never(other)


def _newest(server: Asked, name: str, what: str, stage: Stage | None = None) -> int:
    stages = {} if stage is None else {"stages": stage.value}
    told = _asked(server, what, "/registered-models/get-latest-versions", name=name, **stages)
    numbers = [int(version["version"]) for version in told.get("model_versions", [])]
    if not numbers:
        raise _not_found(what)
    return max(numbers)


def _of_logged_model(server: Asked, wanted: LoggedModel) -> Place:
    what = f"the logged model {wanted.model_id}"
    told = _asked(server, what, f"/logged-models/{wanted.model_id}")
    return _place(server, str(told["model"]["info"].get("artifact_uri", "")), wanted.path, what)


def _of_run(server: Asked, wanted: RunArtifacts) -> list[Place]:
    """The run's own files first; then, as MLflow's client does, a logged model of the run with this name."""
    what = f"the artifacts of the run {wanted.run_id}"
    run = _asked(server, what, "/runs/get", run_id=wanted.run_id)["run"]
    places = [_place(server, str(run["info"].get("artifact_uri", "")), wanted.path, what)]
    if wanted.path:
        for output in run.get("outputs", {}).get("model_outputs", []):
            model = _asked(server, what, f"/logged-models/{output['model_id']}")["model"]["info"]
            if model.get("name") == wanted.path[0]:
                inside = f"the logged model '{wanted.path[0]}' of the run {wanted.run_id}"
                places.append(_place(server, str(model.get("artifact_uri", "")), wanted.path[1:], inside))
    return places


def _place(server: Asked, uri: str, path: tuple[str, ...], what: str) -> Place:
    """The place that an artifact address of MLflow's means.

    Raises:
        Failure: it is not behind this server's artifact proxy.
    """
    if of_model := _OF_LOGGED_MODEL.fullmatch(uri):
        return _of_logged_model(server, LoggedModel(of_model[1], path))
    parts = urlsplit(uri)
    if parts.scheme == "runs":
        run_id, *below = _segments(parts.path, what)
        return _of_run(server, RunArtifacts(run_id, (*below, *path)))[0]
    if parts.scheme != "mlflow-artifacts" or parts.netloc or parts.query or parts.fragment:
        raise Failure(
            Status.CONFIGURATION,
            f"The files of {what} are not behind the MLflow server but at a {parts.scheme or 'local'} address, which "
            "is not fetched from here. Let MLflow serve artifacts (--artifacts-destination), and log it again.",
        )
    return Place(_segments(parts.path, what), path, what)


def _segments(path: str, what: str) -> tuple[str, ...]:
    """The parts of a path that the server told: decoded once, and each a plain name."""
    try:
        parts = tuple(unquote_to_bytes(part).decode() for part in path.strip("/").split("/"))
    except UnicodeDecodeError:
        parts = ("",)
    if not all(is_plain(part) for part in parts):
        raise Failure(Status.INTEGRITY, f"The server names no usable place for {what}.")
    return parts


def _asked(server: Asked, what: str, path: str, **query: str) -> Any:
    try:
        return server.get(f"{_API}{path}", query, what)
    except Missing as missing:
        raise _not_found(what, str(missing)) from None


def _not_found(what: str, told: str = "") -> Failure:
    return Failure(Status.NOT_FOUND, f"There is no such thing: {what}. {told}")
