"""An address of each of our pages and of each JSON operation that only reads, from the table of operations.

A new one needs an example here, or the tests that go through all of them fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import Admin, AdminInBrowser, Entry, InBrowser, Public, SignedIn


@dataclass(frozen=True)
class Example:
    """One address, without the static prefix, to be formatted with the fields of :class:`Known`.

    Attributes:
        path: as the table of operations spells it.
    """

    path: str
    address: str
    admins_only: bool


@dataclass(frozen=True)
class Known:
    """What the addresses are about: ids, and alice's experiment and model."""

    alice: int
    bob: int
    busy_group: int
    team: int
    service_account: int
    experiment: int
    model: str
    robot: str
    """The service account's username."""


_SHARED = "resource_type=experiment&resource_id={experiment}"
_PATTERN = "kind=experiment&on=team7-*&permission=READ"
_ALICE = "username=alice@example.test"

# By the path in the table: the queries, with "" for none. The path's own parameters are filled in by their names.
_PAGES: dict[str, tuple[str, ...]] = {
    "/permissions": ("", "page=3"),
    "/permissions/sessions": ("",),
    "/permissions/sharing": ("", "page=2", _SHARED, "resource_type=registered_model&resource_id={model}"),
    "/permissions/sharing/suggestions": ("text=person",),
    "/permissions/requests": ("",),
    "/permissions/why": ("", f"{_ALICE}&{_SHARED}"),
    "/permissions/people": ("", "search=person10", "page=40"),
    "/permissions/people/<int:user_id>": ("",),
    "/permissions/people/<int:user_id>/grants": ("", "page=2"),
    "/permissions/people/<int:user_id>/give": ("", _PATTERN),
    "/permissions/groups": ("", "search=group", "source=team"),
    "/permissions/groups/<int:group_id>": ("", "page=2"),
    "/permissions/groups/<int:group_id>/members": ("", "page=2"),
    "/permissions/groups/<int:group_id>/give": ("", _PATTERN),
    "/permissions/service-accounts": ("", "search=pipeline"),
    "/permissions/service-accounts/<int:user_id>": ("",),
    "/permissions/unmanaged": ("",),
    "/permissions/audit": ("", "act=grant.give", "by=person10001.lastname@example.test"),
    "/permissions/audit/lines": ("by=person10001.lastname@example.test",),
    "/permissions/policy": ("",),
}
# Of a page with a parameter, which of the known it is about.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "<int:user_id>": ("{alice}", "{service_account}"),
    "<int:group_id>": ("{busy_group}", "{team}"),
    "<username>": ("alice@example.test", "{robot}"),
}

_JSON: dict[str, tuple[str, ...]] = {
    "2.0/mlflow/users/current": ("",),
    "2.0/mlflow/users/get": (_ALICE,),
    "2.0/mlflow/users/list": ("",),
    "2.0/mlflow/users/current/tokens": ("",),
    "2.0/mlflow/users/<username>/tokens": ("",),
    "2.0/mlflow/users/current/sessions": ("",),
    "2.0/mlflow/users/<username>/sessions": ("",),
    "3.0/mlflow/users/current/permissions": ("",),
    "3.0/mlflow/users/roles/list": (_ALICE,),
    "3.0/mlflow/roles/list": ("",),
    "3.0/mlflow/roles/get": ("role_id={team}", "role_id={busy_group}"),
    "3.0/mlflow/roles/permissions/list": ("role_id={team}",),
    "3.0/mlflow/roles/users/list": ("role_id={team}", "role_id={busy_group}"),
    "3.0/mlflow/users/permissions/list": (_ALICE,),
    "3.0/mlflow/users/permissions/get": (f"{_ALICE}&{_SHARED}",),
    "2.0/mlflow/grants": ("", _SHARED, _ALICE),
    "2.0/mlflow/grants/preview": ("resource_type=experiment&pattern=team7-*&username=bob@example.test",),
    "2.0/mlflow/explain": (f"{_ALICE}&{_SHARED}",),
    "2.0/mlflow/access-requests": ("",),
    "2.0/mlflow/groups": ("", "search=group"),
    "2.0/mlflow/groups/<int:group_id>": ("",),
    "2.0/mlflow/groups/<int:group_id>/members": ("",),
    "2.0/mlflow/service-accounts": ("",),
    "2.0/mlflow/service-accounts/<username>": ("",),
    "2.0/mlflow/resources/unmanaged": ("",),
    "2.0/mlflow/audit": ("", "act=grant.give"),
    "2.0/mlflow/audit/export": ("by=person10001.lastname@example.test",),
    "2.0/mlflow/openapi.json": ("",),
}

_ELSEWHERE = ("/login", "/callback", "/logout", "/permissions/static/<path:filename>", "/health/", "/signup")
"""GET, and no page for who is logged in: they lead elsewhere, or are files and probes."""

_OF_SERVICE_ACCOUNTS = "/service-accounts/<"


def pages() -> list[Example]:
    """Every page, with each of its examples."""
    return [one for entry in _our_pages() for one in _examples(entry, entry.path, _PAGES.get(entry.path, ()))]


def forms() -> list[str]:
    """What forms post to and is no page: opened from the address bar, it leads back to its page."""
    known = {"<int:user_id>": "{alice}", "<int:group_id>": "{team}"}
    posted = {entry.path for entry in OURS if entry.method == "POST"}
    found = [entry.path for entry in _reading() if entry.path in posted and entry.path not in _PAGES]
    for parameter, value in known.items():
        found = [path.replace(parameter, value) for path in found]
    return [path for path in found if path.startswith("/permissions/")]


def json_operations() -> list[Example]:
    """Every JSON operation that only reads, with each of its examples."""
    return [one for entry in _our_json() for one in _examples(entry, entry.path, _JSON.get(_below(entry), ()))]


def without_example() -> list[str]:
    """What the table lists and no example shows."""
    paged = [entry.path for entry in _our_pages() if entry.path not in _PAGES]
    return paged + [entry.path for entry in _our_json() if _below(entry) not in _JSON]


def _our_pages() -> Iterator[Entry]:
    """Without what forms post to: opened from the address bar, it leads back to its page."""
    posted = {entry.path for entry in OURS if entry.method == "POST"}
    for entry in _reading():
        is_form = entry.path in posted and entry.path not in _PAGES
        if not is_form and not entry.path.startswith(("/api/", "/ajax-api/", *_ELSEWHERE)):
            yield entry


def _our_json() -> Iterator[Entry]:
    return (entry for entry in _reading() if entry.path.startswith("/ajax-api/"))


def _below(entry: Entry) -> str:
    return entry.path.removeprefix("/ajax-api/")


def _reading() -> Iterator[Entry]:
    read = InBrowser | AdminInBrowser | Admin | SignedIn | Public
    return (entry for entry in OURS if entry.method == "GET" and isinstance(entry.requirement, read))


def _examples(entry: Entry, path: str, queries: tuple[str, ...]) -> Iterator[Example]:
    admins_only = isinstance(entry.requirement, Admin | AdminInBrowser)
    found = [path]
    for parameter, values in _PARAMETERS.items():
        if parameter in path:
            kept = values[1:] if _OF_SERVICE_ACCOUNTS in path else values
            found = [address.replace(parameter, value) for address in found for value in kept]
    for address in found:
        yield from (Example(entry.path, f"{address}?{query}" if query else address, admins_only) for query in queries)
