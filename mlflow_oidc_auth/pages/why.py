"""Why can, or can't, somebody see something: the grant that decides, the ones that lost, and the rule, in words.

SECURITY: who may ask is decided in `grants/explain_web.py`, by the same rules as for the JSON.
"""

from __future__ import annotations

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.database.tables import BIGGEST_ID
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.grants.explain_web import Why
from mlflow_oidc_auth.grants.store import Named
from mlflow_oidc_auth.pages.lists import shown, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.vocabulary import Identity, Kind, Rung, is_plain_number
from mlflow_oidc_auth.web.forms import query_fields
from mlflow_oidc_auth.web.json_api import asker

_KIND_OPTIONS = (
    (str(Kind.EXPERIMENT), "Experiment"),
    (str(Kind.REGISTERED_MODEL), "Model"),
    (str(Kind.PROMPT), "Prompt"),
)
_STEPS = {
    Rung.ADMIN: "Admin",
    Rung.USER: "A grant of their own on it",
    Rung.GROUP: "Grants of their groups on it",
    Rung.USER_PATTERN: "A pattern of their own",
    Rung.GROUP_PATTERN: "Patterns of their groups",
    Rung.DEFAULT: "What no grant speaks of",
}


def why_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    blueprint = flask.Blueprint("oidc_auth_why", __name__)
    blueprint.add_url_rule("/permissions/why", "why", _WhyPage(parts).page, methods=["GET"])
    return blueprint


class _WhyPage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._why = Why(parts.asked, parts.explainer, parts.clock)

    def page(self) -> Response:
        """The form, and the answer where the address asks something."""
        me = asker()
        said = query_fields("username", "resource_type", "resource_id")
        said = {name: text.strip() for name, text in said.items()}
        if not said["resource_id"]:
            return self._page({**said, "username": said["username"] or me.username}, {})
        if problems := _wrong(said):
            return wrong(self._page(said, problems))
        return self._answered(me, {**said, "username": said["username"] or me.username})

    def _answered(self, me: Identity, said: dict[str, str]) -> Response:
        try:
            kind = Kind(said["resource_type"])
            on, found = self._why.answer(me, said["username"], kind, self._key(kind, said["resource_id"]))
        except (Forbidden, NotFound) as refusal:
            page = self._page(said, {"resource_id": refusal.message})
            page.status_code = refusal.status
            return page
        resource = shown(on.resource, Named(on.resource.kind, on.name), self._parts.prefix)
        steps = [(_STEPS[step.rung], step) for step in found.steps]
        return self._page(said, {}, explanation=found, resource=resource, steps=steps)

    def _key(self, kind: Kind, text: str) -> str:
        """The id or name of what somebody means; one that leads nowhere, if there is no such thing.

        SECURITY: what comes after takes as long for what is missing as for what is hidden.
        """
        found = self._parts.resources.called(kind, text)
        if found is not None:
            return found.resource.key
        return text if kind.named or is_plain_number(text) else str(BIGGEST_ID)

    def _page(self, said: Mapping[str, str], problems: Mapping[str, str], **answer: object) -> flask.Response:
        values = {"explanation": None, "resource": None, "steps": ()} | answer
        return self._parts.pages.render(
            "permissions/why.html", here="why", said=said, wrong=problems, kind_options=_KIND_OPTIONS, **values
        )


def _wrong(said: Mapping[str, str]) -> dict[str, str]:
    if said["resource_type"] not in set(Kind):
        return {"resource_type": "Choose what it is."}
    return {}
