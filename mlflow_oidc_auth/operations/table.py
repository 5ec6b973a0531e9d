"""Every operation that MLflow serves, and what each needs: one entry an operation.

A path is spelled as MLflow's router spells it, without the static prefix; `both` gives the two
addresses, `/api/...` and `/ajax-api/...`, that most operations have. Ours are in `ours.py`; the GraphQL
fields in `graphql.py`.

SECURITY: each target was read off MLflow's handler and names every id the handler acts on, since
inserts and merges are never row-filtered. What MLflow asks for itself is not enough to go by: its
request schemas also list ids that a handler does not use, and leave out some that it does.

Levels: READ see, search, download; EDIT log, tag, rename, create inside; MANAGE delete, restore.
`Listing`: the row filter is the guard, for searches and for reads of many ids at once.
"""

from __future__ import annotations

from mlflow_oidc_auth.operations.requirements import (
    Admin,
    AdminsOnlySet,
    AdminsOnlyTags,
    AllOf,
    Create,
    Deny,
    Entry,
    GraphQL,
    Listing,
    Move,
    NoGatewayModel,
    OwnSpans,
    Part,
    Public,
    ReadSource,
    Rename,
    Require,
    RequireIfThere,
    Requirement,
    SignedIn,
)
from mlflow_oidc_auth.operations.targets import (
    IdKind,
    Target,
    Where,
    in_header,
    in_json,
    in_message,
    in_path,
    in_query,
)
from mlflow_oidc_auth.vocabulary import Kind, Level

READ, EDIT, MANAGE = Level.READ, Level.EDIT, Level.MANAGE

EXPERIMENT = IdKind.EXPERIMENT
RUN = IdKind.RUN
TRACE = IdKind.TRACE
ASSESSMENT = IdKind.ASSESSMENT
LOGGED_MODEL = IdKind.LOGGED_MODEL
DATASET = IdKind.DATASET
ISSUE = IdKind.ISSUE
LABEL_SCHEMA = IdKind.LABEL_SCHEMA
REVIEW_QUEUE = IdKind.REVIEW_QUEUE
ARTIFACT_PATH = IdKind.ARTIFACT_PATH
NAME = IdKind.NAME

#: Moves a registered model or a version between models and prompts, and a prompt's source is not checked.
PROMPT_TAG = "mlflow.prompt.is_prompt"

#: Where MLflow looks for a trace's files: whoever sets one reads what lies there.
TRACE_FILE_TAGS = ("mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.archiveLocation")

#: What MLflow 3.18 runs by itself on a schedule, with the server's own rights.
SCHEDULE_TAGS = (
    "mlflow.issueDetection.schedule",
    "mlflow.issueDetection.scheduleTraceFilter",
    "mlflow.issueDetection.scheduleState",
)

NOT_IMPLEMENTED = Deny("MLflow does not implement this operation.")


def both(method: str, path: str, requirement: Requirement, *, since: str = "") -> tuple[Entry, Entry]:
    """One operation at its two addresses: `/api/<path>` for programs, `/ajax-api/<path>` for the browser."""
    return (
        Entry(method, f"/api/{path}", requirement, since=since),
        Entry(method, f"/ajax-api/{path}", requirement, since=since),
    )


def ajax(method: str, path: str, requirement: Requirement, *, since: str = "") -> tuple[Entry]:
    """An operation that MLflow serves to the browser only, at `/ajax-api/<path>`."""
    return (Entry(method, f"/ajax-api/{path}", requirement, since=since),)


def all_of(*parts: Part) -> AllOf:
    """Each of the parts."""
    return AllOf(parts)


