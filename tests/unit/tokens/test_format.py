"""A key is spelled in one way; what is mistyped is told without a database; the secret shows itself nowhere."""

from __future__ import annotations

import copy
import pickle
import statistics
import time
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlflow_oidc_auth.tokens.format import (
    Flaw,
    ParsedToken,
    PlainToken,
    TokenDigest,
    TokenMalformed,
    hash_secret,
    is_public_id,
    new_token,
    parse,
    verify,
)

UPSTREAM = "mlf_" + "aB3" * 14
LENGTH = len("mlfpat") + 1 + 12 + 1 + 43 + 1 + 6


def parsed(token: PlainToken) -> ParsedToken:
    found = parse(token.reveal())
    assert isinstance(found, ParsedToken)
    return found


def flaw(text: str) -> Flaw:
    found = parse(text)
    assert isinstance(found, TokenMalformed), "this was read as a key"
    assert not found
    return found.cause


def test_a_new_key_reads_back_as_what_it_is() -> None:
    for _ in range(200):
        token = new_token()
        text = token.reveal()
        prefix, public_id, secret, checksum = text.split("_")
        assert (prefix, len(text), len(secret), len(checksum)) == ("mlfpat", LENGTH, 43, 6)
        assert text.isascii()
        assert parsed(token) == ParsedToken(public_id, secret)
        assert token.public_id == public_id
        assert is_public_id(public_id)


def test_no_two_keys_share_an_id_or_a_secret() -> None:
    keys = [parsed(new_token()) for _ in range(500)]
    assert len({key.public_id for key in keys}) == len({key.secret for key in keys}) == 500


def test_a_secret_uses_all_of_its_256_bits() -> None:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    ones = zeros = 0
    for _ in range(200):
        number = 0
        for digit in parsed(new_token()).secret:
            number = number * 62 + digits.index(digit)
        assert number < 2**256
        ones, zeros = ones | number, zeros | ~number
    assert ones == 2**256 - 1  # each bit was 1 once
    assert zeros & (2**256 - 1) == 2**256 - 1  # and 0 once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Flaw.ABSENT),
        (" ", Flaw.MALFORMED),
        ("secret", Flaw.MALFORMED),
        (UPSTREAM, Flaw.MALFORMED),
        ("mlfpat_", Flaw.MALFORMED),
        ("mlfpat_" + "0" * 12 + "_" + "0" * 43, Flaw.MALFORMED),
        ("mlfpat_" + "0" * 12 + "_" + "0" * 43 + "_" + "0" * 6, Flaw.CHECKSUM),
        ("mlfpat_" + "0" * 12 + "_" + "0" * 43 + "_" + "z" * 6, Flaw.CHECKSUM),
        ("mlfpat_" + "é" * 12 + "_" + "0" * 43 + "_" + "0" * 6, Flaw.MALFORMED),
        ("mlfpat_" + "٣" * 12 + "_" + "0" * 43 + "_" + "0" * 6, Flaw.MALFORMED),  # a digit, but not of ours
    ],
    ids=[
        "empty",
        "blank",
        "a word",
        "the upstream plugin's",
        "prefix alone",
        "no checksum",
        "wrong checksum",
        "checksum above 32 bits",
        "letters beyond ASCII",
        "digits beyond ASCII",
    ],
)
def test_absent_malformed_and_mistyped_are_told_apart(text: str, expected: Flaw) -> None:
    assert flaw(text) is expected


@pytest.mark.parametrize(
    "around",
    [" {}", "{} ", "{}\n", "\n{}", "{}\0", "MLFPAT{}", "x{}", "{}x"],
)
def test_nothing_may_stand_around_a_key(around: str) -> None:
    assert flaw(around.format(new_token().reveal())) is Flaw.MALFORMED


def test_the_prefix_is_spelled_in_lower_case() -> None:
    assert flaw(new_token().reveal().replace("mlfpat", "MLFPAT")) is Flaw.MALFORMED


@given(place=st.integers(0, LENGTH - 1), other=st.characters())
def test_one_changed_character_is_always_noticed(place: int, other: str) -> None:
    text = new_token().reveal()
    assume(text[place] != other)
    flaw(text[:place] + other + text[place + 1 :])


@given(place=st.integers(7, LENGTH - 1), other=st.sampled_from("0123456789ABCDEFXYZabcdefxyz"))
def test_one_character_changed_to_a_likely_one_is_always_noticed(place: int, other: str) -> None:
    text = new_token().reveal()
    assume(text[place] != other)
    flaw(text[:place] + other + text[place + 1 :])


@given(place=st.integers(0, LENGTH - 2))
def test_two_neighbours_swapped_are_always_noticed(place: int) -> None:
    text = new_token().reveal()
    assume(text[place] != text[place + 1])
    flaw(text[:place] + text[place + 1] + text[place] + text[place + 2 :])


@given(cut=st.integers(0, LENGTH - 1))
def test_a_key_that_was_cut_is_always_noticed(cut: int) -> None:
    text = new_token().reveal()
    flaw(text[:cut])
    flaw(text[:cut] + text[cut + 1 :])
    flaw(text[cut + 1 :])


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    assert isinstance(parse(text), TokenMalformed)
    assert not is_public_id(text) or len(text) == 12


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "{!s:>80}".format])
def test_a_plain_key_does_not_show_itself(show: Callable[[object], str]) -> None:
    token = new_token()
    key = parsed(token)
    assert key.secret not in show(token)
    assert key.secret not in show(key)
    assert key.secret not in show([token, key])


def test_a_plain_key_cannot_be_carried_away_as_a_mapping_or_pickle() -> None:
    token = new_token()
    with pytest.raises(TypeError):
        vars(token)
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        copy.copy(token)


def test_the_right_secret_is_told_from_a_wrong_one() -> None:
    token, other = new_token(), new_token()
    assert verify(parsed(token), hash_secret(token))
    assert not verify(parsed(other), hash_secret(token))
    assert not verify(parsed(token), None)


def test_hashes_are_salted_and_hold_no_secret() -> None:
    token = new_token()
    first, second = hash_secret(token), hash_secret(token)
    assert first != second
    assert parsed(token).secret not in first
    assert len(first) <= 256


@pytest.mark.parametrize("stored", ["", "x", "{SSHA256}", "{SSHA256}!!!", "{PLAIN}x", "plaintext", "$2b$12$x"])
def test_what_is_no_digest_proves_nothing(stored: str) -> None:
    assert not verify(parsed(new_token()), TokenDigest(stored))


def test_a_secret_stored_in_plain_does_not_prove_itself() -> None:
    key = parsed(new_token())
    assert not verify(key, TokenDigest(key.secret))


def microseconds(act: Callable[[], object]) -> float:
    def once() -> float:
        start = time.perf_counter()
        for _ in range(50):
            act()
        return (time.perf_counter() - start) / 50 * 1e6

    return statistics.median(once() for _ in range(21))


def test_verifying_takes_less_than_100_microseconds() -> None:
    token = new_token()
    key, digest = parsed(token), hash_secret(token)
    assert microseconds(lambda: verify(key, digest)) < 100


def test_a_key_that_nobody_has_takes_as_long_as_a_wrong_secret() -> None:
    key, digest = parsed(new_token()), hash_secret(new_token())
    wrong, unknown = microseconds(lambda: verify(key, digest)), microseconds(lambda: verify(key, None))
    assert 0.4 < unknown / wrong < 2.5
