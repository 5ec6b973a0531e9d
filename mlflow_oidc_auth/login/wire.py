"""Asking the provider over HTTP: with a timeout, without redirects, TLS checked as the settings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from mlflow_oidc_auth.login.failures import ProviderDown


@dataclass(frozen=True, slots=True)
class ProviderWire:
    """How the provider is asked.

    SECURITY: redirects are not followed. The addresses come from a checked document, and what they
    answer decides who gets in.
    """

    verify: bool
    timeout_seconds: float

    def json(self, url: str) -> dict[str, Any]:
        """The JSON object at `url`.

        Raises:
            ProviderDown: no answer, an error status, or something else than a JSON object.
        """
        try:
            answer = requests.get(
                url,
                headers={"Accept": "application/json"},
                timeout=self.timeout_seconds,
                verify=self.verify,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ProviderDown(f"{url}: {type(error).__name__}") from error
        if answer.status_code != requests.codes.ok:
            raise ProviderDown(f"{url}: HTTP {answer.status_code}")
        try:
            body = answer.json()
        except ValueError as error:
            raise ProviderDown(f"{url}: not JSON") from error
        if not isinstance(body, dict):
            raise ProviderDown(f"{url}: not a JSON object")
        return body
