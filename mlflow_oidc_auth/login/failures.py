"""What can go wrong between a browser, the provider and us.

SECURITY: the sentences never tell which check failed; `detail` does, for the log, and never holds a
code, token or claim.
"""

from __future__ import annotations

from mlflow_oidc_auth.errors import BadRequest, Unavailable


class ProviderDown(Unavailable):
    """The provider does not answer, or not as one: nobody can log in now, and later somebody may."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "The login service does not answer as it should right now. Try again in a minute, and tell an MLflow "
            "admin if it stays so. Access keys and sessions that are open keep working.",
            detail=detail,
        )


class LoginFailed(BadRequest):
    """This login did not succeed; a new one may."""

    def __init__(self, detail: str) -> None:
        super().__init__("The login could not be completed. Start it again from the login page.", detail=detail)


class LogoutTokenRefused(BadRequest):
    """A back-channel logout request that proves nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__("The logout token was refused.", detail=detail)
