"""Our JSON of users and grants alone, in a small Flask app on the real engine with MLflow's tables.

Who asks is who the request names: the gate in front of it is tested elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import sqlalchemy as sa
from mlflow.store.model_registry.dbmodels import models as _registry_models  # noqa: F401 - maps its classes
from mlflow.store.tracking.dbmodels.models import Base
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from mlflow_oidc_auth import context
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.app import blueprints, join
from mlflow_oidc_auth.bridge.resources import experiments, registered_model_tags, registered_models
from mlflow_oidc_auth.database.tables import audit_records, experiment_grants, groups, named_grants, pattern_grants
from mlflow_oidc_auth.errors import Refusal
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.operations.table import PROMPT_TAG
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Kind, Level
from tests.settings import settings

PREFIX = "/mlflow"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ISSUER = "https://id.example.test"

USERS, READERS, GUESTS, ADMINS = "/prokube users", "/readers", "/guests", "/prokube admins"
GROUPS = {
    "alice": {USERS},
    "bob": {USERS, READERS},
    "carol": {GUESTS},
    "dave": {USERS},
    "mallory": set(),
    "root": {ADMINS},
}

CURRENT = "2.0/mlflow/users/current"
LIST_USERS = "2.0/mlflow/users/list"
GET_USER = "2.0/mlflow/users/get"
MY_PERMISSIONS = "3.0/mlflow/users/current/permissions"
ROLES = "3.0/mlflow/users/roles/list"
LIST = "3.0/mlflow/users/permissions/list"
GET = "3.0/mlflow/users/permissions/get"
GRANT = "3.0/mlflow/users/permissions/grant"
ROLE_LIST = "3.0/mlflow/roles/list"
ROLE = "3.0/mlflow/roles/get"
ROLE_PERMISSIONS = "3.0/mlflow/roles/permissions/list"
ROLE_USERS = "3.0/mlflow/roles/users/list"
REVOKE = "3.0/mlflow/users/permissions/revoke"
GRANTS = "2.0/mlflow/grants"
PREVIEW = "2.0/mlflow/grants/preview"


@dataclass(frozen=True)
class Made:
    """What alice made, one of each kind, and how a request names it."""

    kind: Kind
    key: str

    @property
    def fields(self) -> dict[str, str]:
        """As a request names it."""
        return {"resource_type": str(self.kind), "resource_id": self.key}


EXPERIMENT = Made(Kind.EXPERIMENT, "7")
MODEL = Made(Kind.REGISTERED_MODEL, "forecast")
PROMPT = Made(Kind.PROMPT, "greeting")
EVERY_KIND = (EXPERIMENT, MODEL, PROMPT)

MISSING = {Kind.EXPERIMENT: "4711", Kind.REGISTERED_MODEL: "no such model", Kind.PROMPT: "no such prompt"}


def email(name: str) -> str:
    """How somebody logs in."""
    return f"{name}@example.test"


class Person:
    """Somebody who asks."""

    def __init__(self, site: Site, name: str) -> None:
        self._site, self._name = site, name
        self._client = site.app.test_client()

    def get(self, path: str, **query: Any) -> TestResponse:
        """A GET with these parameters."""
        return self._client.get(f"{PREFIX}/api/{path}", query_string=query, auth=(email(self._name), "key"))

    def post(self, path: str, body: Any = None, *, raw: bytes | None = None) -> TestResponse:
        """A POST of an object as JSON, or of raw bytes that claim to be."""
        sent: dict[str, Any] = {"json": body} if raw is None else {"data": raw, "content_type": "application/json"}
        return self._client.post(f"{PREFIX}/api/{path}", auth=(email(self._name), "key"), **sent)

    def ask(self, method: str, path: str, fields: dict[str, Any]) -> TestResponse:
        """One operation, with its fields where the method has them."""
        if method == "GET":
            return self.get(path, **fields)
        address, auth = f"{PREFIX}/api/{path}", (email(self._name), "key")
        return self._client.open(address, method=method, json=fields, auth=auth)

    def send(self, method: str, path: str, raw: bytes) -> TestResponse:
        """Raw bytes that claim to be JSON."""
        address, auth = f"{PREFIX}/api/{path}", (email(self._name), "key")
        return self._client.open(address, method=method, data=raw, content_type="application/json", auth=auth)

    def level_of(self, name: str, on: Made) -> str:
        """What the API says somebody may do; "refused" where it does not say."""
        answer = self.get(GET, username=email(name), **on.fields)
        return str(answer.json["permission"]) if answer.status_code == 200 else "refused"  # type: ignore[index]


class Site:
    """A server that knows nothing but users and grants. alice owns one of each kind."""

    def __init__(self, engine: sa.Engine, default: Level = Level.NO_PERMISSIONS) -> None:
        self.engine = engine
        parts = join(engine, settings(default_mlflow_permission=default), PREFIX, lambda: NOW)
        self.users, self.groups, self.grants = parts.users, parts.groups, parts.grants
        Base.metadata.create_all(engine, tables=[experiments, registered_models, registered_model_tags])
        self.people = {name: self._log_in(name) for name in GROUPS}
        self.users.disable(self.people["dave"].id, NOW)
        self._make_resources()
        self.app = flask.Flask("site")
        self.app.before_request(self._identify)
        self.app.teardown_request(lambda _error: context.enter(None) and None)
        self.app.register_error_handler(Refusal, lambda refusal: (refusal.body(), refusal.status))
        for blueprint in blueprints(parts):
            self.app.register_blueprint(blueprint, url_prefix=PREFIX)

    def person(self, name: str) -> Person:
        """Somebody with a login."""
        return Person(self, name)

    def grant(
        self,
        on: Made,
        level: Level,
        *,
        user: str | None = None,
        group: str | None = None,
        until: datetime | None = None,
    ) -> None:
        """Write a grant down, without asking anybody."""
        of = {"name": on.key} if on.kind.named else {"experiment_id": int(on.key)}
        self._write(named_grants if on.kind.named else experiment_grants, of, level, user, group, until)

    def grant_pattern(
        self, kind: Kind, prefix: str, level: Level, *, user: str | None = None, group: str | None = None
    ) -> None:
        """Write a grant on a pattern down."""
        of = {"kind": str(Kind.REGISTERED_MODEL if kind.named else kind), "prefix": prefix}
        self._write(pattern_grants, of, level, user, group, None)

    def make_model(self, name: str) -> None:
        """One more, of nobody."""
        with self.engine.begin() as connection:
            connection.execute(registered_models.insert().values(name=name, workspace="default"))

    def group_id(self, name: str) -> int:
        """The id of a group."""
        found = self.groups.by_name(name)
        assert found is not None
        return found.id

    def everything(self) -> list[Any]:
        """All that a change could change."""
        tables = (experiment_grants, named_grants, pattern_grants, audit_records)
        with self.engine.connect() as connection:
            return [tuple(row) for table in tables for row in connection.execute(sa.select(table).order_by(table.c.id))]

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on loopback, and give the address with the prefix."""
        server = make_server("127.0.0.1", 0, self.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)

    def _log_in(self, name: str) -> User:
        profile = Profile(ISSUER, name, email(name), name.title(), frozenset(GROUPS[name]), name == "root")
        return self.users.record_login(profile, NOW)

    def _make_resources(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                experiments.insert(),
                [
                    {"experiment_id": int(key), "name": name, "workspace": "default", "lifecycle_stage": "active"}
                    for key, name in (("0", "Default"), (EXPERIMENT.key, "team-a sales"))
                ],
            )
            connection.execute(
                registered_models.insert(), [{"name": made.key, "workspace": "default"} for made in (MODEL, PROMPT)]
            )
            connection.execute(
                registered_model_tags.insert(),
                [
                    {"workspace": "default", "name": PROMPT.key, "key": PROMPT_TAG, "value": "true"},
                    {"workspace": "default", "name": MODEL.key, "key": PROMPT_TAG, "value": "false"},
                ],
            )
        for made in EVERY_KIND:
            self.grant(made, Level.MANAGE, user="alice")

    def _write(
        self, table: sa.Table, of: dict[str, Any], level: Level, user: str | None, group: str | None, until: Any
    ) -> None:
        if group is not None:
            self._ensure_group(group)
        whose = {"user_id": self.people[user].id} if user else {"group_id": self.group_id(group or "")}
        values = {**of, **whose, "level": int(level), "granted_by": "system", "granted_at": NOW, "expires_at": until}
        with self.engine.begin() as connection:
            connection.execute(table.insert().values(values))

    def _ensure_group(self, name: str) -> None:
        if self.groups.by_name(name) is None:
            with self.engine.begin() as connection:
                connection.execute(groups.insert().values(source="provider", name=name, created_at=NOW))

    def _identify(self) -> None:
        assert flask.request.authorization is not None
        user = self.users.by_username(flask.request.authorization.username or "")
        assert user is not None
        credential = Credential(CredentialKind.TOKEN, 1, NOW + timedelta(days=1))
        ids = frozenset(group.id for group in self.groups.of_user(user.id))
        identity = Identity(user.id, user.username, user.display_name, user.is_admin, False, ids, credential)
        context.enter(context.Filtered(identity, "127.0.0.1"))
