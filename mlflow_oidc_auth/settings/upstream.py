"""Settings of the upstream plugin that are not served here, and what is said about each at start.

Ignored with a line in the log where that is harmless; refused, with a sentence that says how to mend it,
where ignoring it would change who gets in, or leave somebody believing in a protection that is not there.
A refused one is accepted where its value asks for what happens here anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlflow_oidc_auth.settings.texts import NO, YES


@dataclass(frozen=True, slots=True)
class Upstream:
    """One setting of the upstream plugin.

    `why` is the rest of the sentence that begins with its name; `unless` holds the values, in lower case,
    that are accepted without a word.
    """

    name: str
    refused: bool
    why: str
    unless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said about one that is set. The value is never repeated: it may be a secret."""

    refused: bool
    sentence: str


def answers(environ: Mapping[str, str], also: Mapping[str, frozenset[str]]) -> Iterator[Answer]:
    """What is said about each that is set, by its name or by a file; accepted values get no answer.

    Args:
        also: for some, more values that are accepted, since other settings say the same.
    """
    for setting in UPSTREAM:
        for name in (setting.name, f"{setting.name}_FILE"):
            value = "".join(environ.get(name, "").lower().split())
            accepted = setting.unless | also.get(setting.name, frozenset())
            if value and (name != setting.name or value not in accepted):
                said = "is not served" if setting.refused else "is ignored"
                yield Answer(setting.refused, f"{name} {said}: {setting.why}.")


_S256 = YES | {"s256", "enabled"}

_NO_PROVIDER_TOKENS = "programs use access keys here, never tokens of the provider; set it to false or remove it"
_NO_WORKSPACES = "workspaces are not served"
_NO_CACHE = "nothing is cached, so that what is revoked is dead at once"
_NO_SCIM = "SCIM is not served; users are made at their first login"
_ONE_PROVIDER = "there is one provider here, named by the OIDC_ settings; remove it"
_FROM_THE_ENVIRONMENT = "settings come from the environment, or from a file named by NAME_FILE; {} it"


def _refused(name: str, why: str, unless: frozenset[str] = frozenset()) -> Upstream:
    return Upstream(name, True, why, unless)


def _ignored(name: str, why: str) -> Upstream:
    return Upstream(name, False, why)


