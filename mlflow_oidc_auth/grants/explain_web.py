"""Why can, or can't, somebody see something: as JSON.

SECURITY: who may read a resource is told why about themselves; about others, who manages it and admins. A hidden
resource and one that does not exist get the same answer, before anything is said of the user it is about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import flask

from mlflow_oidc_auth.accounts.users import login_name
from mlflow_oidc_auth.accounts.web import user_called
from mlflow_oidc_auth.grants.asked import Asked, OnResource
from mlflow_oidc_auth.grants.rules import may_know, may_share
from mlflow_oidc_auth.grants.store import Shareable
from mlflow_oidc_auth.permissions.explain import Explainer, Explanation, Step
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Rung
from mlflow_oidc_auth.web.json_api import Moment, Told, add_json_route, asker
from mlflow_oidc_auth.web.json_body import Query, Text
from mlflow_oidc_auth.web.json_fields import Permission


class Explain(Query, OnResource):
    """Of whom, and on what."""

    username: Text


class ToldStepGrant(Told):
    """A grant that reaches the user, or did until it ended: their own or a group's, on the resource or a pattern."""

    permission: Permission
    pattern: str | None
    group: str | None
    granted_by: str
    granted_at: Moment
    expires_at: Moment | None
    ended: bool


class ToldStep(Told):
    """One step of the precedence: `admin`, `user`, `group`, `user_pattern`, `group_pattern` or `default`."""

    rung: str
    sentence: str
    decides: bool
    grants: list[ToldStepGrant]


class ToldExplanation(Told):
    """The level that every check finds, the step that decided, and all steps in order of precedence."""

    username: str
    resource_type: Kind
    resource_id: str
    name: str
    permission: Permission
    decided_by: str
    sentence: str
    steps: list[ToldStep]


class OneExplanation(Told):
    """Why somebody has the level they have."""

    explanation: ToldExplanation


@dataclass(frozen=True, slots=True)
class Why:
    """Who may ask why, and the answer: the same for the page and the JSON."""

    asked: Asked
    explainer: Explainer
    clock: Callable[[], datetime]

    def answer(self, me: Identity, username: str, kind: Kind, key: str) -> tuple[Shareable, Explanation]:
        """The resource, and why the user called so has the level they have on it.

        Raises:
            Forbidden: the asker may not know; hidden and missing are one.
            NotFound: there is no such user; or no such resource, and an admin asks.
        """
        rule = may_know if login_name(username) == me.username else may_share
        on, _ = self.asked.resource(me, kind, key, rule)
        user = user_called(self.asked.users, username)
        ids = {group.id for group in self.asked.groups.of_user(user.id)}
        return on, self.explainer.explain(user, ids, on.resource, on.name, self.clock())


def explain_api(why: Why) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    blueprint = flask.Blueprint("oidc_auth_explain", __name__)
    add_json_route(blueprint, "GET", "2.0/mlflow/explain", _ExplainApi(why).explain)
    return blueprint


@dataclass(frozen=True, slots=True)
class _ExplainApi:
    why: Why

    def explain(self, sent: Explain) -> OneExplanation:
        """Why a user has the level they have on a resource: the grant that decides, and those that lost.

        For oneself, on what one can read; for anybody, on what one manages.
        """
        on, found = self.why.answer(asker(), sent.username, sent.resource_type, sent.resource_id)
        return OneExplanation(
            explanation=ToldExplanation(
                username=login_name(sent.username),
                resource_type=on.resource.kind,
                resource_id=on.resource.key,
                name=on.name,
                permission=found.level,
                decided_by=rung_word(found.rung),
                sentence=found.sentence,
                steps=[_told_step(step) for step in found.steps],
            )
        )


def rung_word(rung: Rung) -> str:
    """WIRE: a step of the precedence."""
    return rung.name.lower()


def _told_step(step: Step) -> ToldStep:
    grants = [
        ToldStepGrant(
            permission=Level(grant.level),
            pattern=grant.pattern,
            group=grant.group,
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
            expires_at=grant.expires_at,
            ended=grant.ended,
        )
        for grant in step.grants
    ]
    return ToldStep(rung=rung_word(step.rung), sentence=step.sentence, decides=step.decides, grants=grants)
