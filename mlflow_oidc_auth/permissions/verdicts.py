"""What a refusing verdict becomes, wherever it falls: an error with the person's sentence and the log's detail."""

from __future__ import annotations

from mlflow_oidc_auth.errors import BadRequest, Forbidden
from mlflow_oidc_auth.vocabulary import Reason, Verdict

ASK = "Ask its owner or an MLflow admin to share it with you."
"""What to do about a resource that is hidden or absent."""


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
