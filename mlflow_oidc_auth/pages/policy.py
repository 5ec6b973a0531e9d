"""Policy, for admins: the rules that are in force on this server, what each means, and the setting that sets it.

Nothing is changed here: settings are the environment of the server, and the same on every replica.
"""

from __future__ import annotations

from dataclasses import dataclass

import flask

from mlflow_oidc_auth.grants.rules import WORDS
from mlflow_oidc_auth.pages.parts import Parts
from mlflow_oidc_auth.settings import Settings
from mlflow_oidc_auth.vocabulary import Level


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is in force.

    Attributes:
        about: what it is about.
        said: what is in force, in a few words.
        means: what follows for people.
        setting: the environment variable.
    """

    about: str
    said: str
    means: str
    setting: str


def policy_pages(parts: Parts) -> flask.Blueprint:
    """The blueprint; register it under the static prefix."""

    def page() -> flask.Response:
        """The rules, in groups."""
        return parts.pages.render("permissions/policy.html", here="policy", sections=sections(parts.settings))

    blueprint = flask.Blueprint("oidc_auth_policy", __name__)
    blueprint.add_url_rule("/permissions/policy", "policy", page, methods=["GET"])
    return blueprint


def sections(settings: Settings) -> list[tuple[str, list[Rule]]]:
    """All rules, by what they are about."""
    return [
        ("What people may do", _levels(settings)),
        ("Who gets in", _who(settings)),
        ("Access keys", _keys(settings)),
        ("Sessions", _sessions(settings)),
    ]


def _levels(settings: Settings) -> list[Rule]:
    default = settings.default_mlflow_permission
    everybody = (
        "Nobody sees what was not given to them."
        if default is Level.NO_PERMISSIONS
        else f"Everybody who logs in {WORDS[default]} whatever no grant speaks of."
    )
    return [
        Rule("Default permission", default.name, everybody, "DEFAULT_MLFLOW_PERMISSION"),
        *_creating(settings),
    ]


def _creating(settings: Settings) -> list[Rule]:
    creators, teams = settings.resource_creator_groups, settings.creator_team_permission
    restricted = settings.restrict_resource_creation
    rules = [
        Rule(
            "Who may create",
            "Everybody" if not restricted else "Admins and some groups" if creators else "Admins",
            "Others make no experiments, models and prompts."
            if restricted
            else "Whoever makes an experiment, model or prompt manages it.",
            "RESTRICT_RESOURCE_CREATION",
        )
    ]
    if creators:
        means = "Members of these groups and teams create all the same."
        rules.append(Rule("Creators", ", ".join(creators), means, "RESOURCE_CREATOR_GROUPS"))
    means = (
        "What somebody makes is theirs alone until they share it."
        if teams is Level.NO_PERMISSIONS
        else f"Whoever is in a team of somebody {WORDS[teams]} whatever that person makes."
    )
    rules.append(Rule("Creator's teams", teams.name, means, "CREATOR_TEAM_PERMISSION"))
    return rules


def _who(settings: Settings) -> list[Rule]:
    users, admins = settings.oidc_group_name, settings.oidc_admin_group_name
    return [
        Rule("Login groups", ", ".join(users) or "None", "Members of these groups may log in.", "OIDC_GROUP_NAME"),
        Rule(
            "Admin groups",
            ", ".join(admins) or "None",
            "Members of these groups may log in, and see and manage everything.",
            "OIDC_ADMIN_GROUP_NAME",
        ),
        Rule(
            "Login service",
            settings.oidc_provider_display_name,
            "It says who somebody is and which groups they are in, at each login.",
            "OIDC_PROVIDER_DISPLAY_NAME",
        ),
    ]


def _keys(settings: Settings) -> list[Rule]:
    many, hours, days = settings.max_tokens_per_user, settings.replaced_token_hours, settings.max_login_age_days
    return [
        Rule("Longest life", _count(settings.max_token_days, "day"), "No key is made for longer.", "MAX_TOKEN_DAYS"),
        Rule(
            "Keys for each account",
            str(many),
            "Making one replaces the one before."
            if many == 1
            else "Each has a name; making one replaces its namesake.",
            "MAX_TOKENS_PER_USER",
        ),
        Rule(
            "A replaced key",
            f"Works {_count(hours, 'hour')} more" if hours else "Ends at once",
            "So long there is time to put the new one in its place."
            if hours
            else "What uses it is refused until it has the new one.",
            "REPLACED_TOKEN_HOURS",
        ),
        Rule(
            "Oldest login",
            _count(days, "day") if days else "No bound",
            "When its person's last login is older, a key rests until they log in again. Not for service accounts."
            if days
            else "Keys work however long ago their person logged in, with the groups of that login.",
            "MAX_LOGIN_AGE_DAYS",
        ),
    ]


def _sessions(settings: Settings) -> list[Rule]:
    return [
        Rule(
            "Longest session",
            _span(settings.session_cookie_max_age_seconds),
            "Then one logs in again, however busy one was.",
            "SESSION_COOKIE_MAX_AGE_SECONDS",
        ),
        Rule(
            "Idle session",
            _span(settings.session_idle_seconds),
            "After so long without a request one logs in again.",
            "SESSION_IDLE_SECONDS",
        ),
    ]


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _span(seconds: int) -> str:
    """8 hours, 90 minutes, 45 seconds: in the largest unit that leaves nothing over."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            return _count(seconds // length, unit)
    return _count(seconds, "second")
