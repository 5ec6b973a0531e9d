"""How moments and spans are told: in words for pages (a script adds the reader's own time), and for programs.

And how a date that somebody chose is read. Pure, and always in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LAST_SECOND = time(23, 59, 59, tzinfo=UTC)

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def day(moment: date) -> str:
    """3 May 2026"""
    if isinstance(moment, datetime):
        moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def minute(moment: datetime) -> str:
    """3 May 2026, 14:05 UTC"""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def iso(moment: datetime) -> str:
    """WIRE: 2026-05-03T14:05:00+00:00, as our JSON has it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def machine(moment: datetime) -> str:
    """As the `datetime` of an HTML `<time>` has it."""
    return iso(moment).replace("+00:00", "Z")


def ago(moment: datetime, now: datetime) -> str:
    """2 hours ago"""
    words = _span(now - moment)
    return f"{words} ago" if words else "less than a minute ago"


def ahead(moment: datetime, now: datetime) -> str:
    """in 11 days"""
    words = _span(moment - now)
    return f"in {words}" if words else "in less than a minute"


def plain_date(text: str) -> date:
    """The date that somebody wrote, as in 2027-01-31.

    Raises:
        ValueError: it is none; the text is the end of a sentence that begins with what it is for.
    """
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:  # such as 2027-02-31
        pass
    raise ValueError("is not a date; write it as in 2027-01-31.")


def last_second(chosen: date) -> datetime:
    """The last second of a day, UTC: until then holds what ends on that day."""
    return datetime.combine(chosen, _LAST_SECOND)


def end_of_day(text: str) -> datetime:
    """The last second of the day that somebody wrote, as in 2027-01-31.

    Raises:
        ValueError: see :func:`plain_date`.
    """
    return last_second(plain_date(text))


def _span(length: timedelta) -> str:
    """The largest unit that fits, rounded down; empty for less than a minute."""
    for name, unit in _UNITS:
        count = length // unit
        if count >= 1:
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return ""
