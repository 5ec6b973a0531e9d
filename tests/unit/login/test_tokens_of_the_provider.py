"""The checks of signed tokens one by one, without HTTP; whole logins with each fault are in `tests/login`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from mlflow_oidc_auth.login.attempts import LoginAttempt
from mlflow_oidc_auth.login.discovery import SIGNATURES, checked
from mlflow_oidc_auth.login.failures import ProviderDown
from mlflow_oidc_auth.login.id_token import Expected, SignedClaims, TokenInvalid, check_id_token, signed_claims
from mlflow_oidc_auth.login.keys import usable_keys
from mlflow_oidc_auth.login.logout_token import EVENT, check_logout_token
from mlflow_oidc_auth.login.provider import Proof

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
EXPECTED = Expected("https://id.example.test", "mlflow", NOW)
ID_TOKEN: dict[str, Any] = {
    "iss": "https://id.example.test",
    "aud": "mlflow",
    "sub": "alice-sub",
    "iat": SECONDS,
    "exp": SECONDS + 300,
    "nonce": "n",
}
LOGOUT_TOKEN: dict[str, Any] = {
    "iss": "https://id.example.test",
    "aud": ["mlflow"],
    "sub": "alice-sub",
    "iat": SECONDS,
    "exp": SECONDS + 120,
    "jti": "j",
    "events": {EVENT: {}},
}
ADDRESS = "https://id.example.test/.well-known/openid-configuration"
METADATA = {
    "issuer": "https://id.example.test",
    "authorization_endpoint": "https://id.example.test/authorize",
    "token_endpoint": "https://id.example.test/token",
    "jwks_uri": "https://id.example.test/jwks",
}


def test_the_algorithms_are_asymmetric() -> None:
    assert not any(name.startswith("HS") or name == "none" for name in SIGNATURES)
    assert checked(METADATA, ADDRESS, None).signatures == SIGNATURES


@pytest.mark.parametrize("typ", [None, "", "JWT", "jwt", "application/jwt"])
def test_an_id_token_may_say_that_it_is_a_jwt(typ: str | None) -> None:
    assert check_id_token(SignedClaims({"alg": "RS256", "typ": typ}, ID_TOKEN), EXPECTED, "n", None) == ID_TOKEN


def test_a_login_without_a_nonce_cannot_be_checked() -> None:
    with pytest.raises(TokenInvalid, match="nonce"):
        check_id_token(SignedClaims({"alg": "RS256"}, ID_TOKEN), EXPECTED, "", None)


@pytest.mark.parametrize("typ", [None, "", "JWT", "at+jwt", "secevent+jwt"])
def test_a_logout_token_must_say_what_it_is(typ: str | None) -> None:
    with pytest.raises(TokenInvalid, match=r"type logout\+jwt"):
        check_logout_token(SignedClaims({"alg": "RS256", "typ": typ}, LOGOUT_TOKEN), EXPECTED)
    notice = check_logout_token(SignedClaims({"alg": "RS256", "typ": "logout+jwt"}, LOGOUT_TOKEN), EXPECTED)
    assert (notice.issuer, notice.sid, notice.subject) == ("https://id.example.test", None, "alice-sub")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*ID_TOKEN, "azp", "nbf", "at_hash", "amr", "auth_time"]), json_values))
def test_whatever_an_id_token_claims_it_is_checked_or_refused(wrong: dict[str, Any]) -> None:
    try:
        claims = check_id_token(SignedClaims({"alg": "RS256"}, ID_TOKEN | wrong), EXPECTED, "n", "access")
    except TokenInvalid:
        return
    assert (claims["iss"], claims["nonce"]) == (EXPECTED.issuer, "n")
    assert "mlflow" in claims["aud"]
    assert claims["exp"] > SECONDS - 60
    assert 0 < len(claims["sub"]) <= 255


@given(st.dictionaries(st.sampled_from([*LOGOUT_TOKEN, "sid", "azp", "nbf"]), json_values))
def test_whatever_a_logout_token_claims_it_is_checked_or_refused(wrong: dict[str, Any]) -> None:
    try:
        notice = check_logout_token(SignedClaims({"alg": "RS256", "typ": "logout+jwt"}, LOGOUT_TOKEN | wrong), EXPECTED)
    except TokenInvalid:
        return
    assert notice.sid or notice.subject
    assert notice.remember_until > NOW


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_what_nobody_signed_is_refused(text: str) -> None:
    keys = KeySet([RSA])
    with pytest.raises(TokenInvalid):
        signed_claims(text, keys, SIGNATURES)


RSA = RSAKey.generate_key(2048, {"kid": "r"})


def test_a_key_set_gives_its_signing_keys_and_nothing_else() -> None:
    entries = [
        RSA.as_dict(private=False) | {"use": "enc"},
        OctKey.generate_key(256, {"kid": "o"}).as_dict(private=True),
        {"kty": "AKP", "kid": "of tomorrow"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": 7},
        "rubbish",
        ECKey.generate_key("P-256", {"kid": "e"}).as_dict(private=False) | {"use": "sig"},
    ]
    assert [key.kid for key in usable_keys({"keys": entries})] == ["e"]


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"])
def test_metadata_from_https_names_nothing_in_the_clear(name: str) -> None:
    document = METADATA | {name: "http://id.example.test/x"}
    with pytest.raises(ProviderDown) as refused:
        checked(document, ADDRESS, None)
    assert name in refused.value.detail
    assert checked(document, ADDRESS.replace("https", "http"), None)


def test_nothing_secret_is_in_a_representation() -> None:
    attempt = LoginAttempt("the-nonce", "the-verifier", "/mlflow/")
    proof = Proof({"sub": "alice-sub", "email": "alice@example.test"}, "the-token", "the-sid")
    for text in ("the-nonce", "the-verifier", "the-token", "the-sid", "alice@"):
        assert text not in f"{attempt!r}{proof!r}"
