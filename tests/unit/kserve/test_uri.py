"""Which addresses there are, what each asks for, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_oidc_auth.kserve.failures import Failure, Status
from mlflow_oidc_auth.kserve.uri import (
    Alias,
    Latest,
    LoggedModel,
    RegisteredModel,
    RunArtifacts,
    Stage,
    Version,
    parse,
)

ID = "m-" + "0f" * 16
RUN = "0bdb9a47145c4dc189493f512571d0fe"

ASKED = {
    "mlflow://models/m/3": RegisteredModel("m", Version(3)),
    "mlflow://models/m/007": RegisteredModel("m", Version(7)),
    "mlflow://models/m/latest": RegisteredModel("m", Latest()),
    "mlflow://models/m/LATEST": RegisteredModel("m", Latest()),
    "mlflow://models/m/staging": RegisteredModel("m", Stage.STAGING),
    "mlflow://models/m/Production": RegisteredModel("m", Stage.PRODUCTION),
    "mlflow://models/m/ARCHIVED": RegisteredModel("m", Stage.ARCHIVED),
    "mlflow://models/m/@champion": RegisteredModel("m", Alias("champion")),
    "mlflow://models/m/@production": RegisteredModel("m", Alias("production")),
    "mlflow://models/m/@1": RegisteredModel("m", Alias("1")),
    "mlflow://models/m/Champion": RegisteredModel("m", Alias("Champion")),
    "mlflow://models/m/1/": RegisteredModel("m", Version(1)),
    "mlflow://models/m/1/data/model.pkl": RegisteredModel("m", Version(1), ("data", "model.pkl")),
    "mlflow://models/a%20b%25%3F%40%23c/1": RegisteredModel("a b%?@#c", Version(1)),
    "mlflow://models/m%2525/1": RegisteredModel("m%25", Version(1)),
    "mlflow://models/gr%C3%BC%C3%9Fe/1": RegisteredModel("grüße", Version(1)),
    "mlflow://models/a@b/1": RegisteredModel("a@b", Version(1)),
    f"mlflow://models/{ID}": LoggedModel(ID),
    f"mlflow://models/{ID}/MLmodel": LoggedModel(ID, ("MLmodel",)),
    f"mlflow://models/{ID}/1": LoggedModel(ID, ("1",)),
    "mlflow://models/m-1/1": RegisteredModel("m-1", Version(1)),
    f"mlflow://runs/{RUN}/artifacts/model": RunArtifacts(RUN, ("model",)),
    f"mlflow://runs/{RUN}/model": RunArtifacts(RUN, ("model",)),
    f"mlflow://runs/{RUN}/artifacts/artifacts/x": RunArtifacts(RUN, ("artifacts", "x")),
    f"mlflow://runs/{RUN}/artifacts": RunArtifacts(RUN),
    f"mlflow://runs/{RUN}": RunArtifacts(RUN),
    f"mlflow://runs/{RUN}/a/artifacts/b": RunArtifacts(RUN, ("a", "artifacts", "b")),
}

REFUSED = {
    "nothing": "",
    "another scheme": "s3://models/m/1",
    "a scheme in capitals": "MLFLOW://models/m/1",
    "MLflow's own address": "models:/m/1",
    "no kind": "mlflow://",
    "an unknown kind": "mlflow://prompts/p/1",
    "a kind in capitals": "mlflow://Models/m/1",
    "no name": "mlflow://models",
    "no version": "mlflow://models/m",
    "version 0": "mlflow://models/m/0",
    "a version beyond every number": "mlflow://models/m/99999999999",
    "an empty alias": "mlflow://models/m/@",
    "an empty name": "mlflow://models//1",
    "an empty part": "mlflow://models/m/1//x",
    "two slashes at the end": "mlflow://models/m/1//",
    "up": "mlflow://models/m/1/../../x",
    "up, encoded": "mlflow://models/m/1/%2e%2e/x",
    "here": "mlflow://models/m/1/./x",
    "a slash, encoded": "mlflow://models/m/1/a%2Fb",
    "a slash in a name": "mlflow://models/a%2Fb/1",
    "a colon in a name": "mlflow://models/a%3Ab/1",
    "NUL": "mlflow://models/m/1/a%00b",
    "a line break": "mlflow://models/m/1/a%0Ab",
    "a backslash": "mlflow://models/m/1/a\\b",
    "a backslash, encoded": "mlflow://models/m/1/a%5Cb",
    "a query": "mlflow://models/m/1?x=1",
    "a fragment": "mlflow://models/m/1#x",
    "user info": "mlflow://alice:secret@models/m/1",
    "a port": "mlflow://models:80/m/1",
    "half an escape": "mlflow://models/m/1/a%2",
    "no UTF-8": "mlflow://models/m/1/%ff%fe",
    "no run": "mlflow://runs",
    "a run id with a dot": "mlflow://runs/a.b/x",
    "long": "mlflow://models/m/1/" + "x" * 5000,
}


@pytest.mark.parametrize("text", ASKED)
def test_an_address_asks_for_one_thing(text: str) -> None:
    assert parse(text) == ASKED[text]


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_address_is_refused_with_a_sentence(what: str) -> None:
    with pytest.raises(Failure) as refused:
        parse(REFUSED[what])
    assert refused.value.status is Status.USAGE
    assert "secret" not in refused.value.sentence
    assert len(refused.value.sentence) < 600


PARTS = st.lists(st.text(min_size=0, max_size=8), max_size=4)


@given(parts=PARTS, kind=st.sampled_from(["models", "runs", "x"]))
def test_whatever_is_sent_a_path_never_leads_out(parts: list[str], kind: str) -> None:
    try:
        wanted = parse(f"mlflow://{kind}/" + "/".join(parts))
    except Failure:
        return
    for part in wanted.path:
        assert part not in ("", ".", "..")
        assert not set("/\\\0\n") & set(part)
