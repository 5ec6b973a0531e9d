"""Pages of people over HTTP: what an admin sees and does there, who is refused, and what bad input does (nothing)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.operations.requirements import AdminInBrowser
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.unit.web.admins import Browser, Office, email, read, wrong_at

FORMS = sorted(entry.path for entry in OURS if entry.method == "POST" and isinstance(entry.requirement, AdminInBrowser))
PAGES = sorted(entry.path for entry in OURS if entry.method == "GET" and isinstance(entry.requirement, AdminInBrowser))
OURS_HERE = [path.removeprefix("/permissions/") for path in FORMS if path.startswith("/permissions/")]
READ_HERE = [path.removeprefix("/permissions/") for path in PAGES if path.startswith("/permissions/")]


def about(office: Office, path: str) -> str:
    """The address with alice and the team in it."""
    return path.replace("<int:user_id>", str(office.alice.id)).replace("<int:group_id>", str(office.team.id))


@pytest.mark.parametrize("path", OURS_HERE)
def test_a_form_of_admins_is_refused_to_others_and_changes_nothing(office: Office, path: str) -> None:
    before = office.everything()
    assert office.browser(office.alice).post(about(office, path)).status_code == 403
    assert office.everything() == before


@pytest.mark.parametrize("path", READ_HERE)
def test_a_page_of_admins_is_refused_to_others(office: Office, root: Browser, path: str) -> None:
    assert office.browser(office.alice).get(about(office, path)).status_code == 403
    assert root.get(about(office, path)).status_code in (200, 303)


BAD = {
    "nothing": {},
    "a NUL": dict.fromkeys(("to", "team", "name", "owner", "username", "on", "session", "key", "group", "user"), "\0"),
    "very long": dict.fromkeys(("to", "team", "name", "owner", "purpose", "username", "on", "kind"), "x" * 1500),
    "half a number": {"session": "1_0", "group": "-1", "user": "３", "kind": "experiment", "on": "1_0"},
    "a huge number": dict.fromkeys(("session", "group", "user"), "9" * 30) | {"kind": "experiment", "on": "9" * 30},
    "half a tick": {"on": "experiment:x", "to": email("nobody")},
}
WITHOUT_FIELDS = ("disable", "enable", "delete", "sessions/end-all")


@pytest.mark.parametrize("path", [path for path in OURS_HERE if not path.endswith(WITHOUT_FIELDS)])
@pytest.mark.parametrize("bad", BAD)
def test_bad_input_changes_nothing_and_is_told(office: Office, root: Browser, path: str, bad: str) -> None:
    before = office.everything()
    answer = root.post(about(office, path), **BAD[bad])
    assert answer.status_code in ((403,) if path.endswith("<int:user_id>/keys") else (303, 400))
    assert office.everything() == before


@pytest.mark.parametrize("where", ["people/{}", "people/{}/grants", "groups/{}", "groups/{}/members"])
@pytest.mark.parametrize("number", ["999", "2147483648", "9" * 30])
def test_what_is_not_there_is_not_found(root: Browser, where: str, number: str) -> None:
    assert root.get(where.format(number)).status_code == 404


# --- The list -----------------------------------------------------------------------------------------------------


def test_the_list_tells_who_is_here_and_finds_them(office: Office, root: Browser) -> None:
    office.parts.tokens.create(
        office.alice.id, office.site.now() + timedelta(days=9, hours=1), by="x", now=office.site.now()
    )
    page = read(root.get("people"))
    assert "Alice Example alice@example.test less than a minute ago ends in 9 days never used 2" in page
    assert "Root Example Admin" in page
    assert "robot" not in page
    found = read(root.get("people", search="CAROL"))
    assert "carol@example.test" in found
    assert "alice@example.test" not in found
    assert "Nobody is called so." in read(root.get("people", search="100%"))
    assert "There is no page 7" in read(root.get("people", page="7"))
    assert root.get("people", page="x").status_code == 400


# --- One person ---------------------------------------------------------------------------------------------------


def test_the_page_of_a_person_tells_all_of_them(office: Office, root: Browser) -> None:
    page = read(root.get(f"people/{office.alice.id}"))
    for told in (
        "Alice Example",
        email("alice"),
        "/prokube users",
        "vision team",
        "manages 2 resources",
        "No access key",
    ):
        assert told in page


def test_sessions_are_ended_one_or_all(office: Office, root: Browser) -> None:
    now = office.site.now()
    for _ in range(3):
        office.site.session(office.alice)
    first = office.parts.sessions.listing(office.alice.id, now)[0].id
    assert "The session is ended" in root.done(f"people/{office.alice.id}/sessions/end", session=first)
    assert "it had ended before" in root.done(f"people/{office.alice.id}/sessions/end", session=first)
    assert len(office.parts.sessions.listing(office.alice.id, now)) == 2
    assert "All sessions are ended" in root.done(f"people/{office.alice.id}/sessions/end-all")
    assert office.parts.sessions.listing(office.alice.id, now) == []


def test_the_session_of_somebody_else_is_not_ended_by_a_wrong_address(office: Office, root: Browser) -> None:
    office.site.session(office.carol)
    hers = office.parts.sessions.listing(office.carol.id, office.site.now())[0].id
    assert "it had ended before" in root.done(f"people/{office.alice.id}/sessions/end", session=hers)
    assert len(office.parts.sessions.listing(office.carol.id, office.site.now())) == 1


def test_a_key_is_revoked(office: Office, root: Browser) -> None:
    now = office.site.now()
    _, row = office.parts.tokens.create(office.alice.id, now + timedelta(days=3), by="x", now=now)
    assert "The access key is revoked" in root.done(f"people/{office.alice.id}/keys/revoke", key=row.public_id)
    assert office.parts.tokens.active_of(office.alice.id, now) == []
    assert "it had ended before" in root.done(f"people/{office.alice.id}/keys/revoke", key=row.public_id)


def test_no_admin_makes_a_key_for_a_person(office: Office, root: Browser) -> None:
    tomorrow = (office.site.now() + timedelta(days=1)).date().isoformat()
    page = root.post(f"people/{office.alice.id}/keys", expires_at=tomorrow)
    assert page.status_code == 403
    assert "mlfpat_" not in page.text
    assert office.parts.tokens.active_of(office.alice.id, office.site.now()) == []


def test_somebody_is_put_into_a_team_and_out_of_it(office: Office, root: Browser) -> None:
    assert "Added to the team" in root.done(f"people/{office.carol.id}/teams/add", team="vision")
    assert [group.name for group in office.parts.groups.of_user(office.carol.id)] == ["/prokube users", "vision"]
    assert "Removed from the team" in root.done(f"people/{office.carol.id}/teams/remove", group=office.team.id)
    assert [group.name for group in office.parts.groups.of_user(office.carol.id)] == ["/prokube users"]


def test_a_group_of_the_login_service_takes_nobody_in(office: Office, root: Browser) -> None:
    answer = root.post(f"people/{office.carol.id}/teams/add", team="/prokube admins")
    assert "There is no team called so" in wrong_at(answer, "team")
    assert 'value="/prokube admins"' in answer.text
    before = office.everything()
    assert root.post(f"people/{office.carol.id}/teams/remove", group=office.group.id).status_code == 400
    assert office.everything() == before


def test_what_somebody_manages_is_handed_over(office: Office, root: Browser) -> None:
    page = root.done(f"people/{office.alice.id}/hand-over", to="CAROL@example.test ")
    assert "What they managed is handed over" in page
    assert "manages 0 resources" in page
    assert "teama-sales" in read(root.get(f"people/{office.carol.id}/grants"))
    assert office.acts()[-1] == "grant.hand_over"
    assert "There was nothing to hand over" in root.done(f"people/{office.alice.id}/hand-over", to=email("carol"))


@pytest.mark.parametrize("to", ["nobody@example.test", "", email("alice")], ids=["nobody", "empty", "oneself"])
def test_nobody_takes_over_who_cannot(office: Office, root: Browser, to: str) -> None:
    answer = root.post(f"people/{office.alice.id}/hand-over", to=to)
    assert wrong_at(answer, "to")
    assert 'id="hand-over-to"' in answer.text
    assert '<details class="confirm" open>' in answer.text


def test_an_account_is_disabled_and_enabled(office: Office, root: Browser) -> None:
    hers = office.browser(office.alice)
    assert "The account is disabled" in root.done(f"people/{office.alice.id}/disable")
    assert hers.client.get("/mlflow/permissions").status_code == 302
    assert "The account is enabled" in root.done(f"people/{office.alice.id}/enable")


def test_an_account_is_deleted_with_what_was_given_to_it(office: Office, root: Browser) -> None:
    page = read(root.get(f"people/{office.alice.id}"))
    assert "2 resources would lose this manager" in page
    assert "The account is deleted" in root.done(f"people/{office.alice.id}/delete")
    assert office.parts.users.by_id(office.alice.id) is None
    assert "teama-sales" in read(root.get("unmanaged"))


@pytest.mark.parametrize("act", ["disable", "delete"])
def test_nobody_ends_their_own_account(office: Office, root: Browser, act: str) -> None:
    assert f"{act.capitalize()} this account" not in read(root.get(f"people/{office.root.id}"))
    answer = root.post(f"people/{office.root.id}/{act}")
    assert answer.status_code == 400
    assert f"You cannot {act} your own account" in read(answer)
    assert office.parts.users.by_id(office.root.id) is not None


# --- Grants -------------------------------------------------------------------------------------------------------


def test_a_pattern_is_looked_at_before_it_is_given(office: Office, root: Browser) -> None:
    form = {"kind": "experiment", "on": "teama-*", "permission": "EDIT", "expires_at": "2999-01-31"}
    before = office.everything()
    answer = root.get(f"people/{office.carol.id}/give", **form)
    assert answer.status_code == 200
    assert "Experiments today 1 Person today 1" in read(answer)
    assert "teama-sales" in read(answer)
    assert office.everything() == before
    assert "Given." in root.done(f"people/{office.carol.id}/give", **form)
    page = read(root.get(f"people/{office.carol.id}/grants"))
    assert "teama-* pattern Experiments EDIT" in page
    assert "by root@example.test 31 January 2999" in page
    again = read(root.get(f"people/{office.carol.id}/give", **form | {"permission": "READ"}))
    assert "It replaces EDIT , given by root@example.test" in again


@pytest.mark.parametrize("on", ["7", "teama-sales"], ids=["by its number", "by its name"])
def test_one_experiment_is_given_and_taken_away(office: Office, root: Browser, on: str) -> None:
    form = {"kind": "experiment", "on": on, "permission": "READ"}
    assert "on experiment teama-sales" in read(root.get(f"people/{office.carol.id}/give", **form))
    root.done(f"people/{office.carol.id}/give", **form)
    assert "teama-sales Experiment READ" in read(root.get(f"people/{office.carol.id}/grants"))
    assert "Taken away" in root.done(f"people/{office.carol.id}/take-away", kind="experiment", on="7")
    assert "no such grant" in root.done(f"people/{office.carol.id}/take-away", kind="experiment", on="7")


def test_what_was_given_on_something_purged_is_taken_away(office: Office, root: Browser) -> None:
    office.site.purges("7")
    assert "Taken away" in root.done(f"people/{office.alice.id}/take-away", kind="experiment", on="7")


WRONG = {
    "no such name": ({"on": "teama"}, "on", "Did you mean one of these: teama-sales?"),
    "a model as an experiment": ({"on": "forecast"}, "on", "There is no experiment called so."),
    "an experiment as a model": ({"kind": "registered_model", "on": "teama-sales"}, "on", "no model or prompt"),
    "two stars": ({"on": "a*b*"}, "on", "one '*' only"),
    "a star in front": ({"on": "*-sales"}, "on", "must end in '*'"),
    "nothing": ({"on": " "}, "on", "Say what to give"),
    "another kind": ({"kind": "gateway"}, "on", "Choose experiments"),
    "no level": ({"permission": "OWNER"}, "permission", "Choose a level."),
    "no date": ({"expires_at": "tomorrow"}, "expires_at", "is not a date"),
    "a past date": ({"expires_at": "2020-01-01"}, "expires_at", "in the past"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("who", ["people", "groups"])
def test_a_grant_that_cannot_be_is_told_at_the_field(office: Office, root: Browser, who: str, case: str) -> None:
    changed, field, sentence = WRONG[case]
    form = {"kind": "experiment", "on": "teama-*", "permission": "READ", "expires_at": ""} | changed
    address = f"people/{office.carol.id}/give" if who == "people" else f"groups/{office.team.id}/give"
    before = office.everything()
    for answer in (root.post(address, **form), *([root.get(address, **form)] if form["on"].strip() else [])):
        assert sentence in wrong_at(answer, field)
        assert "What this does" not in read(answer)
    assert office.everything() == before


def test_a_long_list_has_pages(office: Office, root: Browser) -> None:
    for number in range(100, 155):
        office.site.owns(office.carol, Kind.EXPERIMENT, str(number), Level.READ)
    assert "Page 1 of 2 (55 in all)" in read(root.get(f"people/{office.carol.id}/grants"))
    assert "Page 2 of 2 (55 in all)" in read(root.get(f"people/{office.carol.id}/grants", page="2"))


def test_names_are_told_as_text(office: Office, root: Browser) -> None:
    odd = "<script>alert(1)</script>"
    office.parts.groups.make(odd, GroupSource.TEAM, by="x", now=office.site.now(), description=odd)
    office.site.owns(office.alice, Kind.REGISTERED_MODEL, odd)
    for path in ("groups", f"people/{office.alice.id}/grants", f"people/{office.alice.id}"):
        assert "<script>alert" not in root.get(path).text
