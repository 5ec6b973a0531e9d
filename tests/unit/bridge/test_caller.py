"""Who calls: a person's browser or a program, and whether a page of ours asked."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_oidc_auth.bridge.caller import Caller

CHROME = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156"}
NAVIGATION = {**CHROME, "sec-fetch-mode": "navigate", "sec-fetch-site": "none", "accept": "text/html,*/*"}
AJAX = {**CHROME, "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin", "accept": "*/*"}


def caller(path: str = "/mlflow/", method: str = "GET", query: str = "", **headers: str) -> Caller:
    named = {"host": "mlflow.example.test", **headers}
    scope: dict[str, Any] = {
        "method": method,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
        "scheme": "https",
        "client": ("192.0.2.7", 4711),
    }
    return Caller.of(scope, path, "/mlflow")


@pytest.mark.parametrize(
    ("path", "headers", "opens_a_page"),
    [
        pytest.param("/mlflow/", NAVIGATION, True, id="a browser's address bar"),
        pytest.param("/mlflow/permissions", NAVIGATION, True, id="a link to a page of ours"),
        pytest.param("/mlflow/", {"accept": "text/html"}, True, id="an old browser, without fetch metadata"),
        pytest.param("/mlflow/", {"accept": "*/*"}, False, id="a program that takes anything"),
        pytest.param("/mlflow/", AJAX, False, id="a script's call"),
        pytest.param("/mlflow/ajax-api/2.0/mlflow/users/current", NAVIGATION, False, id="the API in the address bar"),
        pytest.param("/mlflow/api/2.0/mlflow/runs/get", {"accept": "text/html"}, False, id="the API, html welcome"),
        pytest.param("/api/2.0/mlflow-artifacts/artifacts/1/x", NAVIGATION, False, id="the unprefixed artifact proxy"),
        pytest.param("/mlflow/graphql", NAVIGATION, False, id="GraphQL"),
        pytest.param("/mlflow/", {**NAVIGATION, "authorization": "Basic x"}, False, id="a credential for programs"),
    ],
)
def test_only_a_document_opens_a_page(path: str, headers: dict[str, str], opens_a_page: bool) -> None:
    assert caller(path, **headers).opens_a_page is opens_a_page


@pytest.mark.parametrize(
    ("headers", "is_browser"),
    [
        pytest.param(AJAX, True, id="a script's call"),
        pytest.param(CHROME, True, id="a script's call over plain http, without fetch metadata"),
        pytest.param({"user-agent": "mlflow-python-client/3.17.2"}, False, id="MLflow's client"),
        pytest.param({}, False, id="no user agent"),
        pytest.param({**AJAX, "authorization": "Basic x"}, False, id="a credential for programs"),
    ],
)
def test_a_browser_is_known_by_what_only_browsers_send(headers: dict[str, str], is_browser: bool) -> None:
    assert caller(**headers).is_browser is is_browser


OURS = "https://mlflow.example.test"


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        pytest.param({"sec-fetch-site": "same-origin"}, True, id="fetch metadata says so"),
        pytest.param({"sec-fetch-site": "same-site", "origin": OURS}, False, id="another host of the domain"),
        pytest.param({"sec-fetch-site": "cross-site", "origin": OURS}, False, id="another site"),
        pytest.param({"sec-fetch-site": "none"}, False, id="nobody's page"),
        pytest.param({"origin": OURS}, True, id="our origin"),
        pytest.param({"origin": "https://MLFLOW.example.test"}, False, id="our origin in other letters"),
        pytest.param({"origin": "http://mlflow.example.test"}, False, id="our host, another scheme"),
        pytest.param({"origin": f"{OURS}:8443"}, False, id="our host, another port"),
        pytest.param({"origin": f"{OURS}.evil.test"}, False, id="a longer host"),
        pytest.param({"origin": "https://front.example.test"}, True, id="the configured origin"),
        pytest.param({"origin": "null"}, False, id="a sandbox"),
        pytest.param({"origin": ""}, False, id="an empty origin"),
        pytest.param({"referer": f"{OURS}/permissions"}, False, id="a referrer only"),
        pytest.param({}, False, id="nothing"),
    ],
)
def test_a_write_by_cookie_counts_only_from_a_page_of_ours(headers: dict[str, str], ours: bool) -> None:
    assert caller(method="POST", **headers).asked_by_our_page("https://front.example.test") is ours


def test_the_address_to_come_back_to_has_path_and_query() -> None:
    assert caller("/mlflow/a b", query="x=1&y=%2F").here == "/mlflow/a%20b?x=1&y=%2F"


@pytest.mark.parametrize(("method", "writes"), [("GET", False), ("HEAD", False), ("POST", True), ("PATCH", True)])
def test_what_may_change_something_writes(method: str, writes: bool) -> None:
    assert caller(method=method).writes is writes
