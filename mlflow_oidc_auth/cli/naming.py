"""How a command line names people, groups, resources and patterns; and who it acts as."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click

from mlflow_oidc_auth.cli.database import SHELL
from mlflow_oidc_auth.cli.output import printable
from mlflow_oidc_auth.errors import Forbidden, NotFound
from mlflow_oidc_auth.vocabulary import Kind, Level
from mlflow_oidc_auth.web.moments import last_second

if TYPE_CHECKING:
    import sqlalchemy as sa

    from mlflow_oidc_auth.accounts.groups import Group
    from mlflow_oidc_auth.accounts.users import User
    from mlflow_oidc_auth.grants.listing import Holders
    from mlflow_oidc_auth.grants.store import GivenBy, Grantee, Named, On, Shareable

_Function = TypeVar("_Function", bound=Callable[..., object])

ALL = 1_000_000
"""How many on one page: more than any server has."""

LEVELS = [level.name for level in Level]
KINDS = {"experiment": Kind.EXPERIMENT, "model": Kind.REGISTERED_MODEL, "prompt": Kind.PROMPT}


def holder_options(function: _Function) -> _Function:
    """`--user` and `--group`."""
    user = click.option("--user", metavar="NAME", help="A user, by login name.")
    group = click.option("--group", metavar="NAME", help="A group or team.")
    return user(group(function))


def resource_options(function: _Function) -> _Function:
    """`--experiment`, `--model` and `--prompt`."""
    experiment = click.option("--experiment", metavar="ID", help="An experiment, by its id.")
    model = click.option("--model", metavar="NAME", help="A registered model.")
    prompt = click.option("--prompt", metavar="NAME", help="A prompt.")
    return experiment(model(prompt(function)))


def pattern_options(function: _Function) -> _Function:
    """`--pattern` and `--kind`."""
    pattern = click.option("--pattern", metavar="PATTERN", help="All whose name begins so, as in 'teama-*'.")
    kinds = click.Choice(list(KINDS))
    kind = click.option("--kind", type=kinds, help="Of which kind; models and prompts share their patterns.")
    return pattern(kind(function))


def level_option(*, required: bool) -> Callable[[_Function], _Function]:
    """`--level`."""
    return click.option(
        "--level",
        required=required,
        type=click.Choice(LEVELS),
        help="What they may do. NO_PERMISSIONS keeps out whom a group or pattern lets in.",
    )


def until_option(function: _Function) -> _Function:
    """`--until`."""
    kind = click.DateTime(["%Y-%m-%d"])
    return click.option("--until", type=kind, metavar="DATE", help="The last day of it (UTC).")(function)


def default_option(function: _Function) -> _Function:
    """`--default`: the shell knows no setting of the server's but those in its own environment."""
    return click.option(
        "--default",
        envvar="DEFAULT_MLFLOW_PERMISSION",
        show_envvar=True,
        type=click.Choice(LEVELS),
        default=Level.NO_PERMISSIONS.name,
        show_default=True,
        help="The level where no grant speaks, as the server has it.",
    )(function)


def as_option(function: _Function) -> _Function:
    """`--as`."""
    says = "By what this user may do, instead of as the shell, which may do all."
    return click.option("--as", "as_user", metavar="NAME", help=says)(function)


def end_of(until: datetime | None, now: datetime) -> datetime | None:
    """The last second of the day that was chosen.

    Raises:
        click.BadParameter: it is over.
    """
    end = None if until is None else last_second(until.date())
    if end is not None and end <= now:
        raise click.BadParameter("this day is over", param_hint="--until")
    return end


def acting(engine: sa.Engine, as_user: str | None) -> GivenBy:
    """Who does it: a user, by what they may do, or the shell.

    SECURITY: who runs the shell has the database, and could write there what they like.

    Raises:
        NotFound: there is no such user.
        Forbidden: they are disabled, and may do nothing.
    """
    from mlflow_oidc_auth.accounts.groups import GroupStore
    from mlflow_oidc_auth.grants.store import GivenBy

    if as_user is None:
        return GivenBy(username=SHELL, is_admin=True)
    user = user_named(engine, as_user)
    if not user.is_active:
        raise Forbidden(f"{user.username} is disabled and may do nothing. Enable them first with 'users enable'.")
    ids = frozenset(group.id for group in GroupStore(engine).of_user(user.id))
    return GivenBy(user.username, user.is_admin, user.id, ids)


def at_most_one_resource(experiment: str | None, model: str | None, prompt: str | None) -> tuple[Kind, str] | None:
    """The resource that is named, if one is.

    Raises:
        click.UsageError: more than one is.
    """
    given = {Kind.EXPERIMENT: experiment, Kind.REGISTERED_MODEL: model, Kind.PROMPT: prompt}
    named = [(kind, key) for kind, key in given.items() if key is not None]
    if len(named) > 1:
        raise click.UsageError("Give only one of --experiment, --model and --prompt.")
    return named[0] if named else None


