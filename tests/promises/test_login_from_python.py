"""`login()` on a real server with a real key: tried once, kept for every MLflow client of this machine."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.people import ClientFailed, People, Person

LOGIN = """
import os
from mlflow_oidc_auth.client import login
login(tracking_uri={address!r}, username={username!r}, access_key=os.environ.pop("KEY"))
"""

USE = """
import mlflow
with mlflow.start_run(experiment_id=mlflow.create_experiment({name!r})):
    mlflow.log_metric("a", 1)
print([found.name for found in mlflow.search_experiments()])
"""


def log_in(person: Person, home: Path, key: str, then: str = "") -> str:
    """What a new process says in which somebody logs in; nothing but the key is in its environment."""
    code = LOGIN.format(address=person.server.url, username=person.email)
    return person.run(code + then, environment={"HOME": str(home), "KEY": key})


def test_one_login_serves_this_session_and_others(people: People, tmp_path: Path) -> None:
    alice = people.alice
    told = log_in(alice, tmp_path, alice.key(), USE.format(name="by login"))
    assert f"You are {alice.email} at {alice.server.url}." in told
    assert re.search(r"is kept in ~/.mlflow/credentials, and ends on 20[0-9]{2}-[0-9]{2}-[0-9]{2};", told)
    assert "by login" in told.splitlines()[-1]
    assert alice.key() not in told
    assert stat.S_IMODE((tmp_path / ".mlflow" / "credentials").stat().st_mode) == 0o600
    another = {"HOME": str(tmp_path), "MLFLOW_TRACKING_URI": alice.server.url}
    assert "by file" in alice.run(USE.format(name="by file"), environment=another).splitlines()[-1]


def test_a_key_that_was_replaced_or_is_somebody_elses_or_of_who_is_disabled_is_not_kept(
    people: People, tmp_path: Path
) -> None:
    alice, bob, dave = people.alice, people.bob, people.dave
    replaced = alice.key()
    alice.new_key()
    for person, key in ((alice, replaced), (alice, bob.key()), (dave, dave.key())):
        with pytest.raises(ClientFailed, match="does not take this e-mail with this access key") as failed:
            log_in(person, tmp_path, key)
        assert key not in str(failed.value)
        assert not (tmp_path / ".mlflow").exists()
