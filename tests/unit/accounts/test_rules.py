"""What accounts, groups and teams may be called, and whose account nobody ends: tables of examples."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.accounts.rules import (
    LONGEST_TEXT,
    account_name_wrong,
    description_wrong,
    group_name_wrong,
    may_not_end,
    purpose_wrong,
)
from mlflow_oidc_auth.database.tables import NAME_LENGTH

ACCOUNT_NAMES = {
    "a word": ("robot", True),
    "two digits": ("77", True),
    "one letter": ("r", False),
    "dots, dashes and underscores": ("team-a.nightly_2", True),
    "64 characters": ("a" * 64, True),
    "65 characters": ("a" * 65, False),
    "empty": ("", False),
    "an e-mail": ("robot@example.test", False),
    "a capital": ("Robot", False),
    "a letter that looks like another": ("r\u043ebot", False),
    "a digit of another script": ("robot\u0663", False),
    "a space": ("my robot", False),
    "a line break at its end": ("robot\n", False),
    "a slash": ("a/b", False),
    "a colon": ("a:b", False),
    "a dash in front": ("-robot", False),
    "a dot at its end": ("robot.", False),
    "who asks, in the API": ("current", False),
    "the login service, in the audit": ("provider", False),
    "the shell, in the audit": ("shell", False),
    "the server, in the audit": ("system", False),
}


@pytest.mark.parametrize(("name", "fits"), ACCOUNT_NAMES.values(), ids=ACCOUNT_NAMES)
def test_what_a_service_account_may_be_called(name: str, fits: bool) -> None:
    assert (account_name_wrong(name) == "") is fits


GROUP_NAMES = {
    "a word": ("vision", True, True),
    "words of any script": ("équipe 数据 7", True, True),
    "as long as may be": ("x" * NAME_LENGTH, True, True),
    "one character more": ("x" * (NAME_LENGTH + 1), False, False),
    "empty": ("", False, False),
    "spaces alone": ("  ", False, False),
    "a space in front": (" x", False, False),
    "a space at its end": ("x ", False, False),
    "a line break": ("a\nb", False, False),
    "a NUL": ("a\x00b", False, False),
    "half of a character pair": ("a\ud800", False, False),
    "text that turns around": ("a\u202eb", False, False),
    "spelled as the login service does": ("/prokube users", False, True),
    "MLflow's role of one user": ("__user_7__", False, True),
    "nearly MLflow's role of one user": ("__user_x__", True, True),
}


@pytest.mark.parametrize(("name", "as_team", "as_group"), GROUP_NAMES.values(), ids=GROUP_NAMES)
def test_what_a_team_and_a_group_of_the_login_service_may_be_called(name: str, as_team: bool, as_group: bool) -> None:
    assert (group_name_wrong(name, GroupSource.TEAM) == "") is as_team
    assert (group_name_wrong(name, GroupSource.PROVIDER) == "") is as_group


TEXTS = {
    "a sentence": ("Trains at night.\nAsk Alice.", True),
    "as long as may be": ("x" * LONGEST_TEXT, True),
    "one character more": ("x" * (LONGEST_TEXT + 1), False),
    "a NUL": ("a\x00b", False),
    "half of a character pair": ("\ud800", False),
}


@pytest.mark.parametrize(("text", "fits"), TEXTS.values(), ids=TEXTS)
def test_what_may_be_said_about_a_team_or_service_account(text: str, fits: bool) -> None:
    assert (purpose_wrong(text) == "") is (description_wrong(text) == "") is fits


@pytest.mark.parametrize("text", ["", " ", "\n"], ids=["empty", "a space", "a line break"])
def test_a_service_account_has_a_purpose_and_a_team_needs_no_description(text: str) -> None:
    assert "what the service account does" in purpose_wrong(text)
    assert description_wrong(text) == ""


def test_anybodys_account_is_ended_but_ones_own() -> None:
    assert may_not_end("alice@example.test", "root@example.test", "disable") == ""
    assert may_not_end("root@example.test", "root@example.test", "disable") == (
        "You cannot disable your own account. Ask another MLflow admin to do it."
    )
