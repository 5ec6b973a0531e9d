"""Pages of service accounts over HTTP: made with an owner and a purpose, a key shown once, and what is marked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlflow_oidc_auth.accounts.users import User
from mlflow_oidc_auth.tokens.format import ParsedToken, parse
from mlflow_oidc_auth.vocabulary import Identity
from tests.settings import settings
from tests.unit.web.admins import Browser, Office, email, read, wrong_at

KEY = re.compile(r'value="(mlfpat_[0-9A-Za-z_]+)"')


def date_in(office: Office, days: int) -> str:
    """A date, as a form sends it."""
    return (office.site.now() + timedelta(days=days)).date().isoformat()


def make_key(office: Office, root: Browser, **form: str) -> str:
    """Make a key for robot; the key that is shown."""
    answer = root.post(f"people/{office.robot.id}/keys", **{"expires_at": date_in(office, 30)} | form)
    assert answer.status_code == 200, read(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    (key,) = KEY.findall(answer.text)
    return str(key)


def belongs_to(office: Office, key: str, user: User) -> bool:
    """Whether this key works, for this account."""
    parsed = parse(key)
    assert isinstance(parsed, ParsedToken)
    found = office.parts.tokens.identify(parsed, office.site.now())
    return isinstance(found, Identity) and found.user_id == user.id


def test_a_service_account_is_made_and_gets_a_key_that_is_shown_once(office: Office, root: Browser) -> None:
    page = root.done("service-accounts", name="nightly", owner=email("alice").upper(), purpose="Trains at night")
    assert "The service account is made." in page
    assert "nothing can use this account until you make one" in page
    made = office.parts.users.by_username("nightly")
    assert made is not None
    assert (made.owner_id, made.purpose) == (office.alice.id, "Trains at night")
    answer = root.post(f"people/{made.id}/keys", expires_at=date_in(office, 30))
    (key,) = KEY.findall(answer.text)
    assert "For nightly, until" in read(answer)
    assert "MLFLOW_TRACKING_USERNAME" in answer.text
    assert "nightly" in answer.text.partition("MLFLOW_TRACKING_USERNAME")[2][:60]
    assert "root@example.test" not in answer.text.partition("<main")[2]
    assert f'data-page="/mlflow/permissions/people/{made.id}"' in answer.text
    assert 'data-address="/mlflow/ajax-api/2.0/mlflow/users/nightly/tokens"' in answer.text
    assert belongs_to(office, key, made)
    assert key not in root.get(f"people/{made.id}").text


def test_a_new_key_replaces_the_one_before_and_a_key_is_revoked(office: Office, root: Browser) -> None:
    first, second = make_key(office, root), make_key(office, root)
    assert not belongs_to(office, first, office.robot)
    (row,) = office.parts.tokens.active_of(office.robot.id, office.site.now())
    assert row.created_by == email("root")
    root.done(f"people/{office.robot.id}/keys/revoke", key=row.public_id)
    assert not belongs_to(office, second, office.robot)


@pytest.mark.parametrize("date", ["", "tomorrow", "2020-01-01", "2999-01-01", "2027-02-30"])
def test_a_key_without_a_date_that_can_be_is_not_made(office: Office, root: Browser, date: str) -> None:
    answer = root.post(f"people/{office.robot.id}/keys", expires_at=date)
    assert "Choose a date" in wrong_at(answer, "expires_at")
    assert f'value="{date}"' in answer.text
    assert office.parts.tokens.active_of(office.robot.id, office.site.now()) == []


def test_where_keys_have_names_one_without_is_told_at_the_field(engine: sa.Engine) -> None:
    office = Office(engine, settings(max_tokens_per_user=3))
    root = office.browser(office.root)
    answer = root.post(f"people/{office.robot.id}/keys", expires_at=date_in(office, 30), name="")
    assert "Give the access key a name" in wrong_at(answer, "name")
    assert belongs_to(office, make_key(office, root, name="night"), office.robot)
    assert "night" in read(root.get(f"people/{office.robot.id}"))


def test_no_key_is_made_for_a_disabled_account(office: Office, root: Browser) -> None:
    root.done(f"people/{office.robot.id}/disable")
    page = root.get(f"people/{office.robot.id}")
    assert "Make access key" not in read(page)
    answer = root.post(f"people/{office.robot.id}/keys", expires_at=date_in(office, 30))
    assert answer.status_code == 400
    assert "disabled" in read(answer)


WRONG = {
    "a name there is": ({"name": "robot"}, "name", "There is an account of this name"),
    "an e-mail": ({"name": "robot@example.test"}, "name", "2 to 64 characters"),
    "no name": ({"name": ""}, "name", "2 to 64 characters"),
    "a word that means something": ({"name": "current"}, "name", "meaning of its own"),
    "nobody": ({"owner": "nobody@example.test"}, "owner", "There is nobody with this e-mail"),
    "owned by a program": ({"owner": "robot"}, "owner", "must be an active person"),
    "no purpose": ({"purpose": " "}, "purpose", "Say what the service account does"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_made_is_told_at_the_field_and_what_was_typed_stays(
    office: Office, root: Browser, case: str
) -> None:
    changed, field, sentence = WRONG[case]
    form = {"name": "nightly", "owner": email("alice"), "purpose": "Trains at night"} | changed
    before = office.everything()
    answer = root.post("service-accounts", **form)
    assert sentence in wrong_at(answer, field)
    for name, value in form.items():
        assert f'name="{name}" value="{value}"' in answer.text
    assert office.everything() == before


def test_owner_and_purpose_are_changed(office: Office, root: Browser) -> None:
    page = root.done(f"people/{office.robot.id}/change", owner=email("carol"), purpose="Sleeps")
    assert "Owner carol@example.test Purpose Sleeps" in page
    answer = root.post(f"people/{office.robot.id}/change", owner="nobody@example.test", purpose="Wakes")
    assert "There is nobody" in wrong_at(answer, "owner")
    assert "Wakes" in answer.text
    assert wrong_at(root.post(f"people/{office.robot.id}/change", owner=email("carol"), purpose=""), "purpose")


def test_a_person_has_no_owner_to_change(office: Office, root: Browser) -> None:
    before = office.everything()
    assert root.post(f"people/{office.carol.id}/change", owner=email("alice"), purpose="Mine").status_code == 400
    assert office.everything() == before


def test_what_needs_somebody_to_look_is_marked(office: Office, root: Browser) -> None:
    assert "robot No key" in read(root.get("service-accounts"))
    make_key(office, root, expires_at=date_in(office, 30))
    page = read(root.get("service-accounts"))
    assert "Key ends" not in page
    assert "No key" not in page
    make_key(office, root, expires_at=date_in(office, 13))
    assert re.search(r"robot Key ends in 1[23] days", read(root.get("service-accounts")))
    root.done(f"people/{office.alice.id}/delete")
    assert "robot No owner" in read(root.get("service-accounts"))


def test_a_service_account_is_found_by_name_and_deleted(office: Office, root: Browser) -> None:
    assert "robot" in read(root.get("service-accounts", search="ROB"))
    assert "None is called so." in read(root.get("service-accounts", search="alice"))
    assert "The service account is deleted" in root.done(f"people/{office.robot.id}/delete")
    assert office.parts.users.by_username("robot") is None
