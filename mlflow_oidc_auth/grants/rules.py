"""Who may give what to whom: pure, and the same for the page, the JSON, the client and the shell.

- Giving and taking away need MANAGE on the resource, and never reach above the giver's own level: neither
  the level that is given nor the one that is taken from somebody.
- Nor beyond their own end: who manages until a date neither gives nor takes away what lasts longer. Else they would
  give themselves what has no end, or remove what keeps them out afterwards.
- No change by somebody who is no admin leaves a resource without a manager. Admins may do that.
- NO_PERMISSIONS can be given: it is an answer like the others, and keeps somebody out whom a group lets in.
- Nothing more is given to a user who is disabled: it would wait for them unseen.
- Only admins give on patterns, which reach what is made later, and hand over all that somebody manages.

SECURITY: a resource that does not exist and one that is hidden get the same sentence. Callers hand in
NO_PERMISSIONS as the giver's level for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlflow_oidc_auth.permissions.verdicts import ASK, REQUESTS, ask
from mlflow_oidc_auth.vocabulary import Kind, Level, Reason, Verdict

NOUNS = {Kind.EXPERIMENT: "experiment", Kind.REGISTERED_MODEL: "registered model", Kind.PROMPT: "prompt"}

WORDS = {
    Level.NO_PERMISSIONS: "kept out",
    Level.READ: "can see and download",
    Level.USE: "can also use",
    Level.EDIT: "can also log, tag and rename",
    Level.MANAGE: "can also delete and share",
}
"""What each level lets somebody do, for people."""


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gives or takes away.

    Attributes:
        level: what they have on the resource at this moment.
        is_admin: whether they are above every grant.
        managers: the names of a few who manage the resource, to be told where it may be seen.
    """

    level: Level
    is_admin: bool
    managers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Managed:
    """Whether a resource has somebody with MANAGE: at this moment, and once every end date has passed."""

    now: bool
    lasting: bool

    def lost_by(self, later: Managed) -> bool:
        """Whether a change from this to `later` leaves nobody where there was somebody."""
        return (self.now and not later.now) or (self.lasting and not later.lasting)


def may_know(asker: Giver, kind: Kind) -> Verdict:
    """Whether somebody may be told their own level on the resource: if it shows the resource to them."""
    if asker.is_admin:
        return Verdict(True, Reason.ADMIN)
    if asker.level >= Level.READ:
        return Verdict(True, Reason.LEVEL_REACHED)
    noun = NOUNS[kind]
    return Verdict(
        False,
        Reason.LEVEL_MISSING,
        f"You need READ on this {noun}, or there is no such {noun}. {ASK}",
        f"needs READ, has {asker.level.name}",
    )


def may_share(giver: Giver, kind: Kind) -> Verdict:
    """Whether the giver may change any grant on the resource, and see who has which."""
    return _reaches(giver, Level.MANAGE, kind)


def may_give(
    giver: Giver, level: Level, *, kind: Kind, present: Level | None, at_end: Level, before: Managed, after: Managed
) -> Verdict:
    """Whether the giver may make `level` what somebody has by a grant of their own on the resource.

    Args:
        giver: who gives.
        level: what is given.
        kind: the resource's kind.
        present: what the grant it replaces says; `None` if there is none.
        at_end: what the giver will have at the end of what is given and of what it replaces, as grants stand now.
        before: the resource's managers as they are.
        after: the resource's managers as the change leaves them.
    """
    return (
        _reaches(giver, max(level, present or level), kind)
        and _lasts(giver, at_end, kind)
        and _keeps_a_manager(giver, kind, before, after)
    )


def may_end(until: datetime | None, now: datetime) -> Verdict:
    """Whether something can be given until then: the end lies ahead, or there is none."""
    if until is None or until > now:
        return Verdict(True, Reason.LEVEL_REACHED)
    return Verdict(False, Reason.NO_TARGET, "The day on which it is to end is over; choose today or a later one.")


