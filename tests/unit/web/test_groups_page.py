"""Pages of groups and teams over HTTP: made, described, filled and given something; and what cannot be."""

from __future__ import annotations

import pytest

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.web.admins import Browser, Office, email, read, wrong_at


def test_the_list_tells_where_each_comes_from_and_finds_them(root: Browser) -> None:
    page = read(root.get("groups"))
    assert "/prokube users Login service 2" in page
    assert "vision Team 1 Sees things" in page
    assert "/prokube users Login" not in read(root.get("groups", source="team"))
    assert "vision Team" not in read(root.get("groups", source="provider"))
    assert "vision Team" in read(root.get("groups", search="VIS"))
    assert "None is called so." in read(root.get("groups", search="%"))


def test_a_team_is_made_described_and_deleted(office: Office, root: Browser) -> None:
    page = root.done("groups", source="team", name=" forecasters ", description="Forecast the demand")
    assert "The team is made." in page
    assert "forecasters Team" in page
    team = office.parts.groups.by_name("forecasters", GroupSource.TEAM)
    assert team is not None
    assert "planners Team" in root.done(f"groups/{team.id}/change", name="planners", description="Plan it")
    assert "It is deleted" in root.done(f"groups/{team.id}/delete")
    assert office.parts.groups.by_id(team.id) is None


def test_a_group_of_the_login_service_is_made_before_anybody_of_it_logs_in(office: Office, root: Browser) -> None:
    root.done("groups", source="provider", name="/data science")
    group = office.parts.groups.by_name("/data science", GroupSource.PROVIDER)
    assert group is not None
    assert "Nobody of this group has logged in yet." in read(root.get(f"groups/{group.id}/members"))
    root.done(f"groups/{group.id}/give", kind="experiment", on="teama-*", permission="READ")
    dora = office.site.person("dora", groups=("/data science",))
    assert [one.id for one in office.parts.groups.of_user(dora.id)] == [group.id]