def one_resource(experiment: str | None, model: str | None, prompt: str | None) -> tuple[Kind, str]:
    """The resource that is named.

    Raises:
        click.UsageError: none is, or more than one.
    """
    named = at_most_one_resource(experiment, model, prompt)
    if named is None:
        raise click.UsageError("Say on what: --experiment ID, --model NAME or --prompt NAME.")
    return named


def patterned(pattern: str | None, kind: str | None, named: tuple[Kind, str] | None) -> tuple[Kind, str] | None:
    """The kind and text of the pattern that is given, if one is; then no resource is named.

    Raises:
        click.UsageError: a part is missing, or it stands beside a resource.
    """
    if pattern is None and kind is None:
        return None
    if pattern is None or kind is None:
        raise click.UsageError(f"Give --pattern together with --kind {', '.join(KINDS)}.")
    if named is not None:
        raise click.UsageError("Give either a pattern, or one of --experiment, --model and --prompt.")
    return KINDS[kind], pattern


def exactly_one_holder(user: str | None, group: str | None) -> None:
    """Whether one of the two is given.

    Raises:
        click.UsageError: none is, or both are.
    """
    if (user is None) == (group is None):
        raise click.UsageError("Say to whom: either --user NAME or --group NAME.")


def shared(engine: sa.Engine, named: tuple[Kind, str] | None, pattern: tuple[Kind, str] | None) -> On:
    """What is shared: a resource that is there, or a pattern.

    Raises:
        NotFound: there is no such resource.
        click.UsageError: it is no pattern, or nothing is named.
    """
    if pattern is not None:
        return parsed(*pattern)
    if named is None:
        raise click.UsageError("Say on what: --experiment ID, --model NAME, --prompt NAME or --pattern PATTERN.")
    return there(engine, *named)


def parsed(kind: Kind, text: str) -> On:
    """The pattern.

    Raises:
        click.BadParameter: it is none.
    """
    from mlflow_oidc_auth.grants.store import Pattern

    try:
        return Pattern.parse(kind, text)
    except ValueError as error:
        raise click.BadParameter(f"the pattern {error}", param_hint="--pattern") from None


def there(engine: sa.Engine, kind: Kind, key: str) -> Shareable:
    """The resource, if it is there.

    Raises:
        NotFound: it is not.
    """
    from mlflow_oidc_auth.bridge.lookups import ResourceLookup
    from mlflow_oidc_auth.grants.rules import NOUNS

    found = ResourceLookup(engine).find(kind, key)
    if found is None:
        raise NotFound(f"There is no {NOUNS[kind]} {printable(key)} in this database.")
    return found


def grantee(engine: sa.Engine, user: str | None, group: str | None) -> Grantee:
    """The user or group that is named; one is.

    Raises:
        NotFound: it is not there.
    """
    from mlflow_oidc_auth.grants.store import Grantee

    if user is not None:
        found = user_named(engine, user)
        return Grantee(found.id, found.username)
    team = group_named(engine, group or "")
    return Grantee(team.id, team.name, is_group=True)


def holders(engine: sa.Engine, user: str | None, group: str | None) -> Holders | None:
    """Whose grants are wanted; `None` for everybody's."""
    from mlflow_oidc_auth.grants.listing import Holders

    if user is None and group is None:
        return None
    return Holders(
        user_id=None if user is None else user_named(engine, user).id,
        group_ids=frozenset() if group is None else frozenset({group_named(engine, group).id}),
    )


def called(on: On | Named) -> str:
    """What it is, for people."""
    from mlflow_oidc_auth.grants.rules import NOUNS
    from mlflow_oidc_auth.grants.store import Pattern, Shareable

    if isinstance(on, Pattern):
        return f"{'registered models and prompts' if on.kind.named else 'experiments'} {printable(str(on))}"
    noun, name = NOUNS[on.kind], printable(on.name)
    if isinstance(on, Shareable) and not on.kind.named:
        return f"{noun} {on.resource.key} '{name}'"
    return f"{noun} '{name}'"


def user_named(engine: sa.Engine, name: str) -> User:
    """The user with this login name.

    Raises:
        NotFound: there is none.
    """
    from mlflow_oidc_auth.accounts.users import UserStore

    found = UserStore(engine).by_username(name)
    if found is None:
        raise NotFound(f"There is no user {name}. People become users at their first login; see 'users list'.")
    return found


def service_account_named(engine: sa.Engine, name: str) -> User:
    """The service account with this name.

    Raises:
        NotFound: there is none.
    """
    found = user_named(engine, name)
    if not found.is_service_account:
        raise NotFound(f"{found.username} is a person, not a service account; see 'service-accounts list'.")
    return found


def group_named(engine: sa.Engine, name: str) -> Group:
    """The group or team with this name; as in settings, `prokube users` also means `/prokube users`.

    Raises:
        NotFound: there is none.
    """
    from mlflow_oidc_auth.accounts.groups import GroupStore

    store = GroupStore(engine)
    found = store.by_name(name) or (None if name.startswith("/") else store.by_name(f"/{name}"))
    if found is None:
        raise NotFound(f"There is no group {name}. Groups become known when a member logs in; see 'groups list'.")
    return found
