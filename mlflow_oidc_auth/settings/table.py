"""Every setting: its name, type and default, how its text is read, what it means.

The environment variable is the field's name in capitals. The reference page is made of this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mlflow_oidc_auth.settings import texts
from mlflow_oidc_auth.vocabulary import Level

LONGEST_TOKEN_DAYS = 365
LIFETIME_SECONDS = 12 * 3600
IDLE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Setting:
    """What belongs to a field of :class:`Settings`.

    Attributes:
        read: its text -> its value; see `texts.py`.
        meaning: one line for the reference page.
        example: a value, as one writes it.
    """

    read: Callable[[str], Any]
    meaning: str
    example: str


class Settings(BaseSettings):
    """All settings, read and checked. Made by `reading.read_settings` only; it cannot be changed.

    `remarks` is what the log should say about them.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    oidc_discovery_url: Annotated[
        str,
        Setting(
            texts.discovery_url,
            "The provider's metadata address. It must end in `/.well-known/openid-configuration`, unless `OIDC_ISSUER` "
            "is set. Plain `http` is for loopback; elsewhere it needs `OIDC_VERIFY_SSL=false`, which accepts the risk.",
            "https://keycloak.example.com/realms/prokube/.well-known/openid-configuration",
        ),
    ]
    oidc_issuer: Annotated[
        str | None,
        Setting(
            texts.issuer,
            "The issuer that the provider must name. By default the one that the metadata address belongs to.",
            "https://keycloak.example.com/realms/prokube",
        ),
    ] = None
    oidc_client_id: Annotated[
        str, Setting(texts.plain, "The client registered with the provider for this server.", "mlflow")
    ]
    oidc_client_secret: Annotated[
        SecretStr | None,
        Setting(texts.secret, "The client's secret. Required, unless `OIDC_PUBLIC_CLIENT` is true.", "(a secret)"),
    ] = None
    oidc_public_client: Annotated[
        bool, Setting(texts.boolean, "The provider gave the client no secret; PKCE alone protects the login.", "true")
    ] = False
    oidc_redirect_uri: Annotated[
        str | None,
        Setting(
            texts.redirect_uri,
            "Where the provider sends browsers back to. By default made of the address that the browser asked for; "
            "set it behind a proxy.",
            "https://mlflow.example.com/mlflow/callback",
        ),
    ] = None
    oidc_scope: Annotated[
        str,
        Setting(
            texts.scope,
            "What the login asks the provider for; separated by spaces or commas, and `openid` among them.",
            "openid profile email groups",
        ),
    ] = "openid profile email"
    oidc_provider_display_name: Annotated[
        str, Setting(texts.provider_name, 'The provider\'s name on the login button: "Log in with ...".', "Keycloak")
    ] = "Keycloak"
    oidc_verify_ssl: Annotated[
        bool,
        Setting(
            texts.boolean,
            "Check the provider's certificate. With false, whoever can reach into the network between can log in as "
            "anybody.",
            "true",
        ),
    ] = True
    oidc_http_timeout_seconds: Annotated[
        float, Setting(texts.seconds, "How long to wait for an answer of the provider, in seconds.", "5")
    ] = 10.0

    oidc_group_name: Annotated[
        tuple[str, ...],
        Setting(
            texts.group_names,
            "The groups whose members may log in, separated by commas and matched exactly. `prokube users` also means "
            "the top-level path `/prokube users`; a nested group is spelled in full. This or `OIDC_ADMIN_GROUP_NAME` "
            "is required.",
            "prokube users,data science",
        ),
    ] = ()
    oidc_admin_group_name: Annotated[
        tuple[str, ...],
        Setting(
            texts.group_names,
            "The groups whose members may log in and are admins, spelled in the same way.",
            "prokube admins",
        ),
    ] = ()
    oidc_groups_attribute: Annotated[
        str, Setting(texts.claim_name, "The claim of the id_token that holds somebody's groups.", "groups")
    ] = "groups"
    oidc_username_field: Annotated[
        str,
        Setting(
            texts.claim_name,
            "The claim that is somebody's login name, the user name of their programs. An e-mail address must be "
            "verified, if the provider says anything about that.",
            "email",
        ),
    ] = "email"
    oidc_display_name_field: Annotated[
        str, Setting(texts.claim_name, "The claim that is somebody's name on pages.", "name")
    ] = "name"

    secret_key: Annotated[
        SecretStr,
        Setting(
            texts.secret_key,
            f"At least {texts.SHORTEST_SECRET_KEY} random characters, the same on every replica; make them with "
            f"`{texts.NEW_KEY_COMMAND}`. What a logout sends to the provider is stored encrypted with it.",
            "(a secret)",
        ),
    ]
    session_cookie_name: Annotated[
        str, Setting(texts.cookie_name, "The session cookie's name.", "mlflow_oidc_session")
    ] = "mlflow_oidc_session"
    session_cookie_max_age_seconds: Annotated[
        int,
        Setting(
            texts.whole(60, 30 * 86400, "seconds"),
            "A session ends this long after the login, however busy it is.",
            "28800",
        ),
    ] = LIFETIME_SECONDS
    session_idle_seconds: Annotated[
        int,
        Setting(
            texts.whole(60, 30 * 86400, "seconds"),
            "A session ends after this long without a request. Never longer than `SESSION_COOKIE_MAX_AGE_SECONDS`.",
            "1800",
        ),
    ] = IDLE_SECONDS
    automatic_login_redirect: Annotated[
        bool, Setting(texts.boolean, "Go on to the provider at once, without the page with the button.", "true")
    ] = False

    max_token_days: Annotated[
        int,
        Setting(
            texts.whole(1, LONGEST_TOKEN_DAYS, "days"),
            "The longest time for which an access key can be made, in days.",
            "90",
        ),
    ] = LONGEST_TOKEN_DAYS
    max_tokens_per_user: Annotated[
        int,
        Setting(
            texts.whole(1, 20, "access keys"),
            "How many access keys a user has at a time. With 1, making one replaces the last; above, each has a name, "
            "and making one replaces the one of its name.",
            "3",
        ),
    ] = 1
    replaced_token_hours: Annotated[
        int,
        Setting(
            texts.whole(0, 168, "hours"),
            "How long an access key that was replaced still works, so that nothing stops while the new one is put in "
            "its place; 0 ends it at once.",
            "24",
        ),
    ] = 0
    max_login_age_days: Annotated[
        int,
        Setting(
            texts.whole(0, 3650, "days"),
            "An access key works only this long after its person's last login, so that who left a group or the "
            "provider loses it; 0 sets no bound. Service accounts do not log in.",
            "30",
        ),
    ] = 0

    default_mlflow_permission: Annotated[
        Level,
        Setting(
            texts.level,
            "What everybody who logs in may do where no grant speaks: `NO_PERMISSIONS`, `READ`, `USE`, `EDIT` or "
            "`MANAGE`.",
            "READ",
        ),
    ] = Level.NO_PERMISSIONS
    restrict_resource_creation: Annotated[
        bool,
        Setting(
            texts.boolean,
            "Only admins, and the members of `RESOURCE_CREATOR_GROUPS`, make experiments, models and prompts.",
            "true",
        ),
    ] = False
    resource_creator_groups: Annotated[
        tuple[str, ...],
        Setting(
            texts.group_names,
            "The groups and teams whose members make experiments, models and prompts all the same, spelled as in "
            "`OIDC_GROUP_NAME`. It needs `RESTRICT_RESOURCE_CREATION=true`.",
            "prokube leads,data science",
        ),
    ] = ()
    creator_team_permission: Annotated[
        Level,
        Setting(
            texts.level,
            "What each team of whoever makes an experiment, model or prompt is given on it at once; groups of the "
            "login service are given nothing.",
            "READ",
        ),
    ] = Level.NO_PERMISSIONS

    trusted_proxies: Annotated[
        tuple[texts.Network, ...],
        Setting(
            texts.networks,
            "The proxies in front of this server, as addresses or networks separated by commas. Only they may say "
            "(`X-Forwarded-*`) from where, for which host and over what a request came.",
            "10.0.0.0/8,192.168.7.2",
        ),
    ] = ()
    extend_mlflow_menu: Annotated[
        bool, Setting(texts.boolean, "Put the menu (who am I, Permissions, Log out) on MLflow's own pages.", "false")
    ] = True
    log_level: Annotated[
        str, Setting(texts.log_level, "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.", "DEBUG")
    ] = "INFO"

    remarks: tuple[str, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What `reading.read_settings` was handed, and nothing behind its back."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: the field's name and pydantic's view of it beside ours."""

    attribute: str
    field: FieldInfo
    setting: Setting

    @property
    def is_secret(self) -> bool:
        """Whether its text is nobody's business."""
        return self.setting.read in (texts.secret, texts.secret_key)


TABLE: dict[str, Row] = {
    attribute.upper(): Row(attribute, field, setting)
    for attribute, field in Settings.model_fields.items()
    for setting in field.metadata
    if isinstance(setting, Setting)
}
"""By the name of the environment variable."""
