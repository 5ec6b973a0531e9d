"""Giving, taking away, asking and listing permissions, in MLflow's own shapes and by our own rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.database.tables import audit_records
from mlflow_oidc_auth.vocabulary import Kind, Level
from tests.http.api.site import (
    EVERY_KIND,
    EXPERIMENT,
    GET,
    GRANT,
    LIST,
    MISSING,
    MODEL,
    MY_PERMISSIONS,
    NOW,
    PROMPT,
    REVOKE,
    Made,
    Person,
    Site,
    email,
)

every_kind = pytest.mark.parametrize("made", EVERY_KIND, ids=lambda made: str(made.kind))
LEVELS = [level.name for level in Level]


def give(by: Person, to: str, level: str, on: Made) -> tuple[int, object]:
    answer = by.post(GRANT, {"username": email(to), "permission": level, **on.fields})
    return answer.status_code, answer.json


def take(by: Person, of: str, on: Made) -> tuple[int, object]:
    answer = by.post(REVOKE, {"username": email(of), **on.fields})
    return answer.status_code, answer.json


@every_kind
def test_whoever_manages_it_gives_and_takes_away(alice: Person, bob: Person, made: Made) -> None:
    assert give(alice, "bob", "EDIT", made) == (200, {})
    assert bob.level_of("bob", made) == alice.level_of("bob", made) == "EDIT"
    assert take(alice, "bob", made) == (200, {})
    assert alice.level_of("bob", made) == "NO_PERMISSIONS"


@pytest.mark.parametrize("level", LEVELS)
def test_a_later_grant_replaces_the_earlier_one(alice: Person, level: str) -> None:
    give(alice, "bob", "USE", EXPERIMENT)
    assert give(alice, "bob", level, EXPERIMENT) == (200, {})
    assert alice.level_of("bob", EXPERIMENT) == level


@pytest.mark.parametrize("level", LEVELS)
def test_allowed_means_use_as_in_mlflow(alice: Person, level: str) -> None:
    give(alice, "bob", level, MODEL)
    told = alice.get(GET, username=email("bob"), **MODEL.fields).json
    assert told == {"allowed": level in ("USE", "EDIT", "MANAGE"), "permission": level}


@every_kind
@pytest.mark.parametrize("level", ["NO_PERMISSIONS", "READ", "USE", "EDIT"])
def test_below_manage_nobody_gives_or_takes_away(site: Site, bob: Person, made: Made, level: str) -> None:
    site.grant(made, Level.parse(level), user="bob")
    before = site.everything()
    assert give(bob, "carol", "READ", made)[0] == give(bob, "bob", "MANAGE", made)[0] == 403
    assert take(bob, "alice", made)[0] == take(bob, "bob", made)[0] == 403
    assert site.everything() == before


@every_kind
def test_admins_manage_everything(root: Person, alice: Person, made: Made) -> None:
    assert give(root, "carol", "READ", made) == (200, {})
    assert alice.level_of("carol", made) == "READ"
    assert root.level_of("root", made) == "MANAGE"
    assert alice.level_of("root", made) == "MANAGE"


@every_kind
def test_the_last_manager_stays_unless_an_admin_says_so(alice: Person, root: Person, made: Made) -> None:
    assert take(alice, "alice", made)[0] == give(alice, "alice", "READ", made)[0] == 403
    assert give(alice, "bob", "MANAGE", made) == take(alice, "alice", made) == (200, {})
    assert take(root, "bob", made) == (200, {})


def test_both_are_written_down_with_who_and_what(site: Site, alice: Person) -> None:
    give(alice, "bob", "READ", EXPERIMENT)
    take(alice, "bob", EXPERIMENT)
    with site.engine.connect() as connection:
        grants = sa.select(audit_records).where(audit_records.c.act.startswith("grant.")).order_by(audit_records.c.id)
        given, taken = connection.execute(grants).all()
    assert (given.by, given.act, given.subject) == (
        email("alice"),
        "grant.give",
        f"experiment 7 for user {email('bob')}",
    )
    assert (given.before, given.after) == (None, {"level": "READ", "expires_at": None})
    assert (taken.act, taken.before, taken.after) == ("grant.take_away", given.after, None)


# --- What is hidden ----------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("by_grant", [False, True], ids=["never shared", "NO_PERMISSIONS"])
@pytest.mark.parametrize("about", ["carol", "alice", "nobody"])
def test_hidden_and_missing_resources_get_the_same_answers(
    site: Site, carol: Person, made: Made, by_grant: bool, about: str
) -> None:
    if by_grant:
        site.grant(made, Level.NO_PERMISSIONS, user="carol")
    before = site.everything()
    hidden, missing = (
        {"username": email(about), **named.fields} for named in (made, Made(made.kind, MISSING[made.kind]))
    )
    for method, path, extra in (("GET", GET, {}), ("POST", GRANT, {"permission": "READ"}), ("POST", REVOKE, {})):
        answers = [carol.ask(method, path, fields | extra) for fields in (hidden, missing)]
        assert [answer.status_code for answer in answers] == [403, 403], path
        assert answers[0].json == answers[1].json
        assert "or there is no such" in answers[0].json["message"]  # type: ignore[index]
    assert site.everything() == before


@every_kind
def test_whoever_does_not_manage_it_is_not_told_whether_a_user_exists(site: Site, bob: Person, made: Made) -> None:
    site.grant(made, Level.EDIT, user="bob")
    for method, path, extra in (("GET", GET, {}), ("POST", GRANT, {"permission": "READ"}), ("POST", REVOKE, {})):
        answers = [bob.ask(method, path, {"username": email(x), **made.fields} | extra) for x in ("alice", "nobody")]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].json == answers[1].json


@every_kind
def test_whoever_manages_it_is_told_that_a_user_does_not_exist(alice: Person, made: Made) -> None:
    status, told = give(alice, "nobody", "READ", made)
    assert (status, told["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")  # type: ignore[index]
    assert "no such user" in told["message"]  # type: ignore[index]


@every_kind
def test_an_admin_is_told_that_a_resource_does_not_exist(root: Person, made: Made) -> None:
    missing = Made(made.kind, MISSING[made.kind])
    assert give(root, "bob", "READ", missing)[0] == take(root, "bob", missing)[0] == 404
    assert root.get(GET, username=email("root"), **missing.fields).status_code == 404


def test_there_must_be_a_grant_to_take_away(site: Site, alice: Person) -> None:
    site.grant(EXPERIMENT, Level.READ, group="/readers")
    status, told = take(alice, "bob", EXPERIMENT)
    assert status == 404
    assert "comes from a group" in told["message"]  # type: ignore[index]


# --- What a request names ------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["7", "07", "0000007"])
def test_an_experiment_is_the_number_that_its_id_spells(alice: Person, spelling: str) -> None:
    assert give(alice, "bob", "READ", _experiment(spelling)) == (200, {})
    assert alice.level_of("bob", EXPERIMENT) == "READ"


def test_a_prompt_is_a_registered_model_too_but_a_model_is_no_prompt(alice: Person) -> None:
    as_model, as_prompt = Made(Kind.REGISTERED_MODEL, PROMPT.key), Made(Kind.PROMPT, MODEL.key)
    assert give(alice, "bob", "READ", as_model) == (200, {})
    assert alice.level_of("bob", PROMPT) == "READ"
    assert give(alice, "bob", "READ", as_prompt)[0] == 403
    assert alice.level_of("alice", as_prompt) == "refused"


def test_a_name_in_another_case_is_another_name(alice: Person) -> None:
    assert give(alice, "bob", "READ", Made(Kind.REGISTERED_MODEL, "Forecast"))[0] == 403


@pytest.mark.parametrize("type_", ["run", "scorer", "gateway_endpoint", "workspace", "Experiment", "experiments"])
def test_other_kinds_carry_no_permissions_here(alice: Person, type_: str) -> None:
    answer = alice.post(
        GRANT, {"username": email("bob"), "resource_type": type_, "resource_id": "7", "permission": "READ"}
    )
    assert (answer.status_code, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "experiment, registered_model, prompt" in answer.json["message"]


@every_kind
def test_a_star_stands_for_nothing_here(root: Person, made: Made) -> None:
    assert give(root, "bob", "READ", Made(made.kind, "*") if made.kind.named else _experiment("*"))[0] == 400


@pytest.mark.parametrize("spelling", ["team-a sales", " 7", "+7", "７", "0_7", "7.0"])
def test_what_is_no_number_in_plain_digits_is_no_id(alice: Person, spelling: str) -> None:
    status, told = give(alice, "bob", "READ", _experiment(spelling))
    assert status == 400
    assert "whole number" in told["message"]  # type: ignore[index]


def _experiment(spelling: str) -> Made:
    return Made(Kind.EXPERIMENT, spelling)


# --- Where a level comes from --------------------------------------------------------------------------


def test_the_answer_is_the_level_of_whichever_grant_decides(site: Site, alice: Person, bob: Person) -> None:
    site.grant_pattern(Kind.EXPERIMENT, "team-a ", Level.USE, group="/readers")
    assert bob.level_of("bob", EXPERIMENT) == alice.level_of("bob", EXPERIMENT) == "USE"
    site.grant_pattern(Kind.EXPERIMENT, "team-a ", Level.READ, user="bob")
    assert bob.level_of("bob", EXPERIMENT) == "READ"
    site.grant(EXPERIMENT, Level.EDIT, group="/readers")
    assert bob.level_of("bob", EXPERIMENT) == "EDIT"
    site.grant(EXPERIMENT, Level.NO_PERMISSIONS, user="bob")
    assert bob.level_of("bob", EXPERIMENT) == "refused"
    assert alice.level_of("bob", EXPERIMENT) == "NO_PERMISSIONS"


def test_a_grant_past_its_end_counts_for_nothing(site: Site, alice: Person) -> None:
    site.grant(EXPERIMENT, Level.EDIT, user="bob", until=NOW - timedelta(seconds=1))
    assert alice.level_of("bob", EXPERIMENT) == "NO_PERMISSIONS"


def test_a_pattern_that_says_manage_lets_people_give(site: Site, bob: Person) -> None:
    site.grant_pattern(Kind.REGISTERED_MODEL, "fore", Level.MANAGE, user="bob")
    assert give(bob, "carol", "READ", MODEL) == (200, {})


def test_the_default_opens_everything_but_the_default_experiment(engine: sa.Engine) -> None:
    carol = Site(engine, Level.READ).person("carol")
    assert [carol.level_of("carol", made) for made in EVERY_KIND] == ["READ"] * 3
    assert carol.level_of("carol", _experiment("0")) == "refused"


# --- Lists -----------------------------------------------------------------------------------------------


def test_a_list_tells_each_grant_with_the_role_it_comes_by(site: Site, bob: Person) -> None:
    site.grant(PROMPT, Level.EDIT, user="bob")
    site.grant(MODEL, Level.READ, group="/readers")
    site.grant_pattern(Kind.EXPERIMENT, "team-a ", Level.USE, group="/readers")
    own = {"role_id": 0, "role_name": f"__user_{site.people['bob'].id}__", "workspace": "default"}
    readers = {"role_id": site.group_id("/readers"), "role_name": "/readers", "workspace": "default"}
    assert bob.get(MY_PERMISSIONS).json == {
        "is_admin": False,
        "permissions": [
            own | {"resource_type": "prompt", "resource_pattern": "greeting", "permission": "EDIT"},
            readers | {"resource_type": "registered_model", "resource_pattern": "forecast", "permission": "READ"},
            readers | {"resource_type": "experiment", "resource_pattern": "team-a *", "permission": "USE"},
        ],
    }
    assert bob.get(LIST, username=email("bob")).json == bob.get(MY_PERMISSIONS).json


def _listed(answer: object) -> list[tuple[str, str]]:
    return [(row["resource_pattern"], row["permission"]) for row in answer["permissions"]]  # type: ignore[index]


def test_ones_own_list_leaves_out_what_is_hidden_and_an_admins_does_not(site: Site, bob: Person, root: Person) -> None:
    site.grant(EXPERIMENT, Level.EDIT, group="/readers")
    site.grant(EXPERIMENT, Level.NO_PERMISSIONS, user="bob")
    site.grant(MODEL, Level.NO_PERMISSIONS, group="/readers")
    site.grant(PROMPT, Level.NO_PERMISSIONS, group="/readers")
    site.grant(PROMPT, Level.READ, user="bob")
    site.grant_pattern(Kind.REGISTERED_MODEL, "secret-", Level.NO_PERMISSIONS, user="bob")
    assert _listed(bob.get(MY_PERMISSIONS).json) == [("greeting", "READ")]
    everything = _listed(root.get(LIST, username=email("bob")).json)
    assert len(everything) == 6
    assert ("7", "NO_PERMISSIONS") in everything


def test_grants_on_what_is_gone_are_not_listed(site: Site, bob: Person, root: Person) -> None:
    for made in EVERY_KIND:
        site.grant(Made(made.kind, MISSING[made.kind]), Level.READ, user="bob")
    assert _listed(bob.get(MY_PERMISSIONS).json) == _listed(root.get(LIST, username=email("bob")).json) == []


def test_an_admins_list_says_so(root: Person) -> None:
    assert root.get(MY_PERMISSIONS).json == {"is_admin": True, "permissions": []}
