"""Until when a new access key may live: one rule for the page, the API and the command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LAST_SECOND = time(23, 59, 59, tzinfo=UTC)


def expiry(text: str, now: datetime, max_days: int) -> datetime | str:
    """The moment a key ends for which somebody chose a date, or the sentence that says what is wrong with it.

    A date means the last second of that day, UTC. The last date that may be chosen is the one `max_days`
    ahead of today (UTC); a key never lives longer than `max_days` times 24 hours, so on that date it ends
    at the time of day at which it was made.

    Args:
        text: the date, as in 2027-01-31.
        now: the moment the key is made, UTC.
        max_days: how many days a key may live.
    """
    first, last = expiry_dates(now, max_days)
    allowed = f"Choose a date from {first} to {last}, as in {last}."
    chosen = _date(text)
    if chosen is None:
        return f"The expiry is not a date. {allowed}"
    if chosen < first:
        return f"The expiry is in the past. {allowed}"
    if chosen > last:
        return f"The expiry is too far ahead: an access key lives at most {max_days} days. {allowed}"
    return min(_end_of(chosen), now + timedelta(days=max_days))


def expiry_dates(now: datetime, max_days: int) -> tuple[date, date]:
    """The first and the last date that may be chosen (UTC). In the last second of a day, that day is over."""
    today = now.astimezone(UTC).date()
    first = today if now < _end_of(today) else today + timedelta(days=1)
    return first, today + timedelta(days=max_days)


def _date(text: str) -> date | None:
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _end_of(day: date) -> datetime:
    return datetime.combine(day, _LAST_SECOND)
