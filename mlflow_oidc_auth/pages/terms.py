"""The level and the last day that a form asks for: read the same on every page that gives access."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlflow_oidc_auth.vocabulary import Level
from mlflow_oidc_auth.web.moments import end_of_day


def level_and_end(
    form: Mapping[str, str], now: datetime, unchanged: datetime | None = None
) -> tuple[Level | None, datetime | None, dict[str, str]]:
    """What `permission` and `expires_at` ask for, and what is wrong with them, by field.

    Args:
        form: what was sent.
        now: the end lies ahead of it.
        unchanged: the present end; a form that names the same day keeps it to the second.
    """
    wrong: dict[str, str] = {}
    level = until = None
    try:
        level = Level.parse(form["permission"])
    except ValueError:
        wrong["permission"] = "Choose a level."
    try:
        until = _end(form["expires_at"].strip(), now, unchanged)
    except ValueError as error:
        wrong["expires_at"] = str(error)
    return level, until, wrong


def _end(text: str, now: datetime, unchanged: datetime | None) -> datetime | None:
    if not text:
        return None
    if unchanged is not None and unchanged.date().isoformat() == text:
        return unchanged
    try:
        end = end_of_day(text)
    except ValueError as error:
        raise ValueError(f"The last day {error}") from None
    if end <= now:
        raise ValueError("The last day is in the past. Choose today or a later one, or leave it empty.")
    return end
