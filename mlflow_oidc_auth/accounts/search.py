"""What a search for names means: plain "contains", the same on every database."""

from __future__ import annotations

import sqlalchemy as sa


def login_name(text: str) -> str:
    """The one spelling of a username: e-mails differ in case between people and providers."""
    return text.lower()


def holds(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    """Whether the column holds `text`, in whatever case; without LIKE: `%` and `_` mean themselves."""
    if not text:
        return sa.true()
    folded = sa.func.lower(column)
    return sa.func.replace(folded, login_name(text), "") != folded
