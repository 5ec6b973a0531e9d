"""Who may create resources."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import groups
from mlflow_oidc_auth.vocabulary import Identity, Kind


@dataclass(frozen=True, slots=True)
class CreatePolicy:
    """Everybody may create experiments, models and prompts, unless RESTRICT_RESOURCE_CREATION is on: then admins.

    Attributes:
        admins_only: whether it is on.
        creators: the groups and teams whose members may create all the same, spelled as in OIDC_GROUP_NAME.
        engine: ours; groups are looked up there, for each create anew.
    """

    admins_only: bool
    creators: tuple[str, ...] = ()
    engine: sa.Engine | None = None

    def may_create(self, identity: Identity, kind: Kind) -> bool:
        """Whether this identity may create a resource of this kind."""
        return identity.is_admin or not self.admins_only or self._is_creator(identity)

    def who_may_create(self) -> str:
        """In words, for who may not."""
        if not self.creators:
            return "Only MLflow admins may."
        return f"MLflow admins and the members of {' and '.join(self.creators)} may."

    def _is_creator(self, identity: Identity) -> bool:
        """SECURITY: asked of the database each time: a group that is deleted or renamed lets nobody create."""
        if not self.creators or not identity.group_ids or self.engine is None:
            return False
        names = {*self.creators, *(f"/{name}" for name in self.creators if not name.startswith("/"))}
        theirs = sa.select(groups.c.id).where(groups.c.id.in_(sorted(identity.group_ids)), groups.c.name.in_(names))
        with self.engine.connect() as connection:
            return connection.execute(theirs.limit(1)).first() is not None