def may_receive(level: Level, *, is_active: bool) -> Verdict:
    """Whether somebody may be given `level`, whoever gives.

    Args:
        level: what is given.
        is_active: whether they can log in.
    """
    if is_active or level is Level.NO_PERMISSIONS:
        return Verdict(True, Reason.LEVEL_REACHED)
    return Verdict(
        False,
        Reason.NO_TARGET,
        "This user is disabled, and could not use it. Ask an MLflow admin to enable them first.",
        "disabled",
    )


def may_take_away(
    giver: Giver, *, kind: Kind, present: Level, at_end: Level, before: Managed, after: Managed
) -> Verdict:
    """Whether the giver may remove a grant of level `present` (see :func:`may_give`)."""
    return (
        _reaches(giver, present, kind) and _lasts(giver, at_end, kind) and _keeps_a_manager(giver, kind, before, after)
    )


def may_give_pattern(giver: Giver) -> Verdict:
    """Whether the giver may change a grant on a pattern."""
    if giver.is_admin:
        return Verdict(True, Reason.ADMIN)
    return Verdict(
        False,
        Reason.ADMINS_ONLY,
        "Only MLflow admins may give access to a pattern: it also covers what is made later. "
        "Share each by itself, or ask an MLflow admin.",
        "pattern",
    )


def may_hand_over(by_admin: bool, *, same: bool, taker_is_active: bool) -> Verdict:
    """Whether all that one user manages may go to another.

    Args:
        by_admin: whether an admin asks.
        same: whether both are one user.
        taker_is_active: whether who is to have it can log in.
    """
    if not by_admin:
        return Verdict(False, Reason.ADMINS_ONLY, "Only MLflow admins may hand over what somebody manages.")
    if same:
        return Verdict(False, Reason.NO_TARGET, "Name somebody else: this user has all of it already.")
    if not taker_is_active:
        return Verdict(False, Reason.NO_TARGET, "This user is disabled. Hand over to somebody who can log in.")
    return Verdict(True, Reason.ADMIN)


def _reaches(giver: Giver, level: Level, kind: Kind) -> Verdict:
    if giver.is_admin:
        return Verdict(True, Reason.ADMIN)
    needed = max(Level.MANAGE, level)
    if giver.level >= needed:
        return Verdict(True, Reason.LEVEL_REACHED)
    noun = NOUNS[kind]
    sentence = f"You need {needed.name} on this {noun} to say who may use it"
    if giver.level >= Level.READ:
        sentence += f", and have {giver.level.name}. {ask(giver.managers)}"
    else:
        sentence += f", or there is no such {noun}. Ask whoever manages it, or an MLflow admin. {REQUESTS}"
    return Verdict(False, Reason.LEVEL_MISSING, sentence, f"needs {needed.name}, has {giver.level.name}")


def _lasts(giver: Giver, at_end: Level, kind: Kind) -> Verdict:
    if giver.is_admin:
        return Verdict(True, Reason.ADMIN)
    if at_end >= Level.MANAGE:
        return Verdict(True, Reason.LEVEL_REACHED)
    return Verdict(
        False,
        Reason.LEVEL_MISSING,
        f"Your own MANAGE on this {NOUNS[kind]} ends before that, so you give and take away only what ends no later. "
        "Choose an earlier end date, or ask somebody who manages it for longer, or an MLflow admin.",
        f"has {at_end.name} at the end",
    )


def _keeps_a_manager(giver: Giver, kind: Kind, before: Managed, after: Managed) -> Verdict:
    if giver.is_admin:
        return Verdict(True, Reason.ADMIN)
    if not before.lost_by(after):
        return Verdict(True, Reason.LEVEL_REACHED)
    return Verdict(
        False,
        Reason.ADMINS_ONLY,
        f"This would leave the {NOUNS[kind]} without anybody who manages it. "
        "Give MANAGE to somebody else first, without an end date, or ask an MLflow admin.",
        "last manager",
    )
