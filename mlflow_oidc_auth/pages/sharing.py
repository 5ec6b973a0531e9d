"""The Sharing pages: what somebody manages, and who has access to one of it, to give, change and take away.

Nothing of the rules is decided here: `grants/rules.py` decides, in the store's own transaction, and the page shows
the sentence it is refused with.

SECURITY: the page of a resource that is hidden and of one that does not exist are one and the same. Only who manages
the resource is told who has access to it, and whether somebody is called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.accounts.directory import Directory, Entry
from mlflow_oidc_auth.database.tables import NAME_LENGTH
from mlflow_oidc_auth.errors import BadRequest, Forbidden, NotFound
from mlflow_oidc_auth.grants.asked import given_by
from mlflow_oidc_auth.grants.listing import Holders
from mlflow_oidc_auth.grants.rules import NOUNS, Giver, may_share
from mlflow_oidc_auth.grants.store import Grantee, Named, Shareable
from mlflow_oidc_auth.pages.access import AccessReader, Asked, holder_code
from mlflow_oidc_auth.pages.lists import Listed, asked_page, go, notice, shown, wrong
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.pages.terms import level_and_end
from mlflow_oidc_auth.vocabulary import Identity, Kind, Level, Resource, is_plain_number
from mlflow_oidc_auth.web.forms import form_fields, query_fields
from mlflow_oidc_auth.web.json_api import asker, json_answer
from mlflow_oidc_auth.web.json_body import quoted
from mlflow_oidc_auth.web.strict_json import storable

SUGGESTIONS = 50
"""How many people and groups are offered at once."""

_NOTICES = {
    "shared": "Shared. They have access from now on.",
    "kept-out": "They are kept out from now on, whatever their groups let in.",
    "changed": "Changed.",
    "removed": "The access is removed.",
    "gone": "No grant to take away: it was removed, or ended, before.",
    "left": "Done. You do not manage it any more.",
}
_NOBODY = "Say with whom: an e-mail address, or the name of a group or team."


def sharing_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""
    ours = _SharingPages(parts)
    blueprint = flask.Blueprint("oidc_auth_sharing", __name__)
    blueprint.add_url_rule("/permissions/sharing", "sharing", ours.page, methods=["GET"])
    blueprint.add_url_rule("/permissions/sharing", "change", ours.change, methods=["POST"])
    blueprint.add_url_rule("/permissions/sharing/suggestions", "suggestions", ours.suggestions, methods=["GET"])
    return blueprint


@dataclass(frozen=True, slots=True)
class _Sharing:
    """One resource that the asker manages: what it is, and who they are to it."""

    on: Shareable
    named: Named
    giver: Giver
    me: Identity
    now: datetime

    @property
    def query(self) -> dict[str, str]:
        """How addresses name the resource."""
        return {"resource_type": str(self.on.kind), "resource_id": self.on.resource.key}


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why there is no such page for the asker: hidden and missing are one."""

    query: dict[str, str]
    sentence: str
    status: int = 403


@dataclass(frozen=True, slots=True)
class _New:
    """What the form that gives access said, what is wrong with it, and between whom it cannot tell."""

    said: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[Entry, ...] = ()


