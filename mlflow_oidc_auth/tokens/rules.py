"""Until when a new access key may live: one rule for the page, the API and the command line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from mlflow_oidc_auth.web.moments import last_second, plain_date


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
    try:
        chosen = plain_date(text)
    except ValueError:
        return f"The expiry is not a date. {allowed}"
    if chosen < first:
        return f"The expiry is in the past. {allowed}"
    if chosen > last:
        return f"The expiry is too far ahead: an access key lives at most {max_days} days. {allowed}"
    return min(last_second(chosen), now + timedelta(days=max_days))


def expiry_dates(now: datetime, max_days: int) -> tuple[date, date]:
    """The first and the last date that may be chosen (UTC). In the last second of a day, that day is over."""
    today = now.astimezone(UTC).date()
    first = today if now < last_second(today) else today + timedelta(days=1)
    return first, today + timedelta(days=max_days)
