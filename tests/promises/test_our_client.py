"""Our client on a real server, with nothing but an access key: what works, and what says why it does not."""

from __future__ import annotations

import json

from tests.people import People

AS_ROOT = """
import json, os
import mlflow.server
from mlflow.exceptions import MlflowException

client = mlflow.server.get_app_client("oidc-auth", os.environ["MLFLOW_TRACKING_URI"])
team = client.create_group("team of our client")
client.add_group_member(team.id, "bob@example.test")
client.grant("experiment", pattern="of our client*", permission="READ", group=team.name, expires_at="2999-12-31")
given = client.list_grants(group_id=team.id)
told = {
    "members": [member.username for member in client.list_group_members(team.id)],
    "grants": [(grant.pattern, grant.permission, str(grant.expires_at)) for grant in given],
    "audit": [record.act for record in client.audit(by=os.environ["MLFLOW_TRACKING_USERNAME"])][:3],
}
for act in (client.list_tokens, lambda: client.create_token("2999-12-31")):
    try:
        act()
    except MlflowException as error:
        told.setdefault("refused", []).append(error.message)
client.delete_group(team.id)
print(json.dumps(told))
"""

AS_BOB = """
import json, os
import mlflow.server
from mlflow.exceptions import MlflowException

client = mlflow.server.get_app_client("oidc-auth", os.environ["MLFLOW_TRACKING_URI"])
refused = []
acts = {
    "create_group": lambda: client.create_group("mine"),
    "list_service_accounts": client.list_service_accounts,
    "audit": lambda: next(client.audit()),
    "list_unmanaged": client.list_unmanaged,
    "hand_over": lambda: client.hand_over("alice@example.test", "bob@example.test"),
    "list_sessions": lambda: client.list_sessions("alice@example.test"),
    "set_user_active": lambda: client.set_user_active("alice@example.test", False),
}
for name, act in acts.items():
    try:
        act()
    except MlflowException as error:
        refused.append((name, error.error_code, error.message))
print(json.dumps(refused))
"""


def test_an_admin_does_with_a_key_all_but_making_keys(people: People) -> None:
    people.bob.key()
    told = json.loads(people.root.run(AS_ROOT).splitlines()[-1])
    assert told["members"] == ["bob@example.test"]
    assert told["grants"] == [["of our client*", "READ", "2999-12-31 23:59:59+00:00"]]
    assert told["audit"] == ["grant.give", "group.add_member", "group.create"]
    assert len(told["refused"]) == 2
    for sentence in told["refused"]:
        assert "browser" in sentence or "log in" in sentence.lower()


def test_who_is_no_admin_is_told_so(people: People) -> None:
    refused = json.loads(people.bob.run(AS_BOB).splitlines()[-1])
    assert len(refused) == 7
    for name, code, sentence in refused:
        assert code == "PERMISSION_DENIED", name
        assert "Only MLflow admins may do this. Ask an MLflow admin." in sentence, name
