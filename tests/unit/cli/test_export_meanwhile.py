"""What is exported while somebody logs in for the first time."""

from __future__ import annotations

from mlflow_oidc_auth.accounts.groups import GroupStore
from mlflow_oidc_auth.bridge.lookups import ResourceLookup
from mlflow_oidc_auth.files.present import Present
from mlflow_oidc_auth.grants.listing import GrantListing
from tests.unit.cli.conftest import ALICE, CAROL, NOW, Shell


def test_who_comes_while_everything_is_read_is_left_for_the_next_file(home: Shell) -> None:
    home.says("groups", "make", "vision")
    home.says("groups", "add", "vision", "--user", ALICE)
    present = Present(home.users, GroupStore(home.engine), GrantListing(home.engine), ResourceLookup(home.engine))
    known = present.known()
    home.login("carol", "/prokube users")
    home.says("groups", "add", "vision", "--user", CAROL)
    state = present.state(known, NOW)
    assert state.teams["vision"].members == {ALICE}
    assert present.state(present.known(), NOW).teams["vision"].members == {ALICE, CAROL}
