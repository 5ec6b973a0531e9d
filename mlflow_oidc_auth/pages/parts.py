"""What our pages are made of: one of each store, joined by `app.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mlflow_oidc_auth.accounts.groups import GroupStore
from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore
from mlflow_oidc_auth.accounts.users import UserStore
from mlflow_oidc_auth.audit import AuditLog
from mlflow_oidc_auth.grants.asked import Asked, Judging, Resources
from mlflow_oidc_auth.grants.listing import GrantListing
from mlflow_oidc_auth.grants.requests import RequestStore
from mlflow_oidc_auth.grants.store import GrantStore
from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.permissions.explain import Explainer
from mlflow_oidc_auth.settings import Settings
from mlflow_oidc_auth.tokens.store import TokenStore
from mlflow_oidc_auth.web.addresses import origin_of, own_address
from mlflow_oidc_auth.web.page import Pages


@dataclass(frozen=True, slots=True)
class Parts:
    """The stores, the pages' renderer, and what all of them are told.

    Attributes:
        resources: what MLflow knows of its experiments, models and prompts.
        judge: the expression that every check uses.
        prefix: the static prefix, empty or `/path`.
        clock: the moment, UTC.
    """

    engine: sa.Engine
    settings: Settings
    prefix: str
    clock: Callable[[], datetime]
    pages: Pages
    users: UserStore
    groups: GroupStore
    service_accounts: ServiceAccountStore
    sessions: SessionStore
    tokens: TokenStore
    grants: GrantStore
    listing: GrantListing
    resources: Resources
    judge: Judging
    requests: RequestStore
    explainer: Explainer
    audit: AuditLog

    @property
    def asked(self) -> Asked:
        """What requests for grants name, looked up."""
        return Asked(self.users, self.groups, self.resources, self.judge, self.clock)

    def address(self, host_url: str) -> str:
        """The address of this server as clients are to name it.

        Args:
            host_url: what the browser asked for; counts where OIDC_REDIRECT_URI says nothing.
        """
        configured = self.settings.oidc_redirect_uri
        return own_address(origin_of(configured) if configured else host_url, self.prefix, "")
