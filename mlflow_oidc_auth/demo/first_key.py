"""An access key for the block to copy: somebody logs in as a browser does, makes one, and logs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests

from mlflow_oidc_auth.demo.people import Person
from mlflow_oidc_auth.errors import StartRefused

_TOKENS = "ajax-api/2.0/mlflow/users/current/tokens"
_DAYS = 30
_SECONDS = 20


def first_key(base: str, person: Person) -> str:
    """A new access key of `person` on the server at `base`, where the demo's login service asks no password.

    Raises:
        StartRefused: the server did not make one.
    """
    with _logged_in(base, person) as browser:
        expires_at = (datetime.now(UTC) + timedelta(days=_DAYS)).date().isoformat()
        own_page = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(base))}
        answer = browser.post(f"{base}/{_TOKENS}", json={"expires_at": expires_at}, headers=own_page, timeout=_SECONDS)
        if not answer.ok:
            raise StartRefused(f"MLflow made no access key for {person.name} (HTTP {answer.status_code}).")
        return str(answer.json()["token"])


def introduce(base: str, person: Person) -> None:
    """Log in as `person` once: whom the server does not know, nobody can share with."""
    with _logged_in(base, person):
        pass


@contextmanager
def _logged_in(base: str, person: Person) -> Iterator[requests.Session]:
    """A browser that is logged in, and logs out."""
    with requests.Session() as browser:
        login_page = browser.get(f"{base}/login/start", timeout=_SECONDS)
        browser.post(login_page.url, data={"person": person.name}, timeout=_SECONDS)
        yield browser
        browser.get(f"{base}/logout", timeout=_SECONDS)
