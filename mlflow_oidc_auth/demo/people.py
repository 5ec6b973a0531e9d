"""Who can log in at the demo's login service: the same people as in the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

USERS_GROUP = "prokube users"
ADMINS_GROUP = "prokube admins"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with a password that everybody knows."""

    name: str
    full_name: str
    group: str

    @property
    def email(self) -> str:
        """The login name at MLflow."""
        return f"{self.name}@example.test"

    @property
    def password(self) -> str:
        """Printed at the start, and shown on the login page."""
        return f"{self.name}-pw"

    @property
    def claims(self) -> dict[str, Any]:
        """What the login service says of them, as Keycloak would: groups are full paths."""
        return {
            "sub": f"demo-{self.name}",
            "email": self.email,
            "email_verified": True,
            "name": self.full_name,
            "preferred_username": self.name,
            "groups": [f"/{self.group}"],
        }


ALICE = Person("alice", "Alice Adams", USERS_GROUP)
BOB = Person("bob", "Bob Brown", USERS_GROUP)
ROOT = Person("root", "Rita Root", ADMINS_GROUP)
PEOPLE = {person.name: person for person in (ALICE, BOB, ROOT)}
