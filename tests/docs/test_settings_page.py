"""The reference page of settings is what the program says, and names everything that was promised."""

from __future__ import annotations

import re
from pathlib import Path

from mlflow_oidc_auth.settings import settings_page
from mlflow_oidc_auth.settings.table import TABLE
from mlflow_oidc_auth.settings.upstream import UPSTREAM

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"

PROMISED = [
    "OIDC_DISCOVERY_URL",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_REDIRECT_URI",
    "OIDC_SCOPE",
    "OIDC_PROVIDER_DISPLAY_NAME",
    "OIDC_GROUPS_ATTRIBUTE",
    "OIDC_GROUP_NAME",
    "OIDC_ADMIN_GROUP_NAME",
    "OIDC_USERNAME_FIELD",
    "OIDC_DISPLAY_NAME_FIELD",
    "OIDC_ISSUER",
    "OIDC_VERIFY_SSL",
    "SECRET_KEY",
    "SESSION_COOKIE_NAME",
    "AUTOMATIC_LOGIN_REDIRECT",
    "DEFAULT_MLFLOW_PERMISSION",
    "RESTRICT_RESOURCE_CREATION",
    "RESOURCE_CREATOR_GROUPS",
    "CREATOR_TEAM_PERMISSION",
    "TRUSTED_PROXIES",
    "EXTEND_MLFLOW_MENU",
    "LOG_LEVEL",
    "MAX_TOKENS_PER_USER",
    "REPLACED_TOKEN_HOURS",
]


def test_the_page_is_what_the_command_prints() -> None:
    assert PAGE.read_text() == settings_page(), "write it anew: mlflow-oidc-auth settings > docs/settings.md"


def test_every_setting_that_was_promised_is_there() -> None:
    assert set(PROMISED) <= TABLE.keys()


def test_every_name_has_one_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", settings_page(), re.MULTILINE)
    assert rows == [*TABLE, *(setting.name for setting in UPSTREAM)]
    assert len(set(rows)) == len(rows)


def test_every_row_has_as_many_cells_as_its_head() -> None:
    for line in settings_page().splitlines():
        if line.startswith("|"):
            assert line.count("|") == 5, line


def test_every_example_is_a_text_that_the_setting_takes() -> None:
    for name, row in TABLE.items():
        if not row.is_secret:
            row.setting.read(row.setting.example)
            assert row.setting.meaning.endswith("."), name
