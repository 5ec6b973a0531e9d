"""Who may create resources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_oidc_auth.permissions.creating import CreatePolicy
from mlflow_oidc_auth.vocabulary import Credential, CredentialKind, Identity, Kind
from tests.stores import NOW

ALICE = Identity(1, "alice@example.test", "Alice", False, False, frozenset(), Credential(CredentialKind.TOKEN, 1, NOW))
ROBOT = replace(ALICE, user_id=2, is_service_account=True)
ROOT = replace(ALICE, user_id=3, is_admin=True)


@pytest.mark.parametrize("kind", list(Kind))
def test_everybody_may_create_unless_it_is_restricted_to_admins(kind: Kind) -> None:
    assert [CreatePolicy(False).may_create(who, kind) for who in (ALICE, ROBOT, ROOT)] == [True, True, True]
    assert [CreatePolicy(True).may_create(who, kind) for who in (ALICE, ROBOT, ROOT)] == [False, False, True]
