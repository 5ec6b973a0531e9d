"""The errors of this project: each has a status, a public sentence and a private detail.

SECURITY: `message` reaches the person who asked and must never tell whether a hidden resource
exists, nor why a credential was refused; `detail` is for the log and must never hold a secret.
The wire shape is MLflow's: `{"error_code": ..., "message": ...}`.
"""

from __future__ import annotations


class Refusal(Exception):
    """Something asked for is not given: the root of the tree."""

    status = 500
    error_code = "INTERNAL_ERROR"

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def body(self) -> dict[str, str]:
        """The JSON body in MLflow's error shape."""
        return {"error_code": self.error_code, "message": self.message}


class BadRequest(Refusal):
    """The request cannot be understood; nothing was changed."""

    status = 400
    error_code = "INVALID_PARAMETER_VALUE"


class AlreadyExists(BadRequest):
    """The name is taken; nothing was changed."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class Unauthenticated(Refusal):
    """No credential, or one that does not hold. The answer never says which."""

    status = 401
    error_code = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """Known, but not permitted."""

    status = 403
    error_code = "PERMISSION_DENIED"


class NotFound(Refusal):
    """No such thing among what this person may see."""

    status = 404
    error_code = "RESOURCE_DOES_NOT_EXIST"


class TooLarge(Refusal):
    """More than we take at once."""

    status = 413
    error_code = "INVALID_PARAMETER_VALUE"


class TooManyRequests(Refusal):
    """Asked too often; the sentence says when it may be asked again."""

    status = 429
    error_code = "REQUEST_LIMIT_EXCEEDED"


class Unavailable(Refusal):
    """A store or the provider does not answer; asking again later may help."""

    status = 503
    error_code = "TEMPORARILY_UNAVAILABLE"


class StartRefused(Exception):
    """The server cannot start with these settings or this environment.

    `sentences`: one for each thing wrong, each saying how to mend it.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences
