"""Groups and teams as JSON: admins make, fill, change and end teams; everybody sees their own."""

from __future__ import annotations

from typing import Any

import pytest

from mlflow_oidc_auth.vocabulary import Level
from tests.http.api.changes import asked, asked_at_once, audited, everything
from tests.http.api.gated import GatedSite
from tests.http.api.site import EXPERIMENT, Person, Site, email

GROUPS = "2.0/mlflow/groups"


def made(by: Person, name: str = "vision", **more: Any) -> int:
    status, told = asked(by, "POST", GROUPS, name=name, **more)
    assert status == 200, told
    return int(told["group"]["id"])


def test_a_team_is_made_filled_changed_and_deleted(site: Site, root: Person, bob: Person) -> None:
    team = made(root, description="sees")
    assert asked(root, "POST", f"{GROUPS}/{team}/members", username=email("bob"))[0] == 200
    members = root.get(f"{GROUPS}/{team}/members").json
    assert members == {
        "members": [{"username": email("bob"), "display_name": "Bob", "is_active": True}],
        "next_page_token": "",
    }
    assert asked(root, "PATCH", f"{GROUPS}/{team}", name="seeing")[1]["group"] == {
        "id": team,
        "name": "seeing",
        "source": "team",
        "description": "sees",
        "members": 1,
    }
    site.grant(EXPERIMENT, Level.READ, group="seeing")
    assert bob.level_of("bob", EXPERIMENT) == "READ"
    assert asked(root, "DELETE", f"{GROUPS}/{team}")[0] == 200
    assert bob.level_of("bob", EXPERIMENT) == "refused"
    assert root.get(f"{GROUPS}/{team}").status_code == 404
    [(subject, before, _)] = audited(site, "group.delete")
    assert subject == "team seeing"
    assert before == {"members": [email("bob")], "grants": 1, "grants_on": ["experiment 7: READ"]}


def test_everybody_sees_their_own_and_admins_all(site: Site, root: Person, bob: Person) -> None:
    made(root)
    own: Any = bob.get(GROUPS).json
    assert {group["name"] for group in own["groups"]} == {"/prokube users", "/readers"}
    assert {group["members"] for group in own["groups"]} == {None}
    every: Any = root.get(GROUPS, search="vis").json
    assert [(group["name"], group["members"]) for group in every["groups"]] == [("vision", 0)]


def test_who_is_in_a_group_of_the_login_service_is_chosen_there(site: Site, root: Person) -> None:
    readers = site.group_id("/readers")
    for method, path, body in (
        ("POST", f"{GROUPS}/{readers}/members", {"username": email("carol")}),
        ("DELETE", f"{GROUPS}/{readers}/members", {"username": email("bob")}),
        ("PATCH", f"{GROUPS}/{readers}", {"name": "x"}),
        ("DELETE", f"{GROUPS}/{readers}", {}),
    ):
        status, told = asked(root, method, path, **body)
        assert (status, "login service" in told["message"]) == (400, True), path


def test_a_group_may_be_known_before_anybody_of_it_logs_in(site: Site, root: Person) -> None:
    group = made(root, "/data science", source="provider")
    site.grant(EXPERIMENT, Level.READ, group="/data science")
    assert root.get(f"{GROUPS}/{group}").json["group"]["source"] == "provider"  # type: ignore[index]


@pytest.mark.parametrize("name", ["vision", "/readers", "/slash", " x", "a\nb", "x" * 300, "__user_1__"])
def test_what_no_team_is_called_is_refused(root: Person, name: str) -> None:
    made(root)
    status, told = asked(root, "POST", GROUPS, name=name)
    assert status == 400
    assert (told["error_code"] == "RESOURCE_ALREADY_EXISTS") == (name == "vision")


def test_of_two_admins_who_make_the_same_team_one_is_told_that_it_exists(site: Site) -> None:
    make = ("POST", GROUPS, {"name": "vision"})
    answers = asked_at_once((site.person("root"), *make), (site.person("root"), *make))
    told = dict(answers)
    assert set(told) == {200, 400}
    assert told[400]["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert len(audited(site, "group.create")) == 1


OF_ADMINS = {
    "making one": ("POST", "", {"name": "mine"}),
    "reading one": ("GET", "/{id}", {}),
    "changing one": ("PATCH", "/{id}", {"name": "mine"}),
    "deleting one": ("DELETE", "/{id}", {}),
    "reading who is in it": ("GET", "/{id}/members", {}),
    "getting into it": ("POST", "/{id}/members", {"username": email("bob")}),
    "throwing somebody out": ("DELETE", "/{id}/members", {"username": email("alice")}),
}


@pytest.mark.parametrize("what", OF_ADMINS)
def test_what_admins_do_is_refused_to_others_and_changes_nothing(gated: GatedSite, what: str) -> None:
    root, bob = gated.person("root"), gated.person("bob")
    team = made(root)
    for name in ("alice", "bob"):
        assert asked(root, "POST", f"{GROUPS}/{team}/members", username=email(name))[0] == 200
    method, path, body = OF_ADMINS[what]
    before = everything(gated)
    status, told = asked(bob, method, GROUPS + path.format(id=team), **body)
    assert (status, told["error_code"]) == (403, "PERMISSION_DENIED")
    assert everything(gated) == before
    assert asked(root, method, GROUPS + path.format(id=team), **body)[0] == 200


def test_a_list_has_pages(root: Person) -> None:
    for number in range(3):
        made(root, f"team {number}")
    first: Any = root.get(GROUPS, search="team", max_results=2).json
    second: Any = root.get(GROUPS, search="team", max_results=2, page_token=first["next_page_token"]).json
    assert [group["name"] for group in first["groups"] + second["groups"]] == ["team 0", "team 1", "team 2"]
    assert second["next_page_token"] == ""


@pytest.mark.parametrize("group_id", ["0", "4711", str(2**31), str(2**70)])
def test_what_is_not_there_is_not_found(root: Person, group_id: str) -> None:
    for method, path, body in OF_ADMINS.values():
        if path:
            status, told = asked(root, method, GROUPS + path.format(id=group_id), **body)
            assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), (method, path)


def test_each_change_is_written_down(site: Site, root: Person) -> None:
    team = made(root, description="sees")
    asked(root, "PATCH", f"{GROUPS}/{team}", description="looks")
    asked(root, "POST", f"{GROUPS}/{team}/members", username=email("bob"))
    asked(root, "DELETE", f"{GROUPS}/{team}/members", username=email("bob"))
    assert audited(site, "group.create") == [("team vision", None, {"description": "sees"})]
    [(_, before, after)] = audited(site, "group.change")
    assert (before["description"], after["description"]) == ("sees", "looks")
    member = (f"user {email('bob')} in team vision", None, None)
    assert audited(site, "group.add_member") == audited(site, "group.remove_member") == [member]
