"""Everything that MLflow's stores can hold for one person, and every way they read it.

The stores are called as MLflow's handlers call them. What a read found is told as a set of words (ids, names):
empty means that nothing was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mlflow.entities import (
    AssessmentSource,
    Dataset,
    DatasetInput,
    Feedback,
    InputTag,
    IssueReference,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    RunTag,
    TraceInfo,
    TraceLocation,
    TraceState,
    ViewType,
)
from mlflow.entities.entity_type import EntityAssociationType
from mlflow.entities.model_registry import ModelVersionTag, PromptVersion, RegisteredModelTag
from mlflow.entities.span import Span, create_mlflow_span
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.exceptions import MlflowException
from mlflow.genai.label_schemas.label_schemas import InputText
from mlflow.tracing.constant import SpanAttributeKey
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from mlflow_oidc_auth.vocabulary import Identity
from tests.stores import Stores

NOT_SEEN = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
PROMPT_FILTER = "tags.`mlflow.prompt.is_prompt` = 'true'"
DAY = 86_400_000


@dataclass
class Belongings:
    """The ids of one of everything."""

    owner: Identity
    label: str
    experiment: str = ""
    run: str = ""
    second_run: str = ""
    model: str = ""
    trace: str = ""
    assessment: str = ""
    dataset: str = ""
    scorer: str = ""
    issue: str = ""
    schema: str = ""
    queue: str = ""
    registered_model: str = ""
    prompt: str = ""
    told: dict[str, Any] = field(default_factory=dict)


def make_belongings(stores: Stores, owner: Identity, label: str) -> Belongings:
    """One of everything, made by the owner through the gate."""
    mine = Belongings(owner, label)
    with stores.decided(owner):
        _make_runs(stores.tracking, mine)
        _make_traces(stores.tracking, mine)
        _make_evaluation(stores.tracking, mine)
        _make_models(stores.registry, mine)
        prompt = PromptVersion(mine.prompt, 1, "hello")
        stores.tracking.link_prompts_to_trace(mine.trace, [prompt])
    return mine


def _make_runs(tracking: Any, mine: Belongings) -> None:
    mine.experiment = tracking.create_experiment(f"{mine.label} experiment")
    tags = [RunTag("mlflow.user", "somebody else"), RunTag("color", mine.label)]
    mine.run = tracking.create_run(mine.experiment, "somebody else", 1, tags, f"{mine.label} run").info.run_id
    mine.second_run = tracking.create_run(mine.experiment, "somebody else", 1, [], f"{mine.label} run 2").info.run_id
    tracking.log_batch(mine.run, [Metric("loss", 0.5, 1, 1)], [Param("depth", "3")], [RunTag("color", mine.label)])
    data = Dataset(f"{mine.label} data", "digest", "local", "source")
    model = tracking.create_logged_model(
        mine.experiment,
        f"{mine.label}-model",
        mine.run,
        [LoggedModelTag("color", mine.label)],
        [LoggedModelParameter("depth", "3")],
    )
    mine.model = model.model_id
    tracking.finalize_logged_model(mine.model, LoggedModelStatus.READY)
    tracking.log_inputs(mine.run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])], [])
    tracking.log_inputs(mine.second_run, None, [LoggedModelInput(mine.model)])
    tracking.log_outputs(mine.run, [LoggedModelOutput(mine.model, 1)])
    tracking.log_metric(mine.run, Metric("loss", 0.4, 2, 2, model_id=mine.model, run_id=mine.run))


def _make_traces(tracking: Any, mine: Belongings) -> None:
    number = abs(hash(mine.label)) % 2**63 + 1
    mine.trace = f"tr-{number:032x}"
    span = _span(mine, number)
    info = TraceInfo(
        trace_id=mine.trace,
        trace_location=TraceLocation.from_experiment_id(mine.experiment),
        request_time=DAY,
        execution_duration=5,
        state=TraceState.OK,
        trace_metadata={"mlflow.user": "somebody else", "mlflow.trace.session": mine.label, "color": mine.label},
        tags={"mlflow.user": "somebody else", "color": mine.label, "mlflow.traceName": mine.label},
    )
    tracking.start_trace(info)
    tracking.log_spans(mine.experiment, [span])
    tracking.set_trace_tag(mine.trace, "shape", "round")
    source = AssessmentSource("HUMAN", mine.owner.username)
    made = tracking.create_assessment(Feedback(name="good", value=True, source=source, trace_id=mine.trace))
    mine.assessment = made.assessment_id
    tracking.link_traces_to_run([mine.trace], mine.run)


def _span(mine: Belongings, number: int) -> Span:
    context = SpanContext(number, 0xABC, False, TraceFlags(1))
    attributes = {
        "mlflow.traceRequestId": f'"{mine.trace}"',
        SpanAttributeKey.SPAN_TYPE: '"LLM"',
        SpanAttributeKey.MODEL: '"gpt"',
        SpanAttributeKey.CHAT_USAGE: '{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}',
        SpanAttributeKey.LLM_COST: '{"input_cost": 1.0, "output_cost": 2.0, "total_cost": 3.0}',
    }
    read = ReadableSpan(
        name=f"{mine.label} span",
        context=context,
        attributes=attributes,
        start_time=DAY * 10**6,
        end_time=DAY * 10**6 + 5,
    )
    return create_mlflow_span(read, mine.trace, "LLM")


def _make_evaluation(tracking: Any, mine: Belongings) -> None:
    tags = {"color": mine.label, "mlflow.user": "somebody else"}
    mine.dataset = tracking.create_dataset(f"{mine.label} dataset", tags, [mine.experiment]).dataset_id
    tracking.upsert_dataset_records(mine.dataset, [{"inputs": {"q": mine.label}, "tags": {"a": "b"}}])
    mine.scorer = f"{mine.label}-scorer"
    tracking.register_scorer(
        mine.experiment, mine.scorer, '{"name": "judge", "instructions_judge_pydantic_data": null}'
    )
    issue = tracking.create_issue(
        mine.experiment, f"{mine.label} issue", "bad", source_run_id=mine.run, categories=["x"]
    )
    mine.issue = issue.issue_id
    tracking.create_assessment(IssueReference(mine.issue, "bad", trace_id=mine.trace))
    label = tracking.create_label_schema(
        mine.experiment, name=f"{mine.label} label", type="feedback", input=InputText()
    )
    mine.schema = label.schema_id
    queue = tracking.create_review_queue(
        mine.experiment,
        name=f"{mine.label} queue",
        queue_type="custom",
        created_by=mine.owner.username,
        users=[mine.owner.username],
        schema_ids=[mine.schema],
    )
    mine.queue = queue.queue_id
    tracking.list_label_schemas(mine.experiment)  # MLflow makes its own one at the first look
    tracking.add_items_to_review_queue(mine.queue, item_ids=[mine.trace])


def _make_models(registry: Any, mine: Belongings) -> None:
    mine.registered_model, mine.prompt = f"{mine.label} model", f"{mine.label}-prompt"
    registry.create_registered_model(mine.registered_model, [RegisteredModelTag("color", mine.label)])
    tags = [ModelVersionTag("color", mine.label)]
    registry.create_model_version(mine.registered_model, f"runs:/{mine.run}/model", mine.run, tags)
    registry.set_registered_model_alias(mine.registered_model, "best", "1")
    registry.create_prompt(mine.prompt, tags={"color": mine.label})
    registry.create_prompt_version(mine.prompt, "hello {{name}}", tags={"color": mine.label})
    registry.set_prompt_alias(mine.prompt, "best", "1")


Read = Callable[[Stores, Belongings], Iterable[Any]]


def seen(read: Read, stores: Stores, things: Belongings) -> set[str]:
    """What a read finds of the belongings, under the view it runs in.

    Raises:
        MlflowException: anything but "there is no such thing".
    """
    try:
        return {str(word) for word in read(stores, things) if word not in (None, "", 0)}
    except MlflowException as error:
        if error.error_code in NOT_SEEN:
            return set()
        raise


def _names(found: Iterable[Any], attribute: str) -> list[Any]:
    return [getattr(one, attribute) for one in found]


def _metrics(view: MetricViewType, name: str, *dimensions: str) -> Read:
    how = AggregationType.COUNT if name.endswith("count") else AggregationType.SUM

    def read(stores: Stores, its: Belongings) -> Iterable[Any]:
        points = stores.tracking.query_trace_metrics(
            [its.experiment],
            view,
            name,
            [MetricAggregation(how)],
            list(dimensions) or None,
            start_time_ms=DAY,
            end_time_ms=2 * DAY - 1,
        )
        return [value for point in points for value in point.values.values()]

    return read


def _correlation(stores: Stores, its: Belongings) -> Iterable[Any]:
    found = stores.tracking.calculate_trace_filter_correlation(
        [its.experiment], f"tag.color = '{its.label}'", "tag.shape = 'round'"
    )
    return [found.filter1_count, found.filter2_count, found.joint_count, found.total_count]


def _traces(where: str, *order_by: str) -> Read:
    def read(stores: Stores, its: Belongings) -> Iterable[Any]:
        filled = where.format(its=its)
        found, _ = stores.tracking.search_traces([its.experiment], filled, order_by=list(order_by) or None)
        return _names(found, "trace_id")

    return read


def _runs(where: str, *order_by: str) -> Read:
    return lambda stores, its: [
        run.info.run_id
        for run in stores.tracking.search_runs(
            [its.experiment], where.format(its=its), ViewType.ALL, order_by=list(order_by) or None
        )
    ]


def _logged_models(where: str) -> Read:
    return lambda stores, its: _names(
        stores.tracking.search_logged_models([its.experiment], where.format(its=its) or None), "model_id"
    )


def _linked(source: str, of: EntityAssociationType, to: EntityAssociationType) -> Read:
    return lambda stores, its: stores.tracking.search_entities_by_source(getattr(its, source), of, to)


def _in_run(stores: Stores, its: Belongings) -> Iterable[Any]:
    run = stores.tracking.get_run(its.run)
    return [run.info.run_id, *run.data.metrics, *run.data.params, *run.data.tags, *run.inputs.dataset_inputs]


def _in_trace(stores: Stores, its: Belongings) -> Iterable[Any]:
    info = stores.tracking.get_trace_info(its.trace)
    return [info.trace_id, *info.tags, *info.trace_metadata, *_names(info.assessments, "name")]


def _in_model(stores: Stores, its: Belongings) -> Iterable[Any]:
    model = stores.tracking.get_logged_model(its.model)
    return [model.name, *model.tags, *model.params, *_names(model.metrics, "key")]


def _in_registered_model(stores: Stores, its: Belongings) -> Iterable[Any]:
    model = stores.registry.get_registered_model(its.registered_model)
    return [model.name, *model.tags, *model.aliases, *_names(model.latest_versions, "version")]


TRACE, RUN = EntityAssociationType.TRACE, EntityAssociationType.RUN
DATASET, EXPERIMENT = EntityAssociationType.EVALUATION_DATASET, EntityAssociationType.EXPERIMENT

READS: dict[str, Read] = {
    # Experiments.
    "experiments": lambda stores, its: [
        one.name for one in stores.tracking.search_experiments(ViewType.ALL) if one.name.startswith(its.label)
    ],
    "experiments by filter": lambda stores, its: _names(
        stores.tracking.search_experiments(filter_string=f"name LIKE '{its.label}%'"), "name"
    ),
    "experiment": lambda stores, its: [stores.tracking.get_experiment(its.experiment).name],
    "experiment by name": lambda stores, its: [
        getattr(stores.tracking.get_experiment_by_name(f"{its.label} experiment"), "name", None)
    ],
    "active experiments": lambda stores, its: stores.tracking.filter_active_experiment_ids([its.experiment]),
    # Runs.
    "runs": _runs(""),
    "runs by tag": _runs("tags.color = '{its.label}'"),
    "runs by metric": _runs("metrics.loss > 0 AND params.depth = '3'", "metrics.loss DESC", "params.depth"),
    "runs by dataset": _runs("datasets.name = '{its.label} data'"),
    "run": _in_run,
    "metric history": lambda stores, its: _names(stores.tracking.get_metric_history(its.run, "loss"), "value"),
    "metric history of many": lambda stores, its: _names(
        stores.tracking.get_metric_history_bulk([its.run, its.second_run], "loss", 100), "value"
    ),
    "metric history between": lambda stores, its: _names(
        stores.tracking.get_metric_history_bulk_interval([its.run], "loss", 100, None, None), "value"
    ),
    "last step": lambda stores, its: [stores.tracking.get_max_step_for_metric(its.run, "loss")],
    "datasets of runs": lambda stores, its: _names(stores.tracking._search_datasets([its.experiment]), "name"),
    # Logged models.
    "logged models": _logged_models(""),
    "logged models by tag": _logged_models("tags.color = '{its.label}' AND params.depth = '3'"),
    "logged models by metric": _logged_models("metrics.loss > 0"),
    "logged model": _in_model,
    # Traces.
    "traces": _traces(""),
    "traces by tag": _traces("tag.color = '{its.label}' AND metadata.color = '{its.label}'", "timestamp_ms DESC"),
    "traces by span": _traces("span.name = '{its.label} span'"),
    "traces by feedback": _traces("feedback.good = 'true'"),
    "traces by run": _traces("run_id = '{its.run}'"),
    "traces by issue": _traces("issue.id = '{its.issue}'"),
    "traces by text": _traces("trace.text LIKE '%{its.label}%'"),
    "trace": lambda stores, its: [stores.tracking.get_trace(its.trace).info.trace_id],
    "trace info": _in_trace,
    "traces by id": lambda stores, its: _names(
        [trace.info for trace in stores.tracking.batch_get_traces([its.trace])], "trace_id"
    ),
    "trace infos by id": lambda stores, its: _names(stores.tracking.batch_get_trace_infos([its.trace]), "trace_id"),
    "assessment": lambda stores, its: [stores.tracking.get_assessment(its.trace, its.assessment).name],
    "sessions": lambda stores, its: _names(
        stores.tracking.find_completed_sessions(its.experiment, 0, 2 * DAY), "session_id"
    ),
    "correlation": _correlation,
    "trace counts": _metrics(MetricViewType.TRACES, "trace_count"),
    "trace tokens": _metrics(MetricViewType.TRACES, "total_tokens", "trace_name"),
    "span counts": _metrics(MetricViewType.SPANS, "span_count"),
    "span costs": _metrics(MetricViewType.SPANS, "total_cost", "span_model_name"),
    "assessment counts": _metrics(MetricViewType.ASSESSMENTS, "assessment_count", "assessment_name"),
    "runs of a trace": _linked("trace", TRACE, RUN),
    "traces of a run": lambda stores, its: stores.tracking.search_entities_by_destination(its.run, RUN, TRACE),
    # Evaluation.
    "datasets": lambda stores, its: _names(stores.tracking.search_datasets([its.experiment]), "dataset_id"),
    "all datasets": lambda stores, its: [
        one.dataset_id for one in stores.tracking.search_datasets() if one.dataset_id == its.dataset
    ],
    "datasets by tag": lambda stores, its: _names(
        stores.tracking.search_datasets(filter_string=f"tags.color = '{its.label}'"), "dataset_id"
    ),
    "dataset": lambda stores, its: [
        stores.tracking.get_dataset(its.dataset).name,
        *stores.tracking.get_dataset(its.dataset).tags,
    ],
    "dataset records": lambda stores, its: _names(
        stores.tracking._load_dataset_records(its.dataset)[0], "dataset_record_id"
    ),
    "experiments of a dataset": _linked("dataset", DATASET, EXPERIMENT),
    "scorers": lambda stores, its: _names(stores.tracking.list_scorers(its.experiment), "scorer_name"),
    "scorers of experiments": lambda stores, its: _names(
        stores.tracking.list_scorers_across_experiments([its.experiment]), "scorer_name"
    ),
    "scorer": lambda stores, its: [stores.tracking.get_scorer(its.experiment, its.scorer).scorer_name],
    "scorer versions": lambda stores, its: _names(
        stores.tracking.list_scorer_versions(its.experiment, its.scorer), "scorer_version"
    ),
    "issues": lambda stores, its: _names(stores.tracking.search_issues(its.experiment), "issue_id"),
    "all issues": lambda stores, its: [
        one.issue_id for one in stores.tracking.search_issues(include_trace_count=True) if one.issue_id == its.issue
    ],
    "issue": lambda stores, its: [stores.tracking.get_issue(its.issue).name],
    "label schemas": lambda stores, its: _names(stores.tracking.list_label_schemas(its.experiment), "schema_id"),
    "label schema": lambda stores, its: [stores.tracking.get_label_schema(its.schema).name],
    "label schema by name": lambda stores, its: [
        stores.tracking.get_label_schema_by_name(its.experiment, f"{its.label} label").schema_id
    ],
    "review queues": lambda stores, its: _names(stores.tracking.list_review_queues(its.experiment), "queue_id"),
    "review queues of somebody": lambda stores, its: _names(
        stores.tracking.list_review_queues(its.experiment, user=its.owner.username, item_id=its.trace), "queue_id"
    ),
    "review queue": lambda stores, its: [
        stores.tracking.get_review_queue(its.queue).name,
        *stores.tracking.get_review_queue(its.queue).users,
        *stores.tracking.get_review_queue(its.queue).schema_ids,
    ],
    "review queue by name": lambda stores, its: [
        stores.tracking.get_review_queue_by_name(its.experiment, name=f"{its.label} queue").queue_id
    ],
    "review queue items": lambda stores, its: _names(stores.tracking.list_review_queue_items(its.queue), "item_id"),
    # The registry.
    "registered models": lambda stores, its: [
        one.name for one in stores.registry.search_registered_models() if one.name == its.registered_model
    ],
    "registered models by tag": lambda stores, its: _names(
        stores.registry.search_registered_models(f"tags.color = '{its.label}'"), "name"
    ),
    "registered model": _in_registered_model,
    "latest versions": lambda stores, its: _names(stores.registry.get_latest_versions(its.registered_model), "version"),
    "model versions": lambda stores, its: [
        one.name for one in stores.registry.search_model_versions("") if one.name == its.registered_model
    ],
    "model versions by run": lambda stores, its: _names(
        stores.registry.search_model_versions(f"run_id = '{its.run}'"), "name"
    ),
    "model versions by tag": lambda stores, its: _names(
        stores.registry.search_model_versions(f"name = '{its.registered_model}' AND tags.color = '{its.label}'"), "name"
    ),
    "model version": lambda stores, its: [
        stores.registry.get_model_version(its.registered_model, "1").name,
        *stores.registry.get_model_version(its.registered_model, "1").tags,
    ],
    "download address": lambda stores, its: [stores.registry.get_model_version_download_uri(its.registered_model, "1")],
    "model version by alias": lambda stores, its: [
        stores.registry.get_model_version_by_alias(its.registered_model, "best").version
    ],
    "prompts": lambda stores, its: [one.name for one in stores.registry.search_prompts() if one.name == its.prompt],
    "prompts by filter": lambda stores, its: [
        one.name for one in stores.registry.search_registered_models(PROMPT_FILTER) if one.name == its.prompt
    ],
    "prompt": lambda stores, its: [getattr(stores.registry.get_prompt(its.prompt), "name", None)],
    "prompt version": lambda stores, its: [getattr(stores.registry.get_prompt_version(its.prompt, "1"), "name", None)],
    "prompt by alias": lambda stores, its: [
        getattr(stores.registry.get_prompt_version_by_alias(its.prompt, "best"), "name", None)
    ],
}
"""Every read of both stores that an operation other than an admin's leads to."""
