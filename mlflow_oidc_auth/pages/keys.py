"""An access key as our pages tell it, to who has it and to admins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mlflow_oidc_auth.tokens.store import TokenRow
from mlflow_oidc_auth.web.moments import ago, ahead

_WARN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ShownKey:
    """One key. `ends` and `used` are words; `used` is empty until it is. `soon`: it is time to make another."""

    id: str
    name: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    ends: str
    soon: bool
    last_used_at: datetime | None
    used: str
    replaced: bool

    @classmethod
    def of(cls, key: TokenRow, now: datetime) -> ShownKey:
        """How this key is told at this moment."""
        replaced = key.replaced_at is not None
        return cls(
            id=key.public_id,
            name=key.name,
            created_at=key.created_at,
            created_by=key.created_by,
            expires_at=key.expires_at,
            ends=ahead(key.expires_at, now),
            soon=not replaced and ends_soon(key.expires_at, now),
            last_used_at=key.last_used_at,
            used="" if key.last_used_at is None else ago(key.last_used_at, now),
            replaced=replaced,
        )


def ends_soon(end: datetime, now: datetime) -> bool:
    """Whether a key that ends then is marked."""
    return end - now <= _WARN
