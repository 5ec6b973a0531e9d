"""What can go wrong, each with an exit status of its own. Pure.

SECURITY: a sentence ends up in logs and in the pod's termination message: it never holds a credential.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Exit statuses. WIRE: people match on them; never renumber."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNAUTHENTICATED = 4
    FORBIDDEN = 5
    NOT_FOUND = 6
    NETWORK = 7
    INTEGRITY = 8
    DISK_FULL = 9


class Failure(Exception):
    """The download cannot be done; `sentence` says why and what to do next.

    Args:
        status: what the process exits with.
        sentence: one line, without a full stop of its own missing.
    """

    def __init__(self, status: Status, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = " ".join(sentence.split())
