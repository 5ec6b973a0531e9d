"""One user from the shell: shown, handed over, deleted; their sessions; and the way back in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlflow_oidc_auth.login.sessions import SessionStore
from mlflow_oidc_auth.tokens.format import ParsedToken, parse
from mlflow_oidc_auth.vocabulary import Identity
from tests.unit.cli.conftest import ALICE, BOB, Shell


def login_with_a_browser(shell: Shell, username: str) -> None:
    user = shell.users.by_username(username)
    assert user is not None
    store = SessionStore(shell.engine, "a secret key that is long enough", timedelta(hours=1), timedelta(days=1))
    now = datetime.now(UTC)
    store.open(user.id, provider_sid=None, id_token="x", user_agent="Firefox/1 Linux", now=now)


def who_has(shell: Shell, key: str) -> Identity:
    """Whose key this is, as the server would find it."""
    parsed = parse(key)
    assert isinstance(parsed, ParsedToken)
    found = shell.tokens.identify(parsed, datetime.now(UTC))
    assert isinstance(found, Identity)
    return found


def test_one_user_is_shown(home: Shell) -> None:
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    login_with_a_browser(home, ALICE)
    told = home.field("users", "show", "Alice@example.test")
    assert (told["username"], told["groups"], told["manages"], told["sessions"]) == (ALICE, "/prokube users", 1, 1)
    assert told["access_keys"] == 0
    assert "manages" in home.says("users", "show", ALICE)


def test_sessions_are_listed_and_ended(home: Shell) -> None:
    for _ in range(3):
        login_with_a_browser(home, ALICE)
    first, *_ = home.json("users", "sessions", "list", ALICE)
    assert first["browser"] == "Firefox on Linux"
    home.says("users", "sessions", "end", ALICE, "--id", str(first["id"]))
    assert first["id"] not in [row["id"] for row in home.json("users", "sessions", "list", ALICE)]
    assert home.says("users", "sessions", "end", ALICE) == f"2 session(s) of {ALICE} ended.\n"
    assert home.json("users", "sessions", "list", ALICE) == []


def test_what_somebody_manages_is_handed_over_before_they_are_deleted(home: Shell) -> None:
    home.says("grants", "give", "--user", ALICE, "--experiment", "7", "--level", "MANAGE")
    warned = home.refuses("users", "delete", ALICE)  # nobody is there to say yes
    assert "manages 1 resource(s)" in warned
    assert home.users.by_username(ALICE) is not None
    assert f"{BOB} has MANAGE on 1" in home.says("users", "hand-over", ALICE, "--to", BOB)
    assert f"{ALICE} is deleted" in home.says("users", "delete", ALICE, "--yes")
    assert home.users.by_username(ALICE) is None
    assert [(row["to"], row["level"]) for row in home.json("grants", "list")] == [(f"user {BOB}", "MANAGE")]


def test_the_day_the_login_service_is_gone_somebody_becomes_an_admin_with_a_key(home: Shell) -> None:
    done = home.run("users", "make-admin", ALICE, "--key", "7")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("mlfpat_")
    assert len(done.stdout.splitlines()) == 1
    assert "until their next login" in done.stderr
    assert "shown once" in done.stderr
    found = who_has(home, done.stdout.strip())
    assert (found.username, found.is_admin) == (ALICE, True)
    assert found.credential.expires_at < datetime.now(UTC) + timedelta(days=7, minutes=1)
    assert [row["admin"] for row in home.json("users", "list", "--search", "alice")] == [True]
    home.login("alice", "/prokube users")
    assert [row["admin"] for row in home.json("users", "list", "--search", "alice")] == [False]


def test_without_a_key_nothing_but_a_sentence_is_printed(home: Shell) -> None:
    assert home.says("users", "make-admin", ALICE) == f"{ALICE} is an admin.\n"
    assert home.json("tokens", "list") == []
    assert "There is no user" in home.refuses("users", "make-admin", "nobody@example.test")


def test_a_key_is_made_for_service_accounts_alone(home: Shell) -> None:
    home.says("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    done = home.run("tokens", "create", "--user", "robot", "--days", "30")
    assert done.exit_code == 0, done.output
    assert who_has(home, done.stdout.strip()).username == "robot"
    again = home.run("tokens", "create", "--user", "robot", "--days", "30")
    assert "were replaced" in again.stderr
    assert len(home.json("tokens", "list", "--user", "robot")) == 1
    assert "is a person, not a service account" in home.refuses("tokens", "create", "--user", BOB, "--days", "30")
    assert "at most 365 days" in home.refuses("tokens", "create", "--user", "robot", "--days", "366")


def test_a_key_from_the_shell_keeps_to_the_settings_about_keys(home: Shell) -> None:
    home.says("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    make = ("tokens", "create", "--user", "robot", "--days")
    for words in ((*make, "31"), ("users", "make-admin", ALICE, "--key", "31")):
        refused = home.run(*words, MAX_TOKEN_DAYS="30")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "at most 30 days here (MAX_TOKEN_DAYS)" in refused.stderr
    assert home.json("tokens", "list") == []
    assert [row["admin"] for row in home.json("users", "list", "--search", "alice")] == [False]
    several = {"MAX_TOKENS_PER_USER": "2", "REPLACED_TOKEN_HOURS": "24"}
    for name in ("night", "day"):
        assert "replaced" not in home.run(*make, "30", "--name", name, **several).stderr
    assert "may have 2" in home.run(*make, "30", "--name", "third", **several).stderr
    night = next(row["id"] for row in home.json("tokens", "list") if row["name"] == "night")
    assert (
        f"The access key {night} of robot was replaced, and works until"
        in home.run(*make, "30", "--name", "night", **several).stderr
    )
    assert sorted(row["name"] for row in home.json("tokens", "list")) == ["day", "night", "night"]


def test_no_key_is_replaced_for_somebody_who_cannot_be_an_admin(home: Shell) -> None:
    home.says("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    key = home.run("tokens", "create", "--user", "robot", "--days", "30").stdout.strip()
    assert "A service account is no admin" in home.refuses("users", "make-admin", "robot", "--key", "30")
    assert who_has(home, key).username == "robot"


def test_a_setting_about_keys_that_is_wrong_makes_no_key(home: Shell) -> None:
    home.says("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    refused = home.run("tokens", "create", "--user", "robot", "--days", "9", MAX_TOKEN_DAYS="many")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "MAX_TOKEN_DAYS" in refused.stderr
    assert home.json("tokens", "list") == []


def test_one_key_is_revoked_by_its_id(home: Shell) -> None:
    home.says("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    home.run("tokens", "create", "--user", "robot", "--days", "30")
    (row,) = home.json("tokens", "list")
    home.refuses("tokens", "revoke", "--user", BOB, "--id", str(row["id"]))
    assert home.says("tokens", "revoke", "--user", "robot", "--id", str(row["id"])).startswith("1 access key(s)")
    assert home.json("tokens", "list") == []


@pytest.mark.parametrize("words", ["users delete", "groups delete", "service-accounts delete"])
def test_nothing_is_deleted_without_a_yes(home: Shell, words: str) -> None:
    home.says("groups", "make", "vision")
    home.says("service-accounts", "create", "robot", "--owner", ALICE, "--purpose", "nightly training")
    name = {"users": BOB, "groups": "vision", "service-accounts": "robot"}[words.split()[0]]
    home.refuses(*words.split(), name)
    assert home.users.by_username(BOB) is not None
    assert len(home.json("service-accounts", "list")) == 1
    assert "vision" in home.says("groups", "list")
