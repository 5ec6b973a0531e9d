"""The form of a refusal: for a program, for a browser's call, for a person."""

from __future__ import annotations

import json
import logging

import pytest
from werkzeug.wrappers import Response

from mlflow_oidc_auth.bridge.answers import Answers
from mlflow_oidc_auth.errors import Forbidden, Refusal, Unauthenticated, Unavailable
from tests.unit.bridge.test_caller import AJAX, NAVIGATION, caller

API = "/mlflow/api/2.0/mlflow/experiments/get"


class Pages:
    """Renders nothing but the status."""

    def error(self, refusal: Refusal) -> Response:
        return Response(f"page: {refusal.message}", status=refusal.status, mimetype="text/html")


@pytest.fixture
def answers() -> Answers:
    return Answers(Pages(), "/mlflow")


def test_a_program_without_a_credential_gets_json_and_a_challenge(answers: Answers) -> None:
    answer = answers.to(Unauthenticated("Log in."), caller(API))
    assert answer.status_code == 401
    assert json.loads(answer.get_data()) == {"error_code": "UNAUTHENTICATED", "message": "Log in."}
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_browsers_own_call_gets_no_challenge_that_would_open_a_password_window(answers: Answers) -> None:
    answer = answers.to(Unauthenticated("Log in."), caller("/mlflow/ajax-api/2.0/mlflow/users/current", **AJAX))
    assert answer.status_code == 401
    assert "WWW-Authenticate" not in answer.headers


def test_a_person_is_sent_to_the_login_and_back(answers: Answers) -> None:
    answer = answers.to(Unauthenticated("Log in."), caller("/mlflow/permissions", query="page=2", **NAVIGATION))
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/mlflow/login?next=%2Fmlflow%2Fpermissions%3Fpage%3D2"


def test_a_form_that_a_person_sent_is_not_redirected(answers: Answers) -> None:
    answer = answers.to(Unauthenticated("Log in."), caller("/mlflow/permissions/keys", "POST", **NAVIGATION))
    assert (answer.status_code, answer.get_data(as_text=True)) == (401, "page: Log in.")


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
def test_the_api_never_redirects(answers: Answers, accept: str) -> None:
    for refusal in (Unauthenticated("a"), Forbidden("b"), Unavailable("c")):
        assert answers.to(refusal, caller(API, accept=accept)).status_code == refusal.status


def test_a_store_that_fails_says_when_to_come_back(answers: Answers) -> None:
    assert answers.to(Unavailable("Later."), caller(API)).headers["Retry-After"] == "5"


def test_the_log_tells_the_cause_and_the_answer_does_not(answers: Answers, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answer = answers.to(Unauthenticated("Log in.", detail="expired"), caller(API, query="token=s3cret"))
    assert "expired" in caplog.text
    assert "expired" not in answer.get_data(as_text=True)
    assert "s3cret" not in caplog.text


def test_a_path_cannot_forge_a_line_of_the_log(answers: Answers, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        answers.to(Forbidden("No."), caller("/mlflow/x\n200 GET /mlflow/: fine"))
    assert "\n200" not in caplog.text.strip("\n")
