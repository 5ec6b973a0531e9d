"""Until when a new access key may live, what it is called and which one it replaces: one rule for page and API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, TypeVar

from mlflow_oidc_auth.web.moments import last_second, plain_date

LONGEST_NAME = 64


class Key(Protocol):
    """An active access key of somebody."""

    @property
    def name(self) -> str: ...
    @property
    def replaced_at(self) -> datetime | None: ...


_Key = TypeVar("_Key", bound=Key)


def name_wrong(name: str, limit: int) -> str:
    """What is wrong with the name of a new key, as a sentence; empty if nothing is.

    Where a person may have several keys, a name tells them apart; where they have one, it needs none.
    """
    if not name.strip() and limit > 1:
        return "Give the access key a name that says what uses it, such as nightly training."
    if len(name) > LONGEST_NAME:
        return f"The name is longer than {LONGEST_NAME} characters."
    if name != name.strip() or not name.isprintable():
        return "The name begins or ends with a space, or holds characters that cannot be printed."
    return ""


def replaced_by(name: str, keys: Sequence[_Key], limit: int) -> list[_Key] | str:
    """The active keys whose place a new one called `name` takes; or the sentence that says why there is no place.

    Where one key is allowed, it takes the place of all there are. Where there are several, of the one with its
    name; none of the others ends for it, since each is in use somewhere. Those replaced before are not counted.
    """
    standing = [key for key in keys if key.replaced_at is None]
    replaced = [key for key in standing if limit == 1 or key.name == name]
    if len(standing) - len(replaced) < limit:
        return replaced
    sentence = f"This account has {len(standing)} access keys, and may have {limit}."
    if replaced:
        return f"{sentence} Revoke one that is not needed first."
    return f"{sentence} Give the new one the name of the key that it is to replace, or revoke one first."


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
