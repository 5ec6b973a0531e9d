"""What the tests of admins' pages share: the site, who is there, and what a person reads."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.database.tables import metadata
from mlflow_oidc_auth.settings import Settings
from mlflow_oidc_auth.vocabulary import Kind
from tests.browser.pages_site import PREFIX, PagesSite
from tests.settings import SESSION

EMAIL = "{}@example.test"


def email(name: str) -> str:
    """How somebody logs in."""
    return EMAIL.format(name)


class Office:
    """root is an admin; alice manages an experiment and is in the team vision; robot is hers; carol has nothing."""

    def __init__(self, engine: sa.Engine, settings: Settings | None = None) -> None:
        self.site = PagesSite(engine, settings)
        self.parts = self.site.parts
        self.root = self.site.person("root", groups=("/prokube admins",), is_admin=True)
        self.alice = self.site.person("alice")
        self.carol = self.site.person("carol")
        self.site.owns(self.alice, Kind.EXPERIMENT, "7", name="teama-sales")
        self.site.owns(self.alice, Kind.REGISTERED_MODEL, "forecast")
        by, now = self.root.username, self.site.now()
        self.team = self.parts.groups.make("vision", GroupSource.TEAM, by=by, now=now, description="Sees things")
        self.parts.groups.add_member(self.team.id, self.alice.id, by=by, now=now)
        self.robot = self.parts.service_accounts.create("robot", self.alice.id, "trains at night", by=by, now=now)
        users = self.parts.groups.by_name("/prokube users")
        assert users is not None
        self.group = users

    def browser(self, user: User) -> Browser:
        """Somebody's browser, logged in."""
        client = self.site.app.test_client()
        client.set_cookie(SESSION, self.site.session(user), path=PREFIX)
        return Browser(client)

    def everything(self) -> dict[str, list[Any]]:
        """All that a form could change. Sessions note visits, which is no change."""
        tables = [table for table in metadata.sorted_tables if "sessions" not in table.name]
        with self.site.engine.connect() as connection:
            return {table.name: sorted(map(repr, connection.execute(sa.select(table)).all())) for table in tables}

    def acts(self) -> list[str]:
        """What the audit holds, the newest last."""
        audit = metadata.tables["oidc_auth_audit_records"]
        with self.site.engine.connect() as connection:
            return list(connection.execute(sa.select(audit.c.act).order_by(audit.c.id)).scalars())


@dataclass
class Browser:
    """One person at our pages."""

    client: FlaskClient

    def get(self, path: str, **query: str) -> TestResponse:
        """Open a page."""
        return self.client.get(f"{PREFIX}/permissions/{path}", query_string=query)

    def post(self, path: str, **form: Any) -> TestResponse:
        """Send a form."""
        return self.client.post(f"{PREFIX}/permissions/{path}", data=form)

    def done(self, path: str, **form: Any) -> str:
        """Send a form that does what it says, and read the page it leads to."""
        answer = self.post(path, **form)
        assert answer.status_code == 303, read(answer)
        return read(self.client.get(answer.headers["Location"]))


def read(answer: TestResponse) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def wrong_at(answer: TestResponse, field: str) -> str:
    """The sentence at a field of a form that was refused."""
    assert answer.status_code == 400, read(answer)
    found = re.search(rf'<p class="wrong" id="[\w-]*?{field}-wrong" role="alert">(.*?)</p>', answer.text)
    assert found is not None, read(answer)
    assert "<title>Error: " in answer.text
    return html.unescape(found[1])
