"""One grant as our JSON tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlflow_oidc_auth.grants.listing import ListedGrant
from mlflow_oidc_auth.grants.store import Grant, Grantee, Named, On, Pattern
from mlflow_oidc_auth.permissions.resolver import pattern_kind
from mlflow_oidc_auth.vocabulary import Kind, Resource
from mlflow_oidc_auth.web.json_api import Moment, Told
from mlflow_oidc_auth.web.json_fields import Permission


def as_listed(on: On, to: Grantee, grant: Grant) -> ListedGrant:
    """A grant that was just given, as the list tells it."""
    kind = on.kind if isinstance(on, Pattern) else on.resource.kind
    key = str(on) if isinstance(on, Pattern) else on.resource.key if kind.named else str(on.resource.experiment_id)
    return ListedGrant(
        id=grant.id,
        kind=Kind(pattern_kind(kind)),
        on=key,
        is_pattern=isinstance(on, Pattern),
        user_id=None if to.is_group else to.id,
        group_id=to.id if to.is_group else None,
        to=to.name,
        level=grant.level,
        granted_by=grant.granted_by,
        granted_at=grant.granted_at,
        expires_at=grant.expires_at,
    )


class ToldGrant(Told):
    """WIRE: one grant. It is on a resource or on a pattern, and to a user or to a group or team."""

    id: int
    resource_type: Kind
    resource_id: str | None
    pattern: str | None
    name: str | None
    """What the resource is called; the pattern where there is one; nothing where the resource is gone."""
    username: str | None
    group: str | None
    group_id: int | None
    permission: Permission
    granted_by: str
    granted_at: Moment
    expires_at: Moment | None


def named_by(grants: Iterable[ListedGrant]) -> list[Resource]:
    """The resources whose names :func:`told_grant` is to be given."""
    return [Resource(grant.kind, grant.on) for grant in grants if not grant.is_pattern]


def told_grant(grant: ListedGrant, names: Mapping[Resource, Named]) -> ToldGrant:
    """A grant as it was found.

    Args:
        names: what its resource is called.
    """
    named = None if grant.is_pattern else names.get(Resource(grant.kind, grant.on))
    return ToldGrant(
        id=grant.id,
        resource_type=grant.kind if named is None else named.kind,
        resource_id=None if grant.is_pattern else grant.on,
        pattern=grant.on if grant.is_pattern else None,
        name=grant.on if grant.is_pattern else None if named is None else named.name,
        username=grant.to if grant.group_id is None else None,
        group=grant.to if grant.group_id is not None else None,
        group_id=grant.group_id,
        permission=grant.level,
        granted_by=grant.granted_by,
        granted_at=grant.granted_at,
        expires_at=grant.expires_at,
    )
