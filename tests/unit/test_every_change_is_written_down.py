"""Each change leaves one record: who, whom, when, from where, by which credential, old and new; or does not happen.

The table has one row for each act that the code can write down; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import mlflow_oidc_auth
from mlflow_oidc_auth import audit, context
from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.accounts.service_accounts import ServiceAccountStore
from mlflow_oidc_auth.app import join
from mlflow_oidc_auth.audit import AuditFilter, AuditRecord
from mlflow_oidc_auth.database.tables import metadata
from mlflow_oidc_auth.grants.store import GivenBy, Grantee, Shareable
from mlflow_oidc_auth.login.claims import Profile
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Kind, Level, Resource
from tests.http.api.site import ISSUER, NOW, PREFIX, Site, email
from tests.settings import settings

ROOT, ALICE, BOB, CAROL = email("root"), email("alice"), email("bob"), email("carol")
SALES = Shareable(Resource(Kind.EXPERIMENT, "7"), "team-a sales")
ADDRESS = "192.0.2.7"


class Office:
    """Every store, and root at a browser; what a change needs beforehand is made in `ready`."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.site = engine, Site(engine)
        self.parts = join(engine, settings(replaced_token_hours=2), PREFIX, lambda: NOW)
        self.accounts = ServiceAccountStore(engine)
        self.ids = {name: user.id for name, user in self.site.people.items()}
        self.by = GivenBy(ROOT, True, self.ids["root"])
        self.secrets: list[str] = []
        self.team, self.robot, self.asked, self.key, self.session = 0, 0, 0, "", 0

    def ready(self) -> None:
        """A team with bob in it, a service account, a key and a session of alice's, a request and a grant."""
        parts, by = self.parts, ROOT
        self.team = parts.groups.make("crew", GroupSource.TEAM, by=by, now=NOW).id
        parts.groups.add_member(self.team, self.ids["bob"], by=by, now=NOW)
        self.robot = self.accounts.create("robot", self.ids["alice"], "nightly", by=by, now=NOW).id
        self.key = self.new_key()
        self.open_session()
        self.session = parts.sessions.listing(self.ids["alice"], NOW)[0].id
        self.asked = parts.requests.ask(self.carol(), Kind.EXPERIMENT, "7", Level.READ, now=NOW).id
        parts.grants.give(SALES, self.to("bob"), Level.READ, by=self.by, now=NOW)

    def new_key(self) -> str:
        plain, row = self.parts.tokens.create(self.ids["alice"], NOW + timedelta(days=9), by=ROOT, now=NOW)
        self.secrets.append(plain.reveal())
        return row.public_id

    def open_session(self) -> None:
        sessions, alice = self.parts.sessions, self.ids["alice"]
        self.secrets.append(sessions.open(alice, provider_sid=None, id_token="", user_agent="", now=NOW))

    def to(self, name: str) -> Grantee:
        return Grantee(self.ids[name], email(name))

    def carol(self) -> Identity:
        return self.identity("carol", is_admin=False)

    def root(self) -> Identity:
        return self.identity("root", is_admin=True)

    def identity(self, name: str, *, is_admin: bool) -> Identity:
        credential = Credential(CredentialKind.SESSION, 7, NOW)
        return Identity(self.ids[name], email(name), name, is_admin, False, frozenset(), credential)

    def newest(self) -> AuditRecord:
        return self.parts.audit.page(AuditFilter(), None, 1)[0]

    def everything(self) -> dict[str, list[Any]]:
        """All that any change could change."""
        with self.engine.connect() as connection:
            return {
                table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in metadata.sorted_tables
            }


@dataclass(frozen=True)
class Change:
    """One act: how it comes to be, to whom or what it is told, by whom, and what is told of old and new."""

    do: Callable[[Office], object]
    subject: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    by: str = ROOT


def _login(office: Office, name: str, *groups: str, is_admin: bool = False) -> None:
    profile = Profile(ISSUER, name, email(name), name.title(), frozenset(groups), is_admin)
    office.parts.users.record_login(profile, NOW)


READ = {"level": "READ", "expires_at": None}
EDIT = {"level": "EDIT", "expires_at": None}

