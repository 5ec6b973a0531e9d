"""Until when a key may live: chosen as a date, never beyond the limit, refused with the range that is allowed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_oidc_auth.tokens.rules import expiry, expiry_dates

NOW = datetime(2026, 2, 1, 12, 30, 45, tzinfo=UTC)


def end_of(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T23:59:59+00:00")


def test_a_date_means_the_end_of_that_day_in_utc() -> None:
    assert expiry("2026-03-31", NOW, 365) == end_of("2026-03-31")


def test_today_means_the_end_of_today() -> None:
    assert expiry("2026-02-01", NOW, 365) == end_of("2026-02-01")


def test_the_last_date_is_as_many_days_ahead_as_a_key_may_live_and_no_second_more() -> None:
    assert expiry("2027-02-01", NOW, 365) == NOW + timedelta(days=365)
    assert expiry("2026-02-08", NOW, 7) == NOW + timedelta(days=7)


def test_the_date_before_the_last_is_whole() -> None:
    assert expiry("2027-01-31", NOW, 365) == end_of("2027-01-31")


@pytest.mark.parametrize(
    ("text", "days", "says"),
    [
        ("2026-01-31", 365, "in the past"),
        ("0001-01-01", 365, "in the past"),
        ("2027-02-02", 365, "at most 365 days"),
        ("9999-12-31", 365, "at most 365 days"),
        ("2026-02-09", 7, "at most 7 days"),
        ("2026-02-30", 365, "not a date"),
        ("0000-01-01", 365, "not a date"),
        ("tomorrow", 365, "not a date"),
        ("", 365, "not a date"),
        ("20260301", 365, "not a date"),
        ("2026-W10-1", 365, "not a date"),
        ("2026-3-1", 365, "not a date"),
        ("2026-03-01T00:00:00Z", 365, "not a date"),
        (" 2026-03-01", 365, "not a date"),
        ("2026-03-01\n", 365, "not a date"),
        ("٢٠٢٦-03-01", 365, "not a date"),
    ],
)
def test_what_may_not_be_chosen_is_refused_with_the_range_that_may(text: str, days: int, says: str) -> None:
    answer = expiry(text, NOW, days)
    assert isinstance(answer, str)
    assert says in answer
    assert f"from 2026-02-01 to {(NOW + timedelta(days=days)).date()}" in answer


def test_the_day_is_utcs_whatever_the_clocks_zone() -> None:
    tokyo = datetime(2026, 2, 2, 8, 0, tzinfo=timezone(timedelta(hours=9)))  # still 1 February in UTC
    assert expiry_dates(tokyo, 30) == (date(2026, 2, 1), date(2026, 3, 3))


def test_in_the_last_second_of_a_day_that_day_is_over() -> None:
    late = datetime(2026, 2, 1, 23, 59, 59, 500_000, tzinfo=UTC)
    assert expiry_dates(late, 7) == (date(2026, 2, 2), date(2026, 2, 8))
    assert isinstance(expiry("2026-02-01", late, 7), str)


@given(
    now=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    ahead=st.integers(-3, 400),
    days=st.integers(1, 365),
)
def test_a_key_lives_some_time_and_never_longer_than_it_may(now: datetime, ahead: int, days: int) -> None:
    chosen = now.date() + timedelta(days=ahead)
    answer = expiry(chosen.isoformat(), now, days)
    first, last = expiry_dates(now, days)
    assert isinstance(answer, datetime) == (first <= chosen <= last)
    if isinstance(answer, datetime):
        assert now < answer <= now + timedelta(days=days)
        assert answer.date() == chosen
