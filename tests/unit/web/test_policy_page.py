"""The Policy page: each rule that is in force, with the setting that sets it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.pages.policy import sections
from mlflow_oidc_auth.settings.table import TABLE
from mlflow_oidc_auth.vocabulary import Level
from tests.settings import settings
from tests.unit.web.admins import Office, read


def said(setting: str, **changes: Any) -> tuple[str, str]:
    """What the page says of one setting, and what that means."""
    rules = [rule for _, rules in sections(settings(**changes)) for rule in rules]
    (found,) = [rule for rule in rules if rule.setting == setting]
    return found.said, found.means


def test_every_rule_names_a_setting_that_there_is() -> None:
    chosen = settings(restrict_resource_creation=True, resource_creator_groups=("leads",))
    for _, rules in sections(chosen):
        assert all(rule.setting in TABLE for rule in rules)


CASES = [
    ("DEFAULT_MLFLOW_PERMISSION", {}, "NO_PERMISSIONS", "Nobody sees"),
    ("DEFAULT_MLFLOW_PERMISSION", {"default_mlflow_permission": Level.READ}, "READ", "can see and download"),
    ("RESTRICT_RESOURCE_CREATION", {}, "Everybody", "manages it"),
    ("RESTRICT_RESOURCE_CREATION", {"restrict_resource_creation": True}, "Admins", "Others make no"),
    ("CREATOR_TEAM_PERMISSION", {}, "NO_PERMISSIONS", "theirs alone"),
    ("CREATOR_TEAM_PERMISSION", {"creator_team_permission": Level.READ}, "READ", "in a team of somebody can see"),
    ("OIDC_GROUP_NAME", {"oidc_group_name": ("a b", "c")}, "a b, c", "may log in"),
    ("OIDC_ADMIN_GROUP_NAME", {"oidc_admin_group_name": ()}, "None", "manage everything"),
    ("MAX_TOKEN_DAYS", {"max_token_days": 1}, "1 day", "longer"),
    ("MAX_TOKENS_PER_USER", {"max_tokens_per_user": 3}, "3", "has a name"),
    ("REPLACED_TOKEN_HOURS", {"replaced_token_hours": 24}, "Works 24 hours more", "time to put"),
    ("REPLACED_TOKEN_HOURS", {}, "Ends at once", "refused"),
    ("MAX_LOGIN_AGE_DAYS", {"max_login_age_days": 30}, "30 days", "log in again"),
    ("SESSION_IDLE_SECONDS", {"session_idle_seconds": 5400}, "90 minutes", "without a request"),
    ("SESSION_COOKIE_MAX_AGE_SECONDS", {"session_cookie_max_age_seconds": 61}, "61 seconds", "however busy"),
]


@pytest.mark.parametrize(("setting", "changes", "wanted", "means"), CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES])
def test_a_rule_says_what_is_in_force(setting: str, changes: dict[str, Any], wanted: str, means: str) -> None:
    told = said(setting, **changes)
    assert told[0] == wanted
    assert means in told[1]


def test_the_page_tells_all_and_no_secret(engine: sa.Engine) -> None:
    chosen = settings(restrict_resource_creation=True, resource_creator_groups=("<leads>",))
    office = Office(engine, chosen)
    page = office.browser(office.root).get("policy")
    assert page.status_code == 200
    for told in ("Admins and some groups", "<leads>", "RESOURCE_CREATOR_GROUPS", "365 days", "MAX_TOKEN_DAYS"):
        assert told in read(page)
    assert chosen.secret_key.get_secret_value() not in page.text
    assert "<leads>" not in page.text