CHANGES = {
    "grant.give": Change(
        lambda o: o.parts.grants.give(SALES, o.to("bob"), Level.EDIT, by=o.by, now=NOW),
        f"experiment 7 for user {BOB}",
        READ,
        EDIT,
    ),
    "grant.take_away": Change(
        lambda o: o.parts.grants.take_away(SALES, o.to("bob"), by=o.by, now=NOW), f"experiment 7 for user {BOB}", READ
    ),
    "grant.hand_over": Change(
        lambda o: o.parts.grants.hand_over(o.ids["alice"], o.ids["bob"], by=o.by, now=NOW),
        f"user {ALICE} to user {BOB}",
        after={"grants": 3},
    ),
    "request.ask": Change(
        lambda o: o.parts.requests.ask(o.carol(), Kind.EXPERIMENT, "4711", Level.EDIT, now=NOW),
        f"experiment '4711' for user {CAROL}",
        after={"level": "EDIT"},
        by=CAROL,
    ),
    "request.grant": Change(
        lambda o: o.parts.requests.grant(o.asked, by=o.root(), now=NOW),
        f"experiment '7' for user {CAROL}",
        {"level": "READ"},
        READ,
    ),
    "request.decline": Change(
        lambda o: o.parts.requests.decline(o.asked, by=o.root(), now=NOW),
        f"experiment '7' for user {CAROL}",
        {"level": "READ"},
    ),
    "request.withdraw": Change(
        lambda o: o.parts.requests.withdraw(o.asked, by=o.carol(), now=NOW),
        f"experiment '7' for user {CAROL}",
        {"level": "READ"},
        by=CAROL,
    ),
    "token.create": Change(
        lambda o: o.parts.tokens.create(o.robot, NOW + timedelta(days=9), by=ROOT, now=NOW), "robot", after={}
    ),
    "token.replace": Change(lambda o: o.new_key(), ALICE),
    "token.revoke": Change(lambda o: o.parts.tokens.revoke(o.ids["alice"], o.key, ROOT, NOW), ALICE),
    "session.end": Change(lambda o: o.parts.sessions.end(o.ids["alice"], o.session, by=ROOT, now=NOW), ALICE),
    "user.create": Change(
        lambda o: _login(o, "eve", "/readers"), email("eve"), after={"groups": ["/readers"]}, by=email("eve")
    ),
    "user.update": Change(
        lambda o: _login(o, "carol", "/readers"),
        CAROL,
        {"groups": ["/guests"]},
        {"groups": ["/readers"]},
        by="provider",
    ),
    "user.disable": Change(lambda o: o.parts.users.disable(o.ids["bob"], NOW, ROOT), BOB),
    "user.enable": Change(lambda o: o.parts.users.enable(o.ids["dave"], NOW, ROOT), email("dave")),
    "user.delete": Change(lambda o: o.parts.users.delete(o.ids["bob"], NOW, ROOT), BOB, {}),
    "user.make_admin": Change(lambda o: o.parts.users.make_admin(BOB, NOW, ROOT), BOB),
    "service_account.create": Change(
        lambda o: o.accounts.create("nightly", o.ids["alice"], "trains", by=ROOT, now=NOW),
        "nightly",
        after={"purpose": "trains"},
    ),
    "service_account.change": Change(
        lambda o: o.accounts.change(o.robot, owner_id=o.ids["bob"], purpose="daily", by=ROOT, now=NOW),
        "robot",
        {"owner": ALICE, "purpose": "nightly"},
        {"owner": BOB, "purpose": "daily"},
    ),
    "group.create": Change(lambda o: o.parts.groups.make("new", GroupSource.TEAM, by=ROOT, now=NOW), "new", after={}),
    "group.change": Change(
        lambda o: o.parts.groups.change(o.team, name="band", description="", by=ROOT, now=NOW),
        "crew",
        {"name": "crew"},
        {"name": "band"},
    ),
    "group.delete": Change(lambda o: o.parts.groups.delete(o.team, by=ROOT, now=NOW), "crew", {}),
    "group.add_member": Change(lambda o: o.parts.groups.add_member(o.team, o.ids["carol"], by=ROOT, now=NOW), CAROL),
    "group.remove_member": Change(lambda o: o.parts.groups.remove_member(o.team, o.ids["bob"], by=ROOT, now=NOW), BOB),
}

BY_MLFLOW = {"experiment.create", "registered_model.create", "registered_model.rename", "registered_model.delete"}
"""What MLflow's own classes do (`tests/unit/bridge/test_ownership.py`)."""


@pytest.fixture
def office(engine: sa.Engine) -> Office:
    made = Office(engine)
    made.ready()
    return made


@pytest.mark.parametrize("act", CHANGES)
def test_a_change_is_written_down_with_who_whom_when_and_from_where(office: Office, act: str) -> None:
    change = CHANGES[act]
    last = office.newest().id
    with context.viewing(context.Decided(office.root(), ADDRESS)):
        change.do(office)
    written = [record for record in office.parts.audit.page(AuditFilter(act=act), None, 9) if record.id > last]
    assert written, "nothing was written down"
    record = written[0]
    assert change.subject in record.subject
    assert (record.by, record.at, record.credential, record.address) == (change.by, NOW, "session 7", ADDRESS)
    for expected, told in ((change.before, record.before), (change.after, record.after)):
        assert expected is None or (told is not None and expected.items() <= told.items()), (expected, told)


@pytest.mark.parametrize("act", CHANGES)
def test_a_change_that_cannot_be_written_down_does_not_happen(
    office: Office, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("the audit cannot be written")

    before = office.everything()
    monkeypatch.setattr(audit, "record", fails)
    with pytest.raises(OSError, match="audit"):
        CHANGES[act].do(office)
    assert office.everything() == before


def test_no_secret_is_ever_written_down(office: Office) -> None:
    for change in CHANGES.values():
        with suppress(Exception):  # one change may take away what another one needs
            change.do(office)
    written = "\n".join(map(str, office.parts.audit.stream(AuditFilter())))
    assert len(office.secrets) > 2
    for secret in office.secrets:
        parts = [part for part in secret.split("_") if len(part) > 16] or [secret]
        assert all(part not in written for part in parts)


def test_the_table_has_every_act_that_the_code_writes_down() -> None:
    code = "\n".join(path.read_text() for path in Path(mlflow_oidc_auth.__file__).parent.rglob("*.py"))
    noted = re.findall(r'(?:act=|note\(\s*\w+(?:\.\w+)?,\s*(?:\w+,\s*)?)"(\w+\.\w+)"', code)
    assert set(noted) == set(CHANGES) | BY_MLFLOW
