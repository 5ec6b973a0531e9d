"""What lists and forms of admins' pages show besides accounts themselves.

SECURITY: it hides nothing. Pages that everybody sees must not show it (for those: `accounts/directory.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import sqlalchemy as sa

from mlflow_oidc_auth.accounts.groups import GroupSource
from mlflow_oidc_auth.database.tables import groups, memberships, users

MOST_OFFERED = 200


class Offer(StrEnum):
    """What a form has a field for."""

    PEOPLE = "people"
    ACCOUNTS = "accounts"
    TEAMS = "teams"


class AccountListing:
    """Reads with our own engine.

    Args:
        engine: ours.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def offers(self, *wanted: Offer) -> dict[Offer, list[str]]:
        """The first names of each, sorted, for a browser to offer while somebody types. One statement.

        People are the active ones, by their e-mail; accounts are service accounts besides.
        """
        parts = [_OFFERED[offer].limit(MOST_OFFERED).subquery().select() for offer in wanted]
        every = sa.union_all(*parts).subquery()
        found: dict[Offer, list[str]] = {offer: [] for offer in wanted}
        with self._engine.connect() as connection:
            for row in connection.execute(sa.select(every).order_by(every.c.name)):
                found[Offer(row.offer)].append(row.name)
        return found

    def groups_of_each(self, user_ids: Collection[int]) -> dict[int, int]:
        """In how many groups and teams each of these is; who is in none is absent."""
        statement = (
            sa.select(memberships.c.user_id, sa.func.count())
            .where(memberships.c.user_id.in_(user_ids))
            .group_by(memberships.c.user_id)
        )
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(statement)}


def _named(offer: Offer, name: sa.Column[str], *conditions: sa.ColumnElement[bool]) -> sa.Select[str, str]:
    labelled = sa.select(sa.literal(str(offer)).label("offer"), name.label("name"))
    return labelled.where(*conditions).order_by(name)


_OFFERED = {
    Offer.PEOPLE: _named(Offer.PEOPLE, users.c.username, users.c.is_active, sa.not_(users.c.is_service_account)),
    Offer.ACCOUNTS: _named(Offer.ACCOUNTS, users.c.username, users.c.is_active),
    Offer.TEAMS: _named(Offer.TEAMS, groups.c.name, groups.c.source == GroupSource.TEAM),
}
