"""Who may create resources."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow_oidc_auth.vocabulary import Identity, Kind


@dataclass(frozen=True, slots=True)
class CreatePolicy:
    """Everybody may create experiments, models and prompts, unless RESTRICT_RESOURCE_CREATION is on: then admins."""

    admins_only: bool

    def may_create(self, identity: Identity, kind: Kind) -> bool:
        """Whether this identity may create a resource of this kind."""
        return identity.is_admin or not self.admins_only
