"""The addresses below the page of one account, or of one group or team: what it shows, and what its forms do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import flask
from werkzeug.wrappers import Response

from mlflow_oidc_auth.pages.lists import row_id

One = TypeVar("One")

Handler = Callable[[One], Response]
"""Answers about the one that an address names."""


def add_routes_of_one(
    blueprint: flask.Blueprint,
    rule: str,
    find: Callable[[int], One],
    *,
    shows: Mapping[str, Handler[One]],
    acts: Mapping[str, Handler[One]],
    back: Handler[One],
) -> None:
    """Serve them on the blueprint.

    Args:
        rule: the address of its page; its only variable is the id of the one.
        find: the one with an id; raises NotFound where there is none.
        shows: pages, by the end of their address; the page itself is the empty one.
        acts: what forms do, by the end of their address.
        back: where somebody is led who opens a form's address again, from the address bar.
    """

    def add(method: str, path: str, handler: Handler[One]) -> None:
        def view(**named: int) -> Response:
            (number,) = named.values()
            return handler(find(row_id(number)))

        blueprint.add_url_rule(f"{rule}/{path}".rstrip("/"), f"{method} {path}", view, methods=[method])

    for path, handler in shows.items():
        add("GET", path, handler)
    for path, handler in acts.items():
        add("POST", path, handler)
        if path not in shows:
            add("GET", path, back)
