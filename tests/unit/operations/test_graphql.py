"""Which fields a GraphQL document asks for: all of them, however they are written."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.errors import BadRequest
from mlflow_oidc_auth.operations.graphql import FIELDS, LONGEST, unlisted_fields

LISTED = "mlflowGetRun(input: {runId: $id}) { run { info { runId } } }"


@pytest.mark.parametrize(
    "document",
    [
        f"{{ {LISTED} }}",
        f'query GetRun($id: String!) @component(name: "MLflow") {{ {LISTED} }}',
        "mutation { mlflowSearchRuns(input: {}) { runs { info { runId } } } }",
        f"{{ __typename {LISTED} }}",
        f"{{ renamed: {LISTED} }}",
        "{ test { output secrets __schema { types } } }",
        "fragment F on Query { secrets } { test { output } }",
    ],
    ids=["a field", "with a directive", "a mutation", "its type's name", "an alias", "below the first level", "unused"],
)
def test_listed_fields_pass(document: str) -> None:
    assert unlisted_fields(document) == set()


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("{ secrets }", "Query.secrets"),
        ("{ mlflowGetRun: secrets }", "Query.secrets"),
        (f"{{ {LISTED} secrets }}", "Query.secrets"),
        ("query A { test { output } } query B { secrets }", "Query.secrets"),
        ("query A { test { output } } mutation B { secrets }", "Mutation.secrets"),
        ("subscription { test }", "Subscription.test"),
        ("mutation { mlflowGetRun { run { info { runId } } } }", "Mutation.mlflowGetRun"),
        ("{ ...F } fragment F on Query { secrets }", "Query.secrets"),
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { a: secrets }", "Query.secrets"),
        ("{ ... { secrets } }", "Query.secrets"),
        ("{ ... on Query { ... on Query { secrets } } }", "Query.secrets"),
        ("{ ... on Query { ...F } } fragment F on Query { secrets }", "Query.secrets"),
        ("{ secrets @skip(if: true) }", "Query.secrets"),
        ("{ ...F @include(if: false) } fragment F on Query { secrets }", "Query.secrets"),
        ("mutation { ...F } fragment F on Mutation { secrets }", "Mutation.secrets"),
        ("{ __schema { types { name } } }", "Query.__schema"),
        ('{ __type(name: "Query") { name } }', "Query.__type"),
        ("{ mlflowgetrun }", "Query.mlflowgetrun"),
        ("{ experiment }", "Query.experiment"),
    ],
    ids=[
        "a field",
        "under a listed name",
        "beside a listed one",
        "in the other operation",
        "in a mutation beside",
        "a subscription",
        "a query's field as a mutation",
        "in a fragment",
        "in a fragment's fragment",
        "in an inline fragment",
        "two inline fragments down",
        "in a fragment of an inline one",
        "skipped",
        "in a fragment that is left out",
        "in a mutation's fragment",
        "introspection",
        "introspection of a type",
        "in another case",
        "a field of another type",
    ],
)
def test_an_unlisted_field_is_found(document: str, found: str) -> None:
    assert unlisted_fields(document) == {found}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "no document",
        "{ ...F }",
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
        "{ test { ...F } } fragment F on Test { output { ...F } }",
        "{ ...F } fragment F on Query { test } fragment F on Query { secrets }",
        "{ a " * 5000,
        "{ " + "a " * LONGEST + "}",
    ],
    ids=[
        "empty",
        "cut off",
        "words",
        "an undefined fragment",
        "a fragment in itself",
        "two fragments in each other",
        "a cycle further down",
        "a fragment defined twice",
        "nested beyond the parser",
        "too long",
    ],
)
def test_a_document_that_could_be_read_two_ways_or_not_at_all_is_refused(document: str) -> None:
    with pytest.raises(BadRequest):
        unlisted_fields(document)


def test_a_document_as_long_as_allowed_is_read() -> None:
    document = "{ test }"
    assert unlisted_fields(document + "#" * (LONGEST - len(document))) == set()


def test_fields_are_spelled_as_the_schema_spells_them() -> None:
    assert all(field.count(".") == 1 and field == field.strip() for field in FIELDS)
