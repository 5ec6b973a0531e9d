"""What the demo prints."""

from __future__ import annotations

import sys
from pathlib import Path

from mlflow_oidc_auth.demo.people import ADMINS_GROUP, ALICE, PEOPLE, Person

_PAGE = """
{line}
  MLFLOW DEMO - NOT FOR PRODUCTION
  Anybody on this machine can log in as anybody. {data}
{line}

  MLflow          {base}/
  Login service   {issuer}/

{people}

  {key_note}

export MLFLOW_TRACKING_URI={base}
export MLFLOW_TRACKING_USERNAME={email}
export MLFLOW_TRACKING_PASSWORD={key}
{python} - <<'PY'
import mlflow
mlflow.set_experiment("first steps of {name}")
with mlflow.start_run():
    mlflow.log_metric("answer", 42)
PY

  Then look with a browser: {name} has the experiment, bob does not see it, root (admin) does.
  For commands such as {command} grants list:
  export MLFLOW_BACKEND_STORE_URI={database}
  Log of the server: {log}
  Ctrl-C stops everything.
"""

_KEY_MADE = (
    "Copy this into another terminal. The access key in it is alice's, and works already\n"
    "  (one that she makes on the Permissions page replaces it):"
)
_KEY_WANTED = (
    "Log in as alice, open Permissions, press 'Create access key', put the key into this block,\n"
    "  and copy it into another terminal:"
)


def page(*, base: str, issuer: str, key: str | None, data: str, database: str, log: str) -> str:
    """The addresses, the logins and a block to copy.

    Args:
        base: MLflow's address with the static prefix.
        issuer: the login service's address.
        key: an access key of alice, or `None` if she has to make one first.
        data: a sentence that says where data goes.
        database: MLflow's, as an address.
        log: the path of the server's log.
    """
    return _PAGE.format(
        line="=" * 78,
        data=data,
        base=base,
        issuer=issuer,
        people="\n".join(_person(each) for each in PEOPLE.values()),
        key_note=_KEY_MADE if key else _KEY_WANTED,
        name=ALICE.name,
        email=ALICE.email,
        key=key or "PUT-THE-ACCESS-KEY-HERE",
        python=sys.executable,
        command=Path(sys.executable).with_name("mlflow-oidc-auth"),
        database=database,
        log=log,
    )


def _person(person: Person) -> str:
    role = "admin" if person.group == ADMINS_GROUP else "user"
    return f"  {person.name:<8}{person.email:<24}password {person.password:<12}{role}"
