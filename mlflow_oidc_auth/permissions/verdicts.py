"""What a refusing verdict becomes, wherever it falls: an error with the person's sentence and the log's detail."""

from __future__ import annotations

from collections.abc import Collection

from mlflow_oidc_auth.errors import BadRequest, Forbidden
from mlflow_oidc_auth.vocabulary import Reason, Verdict

REQUESTS = "You can also ask for access by name on the Requests page (permissions/requests)."
"""The way out that is open to everybody, and that tells nobody what there is.

The address is below MLflow's own, whatever the static prefix is."""

ASK = f"Ask its owner or an MLflow admin to share it with you. {REQUESTS}"
"""What to do about a resource that is hidden or absent."""


def ask(managers: Collection[str]) -> str:
    """Whom to ask about a resource that the asker can see, but not use in this way.

    Args:
        managers: the names of a few who manage it.
    """
    return f"Ask {' or '.join((*managers, 'an MLflow admin'))} to give it to you."


def demand(verdict: Verdict) -> None:
    """Stop what is refused.

    Raises:
        BadRequest: it is, since the request names nothing that could be judged.
        Forbidden: it is, for any other reason.
    """
    if verdict.reason is Reason.NO_TARGET:
        raise BadRequest(verdict.sentence)
    if not verdict:
        raise Forbidden(verdict.sentence, detail=f"{verdict.reason}: {verdict.detail}".rstrip(": "))
