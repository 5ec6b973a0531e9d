"""Who gets in: settings and claims on one side, admitted, admin or refused on the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from tests.login.site import SESSION, Settings, Site
from tests.provider_faults import ABSENT, FaultyProvider


@dataclass(frozen=True)
class Case:
    claims: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    gets_in_as: str | None = "alice@example.test admin=False"
    told: str = ""


IN = "alice@example.test admin=False"
ADMIN = "alice@example.test admin=True"

CASES = {
    "in the users' group": Case(gets_in_as=IN),
    "in the admins' group": Case({"groups": ["/prokube admins"]}, gets_in_as=ADMIN),
    "in both groups": Case({"groups": ["/prokube users", "/prokube admins"]}, gets_in_as=ADMIN),
    "group without a slash in the claim": Case({"groups": ["prokube users"]}, gets_in_as=IN),
    "group as a plain string": Case({"groups": "prokube users"}, gets_in_as=IN),
    "list with entries that are no strings": Case({"groups": [None, 7, ["x"], "/prokube users"]}, gets_in_as=IN),
    "one of several allowed groups": Case(
        {"groups": ["/b"]}, {"oidc_group_name": ("a", "b")}, gets_in_as="alice@example.test admin=False"
    ),
    "nested group spelled in full": Case(
        {"groups": ["/prokube users/team a"]}, {"oidc_group_name": ("/prokube users/team a",)}, gets_in_as=IN
    ),
    "groups in another claim": Case(
        {"roles": ["mlflow"], "groups": ABSENT},
        {"oidc_groups_attribute": "roles", "oidc_group_name": ("mlflow",)},
        gets_in_as=IN,
    ),
    "upper-case e-mail": Case({"email": "Alice@Example.TEST"}, gets_in_as=IN),
    "provider does not say whether the e-mail is verified": Case({"email_verified": ABSENT}, gets_in_as=IN),
    "another claim as login name": Case(
        {"email": ABSENT}, {"oidc_username_field": "preferred_username"}, gets_in_as="alice admin=False"
    ),
    "no groups claim": Case({"groups": ABSENT}, gets_in_as=None, told="prokube users"),
    "empty groups claim": Case({"groups": []}, gets_in_as=None, told="prokube admins"),
    "groups claim is an object": Case({"groups": {"prokube users": True}}, gets_in_as=None, told="prokube users"),
    "groups claim is a number": Case({"groups": 7}, gets_in_as=None, told="prokube users"),
    "another group": Case({"groups": ["/other"]}, gets_in_as=None, told="prokube users"),
    "same name in other case": Case({"groups": ["/Prokube Users"]}, gets_in_as=None, told="prokube users"),
    "same name with a space more": Case({"groups": ["/prokube users "]}, gets_in_as=None, told="prokube users"),
    "only a nested group": Case({"groups": ["/prokube users/team a"]}, gets_in_as=None, told="prokube users"),
    "nested group of the allowed name": Case({"groups": ["/x/prokube users"]}, gets_in_as=None, told="prokube users"),
    "two names in one string": Case({"groups": "other,prokube users"}, gets_in_as=None, told="prokube users"),
    "a path is configured and the claim has none": Case(
        {"groups": ["prokube users"]}, {"oidc_group_name": ("/prokube users",)}, gets_in_as=None, told="prokube users"
    ),
    "no group is configured": Case(
        {"groups": ["", "/"]}, {"oidc_group_name": (), "oidc_admin_group_name": ()}, gets_in_as=None
    ),
    "an empty name is configured": Case(
        {"groups": ["", "/"]}, {"oidc_group_name": ("",), "oidc_admin_group_name": ("",)}, gets_in_as=None
    ),
    "no e-mail": Case({"email": ABSENT}, gets_in_as=None, told="no e-mail address"),
    "empty e-mail": Case({"email": ""}, gets_in_as=None, told="no e-mail address"),
    "e-mail is a list": Case({"email": ["alice@example.test"]}, gets_in_as=None, told="no e-mail address"),
    "e-mail is not verified": Case({"email_verified": False}, gets_in_as=None, told="not verified"),
    "e-mail is not verified, as a string": Case({"email_verified": "false"}, gets_in_as=None, told="not verified"),
    "colon in the login name": Case({"email": "a:b@example.test"}, gets_in_as=None, told="cannot have"),
    "letter that turns into another in lower case": Case(
        {"email": "\u212aate@example.test"}, gets_in_as=None, told="cannot have"
    ),
    "login name too long": Case({"email": f"{'a' * 250}@example.test"}, gets_in_as=None, told="cannot have"),
    "NUL in the login name": Case({"email": "alice\x00@example.test"}, gets_in_as=None, told="cannot have"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_settings_and_claims_decide_who_gets_in(
    case: Case, engine: sa.Engine, settings: Settings, provider: FaultyProvider
) -> None:
    site = Site(engine, settings.but(**case.settings))
    provider.faults.claims = case.claims
    browser = site.browser()
    answer = browser.login()
    if case.gets_in_as is not None:
        assert answer.status_code == 303, answer.text
        assert browser.who().startswith(case.gets_in_as)
    else:
        assert answer.status_code == 403
        assert "You may not use this MLflow server" in answer.text
        assert case.told in answer.text
        assert browser.cookie(SESSION) is None
        assert site.open_sessions() == 0
        assert site.users.page("", 0, 10) == ([], 0)
