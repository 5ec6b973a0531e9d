"""Moments and spans in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mlflow_oidc_auth.web.moments import ago, ahead, day, end_of_day, machine, minute

NOW = datetime(2026, 5, 3, 14, 5, 59, tzinfo=UTC)

SPANS = {
    "nothing": (timedelta(), None),
    "seconds": (timedelta(seconds=59), None),
    "a minute": (timedelta(seconds=60), "1 minute"),
    "minutes": (timedelta(minutes=59, seconds=59), "59 minutes"),
    "an hour": (timedelta(hours=1), "1 hour"),
    "hours": (timedelta(hours=23, minutes=59), "23 hours"),
    "a day": (timedelta(days=1), "1 day"),
    "days": (timedelta(days=364, hours=23), "364 days"),
}


@pytest.mark.parametrize(("length", "words"), SPANS.values(), ids=SPANS.keys())
def test_a_span_is_told_in_its_largest_unit(length: timedelta, words: str | None) -> None:
    assert ago(NOW - length, NOW) == (f"{words} ago" if words else "less than a minute ago")
    assert ahead(NOW + length, NOW) == (f"in {words}" if words else "in less than a minute")


def test_a_clock_that_runs_ahead_tells_no_nonsense() -> None:
    assert ago(NOW + timedelta(days=3), NOW) == "less than a minute ago"


def test_a_moment_is_told_in_utc() -> None:
    in_berlin = datetime(2026, 5, 4, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    assert day(in_berlin) == "3 May 2026"
    assert minute(in_berlin) == "3 May 2026, 23:05 UTC"
    assert machine(in_berlin) == "2026-05-03T23:05:00Z"
    assert day(date(2026, 12, 31)) == "31 December 2026"


def test_a_date_that_somebody_chose_is_the_last_second_of_that_day() -> None:
    assert end_of_day("2027-01-31") == datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert end_of_day("9999-12-31") == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2027-02-31",
        "2027-1-31",
        "20270131",
        "31.01.2027",
        "2027-01-31T00:00",
        "２027-01-31",
        "2027-01-31\n",
    ],
)
def test_what_is_no_date_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date; write it as in 2027-01-31\."):
        end_of_day(text)