class _SharingPages:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._directory = Directory(parts.engine)
        self._access = AccessReader(parts)

    def page(self) -> Response:
        """What the asker manages; or, of one resource, who has access."""
        if not ({"resource_type", "resource_id"} & set(flask.request.args)):
            return self._list()
        sharing = self._asked_for()
        return self._refuse(sharing) if isinstance(sharing, _Refused) else self._one(sharing)

    def change(self) -> Response:
        """Give access, change it, or take it away."""
        sharing = self._asked_for()
        if isinstance(sharing, _Refused):
            return self._refuse(sharing)
        form = form_fields("do", "of", "to", "which", "permission", "expires_at")
        match form["do"]:
            case "change":
                return self._change(sharing, form)
            case "remove":
                return self._remove(sharing, form)
            case _:
                return self._give(sharing, form)

    def suggestions(self) -> Response:
        """Some of whom the asker may know and whose name holds what was typed, for the field that takes one."""
        text = query_fields("text")["text"].strip()[:NAME_LENGTH]
        found = self._directory.suggest(asker(), text, SUGGESTIONS)
        return json_answer({"suggestions": [{"name": one.name, "label": _label(one)} for one in found]})

    # --- What is shown ---------------------------------------------------------------------------------------

    def _list(self) -> Response:
        me, search = asker(), query_fields("search")["search"].strip()[:NAME_LENGTH]
        number, offset = asked_page()
        default, resources = self._parts.settings.default_mlflow_permission, self._parts.resources
        size = Listed(number, 0).size
        found, total = (
            resources.search(None, search, offset, size)
            if me.is_admin
            else resources.managed_by(me, default, search, offset, size, self._parts.clock())
        )
        return self._parts.pages.render(
            "permissions/sharing.html",
            here="sharing",
            notice=notice(_NOTICES),
            found=[(shown(one.resource, one, self._parts.prefix), _query(one.resource)) for one in found],
            listed=Listed(number, total),
            search=search,
        )

    def _one(self, sharing: _Sharing, new: _New | None = None, asked: Asked | None = None) -> flask.Response:
        me, on, new, asked = sharing.me, sharing.on, new or _New(), asked or Asked()
        number, _ = asked_page()
        default = self._parts.settings.default_mlflow_permission
        for_everybody = default > Level.NO_PERMISSIONS and on.resource != Resource(Kind.EXPERIMENT, "0")
        return self._parts.pages.render(
            "permissions/share.html",
            here="sharing",
            notice=notice(_NOTICES),
            on=shown(on.resource, sharing.named, self._parts.prefix),
            noun=NOUNS[on.kind],
            query=sharing.query,
            access=self._access.read(on, me, sharing.giver, number, asked, sharing.now),
            default=default.name if for_everybody else "",
            new=new,
            mistaken=bool(new.wrong or asked.wrong),
            suggestions=self._directory.suggest(me, "", SUGGESTIONS),
            today=sharing.now.date().isoformat(),
        )

    def _refuse(self, refused: _Refused) -> flask.Response:
        page = self._parts.pages.render("permissions/sharing_refused.html", here="sharing", refused=refused)
        page.status_code = refused.status
        return page

    # --- What is asked for -----------------------------------------------------------------------------------

    def _asked_for(self) -> _Sharing | _Refused:
        """The resource that the address names, if the asker manages it.

        Raises:
            BadRequest: the address names none.
        """
        me, now = asker(), self._parts.clock()
        kind, key = _named_resource(flask.request.args)
        try:
            on, level = self._parts.asked.resource(me, kind, key, may_share)
            named = self._parts.resources.names([on.resource])[on.resource]
        except (Forbidden, NotFound) as refusal:
            return _Refused({"resource_type": str(kind), "name": key}, refusal.message, refusal.status)
        except KeyError:  # gone in this very moment
            return _Refused({"resource_type": str(kind), "name": key}, f"There is no such {NOUNS[kind]}.", 404)
        shared = Shareable(Resource(named.kind, on.resource.key), named.name)
        return _Sharing(shared, named, Giver(level, me.is_admin), me, now)

    # --- What is changed -------------------------------------------------------------------------------------

    def _give(self, sharing: _Sharing, form: dict[str, str]) -> Response:
        found, problem = self._whom(form["to"].strip(), form["which"])
        level, until, problems = level_and_end(form, sharing.now)
        if problem:
            problems = {"to": problem, **problems}
        if level is None or problems or len(found) != 1:
            choices = tuple(found) if len(found) > 1 else ()
            return wrong(self._one(sharing, _New(form, problems, choices)))
        to = _grantee(found[0])
        try:
            self._parts.grants.give(sharing.on, to, level, by=given_by(sharing.me), now=sharing.now, until=until)
        except (BadRequest, Forbidden, NotFound) as refusal:
            return wrong(self._one(sharing, _New(form, {"to": refusal.message})))
        return self._back(sharing, "kept-out" if level is Level.NO_PERMISSIONS else "shared", to)

    def _change(self, sharing: _Sharing, form: dict[str, str]) -> Response:
        to, ends = self._holder(sharing, form["of"])
        if to is None:
            return self._back(sharing, "gone")
        level, until, problems = level_and_end(form, sharing.now, unchanged=ends)
        if level is None or problems:
            return wrong(self._one(sharing, asked=Asked(form["of"], form, problems)))
        try:
            self._parts.grants.give(sharing.on, to, level, by=given_by(sharing.me), now=sharing.now, until=until)
        except (BadRequest, Forbidden, NotFound) as refusal:
            return wrong(self._one(sharing, asked=Asked(form["of"], form, {"permission": refusal.message})))
        return self._back(sharing, "changed", to)

    def _remove(self, sharing: _Sharing, form: dict[str, str]) -> Response:
        of, _ = self._holder(sharing, form["of"])
        if of is None:
            return self._back(sharing, "gone")
        try:
            self._parts.grants.take_away(sharing.on, of, by=given_by(sharing.me), now=sharing.now)
        except Forbidden as refusal:
            return wrong(self._one(sharing, asked=Asked(form["of"], {}, {"remove": refusal.message})))
        except NotFound:
            return self._back(sharing, "gone")
        return self._back(sharing, "removed", of)

    def _whom(self, text: str, which: str) -> tuple[list[Entry], str]:
        """Whoever is called so; and what is wrong, if that is not exactly one."""
        if not text or len(text) > NAME_LENGTH:
            return [], _NOBODY
        found = self._directory.called(text)
        chosen = [one for one in found if one.sort == which]
        if len(found) == 1 or len(chosen) == 1:
            return chosen or found, ""
        if not found:
            return [], (
                f"There is no person, no group and no team called {quoted(text)}. Check the spelling; "
                "a person is known here after logging in for the first time."
            )
        sorts = " and ".join(f"a {one.sort}" for one in found)
        return found, f"There is {sorts} called {quoted(text)}. Choose which you mean."

    def _holder(self, sharing: _Sharing, of: str) -> tuple[Grantee | None, datetime | None]:
        """Who holds the grant that a row's form names, and until when."""
        sort, _, number = of.partition("-")
        if sort not in ("user", "group") or not is_plain_number(number) or len(number) > 9:
            return None, None
        id_ = int(number)
        holders = Holders(user_id=id_) if sort == "user" else Holders(group_ids=frozenset({id_}))
        for grant in self._parts.listing.find(sharing.now, holders=holders, resource=sharing.on.resource):
            if holder_code(grant) == of:
                return Grantee(id_, grant.to, is_group=sort == "group"), grant.expires_at
        return None, None

    def _back(self, sharing: _Sharing, word: str, changed: Grantee | None = None) -> Response:
        """To the page as it is now; or to the list, for somebody who gave up managing it."""
        me, address = sharing.me, f"{self._parts.prefix}/permissions/sharing"
        if changed is not None and not me.is_admin and _reaches(changed, me):
            try:
                self._parts.asked.resource(me, sharing.on.kind, sharing.on.resource.key, may_share)
            except (Forbidden, NotFound):
                return go(address, "left")
        page = flask.request.args.get("page", "")
        return go(address, word, **sharing.query, page=page)


