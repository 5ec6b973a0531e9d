"""The story that must hold, word for word: real Keycloak, real server, real MLflow client.

On four makes of server: one and four workers, with and without a static prefix, SQLite and PostgreSQL.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.people import OUR_PAGE, SESSION_COOKIE, TIMEOUT, TOKENS, ClientFailed, People, Person
from tests.promises.wire import Wire, basic
from tests.provider import KeycloakBrowser, free_port
from tests.server import Servers

# 1. "First visit to /mlflow/ without a session: a login page with the button "Log in with Keycloak"."


def test_1_the_first_visit_shows_the_login_and_lands_where_it_wanted(corner: People) -> None:
    url, browser = corner.server.url, KeycloakBrowser()
    browser.headers.update({"Accept": "text/html", "User-Agent": "Mozilla/5.0", "Sec-Fetch-Mode": "navigate"})
    page = browser.get(f"{url}/", timeout=TIMEOUT)
    assert page.url.startswith(f"{url}/login")
    assert "Log in with Keycloak" in page.text
    start = browser.get(f"{url}/login/start", allow_redirects=False, timeout=TIMEOUT)
    for part in ("code_challenge_method=S256", "state=", "nonce=", "response_type=code"):
        assert part in start.headers["Location"]
    landed = browser.login(f"{url}/login/start", "alice", "alice-pw")
    assert landed.url == f"{url}/"
    assert "MLflow" in landed.text


def test_1_who_is_in_neither_group_gets_a_clear_page_and_no_session(corner: People) -> None:
    browser = KeycloakBrowser()
    page = browser.login(f"{corner.server.url}/login/start", "mallory", "mallory-pw")
    assert page.status_code == 403
    assert "prokube users" in page.text
    assert SESSION_COOKIE not in browser.cookies


# 2. "On the Permissions page "Create access key", choose an expiry, see the key once with everything to copy."


def test_2_the_permissions_page_makes_a_key_and_shows_it_once(corner: People) -> None:
    alice, url = corner.alice, corner.server.url
    page = alice.browser.get(f"{url}/permissions", timeout=TIMEOUT)
    assert page.status_code == 200
    assert re.search(r"Create access key|Replace access key", page.text), page.text[:2000]
    expires_at = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    form = {"expires_at": expires_at, "expires": expires_at, "days": "30"}
    made = alice.browser.post(f"{url}/permissions/keys", data=form, headers=OUR_PAGE, timeout=TIMEOUT)
    assert made.status_code == 200, made.text[:500]
    keys = set(re.findall(r"mlfpat_\w+", made.text))
    assert len(keys) == 1
    [key] = keys
    corner.server.secrets.add(key)
    assert made.headers["Cache-Control"] == "no-store"
    for what in (url, alice.email, "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        assert what in made.text, f"{what} is not there to be copied"
    assert key not in alice.browser.get(f"{url}/permissions", timeout=TIMEOUT).text
    answer = requests.get(f"{url}/version", auth=(alice.email, key), timeout=TIMEOUT)
    assert answer.status_code == 200
    new = alice.new_key()
    for _ in range(10):  # some of them on each worker
        assert requests.get(f"{url}/version", auth=(alice.email, key), timeout=TIMEOUT).status_code == 401
        assert requests.get(f"{url}/version", auth=(alice.email, new), timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize("days", [0, 366 + 1])
def test_2_an_expiry_of_more_than_a_year_is_refused(people: People, days: int) -> None:
    body = {"expires_at": (datetime.now(UTC) + timedelta(days=days)).date().isoformat()}
    answer = people.bob.browser.post(f"{people.server.url}/{TOKENS}", json=body, headers=OUR_PAGE, timeout=TIMEOUT)
    if days:
        assert answer.status_code == 400, answer.text
    else:  # today still has an end
        assert answer.status_code in (200, 400), answer.text


# 3. "the MLflow client works as before".

CLIENT = """
import json, os, sys, tempfile
import mlflow
from mlflow import MlflowClient

name = os.environ["STORY"]
experiment = mlflow.set_experiment(name)
client = MlflowClient()

