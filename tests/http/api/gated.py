"""The same site with the gate's early verdict in front."""

from __future__ import annotations

from datetime import timedelta

import flask

from mlflow_oidc_auth import context
from mlflow_oidc_auth.bridge.judge import Judge
from mlflow_oidc_auth.errors import Forbidden, NotFound, Unauthenticated
from mlflow_oidc_auth.gate import Gate
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Public
from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Level
from tests.http.api.site import NOW, PREFIX, Site

ENTRIES = {(entry.method, entry.path): entry for entry in OURS}


class GatedSite(Site):
    """The same with the gate's early verdict in front; who asks is in basic auth, as if by a browser session."""

    def _identify(self) -> None:
        rule = flask.request.url_rule
        entry = None if rule is None else ENTRIES[flask.request.method, rule.rule.removeprefix(PREFIX)]
        if entry is not None and isinstance(entry.requirement, Public):
            return
        sent = flask.request.authorization
        user = self.users.by_username(sent.username) if sent is not None and sent.username else None
        if user is None:
            raise Unauthenticated("Log in first.")
        if entry is None:
            raise NotFound("There is nothing at this address.")
        ids = frozenset(group.id for group in self.groups.of_user(user.id))
        credential = Credential(CredentialKind.SESSION, 1, NOW + timedelta(days=1))
        identity = Identity(user.id, user.username, user.display_name, user.is_admin, False, ids, credential)
        verdict = Gate(Judge(self.engine, Level.NO_PERMISSIONS), CreatePolicy(False)).early(identity, entry)
        if verdict is not None and not verdict:
            raise Forbidden(verdict.sentence)
        context.enter(context.Filtered(identity, "127.0.0.1"))
