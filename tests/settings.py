"""Settings as a server for `prokube users` and `prokube admins` has them."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from mlflow_oidc_auth.settings import Settings

SECRET_KEY = "a secret key that is long enough for tests"
SESSION = "mlflow_oidc_session"

_USUAL: dict[str, Any] = {
    "oidc_discovery_url": "http://127.0.0.1:9/.well-known/openid-configuration",
    "oidc_client_id": "mlflow",
    "oidc_group_name": ("prokube users",),
    "oidc_admin_group_name": ("prokube admins",),
    "oidc_http_timeout_seconds": 2.0,
    "session_cookie_name": SESSION,
    "secret_key": SecretStr(SECRET_KEY),
}


def settings(**changes: Any) -> Settings:
    """The usual settings, with changes."""
    return Settings(**_USUAL | changes)
