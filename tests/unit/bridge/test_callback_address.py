"""The provider sends browsers back to where this server answers."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.bridge.server import refuse_other_callback
from mlflow_oidc_auth.errors import StartRefused


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        (None, "/mlflow"),
        ("https://mlflow.example.test/mlflow/callback", "/mlflow"),
        ("https://mlflow.example.test/callback", ""),
    ],
)
def test_a_callback_of_this_server_is_taken(address: str | None, prefix: str) -> None:
    refuse_other_callback(address, prefix)


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("https://mlflow.example.test/other/callback", "/mlflow"),
        ("https://mlflow.example.test/callback", "/mlflow"),
        ("https://mlflow.example.test/mlflow/callback", ""),
    ],
)
def test_a_callback_that_nobody_answers_stops_the_start(address: str, prefix: str) -> None:
    with pytest.raises(StartRefused, match="OIDC_REDIRECT_URI"):
        refuse_other_callback(address, prefix)