TABLE: tuple[Entry, ...] = (
    # --- The server itself -----------------------------------------------------------------------------
    Entry("GET", "/", SignedIn()),
    Entry("GET", "/health", Public("says OK, for probes")),
    Entry("GET", "/version", SignedIn()),
    Entry("GET", "/static-files/<path:path>", Public("the files of MLflow's user interface, the same for everybody")),
    Entry("GET", "/build/<path:filename>", Deny("The files of the user interface are served at /static-files/.")),
    *both("GET", "3.0/mlflow/server-info", Public("clients read it before they log in; capabilities, no data")),
    *ajax("GET", "3.0/mlflow/ui-telemetry", SignedIn()),
    *ajax("POST", "3.0/mlflow/ui-telemetry", SignedIn()),
    Entry("GET", "/graphql", GraphQL()),
    Entry("POST", "/graphql", GraphQL()),
    *ajax("POST", "3.0/mlflow/demo/generate", Admin()),
    *ajax("POST", "3.0/mlflow/demo/delete", Admin()),
    # --- Experiments -----------------------------------------------------------------------------------
    *both(
        "POST",
        "2.0/mlflow/experiments/create",
        all_of(
            Create(Kind.EXPERIMENT, in_message(NAME, "name")),
            AdminsOnlySet(("artifact_location",)),
            AdminsOnlyTags(SCHEDULE_TAGS, ("tags.key",)),
        ),
    ),
    *both("GET", "2.0/mlflow/experiments/get", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "2.0/mlflow/experiments/get-by-name", Listing(Kind.EXPERIMENT)),
    *both("GET", "2.0/mlflow/experiments/search", Listing(Kind.EXPERIMENT)),
    *both("POST", "2.0/mlflow/experiments/search", Listing(Kind.EXPERIMENT)),
    *both(
        "POST",
        "2.0/mlflow/experiments/update",
        all_of(
            Require(EDIT, in_message(EXPERIMENT, "experiment_id")),
            Rename(
                Kind.EXPERIMENT,
                in_message(EXPERIMENT, "experiment_id"),
                in_message(NAME, "new_name", optional=True),
            ),
        ),
    ),
    *both("POST", "2.0/mlflow/experiments/delete", Require(MANAGE, in_message(EXPERIMENT, "experiment_id"))),
    *both("POST", "2.0/mlflow/experiments/restore", Require(MANAGE, in_message(EXPERIMENT, "experiment_id"))),
    *both(
        "POST",
        "2.0/mlflow/experiments/set-experiment-tag",
        all_of(Require(EDIT, in_message(EXPERIMENT, "experiment_id")), AdminsOnlyTags(SCHEDULE_TAGS)),
    ),
    *both(
        "POST",
        "2.0/mlflow/experiments/delete-experiment-tag",
        all_of(Require(EDIT, in_message(EXPERIMENT, "experiment_id")), AdminsOnlyTags(SCHEDULE_TAGS)),
    ),
    *ajax("POST", "2.0/mlflow/experiments/search-datasets", Listing(Kind.EXPERIMENT)),
    # MLflow forgot the slash after 2.0, and the handler.
    Entry("POST", "/api/2.0mlflow/experiments/search-datasets", NOT_IMPLEMENTED),
    Entry("POST", "/ajax-api/2.0mlflow/experiments/search-datasets", NOT_IMPLEMENTED),
    # --- Runs ------------------------------------------------------------------------------------------
    # Without an experiment_id MLflow takes the default experiment; here it must be named.
    *both("POST", "2.0/mlflow/runs/create", Require(EDIT, in_message(EXPERIMENT, "experiment_id"))),
    *ajax("POST", "2.0/mlflow/runs/create-promptlab-run", Require(EDIT, in_json(EXPERIMENT, "experiment_id"))),
    *both("GET", "2.0/mlflow/runs/get", Require(READ, in_message(RUN, "run_id", "run_uuid"))),
    *both("POST", "2.0/mlflow/runs/search", Listing(Kind.EXPERIMENT)),
    *both("POST", "2.0/mlflow/runs/update", Require(EDIT, in_message(RUN, "run_id", "run_uuid"))),
    *both("POST", "2.0/mlflow/runs/delete", Require(MANAGE, in_message(RUN, "run_id"))),
    *both("POST", "2.0/mlflow/runs/restore", Require(MANAGE, in_message(RUN, "run_id"))),
    *both("POST", "2.0/mlflow/runs/set-tag", Require(EDIT, in_message(RUN, "run_id", "run_uuid"))),
    *both("POST", "2.0/mlflow/runs/delete-tag", Require(EDIT, in_message(RUN, "run_id"))),
    *both("POST", "2.0/mlflow/runs/log-parameter", Require(EDIT, in_message(RUN, "run_id", "run_uuid"))),
    *both(
        "POST",
        "2.0/mlflow/runs/log-metric",
        all_of(
            Require(EDIT, in_message(RUN, "run_id", "run_uuid")),
            # The metric is written to the logged model too.
            Require(EDIT, in_message(LOGGED_MODEL, "model_id", optional=True)),
        ),
    ),
    *both(
        "POST",
        "2.0/mlflow/runs/log-batch",
        all_of(
            Require(EDIT, in_message(RUN, "run_id")),
            Require(EDIT, in_message(LOGGED_MODEL, "metrics.model_id", optional=True)),
        ),
    ),
    *both(
        "POST",
        "2.0/mlflow/runs/log-inputs",
        all_of(
            Require(EDIT, in_message(RUN, "run_id")),
            # A run may take in a model that its owner may only read.
            Require(READ, in_message(LOGGED_MODEL, "models.model_id", optional=True)),
        ),
    ),
    *both(
        "POST",
        "2.0/mlflow/runs/outputs",
        all_of(
            Require(EDIT, in_message(RUN, "run_id")),
            Require(EDIT, in_message(LOGGED_MODEL, "models.model_id", optional=True)),
        ),
    ),
    *both("POST", "2.0/mlflow/runs/log-model", Require(EDIT, in_message(RUN, "run_id"))),
    *both("GET", "2.0/mlflow/metrics/get-history", Require(READ, in_message(RUN, "run_id", "run_uuid"))),
    *ajax("GET", "2.0/mlflow/metrics/get-history-bulk", Listing(Kind.EXPERIMENT)),
    *both("GET", "2.0/mlflow/metrics/get-history-bulk-interval", Listing(Kind.EXPERIMENT)),
    # --- Artifacts of runs, by run ---------------------------------------------------------------------
    *both("GET", "2.0/mlflow/artifacts/list", Require(READ, in_message(RUN, "run_id", "run_uuid"))),
    Entry("GET", "/get-artifact", Require(READ, in_query(RUN, "run_id", "run_uuid"))),
    *ajax("POST", "2.0/mlflow/upload-artifact", Require(EDIT, in_query(RUN, "run_uuid"))),
    *both("POST", "2.0/mlflow/artifacts/presigned-download-url", Require(READ, in_message(RUN, "run_id"))),
    *both(
        "POST",
        "2.0/mlflow/artifacts/presigned-upload-url",
        # MLflow insists on exactly one of the two.
        all_of(
            Require(EDIT, in_message(RUN, "run_id", optional=True)),
            Require(EDIT, in_message(LOGGED_MODEL, "model_id", optional=True, since="3.17.0")),
        ),
    ),
    # --- Artifacts by path, through MLflow's proxy -----------------------------------------------------
    # Spelled for Flask and for FastAPI, which serves GET and PUT before Flask sees them.
    *both("GET", "2.0/mlflow-artifacts/artifacts", Require(READ, in_message(ARTIFACT_PATH, "path"))),
    *both(
        "GET",
        "2.0/mlflow-artifacts/artifacts/{artifact_path:path}",
        Require(READ, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "GET",
        "2.0/mlflow-artifacts/artifacts/<path:artifact_path>",
        Require(READ, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "PUT",
        "2.0/mlflow-artifacts/artifacts/{artifact_path:path}",
        Require(EDIT, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "PUT",
        "2.0/mlflow-artifacts/artifacts/<path:artifact_path>",
        Require(EDIT, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "DELETE",
        "2.0/mlflow-artifacts/artifacts/<path:artifact_path>",
        Require(MANAGE, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    # Of the body's `path` MLflow's storages use the last part only, below the path that is judged.
    *both(
        "POST",
        "2.0/mlflow-artifacts/mpu/create/<path:artifact_path>",
        Require(EDIT, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "POST",
        "2.0/mlflow-artifacts/mpu/complete/<path:artifact_path>",
        Require(EDIT, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "POST",
        "2.0/mlflow-artifacts/mpu/abort/<path:artifact_path>",
        Require(EDIT, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    *both(
        "GET",
        "2.0/mlflow-artifacts/presigned/<path:artifact_path>",
        Require(READ, in_path(ARTIFACT_PATH, "artifact_path")),
    ),
    # --- Logged models ---------------------------------------------------------------------------------
    *both(
        "POST",
        "2.0/mlflow/logged-models",
        all_of(
            Require(EDIT, in_message(EXPERIMENT, "experiment_id")),
            Require(READ, in_message(RUN, "source_run_id", optional=True)),
        ),
    ),
    *both("POST", "2.0/mlflow/logged-models/search", Listing(Kind.EXPERIMENT)),
    *both("GET", "2.0/mlflow/logged-models/<model_id>", Require(READ, in_path(LOGGED_MODEL, "model_id"))),
    # SECURITY: MLflow finalizes the model that the body names, whatever the path says.
    *both(
        "PATCH",
        "2.0/mlflow/logged-models/<model_id>",
        all_of(
            Require(EDIT, in_path(LOGGED_MODEL, "model_id")),
            Require(EDIT, in_message(LOGGED_MODEL, "model_id")),
        ),
    ),
    *both("DELETE", "2.0/mlflow/logged-models/<model_id>", Require(MANAGE, in_path(LOGGED_MODEL, "model_id"))),
    *both("POST", "2.0/mlflow/logged-models/<model_id>/params", Require(EDIT, in_path(LOGGED_MODEL, "model_id"))),
    *both("PATCH", "2.0/mlflow/logged-models/<model_id>/tags", Require(EDIT, in_path(LOGGED_MODEL, "model_id"))),
    *both(
        "DELETE",
        "2.0/mlflow/logged-models/<model_id>/tags/<tag_key>",
        Require(EDIT, in_path(LOGGED_MODEL, "model_id")),
    ),
    *both(
        "GET",
        "2.0/mlflow/logged-models/<model_id>/artifacts/directories",
        Require(READ, in_path(LOGGED_MODEL, "model_id")),
    ),
    *ajax(
        "GET",
        "2.0/mlflow/logged-models/<model_id>/artifacts/files",
        Require(READ, in_path(LOGGED_MODEL, "model_id")),
    ),
    # --- Traces ----------------------------------------------------------------------------------------
    # SECURITY: MLflow moves a trace that has this id already, with its spans, into the named experiment.
    *both(
        "POST",
        "3.0/mlflow/traces",
        all_of(
            Require(EDIT, in_message(EXPERIMENT, "trace.trace_info.trace_location.mlflow_experiment.experiment_id")),
            RequireIfThere(EDIT, in_message(TRACE, "trace.trace_info.trace_id", optional=True)),
            Move(
                in_message(TRACE, "trace.trace_info.trace_id", optional=True),
                in_message(EXPERIMENT, "trace.trace_info.trace_location.mlflow_experiment.experiment_id"),
            ),
            # SECURITY: the caller chooses the ids of assessments too, and MLflow merges by them: one that exists is
            # overwritten and moved to this trace.
            RequireIfThere(
                EDIT,
                in_message(
                    ASSESSMENT,
                    "trace.trace_info.assessments.assessment_id",
                    "trace.trace_info.assessments.overrides",
                    optional=True,
                ),
            ),
            AdminsOnlyTags(TRACE_FILE_TAGS, ("trace.trace_info.tags",)),
        ),
    ),
    Entry(
        "POST",
        "/v1/traces",
        all_of(
            Require(EDIT, in_header(EXPERIMENT, "x-mlflow-experiment-id")),
            Require(EDIT, Target(RUN, Where.HEADER, ("x-mlflow-run-id",), optional=True)),
            OwnSpans(EDIT, TRACE_FILE_TAGS),
        ),
    ),
    *both("GET", "3.0/mlflow/traces/<trace_id>", Require(READ, in_path(TRACE, "trace_id"))),
    *both("GET", "3.0/mlflow/traces/get", Require(READ, in_message(TRACE, "trace_id"))),
    *both("GET", "3.0/mlflow/traces/batchGet", Listing(Kind.EXPERIMENT)),
    *both("POST", "3.0/mlflow/traces/batchGetInfos", Listing(Kind.EXPERIMENT)),
    *both("POST", "3.0/mlflow/traces/search", Listing(Kind.EXPERIMENT)),
    *both("POST", "3.0/mlflow/traces/metrics", Listing(Kind.EXPERIMENT)),
    *both("POST", "3.0/mlflow/traces/calculate-filter-correlation", Listing(Kind.EXPERIMENT)),
    *both(
        "PATCH",
        "3.0/mlflow/traces/<trace_id>/tags",
        all_of(Require(EDIT, in_path(TRACE, "trace_id")), AdminsOnlyTags(TRACE_FILE_TAGS)),
    ),
    *both(
        "DELETE",
        "3.0/mlflow/traces/<trace_id>/tags",
        all_of(Require(EDIT, in_path(TRACE, "trace_id")), AdminsOnlyTags(TRACE_FILE_TAGS)),
    ),
    # Traces that are named are deleted only inside the experiment.
    *both("POST", "3.0/mlflow/traces/delete-traces", Require(MANAGE, in_message(EXPERIMENT, "experiment_id"))),
    *both("POST", "2.0/mlflow/traces/delete-traces", Require(MANAGE, in_message(EXPERIMENT, "experiment_id"))),
    *both(
        "POST",
        "2.0/mlflow/traces/link-to-run",
        all_of(Require(EDIT, in_message(RUN, "run_id")), Require(READ, in_message(TRACE, "trace_ids"))),
    ),
    *both(
        "POST",
        "2.0/mlflow/traces/link-prompts",
        all_of(Require(EDIT, in_message(TRACE, "trace_id")), Require(READ, in_message(NAME, "prompt_versions.name"))),
    ),
    *ajax("GET", "3.0/mlflow/get-trace-artifact", Require(READ, in_query(TRACE, "request_id"))),
    *ajax("GET", "2.0/mlflow/get-trace-artifact", Require(READ, in_query(TRACE, "request_id"))),
    # The second version of the trace API, for older clients.
    *both(
        "POST",
        "2.0/mlflow/traces",
        all_of(
            Require(EDIT, in_message(EXPERIMENT, "experiment_id")),
            AdminsOnlyTags(TRACE_FILE_TAGS, ("tags.key",)),
        ),
    ),
    *both("GET", "2.0/mlflow/traces", Listing(Kind.EXPERIMENT)),
    *both(
        "PATCH",
        "2.0/mlflow/traces/<request_id>",
        all_of(Require(EDIT, in_path(TRACE, "request_id")), AdminsOnlyTags(TRACE_FILE_TAGS, ("tags.key",))),
    ),
    *both("GET", "2.0/mlflow/traces/<request_id>/info", Require(READ, in_path(TRACE, "request_id"))),
    *both(
        "PATCH",
        "2.0/mlflow/traces/<request_id>/tags",
        all_of(Require(EDIT, in_path(TRACE, "request_id")), AdminsOnlyTags(TRACE_FILE_TAGS)),
    ),
    *both(
        "DELETE",
        "2.0/mlflow/traces/<request_id>/tags",
        all_of(Require(EDIT, in_path(TRACE, "request_id")), AdminsOnlyTags(TRACE_FILE_TAGS)),
    ),
    *both("GET", "2.0/mlflow/unified-traces", NOT_IMPLEMENTED),
    *both("GET", "2.0/mlflow/get-online-trace-details", NOT_IMPLEMENTED),
    # --- Assessments of traces -------------------------------------------------------------------------
    *both(
        "POST",
        "3.0/mlflow/traces/<trace_id>/assessments",
        all_of(
            Require(EDIT, in_path(TRACE, "trace_id")),
            RequireIfThere(
                EDIT, in_message(ASSESSMENT, "assessment.assessment_id", "assessment.overrides", optional=True)
            ),
        ),
    ),
    *both(
        "GET",
        "3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>",
        Require(READ, in_path(TRACE, "trace_id")),
    ),
    *both(
        "PATCH",
        "3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>",
        Require(EDIT, in_path(TRACE, "trace_id")),
    ),
    # EDIT, as in MLflow: who may give feedback may take it back.
    *both(
        "DELETE",
        "3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>",
        Require(EDIT, in_path(TRACE, "trace_id")),
    ),
    # --- Evaluation datasets ---------------------------------------------------------------------------
    # A dataset asks for the level on all of its experiments.
    *both("POST", "3.0/mlflow/datasets/create", Require(EDIT, in_message(EXPERIMENT, "experiment_ids"))),
    *both("GET", "3.0/mlflow/datasets/search", Listing(Kind.EXPERIMENT)),
    *both("POST", "3.0/mlflow/datasets/search", Listing(Kind.EXPERIMENT)),
    *both("GET", "3.0/mlflow/datasets/<dataset_id>", Require(READ, in_path(DATASET, "dataset_id"))),
    *both("DELETE", "3.0/mlflow/datasets/<dataset_id>", Require(MANAGE, in_path(DATASET, "dataset_id"))),
    # The row filter cannot see the experiments of a dataset: they are links without a resource of their own.
    *both("GET", "3.0/mlflow/datasets/<dataset_id>/experiment-ids", Require(READ, in_path(DATASET, "dataset_id"))),
    *both(
        "POST",
        "3.0/mlflow/datasets/<dataset_id>/add-experiments",
        all_of(
            # SECURITY: whoever has nothing on the experiments that come in loses the dataset.
            Require(MANAGE, in_path(DATASET, "dataset_id")),
            Require(EDIT, in_message(EXPERIMENT, "experiment_ids")),
        ),
    ),
    *both(
        "POST",
        "3.0/mlflow/datasets/<dataset_id>/remove-experiments",
        all_of(
            Require(EDIT, in_path(DATASET, "dataset_id")),
            # SECURITY: to those experiments it is as if it were deleted, and their people have no say in it any more.
            Require(MANAGE, in_message(EXPERIMENT, "experiment_ids")),
        ),
    ),
    *both("GET", "3.0/mlflow/datasets/<dataset_id>/records", Require(READ, in_path(DATASET, "dataset_id"))),
    *both("POST", "3.0/mlflow/datasets/<dataset_id>/records", Require(EDIT, in_path(DATASET, "dataset_id"))),
    *both("DELETE", "3.0/mlflow/datasets/<dataset_id>/records", Require(EDIT, in_path(DATASET, "dataset_id"))),
    *both("PATCH", "3.0/mlflow/datasets/<dataset_id>/tags", Require(EDIT, in_path(DATASET, "dataset_id"))),
    *both("DELETE", "3.0/mlflow/datasets/<dataset_id>/tags/<key>", Require(EDIT, in_path(DATASET, "dataset_id"))),
    # --- Scorers ---------------------------------------------------------------------------------------
    *both(
        "POST",
        "3.0/mlflow/scorers/register",
        all_of(Require(EDIT, in_message(EXPERIMENT, "experiment_id")), NoGatewayModel("serialized_scorer")),
    ),
    *both("GET", "3.0/mlflow/scorers/list", Listing(Kind.EXPERIMENT)),
    *both("GET", "3.0/mlflow/scorers/get", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "3.0/mlflow/scorers/versions", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("DELETE", "3.0/mlflow/scorers/delete", Require(MANAGE, in_message(EXPERIMENT, "experiment_id"))),
    # MLflow's Judges page reads it for everybody; rows carry their experiment.
    *both("GET", "3.0/mlflow/scorers/online-configs", Listing(Kind.EXPERIMENT)),
    *both("PUT", "3.0/mlflow/scorers/online-config", Admin()),
    *ajax("POST", "3.0/mlflow/scorer/invoke", Admin()),
    *ajax("POST", "3.0/mlflow/genai/evaluate/invoke", Admin()),
    # --- Issues ----------------------------------------------------------------------------------------
    *both(
        "POST",
        "3.0/mlflow/issues",
        all_of(
            Require(EDIT, in_message(EXPERIMENT, "experiment_id")),
            Require(READ, in_message(RUN, "source_run_id", optional=True)),
        ),
    ),
    *both("POST", "3.0/mlflow/issues/search", Listing(Kind.EXPERIMENT)),
    *both("GET", "3.0/mlflow/issues/<issue_id>", Require(READ, in_path(ISSUE, "issue_id"))),
    *both("PATCH", "3.0/mlflow/issues/<issue_id>", Require(EDIT, in_path(ISSUE, "issue_id"))),
    *ajax("POST", "3.0/mlflow/issues/invoke", Admin()),
    *ajax("POST", "3.0/mlflow/issues/schedule/state", Admin(), since="3.18.0"),
    # --- Label schemas ---------------------------------------------------------------------------------
    # MANAGE to write, as in MLflow: a schema changes what every reviewer is asked.
    *both("POST", "3.0/mlflow/label-schemas/create", Require(MANAGE, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "3.0/mlflow/label-schemas/list", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "3.0/mlflow/label-schemas/get-by-name", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "3.0/mlflow/label-schemas/get", Require(READ, in_message(LABEL_SCHEMA, "schema_id"))),
    *both("PATCH", "3.0/mlflow/label-schemas/update", Require(MANAGE, in_message(LABEL_SCHEMA, "schema_id"))),
    *both("DELETE", "3.0/mlflow/label-schemas/delete", Require(MANAGE, in_message(LABEL_SCHEMA, "schema_id"))),
    # --- Review queues ---------------------------------------------------------------------------------
    # MLflow itself checks that the traces and label schemas are of the queue's experiment.
    *both("POST", "3.0/mlflow/review-queues/create", Require(EDIT, in_message(EXPERIMENT, "experiment_id"))),
    *both(
        "POST", "3.0/mlflow/review-queues/get-or-create-user", Require(EDIT, in_message(EXPERIMENT, "experiment_id"))
    ),
    *both("GET", "3.0/mlflow/review-queues/list", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "3.0/mlflow/review-queues/get-by-name", Require(READ, in_message(EXPERIMENT, "experiment_id"))),
    *both("GET", "3.0/mlflow/review-queues/get", Require(READ, in_message(REVIEW_QUEUE, "queue_id"))),
    *both("POST", "3.0/mlflow/review-queues/update", Require(EDIT, in_message(REVIEW_QUEUE, "queue_id"))),
    *both("POST", "3.0/mlflow/review-queues/delete", Require(MANAGE, in_message(REVIEW_QUEUE, "queue_id"))),
    *both("POST", "3.0/mlflow/review-queues/items/add", Require(EDIT, in_message(REVIEW_QUEUE, "queue_id"))),
    *both("POST", "3.0/mlflow/review-queues/items/remove", Require(EDIT, in_message(REVIEW_QUEUE, "queue_id"))),
    *both("GET", "3.0/mlflow/review-queues/items/list", Require(READ, in_message(REVIEW_QUEUE, "queue_id"))),
    *both("POST", "3.0/mlflow/review-queues/items/set-status", Require(EDIT, in_message(REVIEW_QUEUE, "queue_id"))),
    # --- Registered models and prompts -----------------------------------------------------------------
    *both("POST", "2.0/mlflow/registered-models/create", Create(Kind.REGISTERED_MODEL, in_message(NAME, "name"))),
    *both("GET", "2.0/mlflow/registered-models/get", Require(READ, in_message(NAME, "name"))),
    *both("GET", "2.0/mlflow/registered-models/search", Listing(Kind.REGISTERED_MODEL)),
    *both("GET", "2.0/mlflow/registered-models/get-latest-versions", Require(READ, in_message(NAME, "name"))),
    *both("POST", "2.0/mlflow/registered-models/get-latest-versions", Require(READ, in_message(NAME, "name"))),
    *both("PATCH", "2.0/mlflow/registered-models/update", Require(EDIT, in_message(NAME, "name"))),
    *both(
        "POST",
        "2.0/mlflow/registered-models/rename",
        all_of(
            Require(EDIT, in_message(NAME, "name")),
            Rename(Kind.REGISTERED_MODEL, in_message(NAME, "name"), in_message(NAME, "new_name")),
        ),
    ),
    *both("DELETE", "2.0/mlflow/registered-models/delete", Require(MANAGE, in_message(NAME, "name"))),
    *both(
        "POST",
        "2.0/mlflow/registered-models/set-tag",
        all_of(Require(EDIT, in_message(NAME, "name")), AdminsOnlyTags((PROMPT_TAG,))),
    ),
    *both(
        "DELETE",
        "2.0/mlflow/registered-models/delete-tag",
        all_of(Require(EDIT, in_message(NAME, "name")), AdminsOnlyTags((PROMPT_TAG,))),
    ),
    *both("GET", "2.0/mlflow/registered-models/alias", Require(READ, in_message(NAME, "name"))),
    *both("POST", "2.0/mlflow/registered-models/alias", Require(EDIT, in_message(NAME, "name"))),
    *both("DELETE", "2.0/mlflow/registered-models/alias", Require(EDIT, in_message(NAME, "name"))),
    # --- Model versions and prompt versions ------------------------------------------------------------
    *both(
        "POST",
        "2.0/mlflow/model-versions/create",
        all_of(Require(EDIT, in_message(NAME, "name")), ReadSource()),
    ),
    *both("GET", "2.0/mlflow/model-versions/get", Require(READ, in_message(NAME, "name"))),
    *both("GET", "2.0/mlflow/model-versions/get-download-uri", Require(READ, in_message(NAME, "name"))),
    Entry("GET", "/model-versions/get-artifact", Require(READ, in_query(NAME, "name"))),
    *both("GET", "2.0/mlflow/model-versions/search", Listing(Kind.REGISTERED_MODEL)),
    *both("PATCH", "2.0/mlflow/model-versions/update", Require(EDIT, in_message(NAME, "name"))),
    *both("POST", "2.0/mlflow/model-versions/transition-stage", Require(EDIT, in_message(NAME, "name"))),
    *both("DELETE", "2.0/mlflow/model-versions/delete", Require(MANAGE, in_message(NAME, "name"))),
    *both(
        "POST",
        "2.0/mlflow/model-versions/set-tag",
        all_of(Require(EDIT, in_message(NAME, "name")), AdminsOnlyTags((PROMPT_TAG,))),
    ),
    *both(
        "DELETE",
        "2.0/mlflow/model-versions/delete-tag",
        all_of(Require(EDIT, in_message(NAME, "name")), AdminsOnlyTags((PROMPT_TAG,))),
    ),
    # --- The gateway: what it is made of -------------------------------------------------------------------
    # Catalogues that MLflow ships, and a list that every page of runs asks for: open, or pages break.
    *ajax("GET", "2.0/mlflow/gateway-proxy", SignedIn()),
    *ajax("POST", "2.0/mlflow/gateway-proxy", Admin()),
    *both("POST", "3.0/mlflow/gateway/budgets/create", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/budgets/delete", Admin()),
    *both("GET", "3.0/mlflow/gateway/budgets/get", Admin()),
    *both("GET", "3.0/mlflow/gateway/budgets/list", Admin()),
    *both("POST", "3.0/mlflow/gateway/budgets/update", Admin()),
    *both("GET", "3.0/mlflow/gateway/budgets/windows", Admin()),
    *both("POST", "3.0/mlflow/gateway/endpoints/bindings/create", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/endpoints/bindings/delete", Admin()),
    *both("GET", "3.0/mlflow/gateway/endpoints/bindings/list", Admin()),
    *both("POST", "3.0/mlflow/gateway/endpoints/create", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/endpoints/delete", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/endpoints/delete-tag", Admin()),
    *both("GET", "3.0/mlflow/gateway/endpoints/get", Admin()),
    *both("GET", "3.0/mlflow/gateway/endpoints/list", Admin()),
    *both("POST", "3.0/mlflow/gateway/endpoints/models/attach", Admin()),
    *both("POST", "3.0/mlflow/gateway/endpoints/models/detach", Admin()),
    *both("POST", "3.0/mlflow/gateway/endpoints/set-tag", Admin()),
    *both("POST", "3.0/mlflow/gateway/endpoints/update", Admin()),
    *both("POST", "3.0/mlflow/gateway/guardrails/add-to-endpoint", Admin()),
    *both("POST", "3.0/mlflow/gateway/guardrails/create", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/guardrails/delete", Admin()),
    *both("GET", "3.0/mlflow/gateway/guardrails/get", Admin()),
    *both("GET", "3.0/mlflow/gateway/guardrails/list", Admin()),
    *both("GET", "3.0/mlflow/gateway/guardrails/list-for-endpoint", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/guardrails/remove-from-endpoint", Admin()),
    *both("PATCH", "3.0/mlflow/gateway/guardrails/update-config", Admin()),
    *both("POST", "3.0/mlflow/gateway/model-definitions/create", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/model-definitions/delete", Admin()),
    *both("GET", "3.0/mlflow/gateway/model-definitions/get", Admin()),
    *both("GET", "3.0/mlflow/gateway/model-definitions/list", Admin()),
    *both("POST", "3.0/mlflow/gateway/model-definitions/update", Admin()),
    *ajax("GET", "3.0/mlflow/gateway/provider-config", SignedIn()),
    *ajax("GET", "3.0/mlflow/gateway/secrets/config", Admin()),
    *both("POST", "3.0/mlflow/gateway/secrets/create", Admin()),
    *both("DELETE", "3.0/mlflow/gateway/secrets/delete", Admin()),
    *both("GET", "3.0/mlflow/gateway/secrets/get", Admin()),
    *both("GET", "3.0/mlflow/gateway/secrets/list", Admin()),
    *both("POST", "3.0/mlflow/gateway/secrets/update", Admin()),
    *ajax("GET", "3.0/mlflow/gateway/supported-models", SignedIn()),
    *ajax("GET", "3.0/mlflow/gateway/supported-providers", SignedIn()),
    # --- The gateway: calls to language models -------------------------------------------------------------
    Entry("POST", "/gateway/{endpoint_name}/mlflow/invocations", Admin()),
    Entry("POST", "/gateway/anthropic/v1/messages", Admin()),
    Entry("POST", "/gateway/gemini/v1beta/models/{endpoint_name}:generateContent", Admin()),
    Entry("POST", "/gateway/gemini/v1beta/models/{endpoint_name}:streamGenerateContent", Admin()),
    Entry("POST", "/gateway/mlflow/v1/chat/completions", Admin()),
    Entry("GET", "/gateway/mlflow/v1/models", Admin(), since="3.17.0"),
    Entry("POST", "/gateway/openai/v1/chat/completions", Admin()),
    Entry("POST", "/gateway/openai/v1/embeddings", Admin()),
    Entry("POST", "/gateway/openai/v1/responses", Admin()),
    Entry("POST", "/gateway/openai/v1/responses/compact", Admin()),
    Entry("POST", "/gateway/proxy/{endpoint_name}/{path:path}", Admin()),
    Entry("POST", "/gateway/typesafe/v1/systemone", Admin(), since="3.17.0"),
    # --- Jobs and prompt optimization ----------------------------------------------------------------------
    *ajax("POST", "3.0/jobs/", Admin()),
    *ajax("GET", "3.0/jobs/{job_id}", Admin()),
    *ajax("PATCH", "3.0/jobs/cancel/{job_id}", Admin()),
    *ajax("POST", "3.0/jobs/search", Admin()),
    *ajax("GET", "3.0/mlflow/jobs/<job_id>", Admin()),
    *ajax("PATCH", "3.0/mlflow/jobs/cancel/<job_id>", Admin()),
    *both("POST", "3.0/mlflow/prompt-optimization/jobs", Admin()),
    *both("DELETE", "3.0/mlflow/prompt-optimization/jobs/<job_id>", Admin()),
    *both("GET", "3.0/mlflow/prompt-optimization/jobs/<job_id>", Admin()),
    *both("POST", "3.0/mlflow/prompt-optimization/jobs/<job_id>/cancel", Admin()),
    *both("GET", "3.0/mlflow/prompt-optimization/jobs/search", Admin()),
    *both("POST", "3.0/mlflow/prompt-optimization/jobs/search", Admin()),
    # --- MLflow's assistant: it acts on the server's host --------------------------------------------------
    *ajax("GET", "3.0/mlflow/assistant/config", Admin()),
    *ajax("PUT", "3.0/mlflow/assistant/config", Admin()),
    *ajax("POST", "3.0/mlflow/assistant/message", Admin()),
    *ajax("GET", "3.0/mlflow/assistant/providers", Admin()),
    *ajax("GET", "3.0/mlflow/assistant/providers/{provider}/health", Admin()),
    *ajax("GET", "3.0/mlflow/assistant/providers/{provider}/models", Admin()),
    *ajax("PATCH", "3.0/mlflow/assistant/sessions/{session_id}", Admin()),
    *ajax("POST", "3.0/mlflow/assistant/sessions/{session_id}/permission", Admin()),
    *ajax("GET", "3.0/mlflow/assistant/sessions/{session_id}/stream", Admin()),
    *ajax("POST", "3.0/mlflow/assistant/sessions/{session_id}/tool-result", Admin()),
    *ajax("POST", "3.0/mlflow/assistant/skills/install", Admin()),
    # --- Webhooks ------------------------------------------------------------------------------------------
    *both("GET", "2.0/mlflow/webhooks", Admin()),
    *both("POST", "2.0/mlflow/webhooks", Admin()),
    *both("DELETE", "2.0/mlflow/webhooks/<webhook_id>", Admin()),
    *both("GET", "2.0/mlflow/webhooks/<webhook_id>", Admin()),
    *both("PATCH", "2.0/mlflow/webhooks/<webhook_id>", Admin()),
    *both("POST", "2.0/mlflow/webhooks/<webhook_id>/test", Admin()),
    # --- Workspaces ----------------------------------------------------------------------------------------
    *both("GET", "3.0/mlflow/workspaces", Admin()),
    *both("POST", "3.0/mlflow/workspaces", Admin()),
    *both("DELETE", "3.0/mlflow/workspaces/<workspace_name>", Admin()),
    *both("GET", "3.0/mlflow/workspaces/<workspace_name>", Admin()),
    *both("PATCH", "3.0/mlflow/workspaces/<workspace_name>", Admin()),
    # --- MCP servers ---------------------------------------------------------------------------------------
    *both("GET", "3.0/mlflow/mcp-servers", Admin()),
    *both("POST", "3.0/mlflow/mcp-servers", Admin()),
    *both("DELETE", "3.0/mlflow/mcp-servers/{name:path}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/{name:path}", Admin()),
    *both("PATCH", "3.0/mlflow/mcp-servers/{name:path}", Admin()),
    *both("POST", "3.0/mlflow/mcp-servers/{name:path}/aliases", Admin()),
    *both("DELETE", "3.0/mlflow/mcp-servers/{name:path}/aliases/{alias:path}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/{name:path}/aliases/{alias:path}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/{name:path}/endpoints", Admin()),
    *both("POST", "3.0/mlflow/mcp-servers/{name:path}/endpoints", Admin()),
    *both("DELETE", "3.0/mlflow/mcp-servers/{name:path}/endpoints/{endpoint_id}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/{name:path}/endpoints/{endpoint_id}", Admin()),
    *both("PATCH", "3.0/mlflow/mcp-servers/{name:path}/endpoints/{endpoint_id}", Admin()),
    *both("POST", "3.0/mlflow/mcp-servers/{name:path}/tags", Admin()),
    *both("DELETE", "3.0/mlflow/mcp-servers/{name:path}/tags/{key:path}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/{name:path}/versions", Admin()),
    *both("POST", "3.0/mlflow/mcp-servers/{name:path}/versions", Admin()),
    *both("DELETE", "3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}", Admin()),
    *both("PATCH", "3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}", Admin()),
    *both("POST", "3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}/tags", Admin()),
    *both("DELETE", "3.0/mlflow/mcp-servers/{name:path}/versions/{version:path}/tags/{key:path}", Admin()),
    *both("GET", "3.0/mlflow/mcp-servers/endpoints", Admin()),
    # --- Skills --------------------------------------------------------------------------------------------
    *both("GET", "3.0/mlflow/skills", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/{name}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/{name}", Admin(), since="3.18.0"),
    *both("PATCH", "3.0/mlflow/skills/{name}", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/{name}/aliases", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/{name}/aliases/{alias}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/{name}/aliases/{alias}", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/{name}/tags", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/{name}/tags/{key:path}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/{name}/versions", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/{name}/versions", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/{name}/versions/{version}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/{name}/versions/{version}", Admin(), since="3.18.0"),
    *both("PATCH", "3.0/mlflow/skills/{name}/versions/{version}", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/{name}/versions/{version}/tags", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/{name}/versions/{version}/tags/{key:path}", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/@{organization}/{name}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/@{organization}/{name}", Admin(), since="3.18.0"),
    *both("PATCH", "3.0/mlflow/skills/@{organization}/{name}", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/@{organization}/{name}/aliases", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/@{organization}/{name}/aliases/{alias}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/@{organization}/{name}/aliases/{alias}", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/@{organization}/{name}/tags", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/@{organization}/{name}/tags/{key:path}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/@{organization}/{name}/versions", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/@{organization}/{name}/versions", Admin(), since="3.18.0"),
    *both("DELETE", "3.0/mlflow/skills/@{organization}/{name}/versions/{version}", Admin(), since="3.18.0"),
    *both("GET", "3.0/mlflow/skills/@{organization}/{name}/versions/{version}", Admin(), since="3.18.0"),
    *both("PATCH", "3.0/mlflow/skills/@{organization}/{name}/versions/{version}", Admin(), since="3.18.0"),
    *both("POST", "3.0/mlflow/skills/@{organization}/{name}/versions/{version}/tags", Admin(), since="3.18.0"),
    *both(
        "DELETE", "3.0/mlflow/skills/@{organization}/{name}/versions/{version}/tags/{key:path}", Admin(), since="3.18.0"
    ),
    *both("POST", "3.0/mlflow/skills/bulk-register", Admin(), since="3.18.0"),
)
