"""What a new model version is made from, and whose that is.

READ on a registered model includes downloading the artifacts of its versions, so making a version from a
source needs READ on that source; otherwise a version would be a way to read anybody's artifacts.

SECURITY: all the artifacts of a run are no source. A version keeps what it is made of readable, and a run may
still be written to. A source with a scheme of MLflow's own leads to a resource, which is judged. Any other address
(S3, a local path) must lie inside the artifacts of a run or logged model that can be read.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.server import handlers
from mlflow.store.artifact.utils.models import _parse_model_uri

from mlflow_oidc_auth.bridge.artifact_paths import lies_deep, stays_below
from mlflow_oidc_auth.gate import Named, Source
from mlflow_oidc_auth.operations.targets import IdKind

# What MLflow writes as the source of a prompt version, which has no artifacts.
PROMPT_SOURCES = frozenset({"dummy-source", "prompt-template"})

# Since 3.17 MLflow takes run and logged model of a copied version from that version, or compares them with it.
_COMPARES_COPIES = hasattr(handlers, "_resolve_registered_model_source_lineage")


def named_by(source: Source) -> Named | None:
    """The resources that must be readable; `None` if the source leads to none."""
    if source.uri in PROMPT_SOURCES:
        return _beside(source)
    try:
        parted = urlsplit(source.uri)
    except ValueError:  # brackets that hold no address
        return None
    path = parted.path.removeprefix("/")
    match parted.scheme.lower():
        case "runs" | "models" | "mlflow-artifacts" if not _is_plain(source.uri) or not stays_below(path):
            return None
        case "runs":
            run_id, _, inside = path.partition("/")
            return _merged(_beside(source), IdKind.RUN, run_id) if run_id and inside.strip("/") else None
        case "models":
            return _of_model(source)
        case "mlflow-artifacts" if lies_deep(path):
            return _merged(_beside(source), IdKind.ARTIFACT_PATH, path)
        case "mlflow-artifacts":
            return None
        case _:
            return _beside(source) or None


def must_lie_inside(source: Source) -> bool:
    """Whether only its address tells where the source is, so that it must be compared with what it names."""
    return source.uri not in PROMPT_SOURCES and urlsplit(source.uri).scheme.lower() not in (
        "runs",
        "models",
        "mlflow-artifacts",
    )


def _is_plain(uri: str) -> bool:
    """Whether an address is a scheme and a path of this server, and nothing that parsers drop or treat apart."""
    parted = urlsplit(uri)
    beside = parted.netloc or parted.query or parted.fragment
    return uri.isprintable() and uri == uri.strip() and parted.path.startswith("/") and not beside


def _of_model(source: Source) -> Named | None:
    try:
        parsed = _parse_model_uri(source.uri)
    except MlflowException:
        return None
    if parsed.model_id is not None:
        return _merged(_beside(source), IdKind.LOGGED_MODEL, parsed.model_id)
    beside = {} if _COMPARES_COPIES else _beside(source)
    return _merged(beside, IdKind.NAME, parsed.name) if parsed.name else None


def _beside(source: Source) -> dict[IdKind, frozenset[str]]:
    """The run and logged model named beside the address."""
    named = {IdKind.RUN: source.run_id, IdKind.LOGGED_MODEL: source.model_id}
    return {kind: frozenset({id_}) for kind, id_ in named.items() if id_}


def _merged(named: dict[IdKind, frozenset[str]], kind: IdKind, id_: str) -> Named:
    return {**named, kind: named.get(kind, frozenset()) | {id_}}