with mlflow.start_run() as run:
    mlflow.log_params({"a": 1, "b": "two"})
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_metrics({"loss": 0.25}, step=2)
    mlflow.set_tag("colour", "blue")
    mlflow.log_text("hello", "folder/greeting.txt")
    from sklearn.linear_model import LinearRegression
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    info = mlflow.sklearn.log_model(model, name="line", registered_model_name=name + "-model",
                                    input_example=[[0.0]], pip_requirements=["scikit-learn"])
print("user", client.get_run(run.info.run_id).info.user_id)
print("metrics", [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")])
print("runs", len(mlflow.search_runs(experiment_names=[name])))
print("artifact", open(mlflow.artifacts.download_artifacts(
    run_id=run.info.run_id, artifact_path="folder/greeting.txt", dst_path=tempfile.mkdtemp())).read())

client.set_registered_model_alias(name + "-model", "champion", 1)
loaded = mlflow.sklearn.load_model(f"models:/{name}-model@champion")
print("predicts", round(float(loaded.predict([[2.0]])[0]), 3))
print("versions", [version.version for version in client.search_model_versions(f"name='{name}-model'")])
print("models", [model.name for model in client.search_registered_models(f"name='{name}-model'")])

prompt = mlflow.genai.register_prompt(name=name + "-prompt", template="Say {{what}}")
mlflow.genai.register_prompt(name=name + "-prompt", template="Shout {{what}}")
print("prompt", mlflow.genai.load_prompt(f"prompts:/{name}-prompt/2").format(what="hi"))
print("prompts", [found.name for found in mlflow.genai.search_prompts(f"name='{name}-prompt'")])

@mlflow.trace
def answer(question):
    with mlflow.start_span("think") as span:
        span.set_inputs({"q": question})
        span.set_outputs({"a": "42"})
    return "42"

answer("why?")
mlflow.flush_trace_async_logging(terminate=False)
traces = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
print("traces", len(traces), [span.name for span in traces[0].data.spans])
mlflow.log_feedback(trace_id=traces[0].info.trace_id, name="good", value=True)
print("feedback", mlflow.get_trace(traces[0].info.trace_id).info.assessments[0].name)
print("experiment", experiment.experiment_id)
print("run", run.info.run_id)
"""

EXPECTED = {
    "user": "alice@example.test",
    "metrics": "[0.5, 0.25]",
    "runs": "1",
    "artifact": "hello",
    "predicts": "2.0",
    "versions": "['1']",
    "prompt": "Shout hi",
    "feedback": "good",
}


def told(printed: str) -> dict[str, str]:
    """What the client process printed, by the first word of the line; the client's own lines begin with a picture."""
    return dict(line.split(" ", 1) for line in printed.splitlines() if line[:1].isascii() and " " in line)


def run_story(person: Person, name: str, **environment: str) -> dict[str, str]:
    """The whole client story as one person, in a process of its own."""
    return told(person.run(CLIENT, environment={**person.environment(), "STORY": name, **environment}))


def test_3_the_client_works_as_before_and_4_nobody_else_sees_any_of_it(corner: People) -> None:
    name = f"story-{secrets.token_hex(4)}"
    seen = run_story(corner.alice, name)
    assert {key: seen.get(key) for key in EXPECTED} == EXPECTED
    assert seen["models"] == f"['{name}-model']"
    assert seen["prompts"] == f"['{name}-prompt']"
    assert seen["traces"] in ("1 ['answer', 'think']",)
    _nobody_else_sees(corner, name, seen["experiment"], seen["run"])


def _nobody_else_sees(people: People, name: str, experiment: str, run: str) -> None:
    """4. "nobody else sees it ...; `prokube admins` see and manage everything"."""
    models = f"name LIKE '{name}%'"
    for person, visible in ((people.carol, False), (people.root, True)):
        found = person.must(
            "POST", "2.0/mlflow/experiments/search", json={"filter": f"name = '{name}'", "max_results": 9}
        )
        assert bool(found.get("experiments")) is visible
        found = person.must("GET", "2.0/mlflow/registered-models/search", params={"filter": models})
        assert bool(found.get("registered_models")) is visible
        body = {"experiment_ids": [experiment]}
        assert bool(person.must("POST", "2.0/mlflow/runs/search", json=body).get("runs")) is visible
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        found = person.must("POST", "3.0/mlflow/traces/search", json={"locations": [location], "max_results": 9})
        assert bool(found.get("traces")) is visible
        path = (
            f"{people.server.host}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/folder/greeting.txt"
        )
        artifact = requests.get(path, auth=(person.email, person.key()), timeout=TIMEOUT)
        assert (artifact.status_code, artifact.text == "hello") == ((200, True) if visible else (403, False))
        document = f'{{ mlflowGetRun(input: {{runId: "{run}"}}) {{ run {{ data {{ params {{ value }} }} }} }} }}'
        graphql = person.ask("POST", "graphql", json={"query": document})
        assert ('"two"' in graphql.text) is visible
        get = person.api("GET", "2.0/mlflow/registered-models/get", params={"name": f"{name}-model"})
        assert get.ok is visible
    people.root.must(
        "POST",
        "2.0/mlflow/experiments/set-experiment-tag",
        json={"experiment_id": experiment, "key": "a", "value": "b"},
    )


SHORT = """
import os, mlflow
mlflow.set_experiment(os.environ["STORY"])
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1)
    mlflow.log_text("x", "t.txt")
print("read", mlflow.artifacts.load_text(run.info.artifact_uri + "/t.txt"))
print("user", mlflow.MlflowClient().get_run(run.info.run_id).info.user_id)
"""


@pytest.mark.parametrize("variant", ["trailing-slash", "token", "credentials-in-the-address", "credentials-file"])
def test_3_other_ways_to_say_who_one_is(people: People, variant: str) -> None:
    alice, url = people.alice, people.server.url
    usual = alice.environment()
    environment = {
        "trailing-slash": {**usual, "MLFLOW_TRACKING_URI": f"{url}/"},
        "token": {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": alice.key()},
        "credentials-in-the-address": {**usual, "MLFLOW_TRACKING_USERNAME": alice.email.upper()},
        "credentials-file": {"MLFLOW_TRACKING_URI": url},
    }[variant]
    if variant == "credentials-file":
        file = people.server.folder / ".mlflow" / "credentials"
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            f"[mlflow]\nmlflow_tracking_username = {alice.email}\nmlflow_tracking_password = {alice.key()}\n"
        )
    seen = told(alice.run(SHORT, environment={**environment, "STORY": f"ways-{variant}-{secrets.token_hex(3)}"}))
    assert seen == {"read": "x", "user": alice.email}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3-like store with one bucket; its address."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="artifacts")
    yield address
    store.stop()


@pytest.fixture(scope="module")
def on_s3(servers: Servers, bucket: str) -> Iterator[People]:
    """Everybody, on a server that keeps artifacts in an S3-like store."""
    environment = {
        "MLFLOW_S3_ENDPOINT_URL": bucket,
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server = servers.start(environment=environment, artifacts="s3://artifacts/root")
    yield People(server, servers.keycloak)
    servers.stop(server)


BIG = """
import os, tempfile, pathlib, mlflow
mlflow.set_experiment(os.environ["STORY"])
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "big.bin").write_bytes(b"0123456789abcdef" * (12 * 1024 * 1024 // 16))
with mlflow.start_run() as run:
    mlflow.log_artifact(str(folder / "big.bin"), "data")
got = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="data/big.bin",
                                                       dst_path=tempfile.mkdtemp()))
print("same", got.read_bytes() == (folder / "big.bin").read_bytes())
print("experiment", run.info.experiment_id)
print("run", run.info.run_id)
"""


def test_3_artifacts_in_parts_and_by_presigned_address(on_s3: People, bucket: str) -> None:
    """The client uploads 12 MB in three parts and downloads by presigned addresses, all through the gate."""
    alice, carol = on_s3.alice, on_s3.carol
    environment = {
        **alice.environment(),
        "STORY": f"parts-{secrets.token_hex(4)}",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(6 * 1024 * 1024),
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 * 1024 * 1024),
        "MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE": str(6 * 1024 * 1024),
        "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(5 * 1024 * 1024),
    }
    before = len(on_s3.server.log())
    seen = told(alice.run(BIG, environment=environment))
    assert seen["same"] == "True"
    log = on_s3.server.log()[before:]
    assert "mlflow-artifacts/mpu/create/" in log
    assert "mlflow-artifacts/mpu/complete/" in log
    path = f"{seen['experiment']}/{seen['run']}/artifacts/data/big.bin"
    mine = alice.api("GET", f"2.0/mlflow-artifacts/presigned/{path}")
    assert mine.status_code == 200, mine.text
    assert mine.json()["url"].startswith(bucket)
    for method, operation, body in (
        ("GET", "presigned", None),
        ("POST", "mpu/create", {"path": "big.bin", "num_parts": 2}),
        ("POST", "mpu/complete", {"path": "big.bin", "upload_id": "u", "parts": []}),
        ("POST", "mpu/abort", {"path": "big.bin", "upload_id": "u"}),
    ):
        theirs = carol.api(method, f"2.0/mlflow-artifacts/{operation}/{path}", json=body)
        assert theirs.status_code == 403, f"{operation}: {theirs.text}"
        assert bucket not in theirs.text
    _, run = seen["experiment"], seen["run"]
    for operation in ("presigned-download-url", "presigned-upload-url"):
        theirs = carol.api("POST", f"2.0/mlflow/artifacts/{operation}", json={"run_id": run, "path": "data/big.bin"})
        assert theirs.status_code == 403, f"{operation}: {theirs.text}"


# 4. "Who creates an experiment, model or prompt has MANAGE on it": also `test_ownership.py`, `test_a_stranger_...`.
# 5. "A name that a stranger took": `test_names.py`.

# 6. "Wrong, expired, revoked, disabled: 401 JSON with WWW-Authenticate: Basic, never a redirect. Valid but not
#    permitted: 403. Log out ends the session here and at Keycloak": also `test_nothing_...`, `test_sessions.py`.


def test_6_a_wrong_key_is_401_and_what_is_not_permitted_403(corner: People) -> None:
    wire, prefix = Wire(corner.server), corner.server.static_prefix
    for headers in ({}, basic("alice@example.test", "wrong"), {"Authorization": "Bearer wrong"}):
        answer = wire.ask("GET", f"{prefix}/api/2.0/mlflow/experiments/get?experiment_id=0", headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert answer.error_code == "UNAUTHENTICATED"
    good = basic(corner.alice.email, corner.alice.key())
    answer = wire.ask("GET", f"{prefix}/api/2.0/mlflow/experiments/get?experiment_id=0", good)
    assert answer.status == 403
    assert answer.error_code == "PERMISSION_DENIED"


def test_6_the_client_shows_the_servers_sentence(people: People) -> None:
    code = "import mlflow; mlflow.MlflowClient().get_experiment('0')"
    with pytest.raises(ClientFailed, match=r"PERMISSION_DENIED.*READ on this experiment"):
        people.carol.run("import mlflow; mlflow.MlflowClient().get_experiment('99999')")
    wrong = {**people.carol.environment(), "MLFLOW_TRACKING_PASSWORD": "wrong"}
    with pytest.raises(ClientFailed, match=r"send a valid access key|401"):
        people.carol.run(code, environment=wrong)


def test_6_logout_ends_the_session_here_and_at_keycloak(corner: People) -> None:
    browser = corner.bob.new_browser()
    kept = {SESSION_COOKIE: browser.cookies[SESSION_COOKIE]}
    out = browser.get(f"{corner.server.url}/logout", timeout=TIMEOUT)
    assert "You are logged out" in out.text
    who = f"{corner.server.url}/ajax-api/2.0/mlflow/users/current"
    assert requests.get(who, cookies=kept, timeout=TIMEOUT).status_code == 401
    assert "kc-form-login" in browser.get(f"{corner.server.url}/login/start", timeout=TIMEOUT).text
    corner.bob.__dict__.pop("browser", None)


def test_6_keycloaks_back_channel_logout_ends_it_from_there(corner: People, servers: Servers) -> None:
    servers.told_of_logouts(corner.server)
    browser = corner.bob.new_browser()
    who = f"{corner.server.url}/ajax-api/2.0/mlflow/users/current"
    assert browser.get(who, timeout=TIMEOUT).status_code == 200
    servers.keycloak.log_out("bob")
    for _ in range(8):  # some of them on each worker
        answer = requests.get(who, cookies=dict(browser.cookies), timeout=TIMEOUT)
        assert answer.status_code == 401
    corner.bob.__dict__.pop("browser", None)


def test_the_servers_wrote_no_traceback_and_no_secret(corner: People) -> None:
    """Comes last, so that it reads the log of all that went before."""
    assert corner.server.tracebacks() == []
    assert corner.server.leaked() == []