UPSTREAM: tuple[Upstream, ...] = (
    # --- Who gets in -------------------------------------------------------------------------------------
    _refused("OIDC_GROUP_NAME_PATTERN", "groups match by their exact names; list them in OIDC_GROUP_NAME"),
    _refused("OIDC_GROUP_DETECTION_PLUGIN", "groups are read from the claim OIDC_GROUPS_ATTRIBUTE alone; remove it"),
    _refused(
        "OIDC_USERINFO_GROUPS",
        "groups are read from the id_token alone; have the provider put them there, and set it to false or remove it",
        NO,
    ),
    _refused("OIDC_PROVISION_ON_BEARER_AUTH", _NO_PROVIDER_TOKENS, NO),
    _refused("OIDC_TRUST_BEARER_GROUP_CLAIMS", _NO_PROVIDER_TOKENS, NO),
    _refused(
        "OIDC_AUDIENCE",
        "an id_token must be made for OIDC_CLIENT_ID, and tokens for another audience are not taken; "
        "set it to the same value or remove it",
    ),
    _refused("AUTH_PROVIDERS", _ONE_PROVIDER),
    _refused("OIDC_CODE_CHALLENGE", "every login is protected by PKCE with S256; set it to S256 or remove it", _S256),
    _refused(
        "OIDC_USE_REFRESH_TOKEN",
        "sessions live as long as SESSION_COOKIE_MAX_AGE_SECONDS says, and no refresh token is kept; "
        "set it to false or remove it",
        NO,
    ),
    _refused(
        "SESSION_COOKIE_SAMESITE",
        "the session cookie is always SameSite=Lax; set it to lax or remove it",
        frozenset({"lax"}),
    ),
    _refused(
        "SESSION_COOKIE_SECURE",
        "the session cookie is Secure where OIDC_REDIRECT_URI begins with https:, and on every request that comes "
        "over https; set that address, and remove this",
    ),
    _refused(
        "MANAGED_BY_ENFORCEMENT",
        "users belong to the provider, and nothing else writes them; set it to off or remove it",
        frozenset({"off", "report"}),
    ),
    # --- What people may do ------------------------------------------------------------------------------
    _refused(
        "OIDC_USERS_DB_URI",
        "users and permissions are kept in MLflow's own database (--backend-store-uri); remove it",
    ),
    _refused(
        "PERMISSION_SOURCE_ORDER",
        "the order is fixed: a user's own grant, a group's, a user's pattern, a group's pattern; remove it",
        frozenset({"user,group,regex,group-regex"}),
    ),
    _refused("ORPHAN_FALLBACK_PRINCIPAL", "what nobody manages any more is for the admins; remove it"),
    _refused(
        "USER_RETENTION_DAYS", "users stay until an admin removes them; set it to 0 or remove it", frozenset({"0"})
    ),
    _refused(
        "MLFLOW_ENABLE_WORKSPACES", f"{_NO_WORKSPACES} yet; leave out --enable-workspaces, and remove this setting", NO
    ),
    # --- Where settings come from ------------------------------------------------------------------------
    _refused("CONFIG_PROVIDERS", _FROM_THE_ENVIRONMENT.format("remove"), frozenset({"env", "environment"})),
    *(
        _refused(f"CONFIG_{store}_ENABLED", _FROM_THE_ENVIRONMENT.format("set it to false or remove"), NO)
        for store in ("AWS_SECRETS", "AWS_PARAMETER_STORE", "AZURE_KEYVAULT", "VAULT", "K8S_SECRETS")
    ),
    # --- Harmless ----------------------------------------------------------------------------------------
    _ignored(
        "OIDC_JWKS_CACHE_TTL_SECONDS", "the provider's keys are kept five minutes, and fetched anew for an unknown key"
    ),
    _ignored(
        "OIDC_SESSION_EXPIRY_LEEWAY_SECONDS", "sessions end by their own lifetimes (see SESSION_COOKIE_MAX_AGE_SECONDS)"
    ),
    _ignored("OIDC_ALEMBIC_VERSION_TABLE", "the schema's version has a table of its own that clashes with no other"),
    _ignored(
        "SESSION_TOKEN_ENCRYPTION_KEY", "what is stored encrypted is encrypted with a key derived from SECRET_KEY"
    ),
    _ignored("SAML_LOGIN_BINDING", "SAML is not served"),
    _ignored("AUDIT_LOG_ENABLED", "every change is written down in the database"),
    _ignored("AUDIT_LOG_LEVEL", "every change is written down in the database, whatever its kind"),
    _ignored("EXTEND_MLFLOW_REAUTH", "MLflow's pages always lead back to the login once a session has ended"),
    _ignored("EXTEND_MLFLOW_REDIRECT_ADMIN", "MLflow's own admin pages are left alone"),
    _ignored("DEFAULT_LANDING_PAGE_IS_PERMISSIONS", "a login leads to the page that was asked for"),
    _ignored("ENABLE_API_DOCS", "the API is described in the documentation"),
    _ignored("OIDC_GEN_AI_GATEWAY_ENABLED", "the gateway is for admins"),
    *(
        _ignored(name, _NO_CACHE)
        for name in (
            "PERMISSION_CACHE_TTL_SECONDS",
            "PERMISSION_CACHE_MAX_SIZE",
            "CACHE_BACKEND",
            "CACHE_REDIS_URL",
            "CACHE_KEY_PREFIX",
        )
    ),
    *(
        _ignored(name, "the connections to the database are pooled without settings")
        for name in ("OIDC_DB_POOL_SIZE", "OIDC_DB_POOL_MAX_OVERFLOW", "OIDC_DB_POOL_RECYCLE_SECONDS")
    ),
    *(
        _ignored(name, _NO_WORKSPACES)
        for name in (
            "OIDC_WORKSPACE_CLAIM_NAME",
            "OIDC_WORKSPACE_DEFAULT_PERMISSION",
            "OIDC_WORKSPACE_DENY_DEFAULT_CREATION",
            "OIDC_WORKSPACE_DETECTION_PLUGIN",
            "OIDC_WORKSPACE_REQUIRE_CREATION_CONTEXT",
            "WORKSPACE_CACHE_MAX_SIZE",
            "WORKSPACE_CACHE_TTL_SECONDS",
            "WORKSPACE_RULES_MAX_PERMISSION",
        )
    ),
    *(
        _ignored(name, _NO_SCIM)
        for name in (
            "SCIM_TOKEN_ROTATION_OVERLAP_SECONDS",
            "SCIM_RATE_LIMIT_PER_MINUTE",
            "SCIM_AUTH_FAILURE_LIMIT_PER_MINUTE",
            "SCIM_ACTIVITY_RETENTION_DAYS",
            "SCIM_ACTIVITY_HEALTHY_WINDOW_SECONDS",
        )
    ),
)
