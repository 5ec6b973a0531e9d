"""Bodies that are read before they reach MLflow: bounded, looked at, and replayed unchanged.

MLflow collects what goes to its Flask part in memory, whole, before Flask can say how much is too much; so the
bound stands here. Artifacts that stream past Flask are never read here.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from mlflow_oidc_auth.errors import BadRequest, TooLarge

LARGEST_BODY = 64 * 1024 * 1024
"""In bytes, for those who are known."""

LARGEST_PUBLIC_BODY = 256 * 1024
"""In bytes, for everybody: a logout token in a form is the largest there is to say."""


def has_body(headers: Headers) -> bool:
    """Whether a body follows (RFC 9112, section 6.3)."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0"


def is_json(headers: Headers) -> bool:
    """Whether a body will be parsed as JSON; one without a type is."""
    content_type = headers.get("content-type", "application/json")
    return content_type.split(";")[0].strip().lower().endswith(("/json", "+json"))


async def whole(receive: Receive, largest: int) -> bytes:
    """The whole body.

    Args:
        largest: in bytes.

    Raises:
        TooLarge: it has more than `largest` bytes.
        BadRequest: the client went away.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequest("The request ended before its body did.", detail="the client went away")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > largest:
            raise TooLarge(f"The body of this request is larger than {largest // 1024} KiB; send it in parts.")
        if not message.get("more_body", False):
            return b"".join(chunks)


def replaying(body: bytes, receive: Receive) -> Receive:
    """A channel that gives `body` once and then what the client sends (that it went away)."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
