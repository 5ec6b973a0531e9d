"""The fields of MLflow's GraphQL schema that do something, and which of them a document asks for.

All of a schema's operations come through one HTTP address, so each field has an entry of its own here. A
document may ask for listed fields only; what they read is row-filtered, since each of MLflow's resolvers
reads through its stores (`mlflowListArtifacts` too: it gets the run, by the filtered store, before it looks
at files). A mutation here is no write: MLflow calls two searches mutations.

SECURITY: every operation of a document counts, whichever of them `operationName` picks, and directives
(`@skip`) hide nothing. Introspection is not listed: it can be made to answer at great length. Depth and the
number of selections below the first are bounded by MLflow itself, before it runs anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    visit,
)
from graphql.validation import ASTValidationContext, NoFragmentCyclesRule

from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.operations.coverage import GRAPHQL
from mlflow_oidc_auth.operations.requirements import Entry, Listing, Requirement, SignedIn
from mlflow_oidc_auth.vocabulary import Kind

LONGEST = 32 * 1024
"""In characters. MLflow's own pages send less than four thousand."""

#: By the type that has the field. Those of `Query` and `Mutation` start a document; the others are reached
#: through what those have found, and have code of their own.
FIELDS: Mapping[str, Requirement] = {
    "Query.mlflowGetExperiment": Listing(Kind.EXPERIMENT),
    "Query.mlflowGetMetricHistoryBulkInterval": Listing(Kind.EXPERIMENT),
    "Query.mlflowGetRun": Listing(Kind.EXPERIMENT),
    "Query.mlflowListArtifacts": Listing(Kind.EXPERIMENT),
    "Query.mlflowSearchModelVersions": Listing(Kind.REGISTERED_MODEL),
    "Query.mlflowSearchRuns": Listing(Kind.EXPERIMENT),
    "Query.test": SignedIn(),
    "Mutation.mlflowSearchDatasets": Listing(Kind.EXPERIMENT),
    "Mutation.mlflowSearchRuns": Listing(Kind.EXPERIMENT),
    "Mutation.testMutation": SignedIn(),
    "MlflowRunExtension.experiment": Listing(Kind.EXPERIMENT),
    "MlflowRunExtension.modelVersions": Listing(Kind.REGISTERED_MODEL),
    "MlflowMetricExtension.value": Listing(Kind.EXPERIMENT),
}

#: The same as entries, to compare with a live schema.
ENTRIES: tuple[Entry, ...] = tuple(Entry(GRAPHQL, field, needs) for field, needs in FIELDS.items())

#: Answered by the GraphQL library for every type: the type's name.
_TYPENAME = "__typename"


def unlisted_fields(document: str) -> set[str]:
    """The first-level fields of all operations of a document that have no entry, such as `Query.secrets`.

    Raises:
        BadRequest: it is no GraphQL document, is longer than :data:`LONGEST`, uses a fragment that it does
            not define once, or has fragments that contain each other.
    """
    parsed = _parse(document)
    fragments = _fragments(parsed)
    asked = {
        f"{definition.operation.value.capitalize()}.{field}"
        for definition in parsed.definitions
        if isinstance(definition, OperationDefinitionNode)
        for field in _fields(definition.selection_set, fragments)
        if field != _TYPENAME
    }
    return {field for field in asked if field not in FIELDS}


def _parse(document: str) -> DocumentNode:
    if len(document) > LONGEST:
        raise BadRequest(f"This GraphQL document is longer than {LONGEST} characters; send it in parts.")
    try:
        parsed = parse(document, no_location=True)
        errors: list[GraphQLError] = []
        visit(parsed, NoFragmentCyclesRule(ASTValidationContext(parsed, errors.append)))
    except (GraphQLError, RecursionError):
        raise BadRequest("This is not a GraphQL document, or it is nested too deeply.") from None
    if errors:
        raise BadRequest("Fragments of this GraphQL document contain each other.")
    return parsed


def _fragments(parsed: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    defined = [node for node in parsed.definitions if isinstance(node, FragmentDefinitionNode)]
    fragments = {node.name.value: node for node in defined}
    if len(fragments) != len(defined):
        raise BadRequest("This GraphQL document defines a fragment twice.")
    return fragments


def _fields(selected: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[str]:
    """The names, not the aliases, of the fields at this level, through fragments; each fragment is entered once."""
    open_, entered = [selected], set[str]()
    while open_:
        for node in open_.pop().selections:
            match node:
                case FieldNode():
                    yield node.name.value
                case InlineFragmentNode():
                    open_.append(node.selection_set)
                case FragmentSpreadNode() if node.name.value not in entered:
                    entered.add(node.name.value)
                    open_.append(_defined(node.name.value, fragments).selection_set)
                case _:
                    pass


def _defined(name: str, fragments: Mapping[str, FragmentDefinitionNode]) -> FragmentDefinitionNode:
    try:
        return fragments[name]
    except KeyError:
        raise BadRequest(f"This GraphQL document uses a fragment {name[:100]!r} that it does not define.") from None
