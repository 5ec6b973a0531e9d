"""What our pages share: a list of which one page is shown, a resource as it is told, a notice, and the way back.

A form that did what it says answers with 303 to a page with `?notice=<word>`; the page knows the sentence of each
word, so that nobody can make a link that puts words in our mouth. A form with something wrong in it is shown again
with status 400, what was typed, and the sentence at the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.database.tables import BIGGEST_ID
from mlflow_oidc_auth.errors import NotFound
from mlflow_oidc_auth.grants.store import Found, Named
from mlflow_oidc_auth.vocabulary import Kind, Resource, is_plain_number
from mlflow_oidc_auth.web.forms import page_number

PAGE_SIZE = 50

NOBODY = "There is nobody with this e-mail. Write it in full; they must have logged in once."
"""At a field that names a person by their e-mail."""

KINDS = {Kind.EXPERIMENT: "Experiment", Kind.REGISTERED_MODEL: "Model", Kind.PROMPT: "Prompt"}
_ADDRESSES = {Kind.EXPERIMENT: "experiments", Kind.REGISTERED_MODEL: "models", Kind.PROMPT: "prompts"}


@dataclass(frozen=True, slots=True)
class Listed:
    """Which page of a list is shown, and how many rows there are in all. The pager of `macros.html` reads it.

    `parameter` is what the address calls the page's number: a page with two lists has two.
    """

    page: int
    total: int
    size: int = PAGE_SIZE
    parameter: str = "page"

    @property
    def last_page(self) -> int:
        """The number of the last page; 1 where there is nothing."""
        return max(1, -(-self.total // self.size))


@dataclass(frozen=True, slots=True)
class Shown:
    """A resource as our pages tell it. `link` leads to MLflow's page of it, where there is one."""

    resource: Resource
    name: str
    kind: str
    link: str | None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that is shown again: its name, what was typed, and what is wrong with it, by field."""

    form: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    def of(self, form: str) -> Filled:
        """What this form is filled with, among several of a page."""
        return self if self.form == form else Filled()


def row_id(number: int | str) -> int:
    """An id that an address or a form names.

    Raises:
        NotFound: no database holds such an id.
    """
    if isinstance(number, str):
        number = int(number) if is_plain_number(number) and len(number) < 11 else BIGGEST_ID + 1
    if number > BIGGEST_ID:
        raise NotFound("There is nothing with this number.")
    return number


def asked_page(parameter: str = "page", size: int = PAGE_SIZE) -> tuple[int, int]:
    """The number of the page that is asked for, and how many rows come before it.

    Raises:
        BadRequest: it is no number of a page.
    """
    number = page_number(parameter)
    return number, (number - 1) * size


def shown(resource: Resource, named: Named | Found | None, prefix: str) -> Shown:
    """How a resource is told. One without a name is gone from MLflow; its key is all there is to tell."""
    kind = resource.kind if named is None else named.kind
    deleted = named is None or named.deleted
    link = None if deleted else f"{prefix}/#/{_ADDRESSES[kind]}/{quote(resource.key, safe='')}"
    return Shown(resource, resource.key if named is None else named.name, KINDS[kind], link, deleted)


def notice(sentences: Mapping[str, str]) -> str:
    """The sentence that the address asks for; empty if it asks for none of these, or a form was refused since."""
    if flask.request.method == "POST":
        return ""
    return sentences.get(flask.request.args.get("notice", ""), "")


def go(address: str, notice: str = "", **query: str) -> Response:
    """Answer a form that did what it says: on to a page, with the word of a notice.

    Args:
        address: a path of ours, with the static prefix; `#part` may follow.
    """
    path, _, anchor = address.partition("#")
    said = urlencode({name: value for name, value in {"notice": notice, **query}.items() if value})
    answer = flask.redirect(f"{path}{'?' if said else ''}{said}{'#' if anchor else ''}{anchor}", code=303)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def wrong(page: flask.Response) -> flask.Response:
    """The page with a form in which something is wrong."""
    page.status_code = 400
    return page
