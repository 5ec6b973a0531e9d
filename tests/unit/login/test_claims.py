"""Claims become a profile or a reason; whatever the claims are, one of the two comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_oidc_auth.login.claims import Cause, NotAdmitted, Profile, in_any, profile_from
from tests.login.site import Settings

SETTINGS = Settings()
ALICE: dict[str, Any] = {
    "iss": "https://id.example.test",
    "sub": "alice-sub",
    "email": "Alice@Example.test",
    "name": "Alice Adams",
    "groups": ["/prokube users", "/prokube users/team a"],
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def test_alice_is_described_as_the_provider_does() -> None:
    assert profile_from(ALICE, SETTINGS) == Profile(
        issuer="https://id.example.test",
        subject="alice-sub",
        username="alice@example.test",
        display_name="Alice Adams",
        groups=frozenset({"/prokube users", "/prokube users/team a"}),
        is_admin=False,
    )


def test_without_a_display_name_the_login_name_is_shown() -> None:
    for name in (None, "", 7, " \x00 "):
        profile = profile_from(ALICE | {"name": name}, SETTINGS)
        assert isinstance(profile, Profile)
        assert profile.display_name == "alice@example.test"


@pytest.mark.parametrize("name", ["current", "Provider", "shell", "SYSTEM"])
def test_nobody_is_called_what_the_audit_and_the_api_mean_otherwise(name: str) -> None:
    settings = Settings(oidc_username_field="preferred_username")
    refused = profile_from(ALICE | {"preferred_username": name}, settings)
    assert isinstance(refused, NotAdmitted)
    assert refused.cause is Cause.UNUSABLE_USERNAME
    assert "meaning of its own" in refused.sentence
    assert isinstance(profile_from(ALICE | {"preferred_username": f"{name}1"}, settings), Profile)


def test_each_refusal_has_its_own_cause() -> None:
    causes = {
        Cause.NO_GROUPS_CLAIM: {"groups": None},
        Cause.MALFORMED_GROUPS: {"groups": {"a": 1}},
        Cause.NO_ALLOWED_GROUP: {"groups": ["/other"]},
        Cause.NO_USERNAME: {"email": None},
        Cause.UNVERIFIED_EMAIL: {"email_verified": False},
        Cause.UNUSABLE_USERNAME: {"email": "a b@example.test"},
    }
    assert set(causes) == set(Cause)
    for cause, claims in causes.items():
        refused = profile_from(ALICE | claims, SETTINGS)
        assert isinstance(refused, NotAdmitted)
        assert refused.cause is cause
        assert not refused
        assert bool(refused.groups_needed) is cause.about_groups


@given(
    st.fixed_dictionaries(
        {"iss": st.just("i"), "sub": st.just("s")},
        optional={
            name: json_values | st.sampled_from(["/prokube users", ["/prokube users"], ["prokube admins"], "a@b.c"])
            for name in ("email", "email_verified", "name", "groups")
        },
    )
)
def test_whatever_the_claims_are_the_answer_is_sound(claims: dict[str, Any]) -> None:
    answer = profile_from(claims, SETTINGS)
    if isinstance(answer, Profile):
        assert answer.groups & {"/prokube users", "prokube users", "/prokube admins", "prokube admins"}
        assert answer.is_admin == bool(answer.groups & {"/prokube admins", "prokube admins"})
        assert answer.username == answer.username.lower()
        assert ":" not in answer.username
        assert claims.get("email_verified") is not False
        for text in (answer.username, answer.display_name, *answer.groups):
            text.encode()  # every database takes it
            assert "\x00" not in text
            assert len(text) <= 256
    else:
        assert answer.sentence


@given(st.frozensets(st.text(min_size=1, max_size=12)), st.text(min_size=1, max_size=12))
def test_a_group_matches_its_exact_name_or_top_level_path_and_nothing_else(groups: frozenset[str], name: str) -> None:
    expected = name in groups or (not name.startswith("/") and f"/{name}" in groups)
    assert in_any(groups, (name,)) is expected


@given(st.lists(st.text(max_size=12)))
def test_nested_groups_never_count_as_the_one_above(others: list[str]) -> None:
    nested = [f"/prokube admins/{other}" for other in others] + [
        f"/{other}/prokube admins" for other in others if other
    ]
    answer = profile_from(json.loads(json.dumps(ALICE | {"groups": ["/prokube users", *nested]})), SETTINGS)
    assert isinstance(answer, Profile)
    assert not answer.is_admin
