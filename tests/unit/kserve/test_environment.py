"""What the environment must say, and that what is secret in it is never told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_oidc_auth.kserve.environment import read_environment
from mlflow_oidc_auth.kserve.failures import Failure, Status

USUAL = {
    "MLFLOW_TRACKING_URI": "https://mlflow.example.test/mlflow/",
    "MLFLOW_TRACKING_USERNAME": "robot",
    "MLFLOW_TRACKING_PASSWORD": "the-secret",
}

REFUSED = {
    "no address": {"MLFLOW_TRACKING_URI": ""},
    "a local folder": {"MLFLOW_TRACKING_URI": "file:///mlruns"},
    "an address with a password": {"MLFLOW_TRACKING_URI": "https://robot:the-secret@mlflow.example.test"},
    "an address with a query": {"MLFLOW_TRACKING_URI": "https://mlflow.example.test?x=1"},
    "no credentials": {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""},
    "no password": {"MLFLOW_TRACKING_PASSWORD": ""},
    "no username": {"MLFLOW_TRACKING_USERNAME": ""},
    "a certificate that is not there": {"MLFLOW_TRACKING_SERVER_CERT_PATH": "/nowhere/ca.crt"},
    "a bundle that is not there": {"CA_BUNDLE_CONFIGMAP_NAME": "ca", "CA_BUNDLE_VOLUME_MOUNT_POINT": "/nowhere"},
}


def test_the_address_has_no_slash_at_the_end_and_the_secret_no_representation() -> None:
    server = read_environment(USUAL)
    assert server.address == "https://mlflow.example.test/mlflow"
    assert server.authorization == "Basic cm9ib3Q6dGhlLXNlY3JldA=="
    assert "cm9ib3Q" not in repr(server)


def test_a_token_alone_will_do_and_name_and_password_go_before_it() -> None:
    alone = {"MLFLOW_TRACKING_URI": "http://mlflow", "MLFLOW_TRACKING_TOKEN": "the-token"}
    assert read_environment(alone).authorization == "Bearer the-token"
    assert read_environment(USUAL | alone).authorization.startswith("Basic ")


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_missing_or_contradicts_itself_is_named(what: str) -> None:
    with pytest.raises(Failure) as refused:
        read_environment(USUAL | REFUSED[what])
    assert refused.value.status is Status.CONFIGURATION
    assert any(name in refused.value.sentence for name in REFUSED[what])
    assert "the-secret" not in refused.value.sentence


def test_the_bundle_of_kserve_counts_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "cabundle.crt").write_text("no certificate")
    chosen = {"CA_BUNDLE_CONFIGMAP_NAME": "ca", "CA_BUNDLE_VOLUME_MOUNT_POINT": str(tmp_path)}
    server = read_environment(USUAL | chosen)
    assert server.more_certificates == tmp_path / "cabundle.crt"
    assert read_environment(USUAL | {**chosen, "CA_BUNDLE_CONFIGMAP_NAME": ""}).more_certificates is None
    with pytest.raises(Failure, match="cannot be read"):
        server.tls()