WRONG = {
    "a name there is": ({"source": "team", "name": "vision"}, "name", "of this name already"),
    "no name": ({"source": "team", "name": " "}, "name", "empty"),
    "a name with a line break": ({"source": "team", "name": "a\nb"}, "name", "cannot be printed"),
    "a team like a group": ({"source": "team", "name": "/prokube users"}, "name", "does not begin with '/'"),
    "a long name": ({"source": "provider", "name": "x" * 257}, "name", "longer than"),
    "a long description": ({"source": "team", "name": "x", "description": "x" * 1025}, "description", "longer than"),
    "neither": ({"source": "cloud", "name": "x"}, "source", "Choose"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_made_is_told_at_the_field_and_what_was_typed_stays(
    office: Office, root: Browser, case: str
) -> None:
    form, field, sentence = WRONG[case]
    before = office.everything()
    answer = root.post("groups", **form)
    assert sentence in wrong_at(answer, field)
    if form["name"].strip():
        assert f'name="name" value="{form["name"]}"' in answer.text
    assert office.everything() == before


def test_a_team_takes_somebody_in_and_lets_them_go(office: Office, root: Browser) -> None:
    members = f"groups/{office.team.id}/members"
    assert "carol@example.test" in root.done(members, username=" Carol@Example.test")
    assert "robot Service account" in root.done(members, username="robot")
    assert "Removed from the team" in root.done(f"{members}/remove", user=office.carol.id)
    assert "They were not in the team any more" in root.done(f"{members}/remove", user=office.carol.id)
    found, total = office.parts.groups.members(office.team.id, 0, 10)
    assert ([user.username for user in found], total) == ([email("alice"), "robot"], 2)


@pytest.mark.parametrize("username", ["nobody@example.test", "", "%"])
def test_nobody_unknown_gets_into_a_team(office: Office, root: Browser, username: str) -> None:
    answer = root.post(f"groups/{office.team.id}/members", username=username)
    assert "There is no account called so" in wrong_at(answer, "username")


def test_who_is_in_a_group_of_the_login_service_is_not_changed_here(office: Office, root: Browser) -> None:
    page = root.get(f"groups/{office.group.id}/members")
    assert "It cannot be changed here." in read(page)
    assert "<form" not in page.text.partition("<main")[2]
    before = office.everything()
    for path, form in {
        "members": {"username": email("root")},
        "members/remove": {"user": str(office.alice.id)},
        "change": {"name": "mine", "description": ""},
        "delete": {},
    }.items():
        assert root.post(f"groups/{office.group.id}/{path}", **form).status_code == 400
    assert office.everything() == before


def test_a_preview_tells_how_much_a_pattern_opens_to_how_many(office: Office, root: Browser) -> None:
    for number in range(10, 17):
        office.site.makes(Kind.EXPERIMENT, str(number), f"teama-{number}")
    office.site.makes(Kind.EXPERIMENT, "99", "TEAMA-99")
    office.site.makes(Kind.REGISTERED_MODEL, "teama-model")
    office.site.makes(Kind.PROMPT, "teama-prompt")
    give = f"groups/{office.group.id}/give"
    page = read(root.get(give, kind="experiment", on="teama-*", permission="READ"))
    assert "/prokube users (2 people today) gets READ (can see and download)" in page
    assert "Experiments today 8 People today 2" in page
    assert "Such as: teama-10 teama-11 teama-12 teama-13 teama-14 It also" in page
    page = read(root.get(give, kind="registered_model", on="teama-*", permission="READ"))
    assert "Models today 1 Prompts today 1 People today 2 Namely: teama-model teama-prompt" in page


def test_what_a_team_was_given_is_changed_and_taken_away(office: Office, root: Browser) -> None:
    own = f"groups/{office.team.id}"
    root.done(f"{own}/give", kind="registered_model", on="forecast", permission="EDIT")
    page = root.get(own)
    assert "forecast Model EDIT" in read(page)
    assert f"{own}/give?kind=registered_model&amp;on=forecast&amp;permission=EDIT" in page.text
    assert "forecast Model READ" in root.done(
        f"{own}/give", kind="registered_model", on="forecast", permission="READ", expires_at="2999-12-31"
    )
    assert "Taken away." in root.done(f"{own}/take-away", kind="registered_model", on="forecast", pattern="")
    root.done(f"{own}/give", kind="experiment", on="*", permission="NO_PERMISSIONS")
    assert "Taken away." in root.done(f"{own}/take-away", kind="experiment", on="*", pattern="1")
    assert "Nothing yet." in read(root.get(own))


def test_a_team_goes_with_what_was_given_to_it(office: Office, root: Browser) -> None:
    root.done(f"groups/{office.team.id}/give", kind="experiment", on="7", permission="READ")
    page = read(root.get(f"groups/{office.team.id}"))
    assert "1 person is in it" in page
    assert "1 grant goes with it" in page
    root.done(f"groups/{office.team.id}/delete")
    assert office.parts.listing.find(office.site.now(), size=10)[-1].to == email("alice")


def test_a_group_has_pages_of_people(office: Office, root: Browser) -> None:
    for number in range(60):
        office.site.person(f"person{number}")
    assert "Page 1 of 2 (62 in all)" in read(root.get(f"groups/{office.group.id}/members"))
    assert "Page 2 of 2 (62 in all)" in read(root.get(f"groups/{office.group.id}/members", page="2"))


def test_what_nobody_manages_is_handed_over(office: Office, root: Browser) -> None:
    assert "Everything but the default experiment has somebody who manages it." in read(root.get("unmanaged"))
    office.site.makes(Kind.EXPERIMENT, "8", "left alone")
    office.site.makes(Kind.REGISTERED_MODEL, "left:alone/too")
    office.site.makes(Kind.PROMPT, "stays")
    page = read(root.get("unmanaged"))
    assert "left alone Experiment" in page
    ticked = ["experiment:8", "registered_model:left:alone/too"]
    assert "Done" in root.done("unmanaged", on=ticked, to=email("carol"))
    found = office.parts.listing.find(office.site.now(), size=10)
    assert {one.on for one in found if one.to == email("carol") and one.level is Level.MANAGE} == {
        "8",
        "left:alone/too",
    }
    page = read(root.get("unmanaged"))
    assert "stays Prompt" in page
    assert "left alone" not in page


@pytest.mark.parametrize(
    ("form", "field", "sentence"),
    [
        ({"to": "carol"}, "on", "Tick what"),
        ({"on": "experiment:8", "to": "nobody"}, "to", "There is nobody"),
        ({"on": "experiment:8", "to": "dave"}, "to", "disabled"),
    ],
    ids=["nothing ticked", "nobody", "disabled"],
)
def test_a_hand_over_that_cannot_be_is_told_at_the_field(
    office: Office, root: Browser, form: dict[str, str], field: str, sentence: str
) -> None:
    dave = office.site.person("dave")
    office.parts.users.disable(dave.id, office.site.now(), by="system")
    office.site.makes(Kind.EXPERIMENT, "8", "left alone")
    answer = root.post("unmanaged", **form | {"to": email(form["to"])})
    assert sentence in wrong_at(answer, field)
    assert (' checked aria-labelledby="name-1"' in answer.text) == ("on" in form)
    assert "left alone" in read(root.get("unmanaged"))
