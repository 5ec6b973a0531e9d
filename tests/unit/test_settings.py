"""Settings: what is read, what stops the start and with which sentence, and that no secret gets out."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_oidc_auth.errors import StartRefused
from mlflow_oidc_auth.login.claims import ClaimSettings
from mlflow_oidc_auth.login.provider import ProviderSettings
from mlflow_oidc_auth.login.web import LoginSettings
from mlflow_oidc_auth.settings import Settings, read_settings
from mlflow_oidc_auth.settings.table import TABLE
from mlflow_oidc_auth.settings.upstream import UPSTREAM
from mlflow_oidc_auth.vocabulary import Level

DISCOVERY = "https://keycloak.example.test/realms/prokube/.well-known/openid-configuration"
CLIENT_SECRET = "the-secret-of-the-client"
KEY = "a-key-of-more-than-thirty-two-characters"

ENOUGH = {
    "OIDC_DISCOVERY_URL": DISCOVERY,
    "OIDC_CLIENT_ID": "mlflow",
    "OIDC_CLIENT_SECRET": CLIENT_SECRET,
    "OIDC_GROUP_NAME": "prokube users",
    "SECRET_KEY": KEY,
}


def having(**more: str) -> dict[str, str]:
    return {**ENOUGH, **more}


def without(*names: str, **more: str) -> dict[str, str]:
    return {name: text for name, text in having(**more).items() if name not in names}


def sentences(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(StartRefused) as refused:
        read_settings(environ)
    return refused.value.sentences


def only_sentence(environ: dict[str, str]) -> str:
    (sentence,) = sentences(environ)
    return sentence


def test_what_is_required_is_enough_and_the_rest_has_its_default() -> None:
    settings = read_settings(ENOUGH)
    assert settings.oidc_scope == "openid profile email"
    assert settings.oidc_provider_display_name == "Keycloak"
    assert (settings.oidc_groups_attribute, settings.oidc_username_field) == ("groups", "email")
    assert settings.oidc_verify_ssl
    assert settings.session_cookie_name == "mlflow_oidc_session"
    assert (settings.session_cookie_max_age_seconds, settings.session_idle_seconds) == (12 * 3600, 3600)
    assert (settings.max_token_days, settings.max_tokens_per_user, settings.max_login_age_days) == (365, 1, 0)
    assert settings.replaced_token_hours == 0
    assert settings.default_mlflow_permission is Level.NO_PERMISSIONS
    assert not settings.restrict_resource_creation
    assert not settings.automatic_login_redirect
    assert settings.extend_mlflow_menu
    assert (settings.trusted_proxies, settings.oidc_admin_group_name, settings.remarks) == ((), (), ())


@pytest.mark.parametrize("protocol", [ClaimSettings, ProviderSettings, LoginSettings])
def test_the_settings_are_what_the_login_asks_for(protocol: type) -> None:
    wanted = {name for part in protocol.__mro__ for name in vars(part) if name.startswith(("oidc_", "session_"))}
    assert wanted
    assert wanted <= Settings.model_fields.keys()


READ: list[tuple[str, str, Any]] = [
    ("OIDC_GROUP_NAME", "prokube users, data science ,,a", ("prokube users", "data science", "a")),
    ("OIDC_GROUP_NAME", "a,b,a", ("a", "b")),
    ("OIDC_ADMIN_GROUP_NAME", "/prokube admins", ("/prokube admins",)),
    ("OIDC_CLIENT_ID", "  mlflow \n", "mlflow"),
    ("OIDC_ISSUER", "https://keycloak.example.test/realms/prokube", "https://keycloak.example.test/realms/prokube"),
    ("OIDC_REDIRECT_URI", "http://mlflow.example.test:5000/callback", "http://mlflow.example.test:5000/callback"),
    ("OIDC_SCOPE", "openid,email,profile", "openid email profile"),
    ("OIDC_SCOPE", " openid  groups openid", "openid groups"),
    ("OIDC_PROVIDER_DISPLAY_NAME", "Example", "Example"),
    ("OIDC_PROVIDER_DISPLAY_NAME", "Login with Example", "Example"),
    ("OIDC_PROVIDER_DISPLAY_NAME", "Sign in with Example", "Example"),
    ("OIDC_VERIFY_SSL", "No", False),
    ("OIDC_HTTP_TIMEOUT_SECONDS", "2.5", 2.5),
    ("SESSION_COOKIE_NAME", "mlflow-session", "mlflow-session"),
    ("SESSION_COOKIE_MAX_AGE_SECONDS", "7200", 7200),
    ("SESSION_IDLE_SECONDS", "43200", 43200),
    ("AUTOMATIC_LOGIN_REDIRECT", "ON", True),
    ("DEFAULT_MLFLOW_PERMISSION", "READ", Level.READ),
    ("RESTRICT_RESOURCE_CREATION", "1", True),
    ("CREATOR_TEAM_PERMISSION", "READ", Level.READ),
    ("EXTEND_MLFLOW_MENU", "false", False),
    (
        "TRUSTED_PROXIES",
        "10.0.0.0/8, 192.168.7.2,fd00::/8",
        tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "192.168.7.2/32", "fd00::/8"))),
    ),
    ("MAX_TOKEN_DAYS", "90", 90),
    ("MAX_TOKENS_PER_USER", "20", 20),
    ("REPLACED_TOKEN_HOURS", "168", 168),
    ("MAX_LOGIN_AGE_DAYS", "30", 30),
    ("LOG_LEVEL", "debug", "DEBUG"),
]


@pytest.mark.parametrize(("name", "text", "value"), READ, ids=[f"{name} {text}" for name, text, _ in READ])
def test_a_text_becomes_its_value(name: str, text: str, value: Any) -> None:
    assert getattr(read_settings(having(**{name: text})), name.lower()) == value


def test_groups_that_may_create_go_with_the_restriction() -> None:
    read = read_settings(having(RESTRICT_RESOURCE_CREATION="true", RESOURCE_CREATOR_GROUPS="prokube leads, teams"))
    assert read.resource_creator_groups == ("prokube leads", "teams")


REFUSED = [
    ("OIDC_DISCOVERY_URL", "keycloak.example.test", "full address"),
    ("OIDC_DISCOVERY_URL", "ftp://keycloak.example.test/.well-known/openid-configuration", "full address"),
    ("OIDC_DISCOVERY_URL", "https://someone:pass@keycloak.example.test/.well-known/openid-configuration", "no user"),
    ("OIDC_DISCOVERY_URL", "https://keycloak.example.test:port/.well-known/openid-configuration", "full address"),
    ("OIDC_DISCOVERY_URL", "https://[::1/.well-known/openid-configuration", "full address"),
    ("OIDC_DISCOVERY_URL", "https://keycloak.example.test/realms/prokube", "/.well-known/openid-configuration"),
    ("OIDC_DISCOVERY_URL", DISCOVERY.replace("https", "http"), "OIDC_VERIFY_SSL=false"),
    ("OIDC_ISSUER", "https://keycloak.example.test/?realm=prokube", "without a query"),
    ("OIDC_CLIENT_ID", "ml\nflow", "one line"),
    ("OIDC_REDIRECT_URI", "https://mlflow.example.test/mlflow", "/callback"),
    ("OIDC_REDIRECT_URI", "https://mlflow.example.test/mlflow/callback/", "/callback"),
    ("OIDC_REDIRECT_URI", "https://mlflow.example.test/mlflow/callback?next=1", "/callback"),
    ("OIDC_REDIRECT_URI", "/mlflow/callback", "full address"),
    ("OIDC_SCOPE", "profile email", "openid"),
    ("OIDC_PROVIDER_DISPLAY_NAME", "x" * 65, "64 characters"),
    ("OIDC_VERIFY_SSL", "maybe", "true or false"),
    ("OIDC_HTTP_TIMEOUT_SECONDS", "soon", "number of seconds"),
    ("OIDC_HTTP_TIMEOUT_SECONDS", "nan", "number of seconds"),
    ("OIDC_HTTP_TIMEOUT_SECONDS", "0", "number of seconds"),
    ("OIDC_GROUP_NAME", "prokube\x07users", "no group has"),
    ("OIDC_GROUP_NAME", "g" * 257, "256 characters"),
    ("OIDC_GROUPS_ATTRIBUTE", "groups,roles", "one claim"),
    ("OIDC_USERNAME_FIELD", "email,preferred_username", "one claim"),
    ("SECRET_KEY", "k" * 31, "token_urlsafe"),
    ("SESSION_COOKIE_NAME", "a;b", "letters, digits"),
    ("SESSION_COOKIE_NAME", "__Host-mlflow", "letters, digits"),
    ("SESSION_COOKIE_MAX_AGE_SECONDS", "0", "from 60"),
    ("SESSION_COOKIE_MAX_AGE_SECONDS", "1" * 5000, "from 60"),
    ("SESSION_IDLE_SECONDS", "50000", "SESSION_COOKIE_MAX_AGE_SECONDS"),
    ("AUTOMATIC_LOGIN_REDIRECT", "2", "true or false"),
    ("MAX_TOKEN_DAYS", "366", "from 1 to 365"),
    ("MAX_TOKEN_DAYS", "0", "from 1 to 365"),
    ("MAX_TOKEN_DAYS", "-1", "from 1 to 365"),
    ("MAX_TOKEN_DAYS", "٣٠", "from 1 to 365"),
    ("MAX_TOKENS_PER_USER", "21", "from 1 to 20"),
    ("MAX_TOKENS_PER_USER", "0", "from 1 to 20"),
    ("REPLACED_TOKEN_HOURS", "169", "from 0 to 168"),
    ("MAX_LOGIN_AGE_DAYS", "1.5", "whole number"),
    ("DEFAULT_MLFLOW_PERMISSION", "OWNER", "NO_PERMISSIONS, READ, USE, EDIT, MANAGE"),
    ("DEFAULT_MLFLOW_PERMISSION", "10", "NO_PERMISSIONS, READ, USE, EDIT, MANAGE"),
    ("RESOURCE_CREATOR_GROUPS", "prokube leads", "RESTRICT_RESOURCE_CREATION=true"),
    ("CREATOR_TEAM_PERMISSION", "owner", "NO_PERMISSIONS, READ, USE, EDIT, MANAGE"),
    ("TRUSTED_PROXIES", "*", "place 1"),
    ("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.1/8", "place 2"),
    ("TRUSTED_PROXIES", "0.0.0.0/0", "anybody"),
    ("TRUSTED_PROXIES", "::/0", "anybody"),
    ("LOG_LEVEL", "LOUD", "DEBUG, INFO"),
]


@pytest.mark.parametrize(("name", "text", "mend"), REFUSED, ids=[f"{name} {text[:40]}" for name, text, _ in REFUSED])
def test_a_text_that_makes_no_sense_gets_one_sentence_that_says_how_to_mend_it(name: str, text: str, mend: str) -> None:
    sentence = only_sentence(having(**{name: text}))
    assert sentence.startswith(f"{name} ")
    assert mend in sentence
    assert sentence.endswith(".")


REQUIRED = {
    "OIDC_DISCOVERY_URL": "OIDC_DISCOVERY_URL_FILE",
    "OIDC_CLIENT_ID": "OIDC_CLIENT_ID_FILE",
    "OIDC_CLIENT_SECRET": "OIDC_PUBLIC_CLIENT=true",
    "OIDC_GROUP_NAME": "OIDC_ADMIN_GROUP_NAME",
    "SECRET_KEY": "token_urlsafe",
}


@pytest.mark.parametrize("empty", [False, True], ids=["absent", "empty"])
@pytest.mark.parametrize(("name", "mend"), REQUIRED.items(), ids=REQUIRED)
def test_a_required_setting_that_is_missing_gets_one_sentence(name: str, mend: str, empty: bool) -> None:
    sentence = only_sentence(having(**{name: " "}) if empty else without(name))
    assert sentence.startswith(name)
    assert "required" in sentence
    assert mend in sentence


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = sentences({"LOG_LEVEL": "LOUD", "MAX_TOKEN_DAYS": "x", "OIDC_AUDIENCE": "a", "OIDC_CLIENT_IDD": "x"})
    begin = [sentence.split()[0] for sentence in told]
    assert sorted(begin) == sorted([*REQUIRED, "LOG_LEVEL", "MAX_TOKEN_DAYS", "OIDC_AUDIENCE", "OIDC_CLIENT_IDD"]), told


def test_admins_alone_may_log_in() -> None:
    assert read_settings(without("OIDC_GROUP_NAME", OIDC_ADMIN_GROUP_NAME="root")).oidc_group_name == ()


def test_groups_that_are_only_commas_let_nobody_in_and_are_refused() -> None:
    assert "nobody could log in" in only_sentence(having(OIDC_GROUP_NAME=" , ,"))


# What is fine alone and not together.


def test_a_public_client_has_no_secret() -> None:
    assert read_settings(without("OIDC_CLIENT_SECRET", OIDC_PUBLIC_CLIENT="true")).oidc_client_secret is None
    assert "remove one of them" in only_sentence(having(OIDC_PUBLIC_CLIENT="true"))


def test_metadata_elsewhere_needs_the_issuer() -> None:
    elsewhere = {"OIDC_DISCOVERY_URL": "https://login.example.test/metadata?app=1"}
    assert "OIDC_ISSUER" in only_sentence(having(**elsewhere))
    assert read_settings(having(**elsewhere, OIDC_ISSUER="https://login.example.test")).oidc_issuer


@pytest.mark.parametrize("host", ["127.0.0.1:8180", "localhost", "[::1]:8180", "keycloak.localhost"])
def test_plain_http_is_fine_on_loopback(host: str) -> None:
    url = f"http://{host}/realms/prokube/.well-known/openid-configuration"
    assert read_settings(having(OIDC_DISCOVERY_URL=url)).oidc_discovery_url == url


@pytest.mark.parametrize("host", ["keycloak", "10.0.0.1", "localhost.example.test", "127.0.0.1.example.test"])
def test_plain_http_elsewhere_must_be_accepted_and_is_said_in_the_log(host: str) -> None:
    url = f"http://{host}/realms/prokube/.well-known/openid-configuration"
    assert "http on another machine" in only_sentence(having(OIDC_DISCOVERY_URL=url))
    (remark,) = read_settings(having(OIDC_DISCOVERY_URL=url, OIDC_VERIFY_SSL="false")).remarks
    assert "log in as anybody" in remark


def test_a_short_lifetime_shortens_the_default_for_idle_sessions() -> None:
    assert read_settings(having(SESSION_COOKIE_MAX_AGE_SECONDS="600")).session_idle_seconds == 600


# Files.


def test_a_setting_can_be_read_from_a_file_without_the_newline_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "groups").write_text("prokube users,b\n")
    environ = without("SECRET_KEY", "OIDC_GROUP_NAME")
    environ |= {"SECRET_KEY_FILE": str(tmp_path / "key"), "OIDC_GROUP_NAME_FILE": str(tmp_path / "groups")}
    settings = read_settings(environ)
    assert settings.secret_key.get_secret_value() == KEY
    assert settings.oidc_group_name == ("prokube users", "b")


def test_a_secret_keeps_its_spaces(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  a secret \r\n")
    settings = read_settings(without("OIDC_CLIENT_SECRET", OIDC_CLIENT_SECRET_FILE=str(tmp_path / "secret")))
    assert settings.oidc_client_secret is not None
    assert settings.oidc_client_secret.get_secret_value() == "  a secret "


@pytest.mark.parametrize("name", TABLE)
def test_a_setting_and_its_file_together_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the file")
    told = sentences(having(**{name: ENOUGH.get(name, "x"), f"{name}_FILE": str(tmp_path / "file")}))
    assert f"{name} and {name}_FILE are both set; remove one of them." in told


def test_an_empty_variable_leaves_its_file_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    settings = read_settings(having(SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "key")))
    assert settings.secret_key.get_secret_value() == KEY


FILES: dict[str, tuple[bytes | None, str]] = {
    "absent": (None, "cannot be read (No such file or directory)"),
    "empty": (b" \n", "an empty file"),
    "binary": (b"\xff\xfe\x00", "no UTF-8 text"),
    "huge": (b"k" * 70_000, "more than 65536 bytes"),
}


@pytest.mark.parametrize(("content", "told"), FILES.values(), ids=FILES)
def test_a_file_that_holds_no_value_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    sentence = only_sentence(without("SECRET_KEY", SECRET_KEY_FILE=str(tmp_path / "key")))
    assert sentence.startswith("SECRET_KEY_FILE names ")
    assert told in sentence


@pytest.mark.parametrize("path", ["/", "a\x00b"], ids=["a folder", "no path"])
def test_what_is_no_file_is_refused(path: str) -> None:
    assert "cannot be read" in only_sentence(without("SECRET_KEY", SECRET_KEY_FILE=path))


def test_nothing_else_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("OIDC_CLIENT_ID=from-dotenv\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OIDC_CLIENT_ID", "from-the-process")
    monkeypatch.setenv("OIDC_SCOPE", "openid from-the-process")
    assert only_sentence(without("OIDC_CLIENT_ID")).startswith("OIDC_CLIENT_ID ")
    assert read_settings(ENOUGH).oidc_scope == "openid profile email"


# The upstream plugin's settings.

IGNORED = [setting.name for setting in UPSTREAM if not setting.refused]
NOT_SERVED = [setting.name for setting in UPSTREAM if setting.refused]


@pytest.mark.parametrize("name", IGNORED)
def test_a_harmless_setting_of_the_upstream_plugin_is_ignored_with_a_line_in_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        settings = read_settings(having(**{name: "a-value-of-somebody"}))
    assert [record.getMessage() for record in caplog.records] == list(settings.remarks)
    (remark,) = settings.remarks
    assert remark.startswith(f"{name} is ignored: ")


@pytest.mark.parametrize("name", [*NOT_SERVED, "AUTH_PROVIDERS_FILE", "OIDC_USERS_DB_URI_FILE"])
def test_a_setting_of_the_upstream_plugin_that_changes_who_gets_in_is_refused(name: str) -> None:
    assert only_sentence(having(**{name: "a-value-of-somebody"})).startswith(f"{name} is not served: ")


@pytest.mark.parametrize(
    ("name", "text"), [(setting.name, text) for setting in UPSTREAM for text in sorted(setting.unless)]
)
def test_a_setting_of_the_upstream_plugin_is_fine_where_it_asks_for_what_happens_anyway(name: str, text: str) -> None:
    assert read_settings(having(**{name: text.upper()})).remarks == ()


def test_the_order_of_the_upstream_plugin_is_ours_however_it_is_spaced() -> None:
    assert read_settings(having(PERMISSION_SOURCE_ORDER="user, group, regex, group-regex")).remarks == ()
    assert "order is fixed" in only_sentence(having(PERMISSION_SOURCE_ORDER="group,user,regex,group-regex"))


def test_the_audience_must_be_the_client() -> None:
    read_settings(having(OIDC_AUDIENCE="mlflow"))
    assert "OIDC_CLIENT_ID" in only_sentence(having(OIDC_AUDIENCE="another"))


@pytest.mark.parametrize(
    ("redirect", "secure", "fine"),
    [
        ("https://mlflow.example.test/callback", "true", True),
        ("https://mlflow.example.test/callback", "false", False),
        ("http://mlflow.example.test/callback", "false", True),
        ("http://mlflow.example.test/callback", "true", False),
        ("", "false", True),
        ("", "true", False),
    ],
)
def test_a_secure_cookie_must_be_what_the_redirect_address_brings_about(redirect: str, secure: str, fine: bool) -> None:
    environ = having(OIDC_REDIRECT_URI=redirect, SESSION_COOKIE_SECURE=secure)
    if fine:
        read_settings(environ)
    else:
        assert only_sentence(environ).startswith("SESSION_COOKIE_SECURE is not served: ")


# Names that are none.

MISSPELLED = {
    "OIDC_CLIENT_IDD": "OIDC_CLIENT_ID",
    "OIDC_DISCOVERY_URI": "OIDC_DISCOVERY_URL",
    "OIDC_ADMIN_GROUP": "OIDC_ADMIN_GROUP_NAME",
    "OIDC_CLIENT_SECRET_KEYCLOAK": "OIDC_CLIENT_SECRET",
    "oidc_scope": "OIDC_SCOPE",
    "DEFAULT_MLFLOW_PERMISSIONS": "DEFAULT_MLFLOW_PERMISSION",
    "RESTRICT_RESOURCES_CREATION": "RESTRICT_RESOURCE_CREATION",
    "TRUSTED_PROXYES": "TRUSTED_PROXIES",
    "MAX_TOKEN_DAY": "MAX_TOKEN_DAYS",
}


@pytest.mark.parametrize(("name", "meant"), MISSPELLED.items(), ids=MISSPELLED)
def test_a_misspelled_name_is_refused_with_the_right_one(name: str, meant: str) -> None:
    sentence = only_sentence(having(**{name: "x"}))
    assert sentence.startswith(f"{name} is no setting; did you mean {meant}?")


def test_a_misspelled_file_is_refused_with_the_right_name() -> None:
    assert "did you mean OIDC_CLIENT_SECRET_FILE?" in only_sentence(having(OIDC_CLIENT_SECERT_FILE="/x"))


@pytest.mark.parametrize("name", ["OIDC_FLAVOUR", "OIDC_TOKEN_URL"])
def test_an_unknown_name_of_ours_is_refused(name: str) -> None:
    assert only_sentence(having(**{name: "x"})).startswith(f"{name} is no setting")


SOMEBODY_ELSES = [
    "MLFLOW_TRACKING_URI",
    "MLFLOW_LOG_LEVEL",
    "_MLFLOW_SERVER_FILE_STORE",
    "FLASK_SECRET_KEY",
    "S3_SECRET_KEY",
    "LOGLEVEL",
    "UVICORN_LOG_LEVEL",
    "APP_TRUSTED_PROXIES",
    "MAX_TOKENS",
    "PATH",
    "OIDC_SERVICE_HOST",
    "OIDC_PORT",
    "OIDC_PORT_80_TCP_ADDR",
    "OIDC_PROXY_SERVICE_PORT_HTTP",
]


@pytest.mark.parametrize("name", SOMEBODY_ELSES)
def test_what_belongs_to_somebody_else_is_left_alone(name: str) -> None:
    assert read_settings(having(**{name: "x"})).remarks == ()


# Secrets.


def test_no_secret_is_in_what_the_settings_show_of_themselves() -> None:
    settings = read_settings(ENOUGH)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert KEY not in shown
        assert CLIENT_SECRET not in shown


@pytest.mark.parametrize("name", sorted({*TABLE, *(setting.name for setting in UPSTREAM), "OIDC_CLIENT_SECERT"}))
@pytest.mark.parametrize("suffix", ["", "_FILE"])
@pytest.mark.parametrize("canary", ["hunter2-hunter2", "hunter2\x07hunter2", "hunter2, hunter2,"])
def test_a_secret_under_the_wrong_name_is_in_no_sentence_and_no_log(
    name: str, suffix: str, canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        try:
            told = " ".join(read_settings({**without(name), f"{name}{suffix}": canary}).remarks)
        except StartRefused as refused:
            told = str(refused)
    assert "hunter2" not in told
    assert "hunter2" not in caplog.text


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError):
        read_settings(ENOUGH).max_token_days = 400


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=80)


@given(st.dictionaries(st.sampled_from([*TABLE, *(setting.name for setting in UPSTREAM)]), texts))
def test_whatever_is_set_there_are_settings_or_sentences(environ: dict[str, str]) -> None:
    for given_ in (environ, {**ENOUGH, **environ}):
        try:
            settings = read_settings(given_)
        except StartRefused:
            continue
        assert settings.oidc_group_name or settings.oidc_admin_group_name
        assert len(settings.secret_key.get_secret_value()) >= 32