def _named_resource(args: Mapping[str, str]) -> tuple[Kind, str]:
    """The resource that an address names.

    Raises:
        BadRequest: there are none of this kind here, or none can be called so.
    """
    type_, key = args.get("resource_type", ""), args.get("resource_id", "")
    try:
        kind = Kind(type_)
    except ValueError:
        raise BadRequest(
            f"{quoted(type_)} is no kind of resource that is shared here; there are {', '.join(Kind)}."
        ) from None
    if not key or len(key) > NAME_LENGTH or not storable(key):
        raise BadRequest(f"This address names no {NOUNS[kind]}.")
    if kind is Kind.EXPERIMENT and not is_plain_number(key):
        raise BadRequest(f"An experiment is named by its id, a whole number; {quoted(key)} is none.")
    return kind, key if kind.named else str(int(key))


def _grantee(entry: Entry) -> Grantee:
    return Grantee(entry.id, entry.name, is_group=entry.sort.is_group)


def _reaches(grantee: Grantee, me: Identity) -> bool:
    return grantee.id in me.group_ids if grantee.is_group else grantee.id == me.user_id


def _query(resource: Resource) -> str:
    return urlencode({"resource_type": str(resource.kind), "resource_id": resource.key})


def _label(entry: Entry) -> str:
    """What stands beside a name that is offered."""
    return entry.display_name or str(entry.sort)
