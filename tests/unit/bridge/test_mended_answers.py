"""What MLflow would do by itself and must not: fetch catalogues from elsewhere, show SQL in an answer."""

from __future__ import annotations

import flask
import pytest

from mlflow_oidc_auth.bridge.flask_side import _leave_sql_out
from mlflow_oidc_auth.bridge.server import use_shipped_catalogues


def test_catalogues_are_the_shipped_ones_unless_the_operator_chose() -> None:
    silent: dict[str, str] = {}
    use_shipped_catalogues(silent)
    assert silent == {"MLFLOW_MODEL_CATALOG_URI": ""}
    chosen = {"MLFLOW_MODEL_CATALOG_URI": "file:///catalogues"}
    use_shipped_catalogues(chosen)
    assert chosen == {"MLFLOW_MODEL_CATALOG_URI": "file:///catalogues"}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "Experiment(name=a) already exists. Error: (sqlite3.IntegrityError) UNIQUE",
            "Experiment(name=a) already exists.",
        ),
        ("(psycopg.errors.DataError) a NUL [SQL: SELECT 1]", "The database does not take this."),
        ("Could not find experiment with ID 7", "Could not find experiment with ID 7"),
    ],
)
def test_no_answer_holds_the_databases_own_words(message: str, shown: str) -> None:
    with flask.Flask("answers").app_context():
        response = flask.jsonify(error_code="INVALID_PARAMETER_VALUE", message=message)
        _leave_sql_out(response)
        assert response.get_json() == {"error_code": "INVALID_PARAMETER_VALUE", "message": shown}
