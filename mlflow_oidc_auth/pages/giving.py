"""Giving one person, group or team something, by an admin: a resource or a pattern, looked at before it is given.

A grant is named by what is typed: the name of a resource, the number of an experiment, or a pattern that ends in
`*`. Nothing is saved before the page has said what it covers today and how many people it opens that to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.errors import NotFound, Refusal
from mlflow_oidc_auth.grants.asked import given_by
from mlflow_oidc_auth.grants.listing import Holders, ListedGrant
from mlflow_oidc_auth.grants.store import Grantee, On, Pattern, Shareable
from mlflow_oidc_auth.pages.lists import PAGE_SIZE, Filled, Shown, go, row_id, shown, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.pages.routes import Handler, One
from mlflow_oidc_auth.pages.terms import level_and_end
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource
from mlflow_oidc_auth.web.forms import form_fields, query_fields
from mlflow_oidc_auth.web.json_api import asker
from mlflow_oidc_auth.web.strict_json import storable

FIELDS = ("kind", "on", "permission", "expires_at")
KIND_OPTIONS = ((str(Kind.EXPERIMENT), "Experiments"), (str(Kind.REGISTERED_MODEL), "Models and prompts"))
_NOUNS = {Kind.EXPERIMENT: "experiment", Kind.REGISTERED_MODEL: "model or prompt"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A grant that somebody is about to give."""

    on: On
    level: Level
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ShownGrant:
    """One grant of somebody, as their page tells it."""

    grant: ListedGrant
    shown: Shown

    @property
    def said(self) -> dict[str, str]:
        """What the form says that gives this grant."""
        ends = self.grant.expires_at
        date = ends.date().isoformat() if ends else ""
        return {
            "kind": str(self.grant.kind),
            "on": self.grant.on,
            "permission": self.grant.level.name,
            "expires_at": date,
        }


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is given something, and the page that tells of it.

    Attributes:
        own: where their grants are listed.
        address: of the form that gives.
        people: how many a grant to them reaches.
        render: their page, from a template of ours and its values.
    """

    to: Grantee
    own: str
    address: str
    people: int
    render: Callable[..., flask.Response]


class GrantForms(Generic[One]):
    """What the forms do with which admins give to somebody and take away; the same for an account and a group.

    Args:
        receiver: the one whose page it is, as who is given something.
    """

    def __init__(self, giving: Giving, clock: Callable[[], datetime], receiver: Callable[[One], Receiver]) -> None:
        self._giving = giving
        self._clock = clock
        self._receiver = receiver

    def shows(self) -> dict[str, Handler[One]]:
        """The page of the form that gives, by the end of its address."""
        return {"give": self.preview}

    def acts(self) -> dict[str, Handler[One]]:
        """What the forms do, by the end of their address."""
        return {"give": self.give, "take-away": self.take_away}

    def preview(self, one: One) -> Response:
        """What a grant would open, and to how many people, before it is given."""
        said = query_fields(*FIELDS)
        return self._page(self._receiver(one), said, ask=bool(said["on"]))

    def give(self, one: One) -> Response:
        """Give it."""
        me, now, said, receiver = asker(), self._clock(), form_fields(*FIELDS), self._receiver(one)
        wanted = self._giving.read(said, now)
        if isinstance(wanted, dict):
            return self._page(receiver, said, ask=True)
        try:
            self._giving.give(wanted, receiver.to, me, now)
        except Refusal as refusal:
            return self._page(receiver, said, ask=True, refused=refusal.message)
        return go(receiver.own, "given")

    def take_away(self, one: One) -> Response:
        """Take one grant away."""
        said, receiver = form_fields("kind", "on", "pattern"), self._receiver(one)
        taken = self._giving.take_away(said, receiver.to, asker(), self._clock())
        return go(receiver.own, "taken" if taken else "not-there")

    def _page(self, receiver: Receiver, said: dict[str, str], *, ask: bool, refused: str = "") -> flask.Response:
        """The form, and what it would do where it says enough."""
        wanted = self._giving.read(said, self._clock()) if ask else {}
        told = {} if isinstance(wanted, dict) else self._giving.preview(wanted, receiver.to)
        page = receiver.render(
            "permissions/give.html",
            filled=Filled("", said if ask else {}, wanted if isinstance(wanted, dict) else {}),
            to=receiver.to.name,
            back=receiver.own,
            address=receiver.address,
            people=receiver.people,
            refused=refused,
            told=told,
        )
        return wrong(page) if refused or (ask and not told) else page


class Giving:
    """What the pages of people and of groups share."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def read(self, said: Mapping[str, str], now: datetime) -> Wanted | dict[str, str]:
        """What the form asks for, or what is wrong with it, by field."""
        on = None
        level, until, problems = level_and_end(said, now)
        try:
            on = self._on(_kind(said["kind"]), said["on"].strip())
        except ValueError as error:
            problems["on"] = str(error)
        return problems if problems or on is None or level is None else Wanted(on, level, until)

    def preview(self, wanted: Wanted, to: Grantee) -> dict[str, Any]:
        """What the grant covers today, and what it replaces."""
        present = self._parts.grants.read(_target(wanted.on), to)
        told: dict[str, Any] = {"wanted": wanted, "present": present, "matching": None, "one": None}
        if isinstance(wanted.on, Pattern):
            return told | {"matching": self._parts.resources.matching(wanted.on)}
        named = self._parts.resources.names([wanted.on.resource]).get(wanted.on.resource)
        return told | {"one": shown(wanted.on.resource, named, self._parts.prefix)}

    def give(self, wanted: Wanted, to: Grantee, me: Identity, now: datetime) -> None:
        """Save it.

        Raises:
            Refusal: the rules refuse, or the grantee is gone.
        """
        self._parts.grants.give(wanted.on, to, wanted.level, by=given_by(me), now=now, until=wanted.until)

    def take_away(self, said: Mapping[str, str], of: Grantee, me: Identity, now: datetime) -> bool:
        """Remove a grant that a page lists; whether it was still there.

        A resource that is gone from MLflow is not looked for: what was granted on it can be taken away all the same.
        """
        try:
            kind, key = _kind(said["kind"]), said["on"]
            if said["pattern"]:
                on: On = Pattern.parse(kind, key)
            else:
                key = key if kind.named else str(row_id(key))
                on = Shareable(Resource(kind, key), key)
            self._parts.grants.take_away(on, of, by=given_by(me), now=now)
        except (NotFound, ValueError):
            return False
        return True

    def listed(self, holders: Holders, now: datetime, offset: int) -> list[ShownGrant]:
        """One page of somebody's grants, with the names of what they are on."""
        grants = self._parts.listing.find(now, holders=holders, offset=offset, size=PAGE_SIZE)
        resources = [Resource(grant.kind, grant.on) for grant in grants if not grant.is_pattern]
        names = self._parts.resources.names(resources) if resources else {}
        return [ShownGrant(grant, self._shown(grant, names)) for grant in grants]

    def _shown(self, grant: ListedGrant, names: Mapping[Resource, Any]) -> Shown:
        resource = Resource(grant.kind, "0" if grant.is_pattern else grant.on)
        if grant.is_pattern:
            every = "Experiments" if grant.kind is Kind.EXPERIMENT else "Models and prompts"
            return Shown(resource, grant.on, every, None)
        return shown(resource, names.get(resource), self._parts.prefix)

    def _on(self, kind: Kind, text: str) -> On:
        """The pattern, or the one resource that is called so."""
        if not text:
            raise ValueError("Say what to give: a name, the number of an experiment, or a pattern such as teama-*.")
        if not storable(text):
            raise ValueError("This holds characters that no name has.")
        if "*" in text:
            try:
                return Pattern.parse(kind, text)
            except ValueError as error:
                raise ValueError(f"The pattern {error}") from None
        found = self._parts.resources.find(kind, text)
        return found or self._called(kind, text)

    def _called(self, kind: Kind, text: str) -> Shareable:
        """The experiment with exactly this name, or a sentence that tells which names are near."""
        every, _ = self._parts.resources.search(None if kind.named else kind, text, 0, PAGE_SIZE)
        of_kind = [one for one in every if one.kind.named == kind.named]
        for one in of_kind:
            if one.name == text:
                return Shareable(one.resource, one.name)
        near = ", ".join(one.name for one in of_kind[:5])
        hint = f" Did you mean one of these: {near}?" if near else " Names are exact, capitals too."
        raise ValueError(f"There is no {_NOUNS[kind]} called so.{hint}")


def _kind(text: str) -> Kind:
    if text not in dict(KIND_OPTIONS):
        raise ValueError("Choose experiments, or models and prompts.")
    return Kind(text)


def _target(on: On) -> Resource | Pattern:
    return on if isinstance(on, Pattern) else on.resource
